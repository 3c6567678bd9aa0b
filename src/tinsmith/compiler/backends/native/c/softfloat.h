/* softfloat.h: IEEE 754 arithmetic in integers, for processors without floating-point instructions.
 *
 * float and double share one path: numbers are unpacked to a sign, an exponent and a 63-bit fraction, worked on, and
 * rounded once, to nearest even. The lowest fraction bit is sticky: it is set when anything below it was lost.
 */
#ifndef TS_SOFTFLOAT_H
#define TS_SOFTFLOAT_H

#include <stdbool.h>
#include <stdint.h>

/* One copy of the code for all operations: small, and quick to compile. */
#define TS_SHARED __attribute__((noinline, unused)) static

typedef struct {
    int mantissa; /* bits */
    int bias;
} ts_format;

static const ts_format TS_SINGLE = {23, 127}, TS_DOUBLE = {52, 1023};

typedef struct {
    enum { TS_ZERO, TS_FINITE, TS_INFINITE, TS_NAN } kind;
    bool negative;
    int exponent;      /* value = fraction * 2**(exponent - 62) */
    uint64_t fraction; /* finite: 2**62 to 2**63 - 1 */
} ts_number_parts;

static inline uint64_t ts_infinity(ts_format format)
{
    return (uint64_t)(2 * format.bias + 1) << format.mantissa;
}

static inline uint64_t ts_sign(ts_format format, bool negative)
{
    return negative ? (ts_infinity(format) + ((uint64_t)1 << format.mantissa)) : 0;
}

static inline uint64_t ts_shift_right(uint64_t fraction, int bits)
{
    if (bits == 0)
        return fraction;
    if (bits > 63)
        return fraction != 0;
    return fraction >> bits | ((fraction << (64 - bits)) != 0);
}

/* `magnitude` * 2**(exponent - 62); magnitude is not zero. */
static inline ts_number_parts ts_normal(bool negative, int exponent, uint64_t magnitude)
{
    int zeros = __builtin_clzll(magnitude);
    if (zeros == 0)
        return (ts_number_parts){TS_FINITE, negative, exponent + 1, ts_shift_right(magnitude, 1)};
    return (ts_number_parts){TS_FINITE, negative, exponent - (zeros - 1), magnitude << (zeros - 1)};
}

TS_SHARED ts_number_parts ts_unpack(ts_format format, uint64_t bits)
{
    uint64_t hidden = (uint64_t)1 << format.mantissa;
    uint64_t mantissa = bits & (hidden - 1);
    int field = (int)(bits >> format.mantissa) & (2 * format.bias + 1);
    bool negative = (bits & ts_sign(format, true)) != 0;
    if (field == 2 * format.bias + 1)
        return (ts_number_parts){mantissa ? TS_NAN : TS_INFINITE, negative, 0, mantissa << (62 - format.mantissa)};
    if (field == 0 && mantissa == 0)
        return (ts_number_parts){TS_ZERO, negative, 0, 0};
    if (field == 0)
        return ts_normal(negative, 1 - format.bias + 62 - format.mantissa, mantissa);
    return ts_normal(negative, field - format.bias + 62 - format.mantissa, mantissa | hidden);
}

TS_SHARED uint64_t ts_round(ts_format format, ts_number_parts number)
{
    int field = number.exponent + format.bias, drop = 62 - format.mantissa;
    uint64_t fraction = number.fraction;
    if (field <= 0) {
        fraction = ts_shift_right(fraction, 1 - field);
        field = 0;
    }
    uint64_t mantissa = fraction >> drop, half = (uint64_t)1 << (drop - 1), rest = fraction & (2 * half - 1);
    if (rest > half || (rest == half && (mantissa & 1)))
        mantissa++; /* may carry into the exponent, which is right */
    if (field > 2 * format.bias + 1)
        return ts_infinity(format);
    uint64_t bits = field == 0 ? mantissa : ((uint64_t)(field - 1) << format.mantissa) + mantissa;
    return bits < ts_infinity(format) ? bits : ts_infinity(format);
}

TS_SHARED uint64_t ts_pack(ts_format format, ts_number_parts number)
{
    uint64_t sign = ts_sign(format, number.negative);
    uint64_t quiet = (uint64_t)1 << (format.mantissa - 1);
    switch (number.kind) {
    case TS_ZERO:
        return sign;
    case TS_FINITE:
        return sign | ts_round(format, number);
    case TS_INFINITE:
        return sign | ts_infinity(format);
    default:
        return sign | ts_infinity(format) | quiet | number.fraction >> (62 - format.mantissa);
    }
}

static inline ts_number_parts ts_invalid(void)
{
    return (ts_number_parts){TS_NAN, false, 0, 0};
}

static inline ts_number_parts ts_add_finite(ts_number_parts a, ts_number_parts b)
{
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.fraction < b.fraction)) {
        ts_number_parts swap = a;
        a = b;
        b = swap;
    }
    uint64_t smaller = ts_shift_right(b.fraction, a.exponent - b.exponent);
    uint64_t sum = a.negative == b.negative ? a.fraction + smaller : a.fraction - smaller;
    if (sum == 0)
        return (ts_number_parts){TS_ZERO, false, 0, 0};
    return ts_normal(a.negative, a.exponent, sum);
}

TS_SHARED ts_number_parts ts_add(ts_number_parts a, ts_number_parts b)
{
    if (a.kind == TS_NAN || b.kind == TS_NAN)
        return a.kind == TS_NAN ? a : b;
    if (a.kind == TS_INFINITE && b.kind == TS_INFINITE && a.negative != b.negative)
        return ts_invalid();
    if (a.kind == TS_INFINITE || b.kind == TS_INFINITE)
        return a.kind == TS_INFINITE ? a : b;
    if (a.kind == TS_ZERO && b.kind == TS_ZERO)
        return (ts_number_parts){TS_ZERO, a.negative && b.negative, 0, 0};
    if (a.kind == TS_ZERO || b.kind == TS_ZERO)
        return a.kind == TS_ZERO ? b : a;
    return ts_add_finite(a, b);
}

TS_SHARED ts_number_parts ts_multiply(ts_number_parts a, ts_number_parts b)
{
    bool negative = a.negative != b.negative;
    if (a.kind == TS_NAN || b.kind == TS_NAN)
        return a.kind == TS_NAN ? a : b;
    if (a.kind == TS_INFINITE || b.kind == TS_INFINITE) {
        if (a.kind == TS_ZERO || b.kind == TS_ZERO)
            return ts_invalid();
        return (ts_number_parts){TS_INFINITE, negative, 0, 0};
    }
    if (a.kind == TS_ZERO || b.kind == TS_ZERO)
        return (ts_number_parts){TS_ZERO, negative, 0, 0};
    uint64_t a_high = a.fraction >> 32, a_low = (uint32_t)a.fraction;
    uint64_t b_high = b.fraction >> 32, b_low = (uint32_t)b.fraction;
    uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    uint64_t carried = a_low * b_high + (uint32_t)middle;
    uint64_t high = a_high * b_high + (middle >> 32) + (carried >> 32);
    bool lost = (uint32_t)carried != 0 || (uint32_t)(a_low * b_low) != 0;
    /* The product of the fractions lies in 2**124 .. 2**126: its high word has its top bit at 60 or 61. */
    return ts_normal(negative, a.exponent + b.exponent + 2, high | lost);
}

TS_SHARED ts_number_parts ts_divide(ts_number_parts a, ts_number_parts b)
{
    bool negative = a.negative != b.negative;
    if (a.kind == TS_NAN || b.kind == TS_NAN)
        return a.kind == TS_NAN ? a : b;
    if (a.kind == b.kind && a.kind != TS_FINITE)
        return ts_invalid();
    if (a.kind == TS_INFINITE || b.kind == TS_ZERO)
        return (ts_number_parts){TS_INFINITE, negative, 0, 0};
    if (a.kind == TS_ZERO || b.kind == TS_INFINITE)
        return (ts_number_parts){TS_ZERO, negative, 0, 0};
    uint64_t quotient = 0, rest = a.fraction;
    for (int bit = 62; bit >= 0; bit--, rest <<= 1)
        if (rest >= b.fraction) {
            rest -= b.fraction;
            quotient |= (uint64_t)1 << bit;
        }
    return ts_normal(negative, a.exponent - b.exponent, quotient | (rest != 0));
}

enum ts_order { TS_LESS, TS_EQUAL, TS_GREATER, TS_UNORDERED };

TS_SHARED enum ts_order ts_compare(ts_format format, uint64_t a, uint64_t b)
{
    uint64_t sign = ts_sign(format, true);
    if ((a & ~sign) > ts_infinity(format) || (b & ~sign) > ts_infinity(format))
        return TS_UNORDERED;
    int64_t left = (int64_t)(a & ~sign), right = (int64_t)(b & ~sign);
    left = a & sign ? -left : left;
    right = b & sign ? -right : right;
    return left < right ? TS_LESS : left == right ? TS_EQUAL : TS_GREATER;
}

static inline ts_number_parts ts_from_integer(bool negative, uint64_t magnitude)
{
    if (magnitude == 0)
        return (ts_number_parts){TS_ZERO, false, 0, 0};
    return ts_normal(negative, 62, magnitude);
}

/* Truncated magnitude; `limit` when it is larger. */
static inline uint64_t ts_to_magnitude(ts_number_parts number, uint64_t limit)
{
    if (number.kind == TS_NAN || number.kind == TS_ZERO || (number.kind == TS_FINITE && number.exponent < 0))
        return 0;
    if (number.kind == TS_INFINITE || number.exponent > 63)
        return limit;
    uint64_t magnitude =
        number.exponent == 63 ? number.fraction << 1 : number.fraction >> (62 - number.exponent);
    return magnitude < limit ? magnitude : limit;
}

/* Saturating, as the hardware instructions are; NaN gives 0. */
static inline int64_t ts_to_signed(ts_number_parts number, int64_t highest)
{
    if (number.negative)
        return (int64_t)(0 - ts_to_magnitude(number, (uint64_t)highest + 1));
    return (int64_t)ts_to_magnitude(number, (uint64_t)highest);
}

static inline uint64_t ts_to_unsigned(ts_number_parts number, uint64_t highest)
{
    return number.negative ? 0 : ts_to_magnitude(number, highest);
}

#endif
