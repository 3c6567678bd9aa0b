/* contract_cut.h: lengths cut into parts that tiles can take. */
#ifndef TS_CONTRACT_CUT_H
#define TS_CONTRACT_CUT_H

#include "contract_vector.h"

/* `length` cut into `parts` parts of nearly the same length, the longer ones first. */
struct ts_cut {
    size_t parts, shorter, longer_parts;
};

TS_INLINE struct ts_cut ts_cut(size_t length, size_t most)
{
    const size_t parts = (length + most - 1) / most;
    return (struct ts_cut){parts, length / parts, length % parts};
}

TS_INLINE size_t ts_cut_start(struct ts_cut cut, size_t part)
{
    return part * cut.shorter + (part < cut.longer_parts ? part : cut.longer_parts);
}

#endif
