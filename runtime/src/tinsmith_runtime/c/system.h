/* system.h: all that the DLR library asks of the operating system. */
#ifndef DLR_SYSTEM_H
#define DLR_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#define PATH_BYTES 4096

#ifdef _WIN32
#define LIBRARY_NAME "compiled.dll"
#else
#define LIBRARY_NAME "compiled.so"
#endif

void *system_allocate(size_t bytes);
void system_release(void *memory);

/* A loaded library, or NULL. `path` is UTF-8, shorter than PATH_BYTES. */
void *open_library(const char *path);
void *find_symbol(void *library, const char *name);
void close_library(void *library);

/* Not 0; different for threads that run at the same time. */
uintptr_t thread_identity(void);

#endif
