/* platform_windows.c: platform.h for Windows, with KERNEL32 alone.
 *
 * Items run on the process's own thread pool: there are no threads of ours to stop when the library is unloaded, and
 * every call waits until no callback is left in it.
 */
#include "environment.h"
#include "platform.h"
#include "shares.h"

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

enum { ALIGNMENT = 64 };

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

unsigned ts_available_cpus(void)
{
    uintptr_t mine = 0, all = 0;
    unsigned cpus = 0;
    if (GetProcessAffinityMask(GetCurrentProcess(), &mine, &all))
        for (; mine != 0; mine &= mine - 1)
            cpus++;
    return cpus;
}

unsigned ts_granted_cpus(void)
{
    return ts_available_cpus();
}

struct call {
    atomic_size_t arrived;
    struct ts_shares shares;
};

static void __stdcall help(void *instance, void *context, void *work)
{
    struct call *call = context;
    (void)instance;
    (void)work;
    ts_take(&call->shares, 1 + atomic_fetch_add_explicit(&call->arrived, 1, memory_order_relaxed));
}

void ts_share(ts_share_task *task, void *context, size_t items, size_t threads)
{
    static atomic_bool busy;
    static struct call call;
    if (threads > ts_thread_limit())
        threads = ts_thread_limit();
    if (threads > items)
        threads = items;
    if (threads < 2 || atomic_exchange_explicit(&busy, true, memory_order_acquire)) {
        if (items > 0)
            task(context, 0, 0, items);
        return;
    }
    ts_divide(&call.shares, task, context, items, threads);
    atomic_store_explicit(&call.arrived, 0, memory_order_relaxed);
    void *work = CreateThreadpoolWork(help, &call, NULL);
    for (size_t i = 1; work != NULL && i < threads; i++)
        SubmitThreadpoolWork(work);
    ts_take(&call.shares, 0);
    if (work != NULL) {
        WaitForThreadpoolWorkCallbacks(work, 1);
        CloseThreadpoolWork(work);
    }
    atomic_store_explicit(&busy, false, memory_order_release);
}
