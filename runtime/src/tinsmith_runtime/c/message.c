/* No thread-local storage: a library without a C runtime cannot have it on old Android and on Windows, so the
 * messages lie in a table by thread. */
#include "message.h"

#include "system.h"

#define MESSAGES 64
#define MESSAGE_BYTES 1024

typedef struct {
    uintptr_t thread; /* 0: free */
    char text[MESSAGE_BYTES];
} Message;

/* More threads than entries share the last one: a message can then be another thread's, never torn memory. */
static Message *own_message(void)
{
    static Message messages[MESSAGES];
    uintptr_t self = thread_identity();
    for (int i = 0; i < MESSAGES - 1; i++) {
        uintptr_t owner = __atomic_load_n(&messages[i].thread, __ATOMIC_ACQUIRE);
        if (owner == self)
            return &messages[i];
        if (owner == 0 && __atomic_compare_exchange_n(&messages[i].thread, &owner, self, 0, __ATOMIC_ACQ_REL,
                                                      __ATOMIC_ACQUIRE))
            return &messages[i];
    }
    return &messages[MESSAGES - 1];
}

size_t append(char *buffer, size_t capacity, size_t length, const char *text)
{
    while (*text && length + 1 < capacity)
        buffer[length++] = *text++;
    buffer[length] = 0;
    return length;
}

static size_t append_number(char *buffer, size_t capacity, size_t length, int64_t number)
{
    char digits[24];
    int used = sizeof digits - 1;
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    digits[used] = 0;
    do {
        digits[--used] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude);
    if (number < 0)
        digits[--used] = '-';
    return append(buffer, capacity, length, digits + used);
}

int fail(const char *text)
{
    append(own_message()->text, MESSAGE_BYTES, 0, text);
    return FAILURE;
}

int fail_with_names(const char *before, const char *name, const char *between, const char *other, const char *after)
{
    const char *parts[] = {before, name ? name : "(null)", between, other, after};
    char *text = own_message()->text;
    size_t length = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        length = append(text, MESSAGE_BYTES, length, parts[i]);
    for (char *letter = text; *letter; letter++) /* DLR's Python package takes messages for ASCII */
        if (*letter & 0x80)
            *letter = '?';
    return FAILURE;
}

int fail_with_name(const char *before, const char *name, const char *after)
{
    return fail_with_names(before, name, after, "", "");
}

int fail_with_numbers(const char *what, int64_t found, int64_t expected, const char *after)
{
    char *text = own_message()->text;
    size_t length = append(text, MESSAGE_BYTES, 0, what);
    length = append(text, MESSAGE_BYTES, length, " Value read: ");
    length = append_number(text, MESSAGE_BYTES, length, found);
    length = append(text, MESSAGE_BYTES, length, ", Expected: ");
    length = append_number(text, MESSAGE_BYTES, length, expected);
    append(text, MESSAGE_BYTES, length, after);
    return FAILURE;
}

int fail_at_dimension(int dimension, int64_t found, int64_t expected)
{
    char what[96];
    size_t length = append(what, sizeof what, 0, "ClientError: Mismatch found in input shape at dimension ");
    length = append_number(what, sizeof what, length, dimension);
    append(what, sizeof what, length, ".");
    return fail_with_numbers(what, found, expected, "");
}

const char *last_message(void)
{
    return own_message()->text;
}

bool same_text(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool ends_with(const char *text, size_t length, const char *ending)
{
    size_t ending_length = 0;
    while (ending[ending_length])
        ending_length++;
    if (length < ending_length)
        return false;
    for (size_t i = 0; i < ending_length; i++)
        if (text[length - ending_length + i] != ending[i])
            return false;
    return true;
}
