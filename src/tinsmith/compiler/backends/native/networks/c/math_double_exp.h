/* math_double_exp.h: exponentials, logarithms, hyperbolic functions and powers of doubles, within 4 units in the last
 * place.
 *
 * No function but ts_pow has a branch. Polynomials are minimax fits of relative error or Taylor's; the comment beside
 * each says of what, where, and how well. */
#ifndef TINSMITH_MATH_DOUBLE_EXP_H
#define TINSMITH_MATH_DOUBLE_EXP_H

#include "math_basic.h"

#define TS_LN2 0x1.62e42fefa39efp-1
/* ln 2 in two parts; a product of the first with an integer below 2^20 is exact. */
#define TS_LN2_HIGH 0x1.62e42fee00000p-1
#define TS_LN2_LOW 0x1.a39ef35793c76p-33

/* The integer in the low bits of `shifted`; anything for a NaN. */
static inline int64_t ts_low_integer(double shifted)
{
    return (int64_t)(ts_bits(shifted) - ts_bits(TS_ROUNDER));
}

/* 2^n for -1023 < n < 1024; anything for other n. */
static inline double ts_power_of_two(int64_t n)
{
    return ts_from_bits(((uint64_t)n + 1023) << 52);
}

/* x * 2^n for |n| < 2000, rounded once where x is near 1. */
static inline double ts_scale(double x, int64_t n)
{
    /* Without a signed shift of 64 bits, which AVX2 lacks; unsigned, as n is anything where x is a NaN. */
    uint64_t half = (((uint64_t)n + 4096) >> 1) - 2048;
    return x * ts_power_of_two((int64_t)half) * ts_power_of_two((int64_t)((uint64_t)n - half));
}

/* x kept within [least, most]; NaN stays. */
static inline double ts_bound(double x, double least, double most)
{
    double bounded = x > most ? most : x;
    return bounded < least ? least : bounded;
}

/* (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2, 2^-55. */
static inline double ts_exp_series(double r)
{
    double p = 1.0 / 6227020800;
    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    return p * r + 0.5;
}

/* 2^offset * e^(x + low), where |low| is below a unit in the last place of x. */
static inline double ts_scaled_exp(double x, double low, int64_t offset)
{
    double bounded = ts_bound(x, -746.0, 711.0);
    double shifted = bounded * TS_LOG2_E + TS_ROUNDER, n = shifted - TS_ROUNDER;
    double r = bounded - n * TS_LN2_HIGH, tail = n * TS_LN2_LOW - low;
    double high = r - tail, rest = (r - high) - tail;
    double sum = 1.0 + high, lost = (1.0 - sum) + high;
    double mantissa = sum + (lost + (high * high * ts_exp_series(high) + (rest + rest * high)));
    return ts_scale(mantissa, ts_low_integer(shifted) + offset);
}

static inline double ts_exp(double x)
{
    return ts_scaled_exp(x, 0.0, 0);
}

static inline double ts_exp2(double x)
{
    double bounded = ts_bound(x, -1077.0, 1025.0);
    double shifted = bounded + TS_ROUNDER, fraction = bounded - (shifted - TS_ROUNDER);
    double high = fraction * TS_LN2;
    double sum = 1.0 + high, lost = (1.0 - sum) + high;
    return ts_scale(sum + (lost + high * high * ts_exp_series(high)), ts_low_integer(shifted));
}

static inline double ts_expm1(double x)
{
    double bounded = ts_bound(x, -40.0, 710.0);
    double shifted = bounded * TS_LOG2_E + TS_ROUNDER, n = shifted - TS_ROUNDER;
    double r = bounded - n * TS_LN2_HIGH, tail = n * TS_LN2_LOW, high = r - tail, rest = (r - high) - tail;
    double power = high + (high * high * ts_exp_series(high) + (rest + rest * high));
    /* Half of the result first: 2^1024 is no double. */
    double scale = ts_power_of_two(ts_low_integer(shifted) - 1);
    double result = 2.0 * (scale * power + (scale - 0.5));
    return ts_abs(x) < 0x1p-54 ? x : result;
}

/* ln(1 + f + low) for sqrt(1/2) <= 1 + f < sqrt(2) and |low| < ulp(1), plus exponent * ln 2. */
static inline double ts_log_parts(double f, double low, double exponent)
{
    double s = f / (2.0 + f), z = s * s;
    /* (2 atanh(s) - 2 s) / s^3 in s^2, 2^-58. */
    double p = 0x1.2f04ac56ac1d4p-3;
    p = p * z + 0x1.39a1d3b708241p-3;
    p = p * z + 0x1.74663d9e5d985p-3;
    p = p * z + 0x1.c71c5211a03a7p-3;
    p = p * z + 0x1.24924941e3b35p-2;
    p = p * z + 0x1.999999997ff02p-2;
    p = p * z + 0x1.5555555555592p-1;
    /* 2 s = f - f^2 / 2 + s f^2 / 2 */
    double half = 0.5 * f * f, correction = low / (1.0 + f) + exponent * TS_LN2_LOW;
    return exponent * TS_LN2_HIGH + (f - (half - (s * (half + z * p) + correction)));
}

/* `result` for finite x > 0, and what a logarithm is elsewhere. */
static inline double ts_log_range(double x, double result)
{
    double whole = x < TS_INFINITY ? result : x;
    double defined = x < 0 ? TS_NAN_D : whole;
    return x == 0 ? -TS_INFINITY : defined;
}

/* n such that sqrt(1/2) <= x / 2^n < sqrt(2), for normal x > 0. */
static inline int32_t ts_exponent(double x)
{
    return (int32_t)((ts_bits(x) - 0x3fe6a09e667f3bcdu) >> 32) >> 20;
}

/* x / 2^n for n = ts_exponent(x). */
static inline double ts_fraction(double x, int32_t n)
{
    return ts_from_bits(ts_bits(x) - ((uint64_t)(uint32_t)n << 52));
}

static inline double ts_log(double x)
{
    double normal = x < 0x1p-1022 ? x * 0x1p54 : x, offset = x < 0x1p-1022 ? 54.0 : 0.0;
    int32_t n = ts_exponent(normal);
    return ts_log_range(x, ts_log_parts(ts_fraction(normal, n) - 1.0, 0.0, (double)n - offset));
}

static inline double ts_log1p(double x)
{
    double sum = 1.0 + x;
    int32_t n = ts_exponent(sum);
    /* What the sum lost, in units of 2^n. */
    double lost = x >= 1.0 ? 1.0 - (sum - x) : x - (sum - 1.0);
    double low = lost * ts_power_of_two(n < 1022 ? -n : -1022);
    double result = ts_log_range(sum, ts_log_parts(ts_fraction(sum, n) - 1.0, low, (double)n));
    return ts_abs(x) < 0x1p-54 ? x : result;
}

static inline double ts_tanh(double x)
{
    double power = ts_expm1(2.0 * ts_bound(ts_abs(x), 0.0, 20.0));
    return ts_copysign(ts_abs(x) < 0x1p-28 ? ts_abs(x) : power / (power + 2.0), x);
}

static inline double ts_sinh(double x)
{
    double size = ts_abs(x), power = ts_expm1(ts_bound(size, 0.0, 2.0)), near = 0.5 * (power + power / (power + 1.0));
    double quarter = ts_scaled_exp(size, 0.0, -2), far = 2.0 * quarter - 0.125 / quarter;
    return ts_copysign(size < 1.0 ? near : far, x);
}

static inline double ts_cosh(double x)
{
    double quarter = ts_scaled_exp(ts_abs(x), 0.0, -2);
    return 2.0 * quarter + 0.125 / quarter;
}

static inline double ts_asinh(double x)
{
    double size = ts_abs(x), square = size * size, more = size + square / (1.0 + ts_sqrt(square + 1.0));
    /* From 2^28 on, asinh(t) = ln(2 t) to a double. */
    double result = ts_log1p(size < 0x1p28 ? more : size - 1.0) + (size < 0x1p28 ? 0.0 : TS_LN2);
    return ts_copysign(result, x);
}

static inline double ts_acosh(double x)
{
    double above = x - 1.0, more = above + ts_sqrt(above * (x + 1.0));
    double result = ts_log1p(x < 0x1p28 ? more : above) + (x < 0x1p28 ? 0.0 : TS_LN2);
    return x < 1.0 ? TS_NAN_D : result;
}

static inline double ts_atanh(double x)
{
    double size = ts_abs(x);
    return ts_copysign(0.5 * ts_log1p(2.0 * size / (1.0 - size)), x);
}

/* 1 / (1 + e^-x), without overflow. */
static inline double ts_sigmoid(double x)
{
    double e = ts_exp(-ts_abs(x));
    return (x < 0 ? e : 1.0) / (1.0 + e);
}

/* ln(1 + e^x), without overflow. */
static inline double ts_softplus(double x)
{
    return (x < 0 ? 0.0 : x) + ts_log1p(ts_exp(-ts_abs(x)));
}

static inline double ts_erf(double x)
{
    double size = ts_bound(ts_abs(x), 0.0, 5.95), square = size * size;
    /* (erf(t) - t) / t in t^2, t <= 1, 2^-ERRNEAR. */
    double near = 0x1.06271a5db7163p-34;
    near = near * square - 0x1.38ac097e8e598p-30;
    near = near * square + 0x1.f7b994cb5d915p-27;
    near = near * square - 0x1.5f1f401cda896p-23;
    near = near * square + 0x1.b9df30407f608p-20;
    near = near * square - 0x1.f4d1e4325dd83p-17;
    near = near * square + 0x1.f9a321e4963cfp-14;
    near = near * square - 0x1.c02db3db48329p-11;
    near = near * square + 0x1.565bcd0dbd8a7p-8;
    near = near * square - 0x1.b82ce31284f35p-6;
    near = near * square + 0x1.ce2f21a042b34p-4;
    near = near * square - 0x1.812746b0379e6p-2;
    near = near * square + 0x1.06eba8214db69p-3;
    /* ln(1 - erf(t)), 1 <= t <= 5.95; erf to 2^-59. */
    double far = 0x1.26a8ac14599c5p-40;
    far = far * size - 0x1.a4d3e6b4d3d48p-35;
    far = far * size + 0x1.194df897c8a7fp-30;
    far = far * size - 0x1.d33d25aa2a385p-27;
    far = far * size + 0x1.0d6ffd068f19ep-23;
    far = far * size - 0x1.c7daed7f5ce5fp-21;
    far = far * size + 0x1.21ea2255a4c07p-18;
    far = far * size - 0x1.14a0a1c7c4520p-16;
    far = far * size + 0x1.792d1969ece3ep-15;
    far = far * size - 0x1.266af023c754bp-14;
    far = far * size - 0x1.7aa7d1774496cp-15;
    far = far * size + 0x1.506713a9a1b63p-11;
    far = far * size - 0x1.cfdfb7d950225p-10;
    far = far * size + 0x1.269f633d279cdp-12;
    far = far * size + 0x1.38922f21e80cfp-6;
    far = far * size - 0x1.a4da202d9c8dbp-4;
    far = far * size - 0x1.45f42d541fe0dp-1;
    far = far * size - 0x1.20dd55f774d1bp+0;
    far = far * size - 0x1.8487619eb0e56p-23;
    double result = size < 1.0 ? size + size * near : 1.0 - ts_exp(far);
    return ts_copysign(result, x);
}

#endif
