/* json.h: reads the JSON text that a compiled model describes itself by. Every function takes NULL for a value that
 * is not there, and gives NULL (or false) for what is not there or malformed. */
#ifndef DLR_JSON_H
#define DLR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a member of an object; `name` is plain ASCII. */
const char *json_member(const char *object, const char *name);

/* The elements of an array, one after the other. */
const char *json_first(const char *array);
const char *json_next(const char *element);

bool json_number(const char *value, int64_t *number);

/* Writes a string as UTF-8 with a closing zero into `text`, which has room for json_text_bytes(value). */
size_t json_text_bytes(const char *value);
bool json_text(const char *value, char *text);

#endif
