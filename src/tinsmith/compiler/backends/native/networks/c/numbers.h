/* numbers.h: small number formats in storage, and the floats that they stand for.
 *
 * Names: ts_FORMAT_to_float and ts_float_to_FORMAT; a stored number is the unsigned integer of its bits. Rounding is
 * to nearest even. No function has a branch. The 8-bit formats follow the tables of ONNX's Cast and, where those are
 * silent, its reference evaluator; `saturate` is Cast's attribute of that name. */
#ifndef TINSMITH_NUMBERS_H
#define TINSMITH_NUMBERS_H

#include "integers.h"
#include "math_basic.h"

#include <stdbool.h>
#include <stdint.h>

/* IEEE 754 binary16, with denormals, infinities and NaNs. */
static inline float ts_half_to_float(uint16_t half)
{
#if defined(__F16C__) || defined(__aarch64__)
    _Float16 value;
    __builtin_memcpy(&value, &half, sizeof value);
    return (float)value;
#else
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, size = (uint32_t)(half & 0x7fffu) << 13;
    uint32_t tiny = ts_bitsf(ts_from_bitsf(size + (113u << 23)) - 0x1p-14f);
    uint32_t large = size + ((size < 0x0f800000u ? 112u : 224u) << 23);
    return ts_from_bitsf(sign | (size < 0x800000u ? tiny : large));
#endif
}

static inline uint16_t ts_float_to_half(float x)
{
#if defined(__F16C__) || defined(__aarch64__)
    _Float16 value = (_Float16)x;
    uint16_t half;
    __builtin_memcpy(&half, &value, sizeof half);
    return half;
#else
    uint32_t bits = ts_bitsf(x), size = bits & 0x7fffffffu;
    /* Beside 0.5 the last bit of a float is worth the least half. */
    uint32_t tiny = ts_bitsf(ts_from_bitsf(size) + 0.5f) - ts_bitsf(0.5f);
    uint32_t normal = (size + 0xfffu + (size >> 13 & 1u) - (112u << 23)) >> 13;
    uint32_t finite = size < (113u << 23) ? tiny : normal;
    uint32_t ordered = size < (143u << 23) ? finite : 0x7c00u;
    uint32_t nan = 0x7e00u | (size >> 13 & 0x3ffu);
    return (uint16_t)((bits >> 16 & 0x8000u) | (size > 0x7f800000u ? nan : ordered));
#endif
}

/* The upper half of a float. */
static inline float ts_bfloat16_to_float(uint16_t stored)
{
    return ts_from_bitsf((uint32_t)stored << 16);
}

static inline uint16_t ts_float_to_bfloat16(float x)
{
    uint32_t bits = ts_bitsf(x), rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)(x != x ? bits >> 16 | 0x40u : rounded);
}

/* The nearest float that the format can hold. */
static inline float ts_round_half(float x)
{
    return ts_half_to_float(ts_float_to_half(x));
}

static inline float ts_round_bfloat16(float x)
{
    return ts_bfloat16_to_float(ts_float_to_bfloat16(x));
}

/* The float next to x that has an odd last bit, or x where it is a float: rounding it again to a format with two bits
 * less, or fewer, gives what rounding x once does. */
static inline float ts_round_to_odd(double x)
{
    float nearest = (float)x;
    uint32_t inexact = (double)nearest != x, beyond = ts_abs((double)nearest) > ts_abs(x);
    return ts_from_bitsf((ts_bitsf(nearest) - beyond) | inexact);
}

static inline float ts_round_half_double(double x)
{
    return ts_round_half(ts_round_to_odd(x));
}

static inline float ts_round_bfloat16_double(double x)
{
    return ts_round_bfloat16(ts_round_to_odd(x));
}

/* |x| in a format of so many explicit bits of mantissa and this exponent bias, where all codes are numbers. Codes
 * above `largest` become `beyond`; so does NaN. */
static inline uint32_t ts_encode_size(float x, uint32_t mantissa, uint32_t bias, uint32_t largest, uint32_t beyond)
{
    uint32_t size = ts_bitsf(x) & 0x7fffffffu, dropped = 23 - mantissa, least = 128 - bias;
    /* Beside this unit the last bit of a float is worth the least number of the format. */
    float unit = ts_from_bitsf((least + dropped) << 23);
    uint32_t tiny = ts_bitsf(ts_from_bitsf(size) + unit) - ts_bitsf(unit);
    uint32_t half = (1u << (dropped - 1)) - 1 + (size >> dropped & 1u);
    uint32_t normal = (size + half - ((least - 1) << 23)) >> dropped;
    uint32_t code = size < least << 23 ? tiny : normal;
    return code > largest ? beyond : code;
}

/* The number >= 0 of a code in such a format. */
static inline float ts_decode_size(uint32_t code, uint32_t mantissa, uint32_t bias)
{
    uint32_t size = code << (23 - mantissa), least = 128 - bias;
    float tiny = ts_from_bitsf(size + (least << 23)) - ts_from_bitsf(least << 23);
    return size < 0x800000u ? tiny : ts_from_bitsf(size + ((least - 1) << 23));
}

static inline float ts_with_sign(float size, uint8_t stored)
{
    return ts_from_bitsf(ts_bitsf(size) | (uint32_t)(stored & 0x80u) << 24);
}

/* No infinity; 0x7f and 0xff are NaN; to 448. */
static inline float ts_float8_e4m3fn_to_float(uint8_t stored)
{
    float size = ts_decode_size(stored & 0x7fu, 3, 7);
    return ts_with_sign((stored & 0x7fu) == 0x7fu ? TS_NAN_F : size, stored);
}

static inline uint8_t ts_float_to_float8_e4m3fn(float x, bool saturate)
{
    uint32_t code = ts_encode_size(x, 3, 7, 0x7e, saturate ? 0x7e : 0x7f);
    return (uint8_t)((ts_bitsf(x) >> 24 & 0x80u) | (x != x ? 0x7f : code));
}

/* 0x7c is infinity, what follows it NaN; to 57344. */
static inline float ts_float8_e5m2_to_float(uint8_t stored)
{
    return ts_half_to_float((uint16_t)(stored << 8));
}

static inline uint8_t ts_float_to_float8_e5m2(float x, bool saturate)
{
    uint32_t code = ts_encode_size(x, 2, 15, 0x7b, saturate ? 0x7b : 0x7c);
    return (uint8_t)((ts_bitsf(x) >> 24 & 0x80u) | (x != x ? 0x7e : code));
}

/* The formats fnuz have no infinity and no -0, whose code 0x80 is the NaN. */
static inline float ts_fnuz_to_float(uint8_t stored, uint32_t mantissa, uint32_t bias)
{
    float value = ts_with_sign(ts_decode_size(stored & 0x7fu, mantissa, bias), stored);
    return stored == 0x80u ? TS_NAN_F : value;
}

static inline uint8_t ts_float_to_fnuz(float x, uint32_t mantissa, uint32_t bias, bool saturate)
{
    uint32_t code = ts_encode_size(x, mantissa, bias, 0x7f, saturate ? 0x7f : 0x80);
    uint32_t signed_code = code == 0 ? 0 : code | (ts_bitsf(x) >> 24 & 0x80u);
    return (uint8_t)(x != x ? 0x80u : signed_code);
}

/* To 240. */
static inline float ts_float8_e4m3fnuz_to_float(uint8_t stored)
{
    return ts_fnuz_to_float(stored, 3, 8);
}

static inline uint8_t ts_float_to_float8_e4m3fnuz(float x, bool saturate)
{
    return ts_float_to_fnuz(x, 3, 8, saturate);
}

/* To 57344. */
static inline float ts_float8_e5m2fnuz_to_float(uint8_t stored)
{
    return ts_fnuz_to_float(stored, 2, 16);
}

static inline uint8_t ts_float_to_float8_e5m2fnuz(float x, bool saturate)
{
    return ts_float_to_fnuz(x, 2, 16, saturate);
}

/* 2^(code - 127), without sign and 0; 0xff is NaN. */
static inline float ts_float8_e8m0fnu_to_float(uint8_t stored)
{
    uint32_t bits = stored == 0 ? 0x400000u : (uint32_t)stored << 23;
    return stored == 0xffu ? TS_NAN_F : ts_from_bitsf(bits);
}

/* As ONNX's reference evaluator: the sign is ignored, infinity becomes NaN, and numbers below 2^-126 are rounded as if
 * 0x00 were 0; without `saturate` what rounds beyond 2^127 becomes NaN. */
static inline uint8_t ts_float_to_float8_e8m0fnu_rounded(float x, bool saturate, uint32_t least_fraction)
{
    uint32_t size = ts_bitsf(x) & 0x7fffffffu, exponent = size >> 23;
    uint32_t rounded = exponent + ((size & 0x7fffffu) >= least_fraction), most = saturate ? 0xfeu : 0xffu;
    uint32_t code = rounded > most ? most : rounded;
    return (uint8_t)(exponent == 0xffu ? 0xffu : code);
}

/* Cast's round_mode "up", the default. */
static inline uint8_t ts_float_to_float8_e8m0fnu(float x, bool saturate)
{
    return ts_float_to_float8_e8m0fnu_rounded(x, saturate, 1);
}

/* Cast's round_mode "down". */
static inline uint8_t ts_float_to_float8_e8m0fnu_down(float x, bool saturate)
{
    return ts_float_to_float8_e8m0fnu_rounded(x, saturate, 0x800000u);
}

/* Cast's round_mode "nearest". */
static inline uint8_t ts_float_to_float8_e8m0fnu_nearest(float x, bool saturate)
{
    bool normal = (ts_bitsf(x) & 0x7f800000u) != 0;
    return ts_float_to_float8_e8m0fnu_rounded(x, saturate, normal ? 0x400000u : 0x400001u);
}

/* In the low 4 bits: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives. */
static inline float ts_float4_e2m1fn_to_float(uint8_t stored)
{
    return ts_with_sign(ts_decode_size(stored & 7u, 1, 1), (uint8_t)(stored << 4));
}

/* Saturates always; a NaN becomes the zero of the other sign, as in the ml_dtypes library. */
static inline uint8_t ts_float_to_float4_e2m1fn(float x, [[maybe_unused]] bool saturate)
{
    uint32_t sign = ts_bitsf(x) >> 28 & 8u;
    return (uint8_t)(x != x ? sign ^ 8u : sign | ts_encode_size(x, 1, 1, 7, 7));
}

#endif
