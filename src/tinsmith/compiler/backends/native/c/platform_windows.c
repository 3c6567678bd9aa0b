/* platform_windows.c: platform.h for Windows, with KERNEL32 alone.
 *
 * Parts run on the process's own thread pool: there are no threads of ours to stop when the library is unloaded, and
 * every call waits until no callback is left in it.
 */
#include "environment.h"
#include "platform.h"

#include <stdatomic.h>

typedef void *HANDLE;
typedef int BOOL;
typedef uint32_t DWORD;
typedef void(__stdcall *callback)(void *instance, void *context, void *work);

__declspec(dllimport) HANDLE __stdcall GetProcessHeap(void);
__declspec(dllimport) void *__stdcall HeapAlloc(HANDLE heap, DWORD flags, size_t bytes);
__declspec(dllimport) BOOL __stdcall HeapFree(HANDLE heap, DWORD flags, void *memory);
__declspec(dllimport) DWORD __stdcall GetEnvironmentVariableA(const char *name, char *value, DWORD size);
__declspec(dllimport) HANDLE __stdcall GetCurrentProcess(void);
__declspec(dllimport) BOOL __stdcall GetProcessAffinityMask(HANDLE process, uintptr_t *mine, uintptr_t *all);
__declspec(dllimport) BOOL __stdcall SwitchToThread(void);
__declspec(dllimport) void *__stdcall CreateThreadpoolWork(callback run, void *context, void *environment);
__declspec(dllimport) void __stdcall SubmitThreadpoolWork(void *work);
__declspec(dllimport) void __stdcall WaitForThreadpoolWorkCallbacks(void *work, BOOL cancel_pending);
__declspec(dllimport) void __stdcall CloseThreadpoolWork(void *work);

enum { MAX_THREADS = 256, ALIGNMENT = 64 };

struct call {
    ts_task task;
    void *context;
    size_t parts;
    atomic_size_t next;
};

void ts_yield(void)
{
    SwitchToThread();
}

void *ts_allocate(size_t bytes)
{
    if (bytes > SIZE_MAX - ALIGNMENT - sizeof(void *))
        return NULL;
    void *memory = HeapAlloc(GetProcessHeap(), 0, bytes + ALIGNMENT + sizeof(void *));
    if (memory == NULL)
        return NULL;
    uintptr_t start = ((uintptr_t)memory + sizeof(void *) + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    ((void **)start)[-1] = memory;
    return (void *)start;
}

void ts_release(void *memory)
{
    if (memory != NULL)
        HeapFree(GetProcessHeap(), 0, ((void **)memory)[-1]);
}

bool ts_environment(const char *name, char *value, size_t size)
{
    DWORD length = GetEnvironmentVariableA(name, value, (DWORD)size);
    return length > 0 && length < size;
}

static unsigned available_cpus(void)
{
    uintptr_t mine = 0, all = 0;
    unsigned cpus = 0;
    if (GetProcessAffinityMask(GetCurrentProcess(), &mine, &all))
        for (; mine != 0; mine &= mine - 1)
            cpus++;
    return cpus;
}

unsigned ts_thread_limit(void)
{
    static atomic_uint known;
    unsigned limit = atomic_load_explicit(&known, memory_order_relaxed);
    if (limit == 0) {
        char text[12];
        if (ts_environment("TINSMITH_NUM_THREADS", text, sizeof text))
            limit = ts_number(text, MAX_THREADS);
        if (limit == 0)
            limit = available_cpus();
        if (limit == 0)
            limit = 1;
        atomic_store_explicit(&known, limit, memory_order_relaxed);
    }
    return limit;
}

static void take_parts(struct call *call)
{
    for (;;) {
        size_t part = atomic_fetch_add_explicit(&call->next, 1, memory_order_relaxed);
        if (part >= call->parts)
            return;
        call->task(call->context, part);
    }
}

static void __stdcall help(void *instance, void *context, void *work)
{
    (void)instance;
    (void)work;
    take_parts(context);
}

void ts_parallel(ts_task task, void *context, size_t parts)
{
    static atomic_bool busy;
    struct call call = {.task = task, .context = context, .parts = parts};
    size_t threads = parts < ts_thread_limit() ? parts : ts_thread_limit();
    if (threads < 2 || atomic_exchange_explicit(&busy, true, memory_order_relaxed)) {
        take_parts(&call);
        return;
    }
    void *work = CreateThreadpoolWork(help, &call, NULL);
    for (size_t i = 1; work != NULL && i < threads; i++)
        SubmitThreadpoolWork(work);
    take_parts(&call);
    if (work != NULL) {
        WaitForThreadpoolWorkCallbacks(work, 1);
        CloseThreadpoolWork(work);
    }
    atomic_store_explicit(&busy, false, memory_order_relaxed);
}
