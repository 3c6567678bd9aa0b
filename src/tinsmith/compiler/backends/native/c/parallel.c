/* parallel.c: on every system, how many threads there may be, and ts_parallel by ts_share. */
#include <stdatomic.h>

#include "environment.h"
#include "platform.h"
#include "shares.h"

static atomic_uint settled_limit;

static unsigned settle(unsigned limit)
{
    unsigned before = 0;
    return atomic_compare_exchange_strong(&settled_limit, &before, limit) ? limit : before;
}

bool ts_limit_threads(int32_t threads)
{
    return threads >= 1 && threads <= TS_MAX_THREADS && settle((unsigned)threads) == (unsigned)threads;
}

unsigned ts_thread_limit(void)
{
    unsigned limit = atomic_load_explicit(&settled_limit, memory_order_relaxed);
    if (limit == 0) {
        char text[12];
        if (ts_environment("TINSMITH_NUM_THREADS", text, sizeof text))
            limit = ts_number(text, TS_MAX_THREADS);
        if (limit == 0)
            limit = ts_granted_cpus();
        if (limit == 0)
            limit = 1;
        if (limit > TS_MAX_THREADS)
            limit = TS_MAX_THREADS;
        limit = settle(limit);
    }
    return limit;
}

struct parts {
    ts_task task;
    void *context;
};

static void run_parts(void *context, size_t thread, size_t first, size_t last)
{
    const struct parts *parts = context;
    (void)thread;
    for (size_t part = first; part < last; part++)
        parts->task(parts->context, part);
}

void ts_parallel(ts_task task, void *context, size_t parts)
{
    ts_share(run_parts, &(struct parts){task, context}, parts, ts_thread_limit());
}
