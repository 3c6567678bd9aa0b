/* math_double_pow.h: powers of doubles, within 2 units in the last place. */
#ifndef TINSMITH_MATH_DOUBLE_POW_H
#define TINSMITH_MATH_DOUBLE_POW_H

#include "math_double_exp.h"
#include "math_double_pair.h"

#include <stdbool.h>

/* ln(1 + f) for sqrt(1/2) <= 1 + f < sqrt(2), with a relative error below 2^-63. */
static inline ts_pair ts_log_of_fraction(double f)
{
    /* s = f / (2 + f) */
    double divisor = 2.0 + f, s = f / divisor, s_upper = ts_upper(s), upper = ts_upper(divisor);
    double lower = (2.0 - upper) + f, rest = (f - s_upper * upper) - s_upper * lower;
    ts_pair root = ts_pair_sum(s_upper, rest / divisor), square = ts_pair_product(root, root);
    double z = square.high;
    /* (2 atanh(s) - 2 s - 2/3 s^3) / s^5 in s^2, 2^-65. */
    double p = 0x1.0e4467bb4a443p-3;
    p = p * z + 0x1.0f7fb96fdf2ebp-3;
    p = p * z + 0x1.3b1eee23a8c5dp-3;
    p = p * z + 0x1.745ce9d776102p-3;
    p = p * z + 0x1.c71c722d8a527p-3;
    p = p * z + 0x1.2492492457babp-2;
    p = p * z + 0x1.9999999999b31p-2;
    ts_pair series = ts_pair_sum(0x1.5555555555555p-1, z * p + 0x1.5555555555555p-55);
    ts_pair tail = ts_pair_product(ts_pair_product(root, square), series);
    ts_pair sum = ts_pair_sum(2.0 * root.high, tail.high);
    return ts_pair_sum(sum.high, sum.low + (2.0 * root.low + tail.low));
}

/* x^y for finite x > 0. */
static inline double ts_pow_positive(double x, double y)
{
    double normal = x < 0x1p-1022 ? x * 0x1p54 : x;
    int32_t n = ts_exponent(normal);
    double whole = (double)n - (x < 0x1p-1022 ? 54.0 : 0.0);
    ts_pair fraction = ts_log_of_fraction(ts_fraction(normal, n) - 1.0);
    ts_pair sum = ts_pair_sum(whole * TS_LN2_HIGH, fraction.high);
    ts_pair logarithm = ts_pair_sum(sum.high, sum.low + (fraction.low + whole * TS_LN2_LOW));
    /* Beyond 2^65 every power but those of 1 is 0 or infinite. */
    ts_pair exponent = ts_pair_product((ts_pair){ts_bound(y, -0x1p65, 0x1p65), 0.0}, logarithm);
    int extreme = ts_abs(exponent.high) > 1000.0;
    return ts_scaled_exp(exponent.high, extreme ? 0.0 : exponent.low, 0);
}

/* C's pow, which is numpy's. */
static inline double ts_pow(double x, double y)
{
    double size = ts_abs(x);
    if (y == 0 || x == 1.0 || (size == 1.0 && ts_isinf(y)))
        return 1.0;
    if (x != x || y != y)
        return TS_NAN_D;
    bool whole = ts_rint(y) == y, odd = whole && ts_rint(0.5 * y) != 0.5 * y;
    if (x < 0 && size < TS_INFINITY && !whole)
        return TS_NAN_D;
    double result = ts_pow_positive(size, y);
    if (size == 0 || size == TS_INFINITY)
        result = (size > 0) == (y > 0) ? TS_INFINITY : 0.0;
    return odd ? ts_copysign(result, x) : result;
}

#endif
