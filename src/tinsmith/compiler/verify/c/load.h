/* load.h: a compiled library becomes callable in this process, whatever system it was compiled for. */
#ifndef RUNNER_LOAD_H
#define RUNNER_LOAD_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    unsigned char *base;
    unsigned char *description; /* ELF: the dynamic section; PE: the export directory */
    int windows;                /* its functions have the calling convention of Windows */
} Library;

/* Each maps the image in `file`, relocates it, binds its imports to the runner's own functions and runs its
 * constructors. Each gives up, naming what is at fault. `file` may be unmapped afterwards. */
Library load_elf(const unsigned char *file, size_t bytes);
Library load_pe(const unsigned char *file, size_t bytes);

/* Either, by the looks of the file at `path`. */
Library load_library(const char *path);

/* The address of an exported function; NULL when there is none. */
void *find_function(const Library *library, const char *name);
void *find_in_elf(const Library *library, const char *name);
void *find_in_pe(const Library *library, const char *name);

/* Runs the destructors. */
void close_library(const Library *library);
void close_elf(const Library *library);

/* The runner's function for an import, NULL when it has none. */
void *linux_function(const char *name);
void *windows_function(const char *name);

#endif
