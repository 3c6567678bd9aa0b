/* math_basic.h: exact operations on floats and doubles: rounding, signs, comparisons, roots and remainders.
 *
 * Names: ts_NAME takes and gives doubles, ts_NAMEf floats, as in <math.h>. Functions that a processor vectorises well
 * have no branches, so that a loop over them becomes vector code. Nothing here calls a C library on any target, and
 * nothing depends on whether the compiler fuses products and sums. The rounding mode is to nearest even. */
#ifndef TINSMITH_MATH_BASIC_H
#define TINSMITH_MATH_BASIC_H

#include <stdint.h>

#define TS_INFINITY_F __builtin_inff()
#define TS_INFINITY __builtin_inf()
#define TS_NAN_F __builtin_nanf("")
#define TS_NAN_D __builtin_nan("")
/* Adding it to |x| < 2^51 rounds x to an integer, which then stands in the low bits. */
#define TS_ROUNDER 0x1.8p52
#define TS_LOG2_E 0x1.71547652b82fep+0
#define TS_TWO_BY_PI 0x1.45f306dc9c883p-1

/* Processors that round to an integer in one instruction; elsewhere the builtins would be calls. */
#if defined(__SSE4_1__) || defined(__aarch64__) || defined(__ARM_FEATURE_DIRECTED_ROUNDING)
#define TS_ROUNDS 1
#else
#define TS_ROUNDS 0
#endif

static inline uint32_t ts_bitsf(float value)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline uint64_t ts_bits(double value)
{
    uint64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float ts_from_bitsf(uint32_t bits)
{
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double ts_from_bits(uint64_t bits)
{
    double value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float ts_absf(float x)
{
    return ts_from_bitsf(ts_bitsf(x) & 0x7fffffffu);
}

static inline double ts_abs(double x)
{
    return ts_from_bits(ts_bits(x) & 0x7fffffffffffffffu);
}

static inline float ts_copysignf(float size, float sign)
{
    return ts_from_bitsf((ts_bitsf(size) & 0x7fffffffu) | (ts_bitsf(sign) & 0x80000000u));
}

static inline double ts_copysign(double size, double sign)
{
    return ts_from_bits((ts_bits(size) & 0x7fffffffffffffffu) | (ts_bits(sign) & 0x8000000000000000u));
}

static inline int ts_isnanf(float x)
{
    return x != x;
}

static inline int ts_isnan(double x)
{
    return x != x;
}

static inline int ts_isinff(float x)
{
    return ts_absf(x) == TS_INFINITY_F;
}

static inline int ts_isinf(double x)
{
    return ts_abs(x) == TS_INFINITY;
}

/* 1, -1, or x itself where it is a zero or NaN. By bits: vectors of 32-bit ARM compare denormals as zeros. */
static inline float ts_signf(float x)
{
    uint32_t size = ts_bitsf(x) & 0x7fffffffu;
    return size - 1 < 0x7f800000u ? ts_copysignf(1.0f, x) : x;
}

static inline double ts_sign(double x)
{
    uint64_t size = ts_bits(x) & 0x7fffffffffffffffu;
    return size - 1 < 0x7ff0000000000000u ? ts_copysign(1.0, x) : x;
}

/* NaN if either is, as numpy.maximum; either zero may come out of zeros of both signs. */
static inline float ts_maxf(float a, float b)
{
    float larger = a > b ? a : b;
    return a != a ? a : larger;
}

static inline double ts_max(double a, double b)
{
    double larger = a > b ? a : b;
    return a != a ? a : larger;
}

static inline float ts_minf(float a, float b)
{
    float smaller = a < b ? a : b;
    return a != a ? a : smaller;
}

static inline double ts_min(double a, double b)
{
    double smaller = a < b ? a : b;
    return a != a ? a : smaller;
}

/* To the nearest integer, halves to the even one. */
static inline float ts_rintf(float x)
{
#if TS_ROUNDS
    return __builtin_roundevenf(x);
#else
    float size = ts_absf(x), rounded = (size + 0x1p23f) - 0x1p23f;
    return ts_copysignf(size < 0x1p23f ? rounded : size, x);
#endif
}

static inline double ts_rint(double x)
{
#if TS_ROUNDS
    return __builtin_roundeven(x);
#else
    double size = ts_abs(x), rounded = (size + 0x1p52) - 0x1p52;
    return ts_copysign(size < 0x1p52 ? rounded : size, x);
#endif
}

static inline float ts_floorf(float x)
{
#if TS_ROUNDS
    return __builtin_floorf(x);
#else
    float nearest = ts_rintf(x);
    return nearest - (nearest > x ? 1.0f : 0.0f);
#endif
}

static inline double ts_floor(double x)
{
#if TS_ROUNDS
    return __builtin_floor(x);
#else
    double nearest = ts_rint(x);
    return nearest - (nearest > x ? 1.0 : 0.0);
#endif
}

static inline float ts_ceilf(float x)
{
    return -ts_floorf(-x);
}

static inline double ts_ceil(double x)
{
    return -ts_floor(-x);
}

static inline float ts_truncf(float x)
{
    return ts_copysignf(ts_floorf(ts_absf(x)), x);
}

static inline double ts_trunc(double x)
{
    return ts_copysign(ts_floor(ts_abs(x)), x);
}

#if defined(__SOFTFP__)

/* The first `digits` binary digits of the square root of the fixed-point number `radicand`, whose point is behind the
 * two highest bits; the highest digit is the unit. */
static inline uint64_t ts_root_digits(uint64_t radicand, int digits)
{
    uint64_t root = 0, rest = 0;
    for (int digit = 0; digit < digits; digit++) {
        uint64_t trial = root << 2 | 1;
        rest = rest << 2 | radicand >> 62;
        radicand <<= 2;
        root <<= 1;
        if (rest >= trial) {
            rest -= trial;
            root |= 1;
        }
    }
    return root;
}

#endif

/* Correctly rounded. */
static inline float ts_sqrtf(float x)
{
#if defined(__SOFTFP__)
    if (x == 0 || !(x < TS_INFINITY_F))
        return x;
    if (x < 0)
        return TS_NAN_F;
    uint32_t bits = ts_bitsf(x), tiny = bits < 0x800000u ? (uint32_t)__builtin_clz(bits) - 8 : 0;
    int exponent = (int)(bits >> 23) - 127 - (int)tiny + (tiny != 0), odd = exponent & 1;
    uint64_t fraction = ((bits << tiny) & 0x7fffffu) | 0x800000u;
    uint64_t root = ts_root_digits(fraction << (39 + odd), 25);
    /* The unit digit adds 1 to the exponent. */
    return ts_from_bitsf(((uint32_t)((exponent - odd) / 2 + 126) << 23) + (uint32_t)((root + 1) >> 1));
#else
    return __builtin_sqrtf(x);
#endif
}

static inline double ts_sqrt(double x)
{
#if defined(__SOFTFP__)
    if (x == 0 || !(x < TS_INFINITY))
        return x;
    if (x < 0)
        return TS_NAN_D;
    uint64_t bits = ts_bits(x), least = (uint64_t)1 << 52;
    uint64_t tiny = bits < least ? (uint64_t)__builtin_clzll(bits) - 11 : 0;
    int exponent = (int)(bits >> 52) - 1023 - (int)tiny + (tiny != 0), odd = exponent & 1;
    uint64_t fraction = ((bits << tiny) & (least - 1)) | least;
    uint64_t root = ts_root_digits(fraction << (10 + odd), 54);
    return ts_from_bits(((uint64_t)((exponent - odd) / 2 + 1022) << 52) + ((root + 1) >> 1));
#else
    return __builtin_sqrt(x);
#endif
}

static inline float ts_rsqrtf(float x)
{
    return 1.0f / ts_sqrtf(x);
}

static inline double ts_rsqrt(double x)
{
    return 1.0 / ts_sqrt(x);
}

/* The exact remainder of a / b with the sign of a, as C's fmod. */
static inline float ts_fmodf(float a, float b)
{
    float divisor = ts_absf(b), rest = ts_absf(a);
    if (!(divisor > 0) || !(rest < TS_INFINITY_F))
        return TS_NAN_F;
    if (rest < divisor || divisor == TS_INFINITY_F)
        return a;
    uint32_t left = ts_bitsf(rest), right = ts_bitsf(divisor);
    int above = (int)(left >> 23), below = (int)(right >> 23);
    left = above ? (left & 0x7fffffu) | 0x800000u : left;
    right = below ? (right & 0x7fffffu) | 0x800000u : right;
    above += above == 0;
    below += below == 0;
    left %= right;
    for (int count = above - below; count > 0 && left != 0; count -= 8)
        left = (left << (count < 8 ? count : 8)) % right;
    if (left == 0)
        return ts_copysignf(0.0f, a);
    /* left < 2^24 stands for left * 2^(below - 150). */
    int shift = __builtin_clz(left) - 8, exponent = below - shift;
    uint32_t bits = exponent > 0 ? (left << shift) - 0x800000u + ((uint32_t)exponent << 23) : left << (below - 1);
    return ts_copysignf(ts_from_bitsf(bits), a);
}

static inline double ts_fmod(double a, double b)
{
    double divisor = ts_abs(b), rest = ts_abs(a);
    if (!(divisor > 0) || !(rest < TS_INFINITY))
        return TS_NAN_D;
    if (rest < divisor || divisor == TS_INFINITY)
        return a;
    uint64_t left = ts_bits(rest), right = ts_bits(divisor), least = (uint64_t)1 << 52;
    int above = (int)(left >> 52), below = (int)(right >> 52);
    left = above ? (left & (least - 1)) | least : left;
    right = below ? (right & (least - 1)) | least : right;
    above += above == 0;
    below += below == 0;
    left %= right;
    for (int count = above - below; count > 0 && left != 0; count -= 11)
        left = (left << (count < 11 ? count : 11)) % right;
    if (left == 0)
        return ts_copysign(0.0, a);
    /* left < 2^53 stands for left * 2^(below - 1075). */
    int shift = __builtin_clzll(left) - 11, exponent = below - shift;
    uint64_t bits = exponent > 0 ? (left << shift) - least + ((uint64_t)exponent << 52) : left << (below - 1);
    return ts_copysign(ts_from_bits(bits), a);
}

/* The remainder of a / b with the sign of b, as Python's % and numpy.mod. */
static inline float ts_modf(float a, float b)
{
    float rest = ts_fmodf(a, b);
    if (rest == 0)
        return ts_copysignf(0.0f, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

static inline double ts_mod(double a, double b)
{
    double rest = ts_fmod(a, b);
    if (rest == 0)
        return ts_copysign(0.0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

#endif
