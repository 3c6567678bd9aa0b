/* What a compiled library asks of its system, on the runner's own memory and without threads. */
#include "load.h"
#include "system.h"

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

#define HEADER 64 /* keeps the alignment of malloc and more; its first word is the size of the mapping */

/* Every block has its own pages and ends, to the alignment of 16, where an unreadable page begins. */
static void *allocate(size_t bytes)
{
    size_t rounded = (bytes + 15) & ~(size_t)15;
    char *block = map_before_guard(rounded + HEADER);
    *(size_t *)(void *)block = rounded + HEADER;
    return block + HEADER;
}

static void release(void *memory)
{
    if (!memory)
        return;
    char *block = (char *)memory - HEADER;
    unmap_before_guard(block, *(size_t *)(void *)block);
}

typedef struct {
    const char *name;
    void *function;
} Function;

static void *find(const Function *functions, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (same_text(functions[i].name, name))
            return functions[i].function;
    return NULL;
}

/* Libraries that a library opens. */
static void *open_library(const char *path, int mode)
{
    (void)mode;
    Library *library = map_memory(sizeof *library);
    *library = load_library(path);
    return library;
}

static void *find_symbol(void *library, const char *name)
{
    return find_function(library, name);
}

static int close_opened(void *library)
{
    close_library(library);
    return 0;
}

/* Fails, as a system without that call does; libraries ask only how many threads may run. */
static long no_system_call(void)
{
    return -1;
}

void *linux_function(const char *name)
{
    const Function functions[] = {
        {"malloc", allocate},      {"free", release},       {"getenv", environment_value},
        {"memcpy", memcpy},        {"memmove", memmove},    {"memset", memset},
        {"memcmp", memcmp},        {"syscall", no_system_call}, {"dlopen", open_library},
        {"dlsym", find_symbol},    {"dlclose", close_opened},
    };
    return find(functions, sizeof functions / sizeof functions[0], name);
}

#if defined(__x86_64__) || defined(__i386__)

#if defined(__x86_64__)
#define WINAPI __attribute__((ms_abi))
#else
#define WINAPI __attribute__((stdcall))
#endif

static WINAPI void *process_heap(void)
{
    return environment;
}

static WINAPI void *heap_allocate(void *heap, uint32_t flags, size_t bytes)
{
    (void)heap, (void)flags;
    return allocate(bytes);
}

static WINAPI int heap_free(void *heap, uint32_t flags, void *memory)
{
    (void)heap, (void)flags;
    release(memory);
    return 1;
}

static WINAPI uint32_t environment_variable(const char *name, char *value, uint32_t size)
{
    const char *text = environment_value(name);
    uint32_t length = 0;
    while (text && text[length])
        length++;
    if (!text || length + 1 > size)
        return text ? length + 1 : 0;
    __builtin_memcpy(value, text, length + 1);
    return length;
}

static WINAPI void *current_process(void)
{
    return (void *)(intptr_t)-1;
}

static WINAPI int process_affinity(void *process, uintptr_t *mine, uintptr_t *all)
{
    (void)process;
    *mine = *all = 1;
    return 1;
}

/* There are no threads, so there is no work for them. */
static WINAPI void *create_work(void *run, void *context, void *where)
{
    (void)run, (void)context, (void)where;
    return NULL;
}

static WINAPI void ignore_work(void *work)
{
    (void)work;
}

static WINAPI void wait_for_work(void *work, int cancel)
{
    (void)work, (void)cancel;
}

static WINAPI uint32_t thread_id(void)
{
    return 1;
}

/* There is no other thread. */
static WINAPI int switch_thread(void)
{
    return 0;
}

/* Only of what its callers have: ASCII, with the closing zero. */
static WINAPI int widen(uint32_t page, uint32_t flags, const char *text, int bytes, uint16_t *wide, int units)
{
    (void)page, (void)flags, (void)bytes;
    int length = 0;
    do {
        if (length == units)
            return 0;
        wide[length] = (unsigned char)text[length];
    } while (text[length++]);
    return length;
}

static WINAPI void *load_library_wide(const uint16_t *path, void *reserved, uint32_t flags)
{
    (void)reserved, (void)flags;
    char narrow[4096];
    size_t length = 0;
    for (; path[length] && length + 1 < sizeof narrow; length++)
        narrow[length] = path[length] == '\\' ? '/' : (char)path[length];
    narrow[length] = 0;
    return open_library(narrow, 0);
}

static WINAPI void *procedure(void *library, const char *name)
{
    return find_function(library, name);
}

static WINAPI int free_library(void *library)
{
    close_library(library);
    return 1;
}

void *windows_function(const char *name)
{
    const Function functions[] = {
        {"GetProcessHeap", process_heap},
        {"HeapAlloc", heap_allocate},
        {"HeapFree", heap_free},
        {"GetEnvironmentVariableA", environment_variable},
        {"GetCurrentProcess", current_process},
        {"GetProcessAffinityMask", process_affinity},
        {"CreateThreadpoolWork", create_work},
        {"SubmitThreadpoolWork", ignore_work},
        {"CloseThreadpoolWork", ignore_work},
        {"WaitForThreadpoolWorkCallbacks", wait_for_work},
        {"GetCurrentThreadId", thread_id},
        {"SwitchToThread", switch_thread},
        {"MultiByteToWideChar", widen},
        {"LoadLibraryExW", load_library_wide},
        {"GetProcAddress", procedure},
        {"FreeLibrary", free_library},
    };
    return find(functions, sizeof functions / sizeof functions[0], name);
}

#endif
