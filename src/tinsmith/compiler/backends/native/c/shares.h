/* shares.h: items divided among threads. Every thread begins with a share of its own, consecutive items that it
 * claims in a few pieces; who has none left claims pieces of the others. */
#ifndef TS_SHARES_H
#define TS_SHARES_H

#include <stdalign.h>
#include <stdatomic.h>

#include "platform.h"

enum { TS_MAX_THREADS = 256, TS_CACHE_LINE = 64 };

struct ts_claims {
    alignas(TS_CACHE_LINE) atomic_size_t next;
    size_t end;
};

struct ts_shares {
    ts_share_task *task;
    void *context;
    size_t threads;
    struct ts_claims each[TS_MAX_THREADS];
};

static inline void ts_divide(struct ts_shares *shares, ts_share_task *task, void *context, size_t items,
                             size_t threads)
{
    shares->task = task;
    shares->context = context;
    shares->threads = threads;
    size_t end = 0;
    for (size_t i = 0; i < threads; i++) {
        atomic_store_explicit(&shares->each[i].next, end, memory_order_relaxed);
        end += items / threads + (i < items % threads);
        shares->each[i].end = end;
    }
}

/* Works until all items are claimed: a quarter of what a share has left at a time, so that the last claims are small. */
static inline void ts_take(struct ts_shares *shares, size_t thread)
{
    for (size_t i = 0; i < shares->threads; i++) {
        struct ts_claims *share = &shares->each[(thread + i) % shares->threads];
        size_t next = atomic_load_explicit(&share->next, memory_order_relaxed);
        while (next < share->end) {
            const size_t piece = (share->end - next) / 4 + 1;
            const size_t first = atomic_fetch_add_explicit(&share->next, piece, memory_order_relaxed);
            if (first >= share->end)
                break;
            next = share->end - first < piece ? share->end : first + piece;
            shares->task(shares->context, thread, first, next);
            next = atomic_load_explicit(&share->next, memory_order_relaxed);
        }
    }
}

#endif
