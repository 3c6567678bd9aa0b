/* recurrence.h: the rounds of a loop that multiplies by constant matrices, on several threads where that pays.
 *
 * A round is cut into phases, and a phase into as many parts as there are threads. A thread does the same part of every
 * phase, so its share of the weights stays in its cache, and waits for the others between two phases. It also takes
 * parts that their thread has not begun: nothing depends on how many threads there are, or whether they wake in time.
 */
#ifndef TS_RECURRENCE_H
#define TS_RECURRENCE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "network.h"
#include "platform.h"

enum { TS_MOST_PARTS = 64 };

/* Multiplications and additions of a round that are worth a thread. */
#define TS_PART_FLOPS 131072.0

struct ts_part {
    size_t number, of;
};

typedef void ts_phase_function(const struct ts_run *run, ts_index round, size_t phase, struct ts_part part);

struct ts_recurrence {
    const struct ts_run *run;
    ts_phase_function *function;
    size_t rounds, phases, parts;
    alignas(64) atomic_size_t done; /* parts of phases */
    struct {
        alignas(64) atomic_size_t phase; /* that nobody has begun */
    } next[TS_MOST_PARTS];
};

/* The first of `count` things that belongs to a part. */
static inline size_t ts_first(struct ts_part part, size_t count)
{
    return count * part.number / part.of;
}

static inline struct ts_part ts_next(struct ts_part part)
{
    return (struct ts_part){part.number + 1, part.of};
}

/* Looks at `done` before a thread lets others have its CPU: then one that is waited for has none. */
enum { TS_PATIENCE = 2000 };

/* Waits until so many parts are done. */
static inline void ts_await(const atomic_size_t *done, size_t parts)
{
    for (int looks = 0; atomic_load_explicit(done, memory_order_acquire) < parts; looks++) {
        if (looks < TS_PATIENCE)
            ts_pause();
        else
            ts_yield();
    }
}

static inline bool ts_begins(struct ts_recurrence *p, size_t part, size_t phase)
{
    size_t expected = phase;
    return atomic_load_explicit(&p->next[part].phase, memory_order_relaxed) == phase &&
           atomic_compare_exchange_strong_explicit(&p->next[part].phase, &expected, phase + 1, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static inline void ts_recurrence_part(void *context, size_t own)
{
    struct ts_recurrence *p = context;
    for (size_t phase = 0; phase < p->rounds * p->phases; phase++) {
        for (size_t i = 0; i < p->parts; i++) {
            const size_t number = (own + i) % p->parts;
            if (!ts_begins(p, number, phase))
                continue;
            p->function(p->run, (ts_index)(phase / p->phases), phase % p->phases, (struct ts_part){number, p->parts});
            atomic_fetch_add_explicit(&p->done, 1, memory_order_release);
        }
        ts_await(&p->done, (phase + 1) * p->parts);
    }
}

/* `most`: parts that there is something to do for; `flops`: of a round. */
static inline void ts_run_recurrence(const struct ts_run *run, ts_phase_function *function, size_t rounds,
                                     size_t phases, size_t most, double flops)
{
    size_t parts = flops < 2 * TS_PART_FLOPS ? 1 : ts_thread_limit();
    if ((double)parts * TS_PART_FLOPS > flops)
        parts = (size_t)(flops / TS_PART_FLOPS);
    parts = parts > TS_MOST_PARTS ? TS_MOST_PARTS : parts;
    parts = parts > most ? most : parts;
    if (parts > 1) {
        struct ts_recurrence all = {.run = run, .function = function, .rounds = rounds, .phases = phases, .parts = parts};
        ts_parallel(ts_recurrence_part, &all, parts);
        return;
    }
    for (size_t round = 0; round < rounds; round++)
        for (size_t phase = 0; phase < phases; phase++)
            function(run, (ts_index)round, phase, (struct ts_part){0, 1});
}

#endif
