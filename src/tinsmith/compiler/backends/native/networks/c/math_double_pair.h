/* math_double_pair.h: numbers of about 100 bits as sums of two doubles.
 *
 * Every product whose rounding would matter is exact, so that fusing it with a sum changes nothing. */
#ifndef TINSMITH_MATH_DOUBLE_PAIR_H
#define TINSMITH_MATH_DOUBLE_PAIR_H

#include "math_basic.h"

/* high + low, where |low| is at most a unit in the last place of high. */
typedef struct {
    double high, low;
} ts_pair;

/* a + b for |a| >= |b|, or a = 0. */
static inline ts_pair ts_pair_sum(double a, double b)
{
    double sum = a + b;
    return (ts_pair){sum, b - (sum - a)};
}

/* The upper 26 bits of x: the product of two such numbers is exact. */
static inline double ts_upper(double x)
{
    return ts_from_bits(ts_bits(x) & 0xfffffffff8000000u);
}

static inline ts_pair ts_pair_product(ts_pair a, ts_pair b)
{
    double left = ts_upper(a.high), right = ts_upper(b.high);
    double left_rest = a.high - left, right_rest = b.high - right;
    double small = left_rest * right_rest + (a.high * b.low + a.low * b.high);
    return ts_pair_sum(left * right, (left * right_rest + left_rest * right) + small);
}

#endif
