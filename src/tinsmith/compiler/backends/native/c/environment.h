/* environment.h: what the parts of the operating system layer ask of each other. */
#ifndef TS_ENVIRONMENT_H
#define TS_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/* Copies an environment variable with its closing zero; false when it is unset or longer than `size` allows. */
bool ts_environment(const char *name, char *value, size_t size);

/* CPUs that this process may run on; 0 when the system does not tell. */
unsigned ts_available_cpus(void);

/* The same, or fewer where its container is granted less processor time. */
unsigned ts_granted_cpus(void);

/* The number that `text` spells in decimal digits, at most `limit`; 0 when it is anything else. */
static inline unsigned ts_number(const char *text, unsigned limit)
{
    unsigned number = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        number = number * 10 + (unsigned)(*text - '0');
        if (number > limit)
            number = limit;
    }
    return *text == '\0' ? number : 0;
}

#endif
