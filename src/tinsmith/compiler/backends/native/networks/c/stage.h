/* stage.h: stages whose loops several threads share. */
#ifndef TS_STAGE_H
#define TS_STAGE_H

#include "network.h"
#include "platform.h"

/* What the threads are given: the run, and the indices of the loops around the stage. */
struct ts_stage {
    const struct ts_run *run;
    const ts_index *outer;
};

/* Where part `part` of `parts` begins in a loop: at a multiple of `grain`, or at the end. */
static inline ts_index ts_part(ts_index extent, ts_index grain, size_t part, size_t parts)
{
    const uint64_t grains = (uint64_t)((extent + grain - 1) / grain);
    return ts_index_min(extent, (ts_index)(grains * part / parts) * grain);
}

#endif
