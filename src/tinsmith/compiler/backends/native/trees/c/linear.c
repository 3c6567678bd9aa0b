/* linear.c: margins of a linear model: base, then one product after the other, each rounded. */
#include "body.h"
#include "kernels.h"

static void row_margins(const float *row, ts_real *margins)
{
    const ts_real *weights = TS_TABLE(ts_real, TS_AT_WEIGHTS);
    const ts_real *base = TS_TABLE(ts_real, TS_AT_BASE);
    for (size_t column = 0; column < TS_MARGINS; column++)
        margins[column] = base[column];
    for (size_t feature = 0; feature < TS_FEATURES; feature++, weights += TS_MARGINS) {
        uint32_t bits;
        __builtin_memcpy(&bits, row + feature, sizeof bits);
        if ((bits & 0x7fffffffu) > TS_INFINITY_BITS)
            continue;
        for (size_t column = 0; column < TS_MARGINS; column++)
            margins[column] += (ts_real)row[feature] * weights[column];
    }
}

static size_t workspace(size_t count, enum ts_kernel_name forced)
{
    (void)count, (void)forced;
    return 0;
}

static void predict_margins(const float *rows, size_t count, size_t stride, ts_real *margins, void *space,
                            enum ts_kernel_name forced)
{
    (void)space, (void)forced;
    for (size_t row = 0; row < count; row++)
        row_margins(rows + row * stride, margins + row * TS_MARGINS);
}

const struct ts_body TS_NAME(ts_body) = {workspace, predict_margins, TS_NAME(ts_transform)};
