/* threads_posix.c: ts_share for Linux and Android.
 *
 * One pool of workers per loaded library. The caller takes part in its own call, which never waits for a worker to
 * begin: who comes late finds the items claimed, or is told to rest again. Between calls a worker spins for a while,
 * because the next layer of a network follows within microseconds, and then sleeps in the kernel.
 *
 * The pthread functions are weak: a process that has no threads library runs serially.
 */
#include "environment.h"
#include "platform.h"
#include "shares.h"

typedef unsigned long pthread_t; /* glibc, musl and Bionic agree on its size */

extern long syscall(long number, ...);
__attribute__((weak)) extern int pthread_create(pthread_t *, const void *, void *(*)(void *), void *);
__attribute__((weak)) extern int pthread_join(pthread_t, void **);

#if defined(__x86_64__)
enum { RT_SIGPROCMASK = 14, GETPID = 39, FUTEX = 202, SCHED_SETAFFINITY = 203, SCHED_GETAFFINITY = 204, CLOCK_GETTIME = 228, GETCPU = 309 };
#elif defined(__i386__)
enum { GETPID = 20, RT_SIGPROCMASK = 175, FUTEX = 240, SCHED_SETAFFINITY = 241, SCHED_GETAFFINITY = 242, CLOCK_GETTIME = 265, GETCPU = 318 };
#elif defined(__arm__)
enum { GETPID = 20, RT_SIGPROCMASK = 175, FUTEX = 240, SCHED_SETAFFINITY = 241, SCHED_GETAFFINITY = 242, CLOCK_GETTIME = 263, GETCPU = 345 };
#elif defined(__aarch64__)
enum { FUTEX = 98, CLOCK_GETTIME = 113, SCHED_SETAFFINITY = 122, SCHED_GETAFFINITY = 123, RT_SIGPROCMASK = 135, GETCPU = 168, GETPID = 172 };
#else
#error "no system call numbers for this architecture"
#endif

enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129, SIG_BLOCK = 0, SIG_SETMASK = 2, CLOCK_MONOTONIC = 1 };

/* Microseconds that a thread spins before it sleeps, unless TINSMITH_SPIN_MICROSECONDS says otherwise. */
enum { PATIENCE = 200, MOST_PATIENCE = 1000000 };

/* Looks at a word between looks at the clock; and the nanoseconds that these take only when the CPU was given to
 * another thread meanwhile: then waiting is left to the kernel. */
enum { ROUND = 64, INTERRUPTED = 50000 };

enum state {
    RESTING,
    ASLEEP,  /* RESTING, in the kernel */
    CALLED,  /* the caller has a share for it */
    WORKING, /* on that share */
    AWAITED, /* WORKING, and the caller sleeps until it is done */
};

struct worker {
    alignas(TS_CACHE_LINE) atomic_uint state;
    pthread_t thread;
};

static struct {
    atomic_uint caller;  /* process id of the call that owns all below, or 0 */
    atomic_uint process; /* whose workers these are: a forked child has none */
    atomic_bool closing;
    unsigned hired;
    atomic_uint cpu; /* of the caller that last woke a worker */
    struct ts_shares shares;
    struct worker workers[TS_MAX_THREADS];
} pool;

static unsigned process_id(void)
{
    return (unsigned)syscall(GETPID);
}

static unsigned current_cpu(void)
{
    unsigned cpu = 0;
    syscall(GETCPU, &cpu, NULL, NULL);
    return cpu;
}

static void sleep_while(atomic_uint *word, unsigned value)
{
    syscall(FUTEX, word, FUTEX_WAIT_PRIVATE, value, NULL);
}

static void wake(atomic_uint *word)
{
    syscall(FUTEX, word, FUTEX_WAKE_PRIVATE, 1);
}

/* Nanoseconds; 0 where the kernel does not tell. */
static uint64_t now(void)
{
    long time[2] = {0, 0};
    syscall(CLOCK_GETTIME, CLOCK_MONOTONIC, time);
    return (uint64_t)time[0] * 1000000000 + (uint64_t)time[1];
}

/* Nanoseconds to spin. It pays only where the thread that is waited for has a CPU of its own. */
static uint64_t patience(void)
{
    static atomic_uint known; /* microseconds, plus one */
    unsigned found = atomic_load_explicit(&known, memory_order_relaxed);
    if (found == 0) {
        char text[12];
        found = ts_thread_limit() <= ts_available_cpus() ? PATIENCE : 0;
        if (ts_environment("TINSMITH_SPIN_MICROSECONDS", text, sizeof text))
            found = ts_number(text, MOST_PATIENCE);
        atomic_store_explicit(&known, ++found, memory_order_relaxed);
    }
    return (uint64_t)(found - 1) * 1000;
}

/* Waits for a change of a worker's state, but not long: false when it still is `value`. */
static bool changes_soon(const struct worker *worker, unsigned value)
{
    uint64_t start = 0, last = 0, time = 0;
    while (time - start <= patience() && time - last <= INTERRUPTED) {
        last = time;
        for (int i = 0; i < ROUND; i++) {
            if (atomic_load_explicit(&worker->state, memory_order_acquire) != value)
                return true;
            ts_pause();
        }
        time = patience() == 0 ? 0 : now();
        if (time == 0)
            return false;
        if (start == 0)
            start = last = time;
    }
    return false;
}

/* The kernel likes to wake a thread where its waker runs, and then the two would take turns there for long. */
static void leave_cpu_of_caller(void)
{
    unsigned long allowed[128], others[128];
    const unsigned cpu = current_cpu(), bits = 8 * sizeof allowed[0];
    if (cpu != atomic_load_explicit(&pool.cpu, memory_order_relaxed))
        return;
    long bytes = syscall(SCHED_GETAFFINITY, 0, sizeof allowed, allowed);
    if (bytes <= (long)(cpu / 8))
        return;
    __builtin_memcpy(others, allowed, (size_t)bytes);
    others[cpu / bits] &= ~(1ul << cpu % bits);
    if (syscall(SCHED_SETAFFINITY, 0, bytes, others) == 0)
        syscall(SCHED_SETAFFINITY, 0, bytes, allowed);
}

/* A worker waits until there is something for it; false: it is to end. */
static bool is_called(struct worker *self)
{
    for (bool slept = false;;) {
        unsigned state = atomic_load_explicit(&self->state, memory_order_acquire);
        if (atomic_load(&pool.closing))
            return false;
        if (state == CALLED) {
            if (slept)
                leave_cpu_of_caller();
            if (atomic_compare_exchange_strong(&self->state, &state, WORKING))
                return true;
        }
        if (state == RESTING && !changes_soon(self, RESTING))
            atomic_compare_exchange_strong(&self->state, &state, ASLEEP);
        else if (state == ASLEEP) {
            sleep_while(&self->state, ASLEEP);
            slept = true;
        }
    }
}

static void *work(void *worker)
{
    struct worker *self = worker;
    while (is_called(self)) {
        ts_take(&pool.shares, (size_t)(self - pool.workers) + 1);
        if (atomic_exchange_explicit(&self->state, RESTING, memory_order_release) == AWAITED)
            wake(&self->state);
    }
    return NULL;
}

static void call(struct worker *worker)
{
    if (atomic_exchange_explicit(&worker->state, CALLED, memory_order_acq_rel) == ASLEEP) {
        atomic_store_explicit(&pool.cpu, current_cpu(), memory_order_relaxed);
        wake(&worker->state);
    }
}

/* Waits until a worker that was called works no longer, or takes back the call. */
static void await(struct worker *worker)
{
    unsigned state = CALLED;
    if (atomic_compare_exchange_strong_explicit(&worker->state, &state, RESTING, memory_order_relaxed,
                                                memory_order_acquire))
        return;
    while (state == WORKING || state == AWAITED) {
        if (state == AWAITED)
            sleep_while(&worker->state, AWAITED);
        else if (!changes_soon(worker, WORKING))
            atomic_compare_exchange_strong(&worker->state, &state, AWAITED);
        state = atomic_load_explicit(&worker->state, memory_order_acquire);
    }
}

/* Signals belong to the program's own threads, so workers are born with all of them blocked. */
static void hire(unsigned wanted)
{
    uint64_t all = UINT64_MAX, before;
    syscall(RT_SIGPROCMASK, SIG_BLOCK, &all, &before, sizeof all);
    while (pool.hired < wanted && !atomic_load(&pool.closing)) {
        struct worker *next = &pool.workers[pool.hired];
        if (pthread_create(&next->thread, NULL, work, next) != 0)
            break;
        pool.hired++;
    }
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
        pool.hired = 0;
        for (unsigned i = 0; i < TS_MAX_THREADS; i++)
            atomic_store_explicit(&pool.workers[i].state, RESTING, memory_order_relaxed);
        atomic_store_explicit(&pool.process, process, memory_order_relaxed);
    }
    return true;
}

/* A call that owns the pool. */
static void share(ts_share_task *task, void *context, size_t items, size_t threads)
{
    unsigned helpers = (unsigned)threads - 1;
    if (pool.hired < helpers)
        hire(helpers);
    if (pool.hired < helpers)
        helpers = pool.hired;
    ts_divide(&pool.shares, task, context, items, helpers + 1);
    for (unsigned i = 0; i < helpers; i++)
        call(&pool.workers[i]);
    ts_take(&pool.shares, 0);
    for (unsigned i = 0; i < helpers; i++)
        await(&pool.workers[i]);
}

void ts_share(ts_share_task *task, void *context, size_t items, size_t threads)
{
    if (threads > ts_thread_limit())
        threads = ts_thread_limit();
    if (threads > items)
        threads = items;
    bool serial = threads < 2 || pthread_create == NULL || pthread_join == NULL;
    if (!serial && acquire(process_id())) {
        share(task, context, items, threads);
        atomic_store_explicit(&pool.caller, 0, memory_order_release);
    } else if (items > 0) {
        task(context, 0, 0, items);
    }
}

/* Unloading the library, or exit: the workers run its code and must be gone first. */
__attribute__((destructor)) static void dismiss(void)
{
    if (atomic_load_explicit(&pool.process, memory_order_relaxed) != process_id())
        return;
    atomic_store(&pool.closing, true);
    for (unsigned i = 0; i < pool.hired; i++) {
        unsigned state = ASLEEP;
        if (atomic_compare_exchange_strong(&pool.workers[i].state, &state, RESTING))
            wake(&pool.workers[i].state);
        pthread_join(pool.workers[i].thread, NULL);
    }
}
