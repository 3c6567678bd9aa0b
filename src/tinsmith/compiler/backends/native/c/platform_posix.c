/* platform_posix.c: platform.h for Linux and Android.
 *
 * One pool of workers per loaded library. A worker waits in the kernel until a call opens the gate, walks through
 * it, takes parts until none is left and leaves; the caller takes parts as well, closes the gate and waits until the
 * last worker has left. So nothing depends on how many workers there are, or whether they wake in time.
 *
 * The pthread functions are weak: a process that has no threads library runs serially.
 */
#include "environment.h"
#include "platform.h"

#include <stdatomic.h>

typedef unsigned long pthread_t; /* glibc, musl and Bionic agree on its size */

extern void *malloc(size_t bytes);
extern void free(void *memory);
extern char *getenv(const char *name);
extern long syscall(long number, ...);
__attribute__((weak)) extern int pthread_create(pthread_t *, const void *, void *(*)(void *), void *);
__attribute__((weak)) extern int pthread_join(pthread_t, void **);

#if defined(__x86_64__)
enum { READ = 0, CLOSE = 3, RT_SIGPROCMASK = 14, GETPID = 39, FUTEX = 202, SCHED_GETAFFINITY = 204, OPENAT = 257 };
#elif defined(__i386__) || defined(__arm__)
enum { READ = 3, CLOSE = 6, GETPID = 20, RT_SIGPROCMASK = 175, FUTEX = 240, SCHED_GETAFFINITY = 242 };
#if defined(__i386__)
enum { OPENAT = 295 };
#else
enum { OPENAT = 322 };
#endif
#elif defined(__aarch64__)
enum { OPENAT = 56, CLOSE = 57, READ = 63, FUTEX = 98, SCHED_GETAFFINITY = 123, RT_SIGPROCMASK = 135, GETPID = 172 };
#else
#error "no system call numbers for this architecture"
#endif

enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129, SIG_BLOCK = 0, SIG_SETMASK = 2 };

enum { AT_FDCWD = -100, O_CLOEXEC = 02000000 };

/* Where a container sees the processor time that it may use: "QUOTA PERIOD" or "max PERIOD". */
#ifndef CPU_QUOTA_FILE
#define CPU_QUOTA_FILE "/sys/fs/cgroup/cpu.max"
#endif

enum { MAX_THREADS = 256, ALIGNMENT = 64, SPINS = 1000 };

#define OPEN 0x80000000u

static struct {
    atomic_uint caller;  /* process id of the call that owns all below, or 0 */
    atomic_uint process; /* whose workers these are: a forked child has none */
    atomic_uint calls;   /* grows with every call; workers wait for a change */
    atomic_uint gate;    /* OPEN, plus the number of workers inside */
    atomic_bool closing;
    ts_task task;
    void *context;
    size_t parts;
    atomic_size_t next;
    unsigned workers;
    pthread_t threads[MAX_THREADS];
} pool;

void *ts_allocate(size_t bytes)
{
    if (bytes > SIZE_MAX - ALIGNMENT - sizeof(void *))
        return NULL;
    void *memory = malloc(bytes + ALIGNMENT + sizeof(void *));
    if (memory == NULL)
        return NULL;
    uintptr_t start = ((uintptr_t)memory + sizeof(void *) + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    ((void **)start)[-1] = memory;
    return (void *)start;
}

void ts_release(void *memory)
{
    if (memory != NULL)
        free(((void **)memory)[-1]);
}

bool ts_environment(const char *name, char *value, size_t size)
{
    const char *text = getenv(name);
    if (text == NULL)
        return false;
    for (size_t i = 0; i < size; i++) {
        value[i] = text[i];
        if (text[i] == '\0')
            return true;
    }
    return false;
}

#if defined(__x86_64__)
enum { SCHED_YIELD = 24 };
#elif defined(__aarch64__)
enum { SCHED_YIELD = 124 };
#else
enum { SCHED_YIELD = 158 };
#endif

void ts_yield(void)
{
    syscall(SCHED_YIELD);
}

static unsigned process_id(void)
{
    return (unsigned)syscall(GETPID);
}

static void sleep_while(atomic_uint *word, unsigned value)
{
    syscall(FUTEX, word, FUTEX_WAIT_PRIVATE, value, NULL);
}

static void wake(atomic_uint *word, unsigned threads)
{
    syscall(FUTEX, word, FUTEX_WAKE_PRIVATE, threads);
}

static unsigned available_cpus(void)
{
    unsigned long mask[128];
    long bytes = syscall(SCHED_GETAFFINITY, 0, sizeof mask, mask);
    unsigned cpus = 0;
    for (long i = 0; i < bytes / (long)sizeof mask[0]; i++)
        for (unsigned long word = mask[i]; word != 0; word &= word - 1)
            cpus++;
    return cpus;
}

static uint64_t leading_number(const char **text)
{
    uint64_t number = 0;
    for (; **text >= '0' && **text <= '9' && number < UINT64_MAX / 100; ++*text)
        number = number * 10 + (uint64_t)(**text - '0');
    return number;
}

/* CPUs' worth of time that the container may use, rounded up; 0 when nothing limits it. */
static uint64_t granted_cpus(void)
{
    char line[48];
    long file = syscall(OPENAT, (long)AT_FDCWD, CPU_QUOTA_FILE, (long)O_CLOEXEC, 0L);
    if (file < 0)
        return 0;
    long length = syscall(READ, file, line, sizeof line - 1);
    syscall(CLOSE, file);
    if (length <= 0)
        return 0;
    line[length] = '\0';
    const char *text = line;
    uint64_t quota = leading_number(&text);
    if (quota == 0 || *text++ != ' ')
        return 0;
    uint64_t period = leading_number(&text);
    return period == 0 ? 0 : (quota + period - 1) / period;
}

static unsigned default_limit(void)
{
    unsigned cpus = available_cpus();
    uint64_t granted = granted_cpus();
    return granted != 0 && granted < cpus ? (unsigned)granted : cpus;
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
            limit = default_limit();
        if (limit == 0)
            limit = 1;
        if (limit > MAX_THREADS)
            limit = MAX_THREADS;
        atomic_store_explicit(&known, limit, memory_order_relaxed);
    }
    return limit;
}

static void take_parts(ts_task task, void *context, size_t parts)
{
    for (;;) {
        size_t part = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed);
        if (part >= parts)
            return;
        task(context, part);
    }
}

static bool enter(void)
{
    unsigned gate = atomic_load_explicit(&pool.gate, memory_order_relaxed);
    while (gate & OPEN)
        if (atomic_compare_exchange_weak_explicit(&pool.gate, &gate, gate + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void leave(void)
{
    if (atomic_fetch_sub_explicit(&pool.gate, 1, memory_order_release) == 1)
        wake(&pool.gate, 1);
}

static void *work(void *start)
{
    unsigned seen = (unsigned)(uintptr_t)start;
    while (!atomic_load_explicit(&pool.closing, memory_order_acquire)) {
        unsigned calls = atomic_load_explicit(&pool.calls, memory_order_acquire);
        if (calls == seen) {
            sleep_while(&pool.calls, calls);
            continue;
        }
        seen = calls;
        if (enter()) {
            take_parts(pool.task, pool.context, pool.parts);
            leave();
        }
    }
    return NULL;
}

/* Signals belong to the program's own threads, so workers are born with all of them blocked. */
static void hire(unsigned wanted)
{
    uint64_t all = UINT64_MAX, before;
    unsigned calls = atomic_load_explicit(&pool.calls, memory_order_relaxed);
    syscall(RT_SIGPROCMASK, SIG_BLOCK, &all, &before, sizeof all);
    while (pool.workers < wanted &&
           pthread_create(&pool.threads[pool.workers], NULL, work, (void *)(uintptr_t)calls) == 0)
        pool.workers++;
    syscall(RT_SIGPROCMASK, SIG_SETMASK, &before, NULL, sizeof before);
}

/* A caller id of another process was inherited by fork, from a call that does not exist here. */
static bool acquire(unsigned process)
{
    unsigned caller = atomic_load_explicit(&pool.caller, memory_order_relaxed);
    if (caller == process || !atomic_compare_exchange_strong_explicit(&pool.caller, &caller, process,
                                                                      memory_order_acquire, memory_order_relaxed))
        return false;
    if (atomic_load_explicit(&pool.process, memory_order_relaxed) != process) {
        pool.workers = 0;
        atomic_store_explicit(&pool.gate, 0, memory_order_relaxed);
        atomic_store_explicit(&pool.process, process, memory_order_relaxed);
    }
    return true;
}

static void open_gate(ts_task task, void *context, size_t parts, unsigned helpers)
{
    pool.task = task;
    pool.context = context;
    pool.parts = parts;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.gate, OPEN, memory_order_release);
    atomic_fetch_add_explicit(&pool.calls, 1, memory_order_release);
    wake(&pool.calls, helpers);
}

static void close_gate(void)
{
    unsigned inside = atomic_fetch_and_explicit(&pool.gate, ~OPEN, memory_order_acquire) & ~OPEN;
    for (int spins = 0; inside != 0; spins++) {
        if (spins >= SPINS)
            sleep_while(&pool.gate, inside);
        inside = atomic_load_explicit(&pool.gate, memory_order_acquire);
    }
}

void ts_parallel(ts_task task, void *context, size_t parts)
{
    size_t threads = parts < ts_thread_limit() ? parts : ts_thread_limit();
    bool serial = threads < 2 || pthread_create == NULL || pthread_join == NULL;
    if (serial || !acquire(process_id())) {
        for (size_t part = 0; part < parts; part++)
            task(context, part);
        return;
    }
    unsigned helpers = (unsigned)threads - 1;
    if (pool.workers < helpers)
        hire(helpers);
    open_gate(task, context, parts, helpers);
    take_parts(task, context, parts);
    close_gate();
    atomic_store_explicit(&pool.caller, 0, memory_order_release);
}

/* Unloading the library, or exit: the workers run its code and must be gone first. */
__attribute__((destructor)) static void dismiss(void)
{
    if (atomic_load_explicit(&pool.process, memory_order_relaxed) != process_id())
        return;
    atomic_store_explicit(&pool.closing, true, memory_order_release);
    atomic_fetch_add_explicit(&pool.calls, 1, memory_order_release);
    wake(&pool.calls, MAX_THREADS);
    for (unsigned i = 0; i < pool.workers; i++)
        pthread_join(pool.threads[i], NULL);
    pool.workers = 0;
}
