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
/* "<what> Value read: <found>, Expected: <expected><after>" */
int fail_with_numbers(const char *what, int64_t found, int64_t expected, const char *after);

/* The calling thread's last message; "" when it has had none. */
const char *last_message(void);

/* Writes `text` from buffer[length] on, cut to fit `capacity`; returns the new length. */
size_t append(char *buffer, size_t capacity, size_t length, const char *text);
bool same_text(const char *a, const char *b);
bool ends_with(const char *text, size_t length, const char *ending);
/* Just after the first occurrence of `word` in `text`; NULL if there is none. */
const char *after_word(const char *text, const char *word);

#endif
