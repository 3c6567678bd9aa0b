/* message.h: text, and the message of each thread's last failure. */
#ifndef DLR_MESSAGE_H
#define DLR_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAILURE (-1)

/* Each notes the message of the calling thread and returns FAILURE. */
int fail(const char *text);
int fail_with_name(const char *before, const char *name, const char *after);
int fail_with_names(const char *before, const char *name, const char *between, const char *other, const char *after);
/* "<what> Value read: <found>, Expected: <expected><after>" */
int fail_with_numbers(const char *what, int64_t found, int64_t expected, const char *after);
/* The same about a dimension of an input's shape. */
int fail_at_dimension(int dimension, int64_t found, int64_t expected);

/* The calling thread's last message; "" when it has had none. */
const char *last_message(void);

/* Writes `text` from buffer[length] on, cut to fit `capacity`; returns the new length. */
size_t append(char *buffer, size_t capacity, size_t length, const char *text);
bool same_text(const char *a, const char *b);
bool ends_with(const char *text, size_t length, const char *ending);

#endif
