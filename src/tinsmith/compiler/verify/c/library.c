/* Libraries of either system. */
#include "load.h"
#include "system.h"

Library load_library(const char *path)
{
    size_t bytes;
    const unsigned char *file = read_file(path, &bytes);
    if (bytes < 4)
        give_up("the library is empty: ", path);
#if defined(__x86_64__) || defined(__i386__)
    if (file[0] == 'M' && file[1] == 'Z')
        return load_pe(file, bytes);
#endif
    return load_elf(file, bytes);
}

void *find_function(const Library *library, const char *name)
{
#if defined(__x86_64__) || defined(__i386__)
    if (library->windows)
        return find_in_pe(library, name);
#endif
    return find_in_elf(library, name);
}

void close_library(const Library *library)
{
    if (!library->windows)
        close_elf(library);
}
