/* kernels.h: the kernels of one variant. */
#ifndef TS_KERNELS_H
#define TS_KERNELS_H

#include "forest.h"

ts_kernel TS_NAME(ts_walk);
size_t TS_NAME(ts_walk_workspace)(void);

ts_kernel TS_NAME(ts_bitslice);
size_t TS_NAME(ts_bitslice_workspace)(void);

ts_kernel TS_NAME(ts_gather);
size_t TS_NAME(ts_gather_workspace)(void);

ts_kernel TS_NAME(ts_bytes);
size_t TS_NAME(ts_bytes_workspace)(void);

/* transform.c */
void TS_NAME(ts_transform)(const ts_real *margins, size_t count, ts_real *out);

#endif
