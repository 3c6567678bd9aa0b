/* Freestanding: nothing is linked; the functions below come from the process that loads the library, or from
 * kernel32 on Windows. */
#include "system.h"

#ifdef _WIN32

#define IMPORTED __declspec(dllimport)
#define CP_UTF8 65001
#define LOAD_WITH_ALTERED_SEARCH_PATH 8

IMPORTED void *__stdcall GetProcessHeap(void);
IMPORTED void *__stdcall HeapAlloc(void *heap, uint32_t flags, size_t bytes);
IMPORTED int __stdcall HeapFree(void *heap, uint32_t flags, void *memory);
IMPORTED void *__stdcall LoadLibraryExW(const uint16_t *path, void *reserved, uint32_t flags);
IMPORTED int __stdcall FreeLibrary(void *library);
IMPORTED void *__stdcall GetProcAddress(void *library, const char *name);
IMPORTED uint32_t __stdcall GetCurrentThreadId(void);
IMPORTED int __stdcall MultiByteToWideChar(uint32_t page, uint32_t flags, const char *text, int bytes,
                                           uint16_t *wide, int units);

void *system_allocate(size_t bytes)
{
    return HeapAlloc(GetProcessHeap(), 0, bytes);
}

void system_release(void *memory)
{
    if (memory)
        HeapFree(GetProcessHeap(), 0, memory);
}

void *open_library(const char *path)
{
    uint16_t *wide = system_allocate(PATH_BYTES * sizeof *wide);
    void *library = NULL;
    if (wide && MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, PATH_BYTES)) {
        for (uint16_t *unit = wide; *unit; unit++) /* the altered search wants an absolute path with backslashes */
            if (*unit == '/')
                *unit = '\\';
        library = LoadLibraryExW(wide, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
        if (!library)
            library = LoadLibraryExW(wide, NULL, 0);
    }
    system_release(wide);
    return library;
}

void *find_symbol(void *library, const char *name)
{
    return GetProcAddress(library, name);
}

void close_library(void *library)
{
    FreeLibrary(library);
}

uintptr_t thread_identity(void)
{
    return GetCurrentThreadId();
}

#else

#define WEAK __attribute__((weak))
#define RTLD_LAZY 1 /* the one mode with the same number in glibc, musl and both kinds of Bionic */

extern void *malloc(size_t bytes);
extern void free(void *memory);
extern WEAK void *dlopen(const char *path, int mode);
extern WEAK void *dlsym(void *library, const char *name);
extern WEAK int dlclose(void *library);
extern WEAK uintptr_t pthread_self(void);

void *system_allocate(size_t bytes)
{
    return malloc(bytes);
}

void system_release(void *memory)
{
    free(memory);
}

void *open_library(const char *path)
{
    return dlopen ? dlopen(path, RTLD_LAZY) : NULL;
}

void *find_symbol(void *library, const char *name)
{
    return dlsym ? dlsym(library, name) : NULL;
}

void close_library(void *library)
{
    if (dlclose)
        dlclose(library);
}

uintptr_t thread_identity(void)
{
    return pthread_self ? pthread_self() : 1;
}

#endif
