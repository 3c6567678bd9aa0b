/* math_float_exp.h: exponentials, logarithms and hyperbolic functions of floats, within 2.5 units in the last place
 * (ts_expf, ts_exp2f, ts_logf: 1.1).
 *
 * Names as in math_basic.h. No function has a branch. Polynomials are minimax fits of relative error; the comment
 * beside each says of what, where, and how well. Products and sums are fused where the processor can. */
#ifndef TINSMITH_MATH_FLOAT_EXP_H
#define TINSMITH_MATH_FLOAT_EXP_H

#include "math_basic.h"

#define TS_LOG2_E_F 0x1.715476p+0f
#define TS_LN2_F 0x1.62e430p-1f
/* ln 2 in two parts; a product of the first with an integer below 2^9 is exact. */
#define TS_LN2_HIGH_F 0x1.62e4p-1f
#define TS_LN2_LOW_F 0x1.7f7d1cp-20f
/* Adding it to |x| < 2^22 rounds x to an integer, which then stands in the low bits. */
#define TS_ROUNDER_F 0x1.8p23f

/* The integer in the low bits of `shifted`; anything for a NaN. */
static inline int32_t ts_low_integerf(float shifted)
{
    return (int32_t)(ts_bitsf(shifted) - ts_bitsf(TS_ROUNDER_F));
}

/* 2^n for -127 < n < 128; anything for other n. */
static inline float ts_power_of_twof(int32_t n)
{
    return ts_from_bitsf((uint32_t)(n + 127) << 23);
}

/* x * 2^n for |n| < 250, rounded once where x is near 1. */
static inline float ts_scalef(float x, int32_t n)
{
    int32_t half = n >> 1;
    return x * ts_power_of_twof(half) * ts_power_of_twof(n - half);
}

/* x kept within [least, most]; NaN stays. */
static inline float ts_boundf(float x, float least, float most)
{
    float bounded = x > most ? most : x;
    return bounded < least ? least : bounded;
}

/* 2^offset * e^x, within 1 unit in the last place. */
static inline float ts_scaled_expf(float x, int32_t offset)
{
#pragma clang fp contract(fast)
    float bounded = ts_boundf(x, -104.0f, 90.0f);
    float shifted = bounded * TS_LOG2_E_F + TS_ROUNDER_F, n = shifted - TS_ROUNDER_F;
    float r = bounded - n * TS_LN2_HIGH_F - n * TS_LN2_LOW_F;
    /* (e^r - 1 - r) / r^2, |r| <= ln(2) / 2, 2^-27. */
    float p = 0x1.6d6224p-10f;
    p = p * r + 0x1.1227c0p-7f;
    p = p * r + 0x1.5554d6p-5f;
    p = p * r + 0x1.5554b0p-3f;
    p = p * r + 0.5f;
    float sum = 1.0f + r, lost = (1.0f - sum) + r;
    return ts_scalef(sum + (lost + r * r * p), ts_low_integerf(shifted) + offset);
}

static inline float ts_expf(float x)
{
    return ts_scaled_expf(x, 0);
}

static inline float ts_exp2f(float x)
{
#pragma clang fp contract(fast)
    float bounded = ts_boundf(x, -152.0f, 129.0f);
    float shifted = bounded + TS_ROUNDER_F, r = bounded - (shifted - TS_ROUNDER_F);
    /* (2^r - 1) / r, |r| <= 1/2, 2^-32. */
    float p = 0x1.ec64c2p-17f;
    p = p * r + 0x1.440e86p-13f;
    p = p * r + 0x1.5d9cccp-10f;
    p = p * r + 0x1.3b2a5cp-7f;
    p = p * r + 0x1.c6b074p-5f;
    p = p * r + 0x1.ebfbe0p-3f;
    p = p * r + 0x1.62e430p-1f;
    return ts_scalef(1.0f + r * p, ts_low_integerf(shifted));
}

static inline float ts_expm1f(float x)
{
#pragma clang fp contract(fast)
    float bounded = ts_boundf(x, -18.0f, 89.0f);
    float shifted = bounded * TS_LOG2_E_F + TS_ROUNDER_F, n = shifted - TS_ROUNDER_F;
    float r = bounded - n * TS_LN2_HIGH_F - n * TS_LN2_LOW_F;
    /* (e^r - 1 - r) / r^2, |r| <= ln(2) / 2, 2^-32. */
    float p = 0x1.a2670ep-13f;
    p = p * r + 0x1.6d3ef6p-10f;
    p = p * r + 0x1.110ff4p-7f;
    p = p * r + 0x1.5554f4p-5f;
    p = p * r + 0x1.555556p-3f;
    p = p * r + 0.5f;
    /* Half of the result first: 2^128 is no float. */
    float scale = ts_power_of_twof(ts_low_integerf(shifted) - 1);
    float result = 2.0f * (scale * (r + r * r * p) + (scale - 0.5f));
    return ts_absf(x) < 0x1p-25f ? x : result;
}

/* ln(1 + f) for sqrt(1/2) <= 1 + f < sqrt(2), plus exponent * ln 2. */
static inline float ts_log_partsf(float f, float exponent)
{
#pragma clang fp contract(fast)
    /* (ln(1 + f) - f + f^2 / 2) / f^3, 2^-27. */
    float p = -0x1.41f71cp-4f;
    p = p * f + 0x1.07d470p-3f;
    p = p * f - 0x1.0cdfdcp-3f;
    p = p * f + 0x1.226d78p-3f;
    p = p * f - 0x1.54788cp-3f;
    p = p * f + 0x1.99a5a6p-3f;
    p = p * f - 0x1.000220p-2f;
    p = p * f + 0x1.55554ap-2f;
    float square = f * f, small = f * square * p + exponent * TS_LN2_LOW_F - 0.5f * square;
    return (f + small) + exponent * TS_LN2_HIGH_F;
}

/* `result` for finite x > 0, and what a logarithm is elsewhere. */
static inline float ts_log_rangef(float x, float result)
{
    float whole = x < TS_INFINITY_F ? result : x;
    float signed_ = x < 0 ? TS_NAN_F : whole;
    return x == 0 ? -TS_INFINITY_F : signed_;
}

/* n such that sqrt(1/2) <= x / 2^n < sqrt(2), for normal x > 0. */
static inline int32_t ts_exponentf(float x)
{
    return (int32_t)(ts_bitsf(x) - 0x3f3504f3u) >> 23;
}

static inline float ts_logf(float x)
{
    float normal = x < 0x1p-126f ? x * 0x1p24f : x, offset = x < 0x1p-126f ? 24.0f : 0.0f;
    int32_t n = ts_exponentf(normal);
    float fraction = ts_from_bitsf(ts_bitsf(normal) - ((uint32_t)n << 23));
    return ts_log_rangef(x, ts_log_partsf(fraction - 1.0f, (float)n - offset));
}

static inline float ts_log1pf(float x)
{
    float sum = 1.0f + x;
    int32_t n = ts_exponentf(sum);
    /* What the sum lost, in units of 2^n. */
    float lost = x >= 1.0f ? 1.0f - (sum - x) : x - (sum - 1.0f);
    float fraction = ts_from_bitsf(ts_bitsf(sum) - ((uint32_t)n << 23));
    float f = (fraction - 1.0f) + lost * ts_power_of_twof(n < 126 ? -n : -126);
    float result = ts_log_rangef(sum, ts_log_partsf(f, (float)n));
    return ts_absf(x) < 0x1p-25f ? x : result;
}

static inline float ts_tanhf(float x)
{
#pragma clang fp contract(fast)
    float size = ts_boundf(ts_absf(x), 0.0f, 10.0f), square = size * size;
    /* (tanh(t) - t) / t^3 in t^2, t <= 0.625, 2^-28. */
    float near = -0x1.769de4p-8f;
    near = near * square + 0x1.525326p-6f;
    near = near * square - 0x1.b8439ap-5f;
    near = near * square + 0x1.110762p-3f;
    near = near * square - 0x1.555534p-2f;
    float far = 1.0f - 2.0f / (ts_expf(2.0f * size) + 1.0f);
    return ts_copysignf(size < 0.625f ? size + size * square * near : far, x);
}

static inline float ts_sinhf(float x)
{
    float size = ts_absf(x), square = size * size;
    /* (sinh(t) - t) / t^3 in t^2, t <= 1. */
    float near = 0x1.75a6f6p-19f;
    near = near * square + 0x1.a02156p-13f;
    near = near * square + 0x1.1110e2p-7f;
    near = near * square + 0x1.555556p-3f;
    float quarter = ts_scaled_expf(size, -2), far = 2.0f * quarter - 0.125f / quarter;
    return ts_copysignf(size < 1.0f ? size + size * square * near : far, x);
}

static inline float ts_coshf(float x)
{
    float quarter = ts_scaled_expf(ts_absf(x), -2);
    return 2.0f * quarter + 0.125f / quarter;
}

static inline float ts_asinhf(float x)
{
    float size = ts_absf(x), square = size * size;
    float more = size + square / (1.0f + ts_sqrtf(square + 1.0f));
    /* From 2^12 on, asinh(t) = ln(2 t) to a float. */
    float result = ts_log1pf(size < 0x1p12f ? more : size - 1.0f) + (size < 0x1p12f ? 0.0f : TS_LN2_F);
    return ts_copysignf(result, x);
}

static inline float ts_acoshf(float x)
{
    float above = x - 1.0f, more = above + ts_sqrtf(above * (x + 1.0f));
    float result = ts_log1pf(x < 0x1p12f ? more : above) + (x < 0x1p12f ? 0.0f : TS_LN2_F);
    return x < 1.0f ? TS_NAN_F : result;
}

static inline float ts_atanhf(float x)
{
    float size = ts_absf(x);
    return ts_copysignf(0.5f * ts_log1pf(2.0f * size / (1.0f - size)), x);
}

/* 1 / (1 + e^-x), without overflow. */
static inline float ts_sigmoidf(float x)
{
    float e = ts_expf(-ts_absf(x));
    return (x < 0 ? e : 1.0f) / (1.0f + e);
}

/* ln(1 + e^x), without overflow. */
static inline float ts_softplusf(float x)
{
    return (x < 0 ? 0.0f : x) + ts_log1pf(ts_expf(-ts_absf(x)));
}

static inline float ts_erff(float x)
{
#pragma clang fp contract(fast)
    float size = ts_boundf(ts_absf(x), 0.0f, 3.95f), square = size * size;
    /* (erf(t) - t) / t in t^2, t <= 0.875, 2^-30. */
    float near = 0x1.4711a0p-14f;
    near = near * square - 0x1.a41db0p-11f;
    near = near * square + 0x1.54227ep-8f;
    near = near * square - 0x1.b7fe88p-6f;
    near = near * square + 0x1.ce2d56p-4f;
    near = near * square - 0x1.812740p-2f;
    near = near * square + 0x1.06eba8p-3f;
    /* ln(1 - erf(t)), 0.875 <= t <= 3.95; erf to 2^-29. */
    float far = 0x1.a59762p-13f;
    far = far * size - 0x1.955a48p-9f;
    far = far * size + 0x1.6f59e2p-6f;
    far = far * size - 0x1.ab5596p-4f;
    far = far * size - 0x1.46021ep-1f;
    far = far * size - 0x1.20c082p+0f;
    far = far * size - 0x1.177f7cp-13f;
    float result = size < 0.875f ? size + size * near : 1.0f - ts_expf(far);
    return ts_copysignf(result, x);
}

#endif
