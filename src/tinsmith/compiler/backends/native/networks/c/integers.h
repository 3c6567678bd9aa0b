/* integers.h: conversions of floats to integers, and integer arithmetic that is defined for all operands.
 *
 * Names: ts_TYPE_VERB, as in ts_int32_div, for the eight integer types. Nothing traps or is undefined, and no function
 * but ts_TYPE_pow has a branch. */
#ifndef TINSMITH_INTEGERS_H
#define TINSMITH_INTEGERS_H

#include "math_basic.h"

#include <stdint.h>

/* ts_TYPE_from(double), ts_TYPE_fromf(float): truncation to zero. What is out of range or NaN gives what it gives with
 * numpy and ONNX Runtime on x86-64: types of 8 and 16 bits take the low bits of the 32-bit conversion, signed types of
 * 32 and 64 bits their least value, and unsigned ones that of the signed type, moved by 2^(bits - 1) from there up. */
#define TS_FROM_REAL(from, real)                                                 \
    TS_FROM_SIGNED(int32_##from, real, int32_t, (real)0x1p31, INT32_MIN)         \
    TS_FROM_SIGNED(int64_##from, real, int64_t, (real)0x1p63, INT64_MIN)         \
    TS_FROM_UNSIGNED(int32_##from, real, uint32_t, (real)0x1p31, 0x80000000u)    \
    TS_FROM_UNSIGNED(int64_##from, real, uint64_t, (real)0x1p63, 0x8000000000000000u) \
    TS_FROM_NARROW(int8_##from, real, int8_t, ts_int32_##from)                   \
    TS_FROM_NARROW(int16_##from, real, int16_t, ts_int32_##from)                 \
    TS_FROM_NARROW(uint8_##from, real, uint8_t, ts_int32_##from)                 \
    TS_FROM_NARROW(uint16_##from, real, uint16_t, ts_int32_##from)

#define TS_FROM_SIGNED(name, real, type, limit, least)          \
    static inline type ts_##name(real x)                        \
    {                                                           \
        int fits = (x >= -(limit)) & (x < (limit));             \
        type whole = (type)(fits ? x : (real)0);                \
        return fits ? whole : least;                            \
    }

#define TS_FROM_UNSIGNED(name, real, type, limit, top)          \
    static inline type ts_u##name(real x)                       \
    {                                                           \
        int upper = x >= (limit);                               \
        type whole = (type)ts_##name(upper ? x - (limit) : x);  \
        return upper ? whole ^ top : whole;                     \
    }

#define TS_FROM_NARROW(name, real, type, wider)                 \
    static inline type ts_##name(real x)                        \
    {                                                           \
        return (type)wider(x);                                  \
    }

TS_FROM_REAL(from, double)
TS_FROM_REAL(fromf, float)

/* ts_saturate_TYPE(x): to the nearest integer, halves to the even one, within the type's range. NaN gives the least
 * value, as ONNX Runtime's QuantizeLinear does on x86-64. */
#define TS_SATURATE(name, type, least, most)                                         \
    static inline type ts_saturate_##name(float x)                                   \
    {                                                                                \
        float rounded = ts_rintf(x), raised = rounded > (least) ? rounded : (least); \
        return (type)(int32_t)(raised < (most) ? raised : (most));                   \
    }

TS_SATURATE(int2, int8_t, -2.0f, 1.0f)
TS_SATURATE(uint2, uint8_t, 0.0f, 3.0f)
TS_SATURATE(int4, int8_t, -8.0f, 7.0f)
TS_SATURATE(uint4, uint8_t, 0.0f, 15.0f)
TS_SATURATE(int8, int8_t, -128.0f, 127.0f)
TS_SATURATE(uint8, uint8_t, 0.0f, 255.0f)
TS_SATURATE(int16, int16_t, -32768.0f, 32767.0f)
TS_SATURATE(uint16, uint16_t, 0.0f, 65535.0f)

static inline int32_t ts_saturate_int32(float x)
{
    return x >= 0x1p31f ? INT32_MAX : ts_int32_fromf(ts_rintf(x));
}

/* The number that the low bits of x are in a smaller type. */
static inline int8_t ts_wrap_int4(int32_t x)
{
    return (int8_t)((int32_t)((uint32_t)x << 28) >> 28);
}

static inline uint8_t ts_wrap_uint4(int32_t x)
{
    return (uint8_t)(x & 15);
}

static inline int8_t ts_wrap_int2(int32_t x)
{
    return (int8_t)((int32_t)((uint32_t)x << 30) >> 30);
}

static inline uint8_t ts_wrap_uint2(int32_t x)
{
    return (uint8_t)(x & 3);
}

/* base^exponent modulo 2^64. */
static inline uint64_t ts_integer_power(uint64_t base, uint64_t exponent)
{
    uint64_t result = 1;
    for (; exponent != 0; exponent >>= 1) {
        result = exponent & 1u ? result * base : result;
        base *= base;
    }
    return result;
}

/* Per type:
 * div: the quotient truncated to zero; 0 where b is 0; the least value by -1 is itself.
 * fmod: the remainder with the sign of a, mod: that with the sign of b; both are 0 where b is 0.
 * pow: modulo 2^bits; with a negative exponent the exact power truncated to zero, of 0 the type's least value.
 * shl, shr: all bits go out where the count is negative or no less than their number; copies of the sign come in from
 * the left. */
#define TS_SIGNED_ARITHMETIC(bits)                                                                  \
    static inline int##bits##_t ts_int##bits##_div(int##bits##_t a, int##bits##_t b)                \
    {                                                                                               \
        int special = (b == 0) | (b == -1);                                                         \
        int##bits##_t negative = (int##bits##_t)(0 - (uint##bits##_t)a);                            \
        int##bits##_t quotient = (int##bits##_t)(a / (special ? 1 : b));                            \
        return special ? (int##bits##_t)(b == 0 ? 0 : negative) : quotient;                         \
    }                                                                                               \
    static inline int##bits##_t ts_int##bits##_fmod(int##bits##_t a, int##bits##_t b)               \
    {                                                                                               \
        int special = (b == 0) | (b == -1);                                                         \
        return (int##bits##_t)(a % (special ? 1 : b));                                              \
    }                                                                                               \
    static inline int##bits##_t ts_int##bits##_mod(int##bits##_t a, int##bits##_t b)                \
    {                                                                                               \
        int##bits##_t rest = ts_int##bits##_fmod(a, b);                                             \
        int opposite = (rest != 0) & ((rest < 0) != (b < 0));                                       \
        return (int##bits##_t)(opposite ? rest + b : rest);                                         \
    }                                                                                               \
    static inline int##bits##_t ts_int##bits##_pow(int##bits##_t base, int64_t exponent)            \
    {                                                                                               \
        if (exponent >= 0 || base == 1 || base == -1)                                               \
            return (int##bits##_t)ts_integer_power((uint64_t)base, (uint64_t)exponent);             \
        return base == 0 ? INT##bits##_MIN : 0;                                                     \
    }                                                                                               \
    static inline int##bits##_t ts_int##bits##_abs(int##bits##_t x)                                 \
    {                                                                                               \
        return (int##bits##_t)(x < 0 ? 0 - (uint##bits##_t)x : (uint##bits##_t)x);                  \
    }                                                                                               \
    static inline int##bits##_t ts_int##bits##_sign(int##bits##_t x)                                \
    {                                                                                               \
        return (int##bits##_t)((x > 0) - (x < 0));                                                  \
    }                                                                                               \
    static inline int##bits##_t ts_int##bits##_shl(int##bits##_t x, int##bits##_t count)            \
    {                                                                                               \
        int fits = (count >= 0) & (count < bits);                                                   \
        return (int##bits##_t)(fits ? (uint##bits##_t)x << (fits ? count : 0) : 0);                 \
    }                                                                                               \
    static inline int##bits##_t ts_int##bits##_shr(int##bits##_t x, int##bits##_t count)            \
    {                                                                                               \
        int fits = (count >= 0) & (count < bits);                                                   \
        return (int##bits##_t)(x >> (fits ? count : bits - 1));                                     \
    }                                                                                               \
    TS_ORDER(int##bits)

#define TS_UNSIGNED_ARITHMETIC(bits)                                                                \
    static inline uint##bits##_t ts_uint##bits##_div(uint##bits##_t a, uint##bits##_t b)            \
    {                                                                                               \
        return (uint##bits##_t)(b == 0 ? 0 : a / (b == 0 ? 1 : b));                                 \
    }                                                                                               \
    static inline uint##bits##_t ts_uint##bits##_fmod(uint##bits##_t a, uint##bits##_t b)           \
    {                                                                                               \
        return (uint##bits##_t)(a % (b == 0 ? 1 : b));                                              \
    }                                                                                               \
    static inline uint##bits##_t ts_uint##bits##_mod(uint##bits##_t a, uint##bits##_t b)            \
    {                                                                                               \
        return ts_uint##bits##_fmod(a, b);                                                          \
    }                                                                                               \
    static inline uint##bits##_t ts_uint##bits##_pow(uint##bits##_t base, uint64_t exponent)        \
    {                                                                                               \
        return (uint##bits##_t)ts_integer_power(base, exponent);                                    \
    }                                                                                               \
    static inline uint##bits##_t ts_uint##bits##_abs(uint##bits##_t x)                              \
    {                                                                                               \
        return x;                                                                                   \
    }                                                                                               \
    static inline uint##bits##_t ts_uint##bits##_sign(uint##bits##_t x)                             \
    {                                                                                               \
        return x > 0;                                                                               \
    }                                                                                               \
    static inline uint##bits##_t ts_uint##bits##_shl(uint##bits##_t x, uint##bits##_t count)        \
    {                                                                                               \
        return (uint##bits##_t)(count < bits ? (uint64_t)x << (count < bits ? count : 0) : 0);      \
    }                                                                                               \
    static inline uint##bits##_t ts_uint##bits##_shr(uint##bits##_t x, uint##bits##_t count)        \
    {                                                                                               \
        return (uint##bits##_t)(count < bits ? x >> (count < bits ? count : 0) : 0);                \
    }                                                                                               \
    TS_ORDER(uint##bits)

#define TS_ORDER(name)                                               \
    static inline name##_t ts_##name##_min(name##_t a, name##_t b)   \
    {                                                                \
        return a < b ? a : b;                                        \
    }                                                                \
    static inline name##_t ts_##name##_max(name##_t a, name##_t b)   \
    {                                                                \
        return a > b ? a : b;                                        \
    }

TS_SIGNED_ARITHMETIC(8)
TS_SIGNED_ARITHMETIC(16)
TS_SIGNED_ARITHMETIC(32)
TS_SIGNED_ARITHMETIC(64)
TS_UNSIGNED_ARITHMETIC(8)
TS_UNSIGNED_ARITHMETIC(16)
TS_UNSIGNED_ARITHMETIC(32)
TS_UNSIGNED_ARITHMETIC(64)

/* Shifts of a type of `bits` bits that arrives as a wider one: the result's low bits are right. */
static inline uint64_t ts_shl(uint64_t x, uint64_t count, uint32_t bits)
{
    return count < bits ? x << (count < bits ? count : 0) : 0;
}

static inline int64_t ts_shr_signed(int64_t x, uint64_t count, uint32_t bits)
{
    return x >> (count < bits ? count : 63);
}

static inline uint64_t ts_shr_unsigned(uint64_t x, uint64_t count, uint32_t bits)
{
    return count < bits ? x >> (count < bits ? count : 0) : 0;
}

#define ts_shr(x, count, bits) \
    _Generic((x), uint64_t: ts_shr_unsigned, default: ts_shr_signed)(x, (uint64_t)(count), bits)

#endif
