/* pool.c: watches ts_parallel from inside. */
#include "platform.h"

#include <stdatomic.h>

#define EXPORT __attribute__((visibility("default")))

extern long syscall(long number, ...);
enum { GETTID = 186, NANOSLEEP = 35, RT_SIGPROCMASK = 14 };

struct work {
    atomic_uint *visits; /* per part */
    atomic_long *threads; /* per part: who did it */
    atomic_uint arrived;
    unsigned wait_for; /* every part waits until so many have begun */
    atomic_uint *hold; /* every part waits while this is not 0 */
};

static void sleep_for(long nanoseconds)
{
    long duration[2] = {0, nanoseconds};
    syscall(NANOSLEEP, duration, NULL);
}

static void visit(void *context, size_t part)
{
    struct work *work = context;
    atomic_fetch_add(&work->visits[part], 1);
    atomic_store(&work->threads[part], syscall(GETTID));
    atomic_fetch_add(&work->arrived, 1);
    for (int patience = 0; atomic_load(&work->arrived) < work->wait_for && patience < 20000; patience++)
        sleep_for(1000000);
    while (work->hold && atomic_load(work->hold))
        sleep_for(1000000);
}

EXPORT void run(unsigned *visits, long *threads, size_t parts, unsigned wait_for, unsigned *hold)
{
    struct work work = {(atomic_uint *)visits, (atomic_long *)threads, 0, wait_for, (atomic_uint *)hold};
    ts_parallel(visit, &work, parts);
}

struct claims {
    atomic_uint *visits; /* per item */
    atomic_uint busy[256]; /* per thread */
    atomic_long wrong;
};

static void claim(void *context, size_t thread, size_t first, size_t last)
{
    struct claims *claims = context;
    if (thread >= ts_thread_limit() || first >= last || atomic_fetch_add(&claims->busy[thread], 1) != 0)
        atomic_fetch_add(&claims->wrong, 1);
    for (size_t item = first; item < last; item++)
        atomic_fetch_add(&claims->visits[item], 1);
    atomic_fetch_sub(&claims->busy[thread], 1);
}

/* How often a range was empty or two threads had one number. */
EXPORT long share(unsigned *visits, size_t items, size_t threads)
{
    struct claims claims = {.visits = (atomic_uint *)visits};
    ts_share(claim, &claims, items, threads);
    return claims.wrong;
}

struct sum {
    uint64_t *out;
    uint64_t seed;
};

static void mix(void *context, size_t part)
{
    struct sum *sum = context;
    uint64_t x = sum->seed + part;
    for (int i = 0; i < 200; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    sum->out[part] = x;
}

/* Calls ts_parallel `calls` times and counts the parts that came out wrong. */
EXPORT long stress(size_t calls, size_t parts, uint64_t seed)
{
    long wrong = 0;
    uint64_t *out = ts_allocate(parts * sizeof *out), *expected = ts_allocate(parts * sizeof *expected);
    for (size_t call = 0; call < calls; call++) {
        struct sum sum = {out, seed + call * parts}, alone = {expected, seed + call * parts};
        for (size_t part = 0; part < parts; part++) {
            out[part] = 0;
            mix(&alone, part);
        }
        ts_parallel(mix, &sum, parts);
        for (size_t part = 0; part < parts; part++)
            wrong += out[part] != expected[part];
    }
    ts_release(out);
    ts_release(expected);
    return wrong;
}

struct nest {
    atomic_uint inner;
};

static void count(void *context, size_t part)
{
    (void)part;
    atomic_fetch_add(&((struct nest *)context)->inner, 1);
}

static void nested(void *context, size_t part)
{
    (void)part;
    ts_parallel(count, context, 7);
}

EXPORT unsigned nest(size_t parts)
{
    struct nest nest = {0};
    ts_parallel(nested, &nest, parts);
    return atomic_load(&nest.inner);
}

struct masks {
    uint64_t *out;
    atomic_uint arrived;
    unsigned parts;
};

static void read_mask(void *context, size_t part)
{
    struct masks *masks = context;
    syscall(RT_SIGPROCMASK, 0, NULL, masks->out + part, sizeof(uint64_t));
    atomic_fetch_add(&masks->arrived, 1);
    for (int patience = 0; atomic_load(&masks->arrived) < masks->parts && patience < 20000; patience++)
        sleep_for(1000000);
}

/* Which signals each thread has blocked, when every part has one of its own. */
EXPORT void masks(uint64_t *out, size_t parts)
{
    struct masks masks = {out, 0, (unsigned)parts};
    ts_parallel(read_mask, &masks, parts);
}

EXPORT unsigned limit(void)
{
    return ts_thread_limit();
}

EXPORT bool set_limit(int32_t threads)
{
    return ts_limit_threads(threads);
}

EXPORT int isa(void)
{
    return (int)ts_cpu_isa();
}

/* The misalignment of `count` blocks that live at once, or -1 when one overlaps another or there was none. */
EXPORT long allocation(size_t bytes, size_t count)
{
    long off = 0;
    unsigned char *blocks[64];
    for (size_t i = 0; i < count; i++) {
        blocks[i] = ts_allocate(bytes);
        if (blocks[i] == NULL)
            return -1;
        off |= (long)((uintptr_t)blocks[i] & 63);
        for (size_t byte = 0; byte < bytes; byte++)
            blocks[i][byte] = (unsigned char)i;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t byte = 0; byte < bytes; byte++)
            if (blocks[i][byte] != (unsigned char)i)
                off = -1;
        ts_release(blocks[i]);
    }
    ts_release(NULL);
    return off;
}

EXPORT int refuses(size_t bytes)
{
    return ts_allocate(bytes) == NULL;
}
