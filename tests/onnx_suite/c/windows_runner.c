/* windows_runner.c: the runner of verification as a Windows program, which leaves loading to Windows. It calls
 * compiled.dll in the current folder as the file `plan` says (see tensors.c) and writes the file `result`. */
#include "calls.h"

#define GENERIC_READ 0x80000000u
#define GENERIC_WRITE 0x40000000u
#define CREATE_ALWAYS 2
#define OPEN_EXISTING 3
#define STD_ERROR_HANDLE 0xfffffff4u
#define MEM_COMMIT_RESERVE 0x3000
#define PAGE_NOACCESS 1
#define PAGE_READWRITE 4

__declspec(dllimport) void *LoadLibraryExW(const uint16_t *path, void *reserved, uint32_t flags);
__declspec(dllimport) void *GetProcAddress(void *library, const char *name);

/* Calls a function of Windows' own library. */
#define SYSTEM(name, result, parameters, ...)                                                                          \
    ((result(*) parameters)GetProcAddress(LoadLibraryExW(u"kernel32.dll", NULL, 0), name))(__VA_ARGS__)

void *dlr_handle;

[[noreturn]] void end_process(int status)
{
    for (;;)
        SYSTEM("ExitProcess", void, (uint32_t), (uint32_t)status);
}

static uint32_t transfer(const char *name, intptr_t file, void *data, size_t bytes)
{
    uint32_t done = 0;
    SYSTEM(name, int32_t, (intptr_t, void *, uint32_t, uint32_t *, void *), file, data, (uint32_t)bytes, &done, NULL);
    return done;
}

static void complain(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    transfer("WriteFile", SYSTEM("GetStdHandle", intptr_t, (uint32_t), STD_ERROR_HANDLE), (void *)(uintptr_t)text,
             length);
}

[[noreturn]] void give_up(const char *text, const char *name)
{
    complain(text);
    complain(name);
    end_process(2);
}

void *map_memory(size_t bytes)
{
    void *memory = SYSTEM("VirtualAlloc", void *, (void *, size_t, uint32_t, uint32_t), NULL, bytes,
                          MEM_COMMIT_RESERVE, PAGE_READWRITE);
    if (!memory)
        give_up("out of memory", "");
    return memory;
}

void *map_before_guard(size_t bytes)
{
    size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;
    char *memory = map_memory(whole + PAGE);
    uint32_t before;
    if (!SYSTEM("VirtualProtect", int32_t, (void *, size_t, uint32_t, uint32_t *), memory + whole, PAGE, PAGE_NOACCESS,
                &before))
        give_up("memory protection refused", "");
    return memory + whole - bytes;
}

static int open_file(const uint16_t *path, uint32_t access, uint32_t disposition)
{
    intptr_t file = SYSTEM("CreateFileW", intptr_t,
                           (const uint16_t *, uint32_t, uint32_t, void *, uint32_t, uint32_t, void *), path, access, 0,
                           NULL, disposition, 0, NULL);
    if (file == -1)
        give_up("cannot open a file", "");
    return (int)file;
}

void write_all(int file, const void *data, size_t bytes)
{
    if (transfer("WriteFile", file, (void *)(uintptr_t)data, bytes) != bytes)
        give_up("cannot write the results", "");
}

static const int64_t *read_plan(void)
{
    int file = open_file(u"plan", GENERIC_READ, OPEN_EXISTING);
    int64_t bytes = 0;
    SYSTEM("GetFileSizeEx", int32_t, (intptr_t, int64_t *), file, &bytes);
    void *data = map_memory((size_t)bytes);
    if (transfer("ReadFile", file, data, (size_t)bytes) != (size_t)bytes)
        give_up("cannot read the plan", "");
    return data;
}

void *require_function(const Library *library, const char *name)
{
    void *function = GetProcAddress(library->base, name);
    if (!function)
        give_up("the library does not export ", name);
    return function;
}

int _start(void)
{
    const int64_t *plan = read_plan();
    Library library = {.base = LoadLibraryExW(u"compiled.dll", NULL, 0), .windows = 1};
    if (!library.base)
        give_up("Windows does not load compiled.dll", "");
    call_with_tensors(&library, plan, open_file(u"result", GENERIC_WRITE, CREATE_ALWAYS));
    end_process(0);
}
