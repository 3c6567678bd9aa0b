/* math_float_trig.h: trigonometric functions and powers of floats, within 2.5 units in the last place.
 *
 * No function has a branch. What needs more than a float's precision on the way is computed in doubles. */
#ifndef TINSMITH_MATH_FLOAT_TRIG_H
#define TINSMITH_MATH_FLOAT_TRIG_H

#include "math_basic.h"
#include "math_float_exp.h"

/* pi / 2 in two parts; a product of the first with an integer below 2^28 is exact. */
#define TS_HALF_PI_HIGH 0x1.921fb5p+0
#define TS_HALF_PI_LOW 0x1.110b4611a6263p-26

#define TS_PI_F 0x1.921fb6p+1f
#define TS_HALF_PI_F 0x1.921fb6p+0f
/* What the float pi / 2 has too much. */
#define TS_HALF_PI_EXCESS_F 0x1.777a5cp-25f

/* An angle x is quadrant * pi / 2 + rest, with |rest| <= pi / 4 and the quadrant modulo 4. */
typedef struct {
    float rest;
    uint32_t quadrant;
} ts_anglef;

/* Exact to 2^-60 for |x| < 2^17; from 2^28 on an arbitrary angle. NaN for the infinite. */
static inline ts_anglef ts_reducef(float x)
{
    double wide = (double)x, shifted = wide * TS_TWO_BY_PI + TS_ROUNDER, n = shifted - TS_ROUNDER;
    double rest = wide - n * TS_HALF_PI_HIGH - n * TS_HALF_PI_LOW;
    return (ts_anglef){ts_boundf((float)rest, -TS_HALF_PI_F / 2, TS_HALF_PI_F / 2), (uint32_t)ts_bits(shifted)};
}

/* sin(rest + quadrant * pi / 2) */
static inline float ts_sine_of_anglef(ts_anglef angle)
{
    float r = angle.rest, square = r * r;
    /* (sin(r) - r) / r^3 in r^2, |r| <= pi / 4, 2^-32. */
    float s = 0x1.7cd348p-19f;
    s = s * square - 0x1.a05bb0p-13f;
    s = s * square + 0x1.111176p-7f;
    s = s * square - 0x1.555556p-3f;
    float sine = r + r * square * s;
    /* (cos(r) - 1 + r^2 / 2) / r^4 in r^2, |r| <= pi / 4, 2^-33. */
    float c = 0x1.99e5dcp-16f;
    c = c * square - 0x1.6c0c24p-10f;
    c = c * square + 0x1.55554ap-5f;
    float cosine = 1.0f + (square * square * c - 0.5f * square);
    float size = angle.quadrant & 1u ? cosine : sine;
    return ts_from_bitsf(ts_bitsf(size) ^ (angle.quadrant & 2u) << 30);
}

static inline float ts_sinf(float x)
{
    float result = ts_sine_of_anglef(ts_reducef(x));
    return x == 0 ? x : result;
}

static inline float ts_cosf(float x)
{
    ts_anglef angle = ts_reducef(x);
    angle.quadrant += 1u;
    return ts_sine_of_anglef(angle);
}

static inline float ts_tanf(float x)
{
    ts_anglef angle = ts_reducef(x);
    float r = angle.rest, square = r * r;
    /* (tan(r) - r) / r^3 in r^2, |r| <= pi / 4, 2^-29. */
    float p = 0x1.2216f0p-8f;
    p = p * square - 0x1.20ba40p-16f;
    p = p * square + 0x1.65fc36p-7f;
    p = p * square + 0x1.5c164cp-6f;
    p = p * square + 0x1.baebeep-5f;
    p = p * square + 0x1.110d2ap-3f;
    p = p * square + 0x1.555562p-2f;
    float tangent = r + r * square * p;
    float result = angle.quadrant & 1u ? -1.0f / tangent : tangent;
    return x == 0 ? x : result;
}

/* asin(root), where root = sqrt(square) <= 1/2. */
static inline float ts_asin_partf(float root, float square)
{
    /* (asin(t) - t) / t^3 in t^2, t <= 1/2, 2^-31. */
    float p = 0x1.3423d6p-5f;
    p = p * square + 0x1.d6bac8p-7f;
    p = p * square + 0x1.04bc44p-5f;
    p = p * square + 0x1.6ca962p-5f;
    p = p * square + 0x1.3338a4p-4f;
    p = p * square + 0x1.55554cp-3f;
    return root + root * square * p;
}

/* Beyond 1/2, asin(t) = pi / 2 - 2 asin(sqrt((1 - t) / 2)). */
static inline float ts_asinf(float x)
{
    float size = ts_absf(x), far = 0.5f - 0.5f * size, square = size > 0.5f ? far : size * size;
    float part = ts_asin_partf(size > 0.5f ? ts_sqrtf(far) : size, square);
    float halved = (0.5f * TS_HALF_PI_F - part) - 0.5f * TS_HALF_PI_EXCESS_F;
    float result = size > 0.5f ? 2.0f * halved : part;
    return ts_copysignf(result, x);
}

static inline float ts_acosf(float x)
{
    float size = ts_absf(x), far = 0.5f - 0.5f * size, square = size > 0.5f ? far : size * size;
    float part = ts_asin_partf(size > 0.5f ? ts_sqrtf(far) : size, square);
    float middle = TS_HALF_PI_F - (ts_copysignf(part, x) + TS_HALF_PI_EXCESS_F);
    float left = TS_PI_F - 2.0f * (part + TS_HALF_PI_EXCESS_F), end = x < 0 ? left : 2.0f * part;
    return size > 0.5f ? end : middle;
}

/* Beyond 1, atan(t) = pi / 2 - atan(1 / t). */
static inline float ts_atanf(float x)
{
    float size = ts_absf(x), t = size > 1.0f ? 1.0f / size : size, square = t * t;
    /* (atan(t) - t) / t^3 in t^2, t <= 1, 2^-28. */
    float p = -0x1.de9f90p-10f;
    p = p * square + 0x1.6a57f6p-7f;
    p = p * square - 0x1.019446p-5f;
    p = p * square + 0x1.dcf1c4p-5f;
    p = p * square - 0x1.58d352p-4f;
    p = p * square + 0x1.c0cf18p-4f;
    p = p * square - 0x1.24269ap-3f;
    p = p * square + 0x1.99926cp-3f;
    p = p * square - 0x1.555540p-2f;
    float part = t + t * square * p;
    return ts_copysignf(size > 1.0f ? TS_HALF_PI_F - (part + TS_HALF_PI_EXCESS_F) : part, x);
}

/* log2(x) for x > 0, with a relative error below 2^-40. */
static inline double ts_log2_of_float(float x)
{
    double wide = (double)x;
    int32_t n = (int32_t)((ts_bits(wide) - 0x3fe6a09e667f3bcdu) >> 32) >> 20;
    double fraction = ts_from_bits(ts_bits(wide) - ((uint64_t)(uint32_t)n << 52));
    double s = (fraction - 1.0) / (fraction + 1.0), square = s * s;
    /* (2 atanh(s) - 2 s) / s^3 in s^2, 2^-44. */
    double p = 0x1.9116aa8a3eddbp-3;
    p = p * square + 0x1.c62b0151ea29ap-3;
    p = p * square + 0x1.24941228a1ebcp-2;
    p = p * square + 0x1.999996a8bcedbp-2;
    p = p * square + 0x1.555555561e7a6p-1;
    return (double)n + (2.0 * s + s * square * p) * TS_LOG2_E;
}

/* 2^x rounded to a float. */
static inline float ts_exp2_to_float(double x)
{
    double bounded = x > 130.0 ? 130.0 : x;
    bounded = bounded < -152.0 ? -152.0 : bounded;
    double shifted = bounded + TS_ROUNDER, r = bounded - (shifted - TS_ROUNDER);
    /* (2^r - 1) / r, |r| <= 1/2, 2^-39. */
    double p = 0x1.64008e40b2599p-20;
    p = p * r + 0x1.00dc3d96f8b8bp-16;
    p = p * r + 0x1.43087eda84b47p-13;
    p = p * r + 0x1.5d8745c0081c7p-10;
    p = p * r + 0x1.3b2ab732c3546p-7;
    p = p * r + 0x1.c6b08dd6df535p-5;
    p = p * r + 0x1.ebfbdff81203cp-3;
    p = p * r + 0x1.62e42fef84e40p-1;
    uint64_t scale = (ts_bits(shifted) + 1023) << 52;
    return (float)(ts_from_bits(scale) * (1.0 + r * p));
}

/* C's pow, which is numpy's. */
static inline float ts_powf(float x, float y)
{
    float size = ts_absf(x);
    double exponent = ts_log2_of_float(size);
    exponent = size == 0 ? -TS_INFINITY : exponent;
    exponent = size < TS_INFINITY_F ? exponent : (double)size;
    float result = ts_exp2_to_float((double)y * exponent);
    int whole = ts_rintf(y) == y, odd = whole & (ts_rintf(0.5f * y) != 0.5f * y);
    int undefined = (x < 0) & (size < TS_INFINITY_F) & !whole;
    int one = (y == 0) | (x == 1.0f) | ((size == 1.0f) & ts_isinff(y));
    result = undefined ? TS_NAN_F : result;
    result = odd ? ts_copysignf(result, x) : result;
    return one ? 1.0f : result;
}

#endif
