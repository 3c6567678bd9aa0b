/* numbers.h: small number formats in storage, and the floats that they stand for.
 *
 * Names: ts_FORMAT_to_float and ts_float_to_FORMAT; a stored number is the unsigned integer of its bits. Rounding is
 * to nearest even. No function has a branch. */
#ifndef TINSMITH_NUMBERS_H
#define TINSMITH_NUMBERS_H

#include "math_basic.h"

#include <stdint.h>

/* IEEE 754 binary16, with denormals, infinities and NaNs. */
static inline float ts_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, size = (uint32_t)(half & 0x7fffu) << 13;
    uint32_t tiny = ts_bitsf(ts_from_bitsf(size + (113u << 23)) - 0x1p-14f);
    uint32_t large = size + ((size < 0x0f800000u ? 112u : 224u) << 23);
    return ts_from_bitsf(sign | (size < 0x800000u ? tiny : large));
}

static inline uint16_t ts_float_to_half(float x)
{
    uint32_t bits = ts_bitsf(x), size = bits & 0x7fffffffu;
    /* Beside 0.5 the last bit of a float is worth the least half. */
    uint32_t tiny = ts_bitsf(ts_from_bitsf(size) + 0.5f) - ts_bitsf(0.5f);
    uint32_t normal = (size + 0xfffu + ((size >> 13) & 1u) - (112u << 23)) >> 13;
    uint32_t finite = size < (113u << 23) ? tiny : normal;
    uint32_t ordered = size < (143u << 23) ? finite : 0x7c00u;
    uint32_t nan = 0x7e00u | (size >> 13 & 0x3ffu);
    return (uint16_t)((bits >> 16 & 0x8000u) | (size > 0x7f800000u ? nan : ordered));
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

#endif
