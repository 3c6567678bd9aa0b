/* parallel.c: ts_parallel, by ts_share. */
#include "platform.h"

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
