/* forest.c: chooses the kernel for each block of rows, divides, and offers the variant to entry.c. */
#include "body.h"
#include "kernels.h"

struct kernel {
    enum ts_kernel_name name;
    ts_kernel *run;
    size_t (*workspace)(void);
    size_t most_rows; /* the first kernel whose most_rows are not below the rows left takes them */
    size_t block;     /* it takes at most so many at once */
};

/* Most rows that go one by one, and rows of a block of the bitslice kernel: what is left after whole blocks may be few
 * rows again. */
#if defined(__AVX512VBMI__)
#define SMALL_ROWS TS_SMALL_ROWS_VBMI
#define BLOCK_ROWS 512
#elif defined(__AVX512BW__)
#define SMALL_ROWS TS_SMALL_ROWS_AVX512
#define BLOCK_ROWS 512
#elif defined(__AVX2__)
#define SMALL_ROWS TS_SMALL_ROWS_AVX2
#define BLOCK_ROWS 256
#else
#define SMALL_ROWS TS_SMALL_ROWS_BASE
#define BLOCK_ROWS 128
#endif

static const struct kernel kernels[] = {
#if TS_HAS_BYTES && defined(__AVX512VBMI__)
    {TS_BYTES, TS_NAME(ts_bytes), TS_NAME(ts_bytes_workspace), SMALL_ROWS, SMALL_ROWS},
#endif
    {TS_WALK, TS_NAME(ts_walk), TS_NAME(ts_walk_workspace), SMALL_ROWS, SMALL_ROWS},
#if TS_HAS_BITSLICE
    {TS_BITSLICE, TS_NAME(ts_bitslice), TS_NAME(ts_bitslice_workspace), SIZE_MAX, BLOCK_ROWS},
#endif
#if TS_HAS_GATHER
    {TS_GATHER, TS_NAME(ts_gather), TS_NAME(ts_gather_workspace), SIZE_MAX, TS_GATHER_CHUNK},
#endif
};

#define KERNELS (sizeof kernels / sizeof kernels[0])

static const struct kernel *choose(size_t rows, enum ts_kernel_name forced)
{
    if (forced)
        for (size_t i = 0; i < KERNELS; i++)
            if (kernels[i].name == forced)
                return &kernels[i];
    const struct kernel *kernel = kernels;
    while (kernel->most_rows < rows)
        kernel++;
    return kernel;
}

/* The most that any kernel needs which `choose` may give for 1 to `count` rows. */
static size_t workspace(size_t count, enum ts_kernel_name forced)
{
    size_t most = 0;
    size_t below = 0; /* rows that earlier kernels take */
    for (size_t i = 0; i < KERNELS && below < count; i++) {
        size_t bytes = kernels[i].workspace();
        most = bytes > most ? bytes : most;
        below = kernels[i].most_rows;
    }
    if (forced) {
        size_t bytes = choose(count, forced)->workspace();
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void divide(ts_real *margins, size_t count)
{
    if (TS_DIVISOR != 1)
        for (size_t i = 0; i < count * TS_MARGINS; i++)
            margins[i] /= (ts_real)TS_DIVISOR;
}

static void predict_margins(const float *rows, size_t count, size_t stride, ts_real *margins, void *space,
                            enum ts_kernel_name forced)
{
    while (count) {
        const struct kernel *kernel = choose(count, forced);
        size_t some = count < kernel->block ? count : kernel->block;
        kernel->run(rows, some, stride, margins, space);
        divide(margins, some);
        rows += some * stride;
        margins += some * TS_MARGINS;
        count -= some;
    }
}

const struct ts_body TS_NAME(ts_body) = {workspace, predict_margins, TS_NAME(ts_transform)};
