/* body.h: a variant of the model's body (forest or linear) and its transform, as entry.c sees it. */
#ifndef TS_BODY_H
#define TS_BODY_H

#include "forest.h"

enum ts_kernel_name { TS_ANY_KERNEL, TS_WALK, TS_BITSLICE, TS_BYTES, TS_GATHER, TS_KERNELS };
#define TS_KERNEL_NAMES "", "walk", "bitslice", "bytes", "gather"

struct ts_body {
    /* Bytes that `margins` needs for up to `count` rows. */
    size_t (*workspace)(size_t count, enum ts_kernel_name forced);
    /* Writes TS_MARGINS sums per row. Where this variant lacks the kernel `forced`, the best one for `count` runs. */
    void (*margins)(const float *rows, size_t count, size_t stride, ts_real *margins, void *workspace,
                    enum ts_kernel_name forced);
    /* Writes TS_OUTPUTS predictions per row; `out` may be `margins` where TS_OUTPUTS is TS_MARGINS. */
    void (*transform)(const ts_real *margins, size_t count, ts_real *out);
};

#ifdef TS_VARIANTS
#define TS_DECLARE_BODY(variant) extern const struct ts_body ts_body_##variant;
TS_VARIANTS(TS_DECLARE_BODY)
#else
extern const struct ts_body ts_body;
#endif

#endif
