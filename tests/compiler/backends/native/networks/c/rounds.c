/* rounds.c: watches ts_run_recurrence from inside. */
#include "recurrence.h"

#define EXPORT __attribute__((visibility("default")))

static struct {
    size_t phases;
    size_t parts;
    atomic_size_t begun, ended, wrong;
} seen;

static void phase_of(const struct ts_run *run, ts_index round, size_t phase, struct ts_part part)
{
    (void)run;
    const size_t number = (size_t)round * seen.phases + phase;
    seen.parts = part.of;
    /* All parts of earlier phases have ended, and none of a later one has begun. */
    if (atomic_load(&seen.ended) < number * part.of)
        atomic_fetch_add(&seen.wrong, 1);
    if (atomic_fetch_add(&seen.begun, 1) >= (number + 1) * part.of)
        atomic_fetch_add(&seen.wrong, 1);
    for (size_t i = ts_first(part, 1000); i < ts_first(ts_next(part), 1000); i++)
        __asm__ volatile("" ::: "memory");
    atomic_fetch_add(&seen.ended, 1);
}

/* How many parts there were; 0: something was wrong. */
EXPORT size_t watch(size_t rounds, size_t phases, size_t most, double flops)
{
    seen.phases = phases;
    atomic_store(&seen.begun, 0);
    atomic_store(&seen.ended, 0);
    atomic_store(&seen.wrong, 0);
    ts_run_recurrence(NULL, phase_of, rounds, phases, most, flops);
    const bool all = atomic_load(&seen.ended) == rounds * phases * seen.parts;
    return all && atomic_load(&seen.wrong) == 0 ? seen.parts : 0;
}
