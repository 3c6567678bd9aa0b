/* system.h: the Linux system calls that the runner needs, without a C library. */
#ifndef RUNNER_SYSTEM_H
#define RUNNER_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 65536 /* the largest page size of any Linux that the runner meets */

/* Writes `text`, `name` and a line end to standard error and ends the process with status 2. */
[[noreturn]] void give_up(const char *text, const char *name);
[[noreturn]] void end_process(int status);

/* Zeroed memory that can be read and written, in whole pages; gives up when there is none. */
void *map_memory(size_t bytes);
/* `access` is a sum of these; `memory` and `bytes` cover whole pages of the system. */
#define ACCESS_NONE 0
#define ACCESS_READ 1
#define ACCESS_WRITE 2
#define ACCESS_EXECUTE 4
void protect_memory(void *memory, size_t bytes, int access);

/* A block of `bytes` that ends where an unreadable page begins. */
void *map_before_guard(size_t bytes);
void unmap_before_guard(void *block, size_t bytes);

/* The whole file, mapped; gives up when it cannot be read. */
void *read_file(const char *path, size_t *bytes);
int create_file(const char *path);
void write_all(int file, const void *data, size_t bytes);

/* Value of an environment variable; NULL when it is not set. */
extern char **environment;
char *environment_value(const char *name);

int same_text(const char *a, const char *b);

#endif
