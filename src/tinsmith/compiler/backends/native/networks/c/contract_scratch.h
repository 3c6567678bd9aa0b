/* contract_scratch.h: what a thread keeps in its scratch memory from one range of work items to the next. */
#ifndef TS_CONTRACT_SCRATCH_H
#define TS_CONTRACT_SCRATCH_H

#include "contract_vector.h"

/* Scratch memory begins with a note, which is 0 when a layer begins. */
#define TS_NOTE_FLOATS 16

/* Whether number `what` is what the memory behind the note holds; notes that it does from now on. */
TS_INLINE bool ts_holds(float *scratch, size_t what)
{
    size_t *note = (size_t *)(void *)scratch;
    const bool holds = *note == what + 1;
    *note = what + 1;
    return holds;
}

#endif
