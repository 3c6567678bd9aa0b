/* sanitized_runner.c: the runner of verification around a network that AddressSanitizer watches. `runner PLAN RESULT`
 *
 * Inputs, outputs and the arena are blocks of exactly their size. In the arena every tensor has a place of its own, and
 * what lies between two tensors may not be touched: red_zones.h says where that is.
 */
#include "calls.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "tinsmith.h"

#include "red_zones.h" /* RED_ZONES: {begin, end} of each, in bytes */

void *dlr_handle;

void give_up(const char *text, const char *name)
{
    fprintf(stderr, "%s%s\n", text, name);
    exit(2);
}

void *map_memory(size_t bytes)
{
    return calloc(1, bytes);
}

void *map_before_guard(size_t bytes)
{
    return malloc(bytes);
}

void write_all(int file, const void *data, size_t bytes)
{
    (void)file;
    if (bytes && fwrite(data, bytes, 1, stdout) != 1)
        give_up("cannot write the results", "");
}

void *require_function(const Library *library, const char *name)
{
    (void)library;
    return strcmp(name, "tinsmith_run") == 0 ? (void *)tinsmith_run : (void *)tinsmith_abi_version;
}

/* Instead of those of platform_posix.c. */
void *ts_allocate(size_t bytes)
{
    static const size_t zones[][2] = {RED_ZONES};
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes))
        return NULL;
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
        __asan_poison_memory_region((char *)memory + zones[i][0], zones[i][1] - zones[i][0]);
    return memory;
}

void ts_release(void *memory)
{
    free(memory);
}

int main(int count, char **arguments)
{
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file || fseek(file, 0, SEEK_END))
        give_up("usage: runner PLAN >RESULT", "");
    long bytes = ftell(file);
    rewind(file);
    int64_t *plan = malloc((size_t)bytes);
    if (fread(plan, (size_t)bytes, 1, file) != 1)
        give_up("cannot read the plan", "");
    call_with_tensors(&(Library){0}, plan, 1);
    return fflush(stdout) != 0;
}
