/* math_double_trig.h: trigonometric functions of doubles, within 4 units in the last place. */
#ifndef TINSMITH_MATH_DOUBLE_TRIG_H
#define TINSMITH_MATH_DOUBLE_TRIG_H

#include "math_basic.h"
#include "math_double_pair.h"

#define TS_PI 0x1.921fb54442d18p+1
/* pi / 2 as a pair. */
#define TS_HALF_PI 0x1.921fb54442d18p+0
#define TS_HALF_PI_REST 0x1.1a62633145c07p-54
/* pi / 2 in three parts; a product of the first or second with an integer below 2^20 is exact. */
#define TS_HALF_PI_1 0x1.921fb54400000p+0
#define TS_HALF_PI_2 0x1.0b4611a600000p-34
#define TS_HALF_PI_3 0x1.3198a2e037073p-69

/* An angle x is quadrant * pi / 2 + rest, with |rest| <= pi / 4 and the quadrant modulo 4. */
typedef struct {
    ts_pair rest;
    uint32_t quadrant;
} ts_angle;

/* The digits of 2 / pi behind the point, 32 bits each. */
static const uint32_t ts_two_by_pi_digits[38] = {
    0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
    0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484,
    0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f,
    0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b,
    0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab,
};

/* The first 4 of the 32-bit digits of (m * 2 / pi * 2^exponent) / 4 behind the point, for exponent >= -32. */
static inline void ts_turns(uint64_t m, int exponent, uint32_t turns[4])
{
    /* Digits of 2 / pi that would give whole turns are left out. */
    int bit = exponent - 2 + 64, word = bit / 32 - 2, shift = bit % 32;
    uint64_t carry = 0, factor[2] = {m & 0xffffffffu, m >> 32};
    uint32_t window[6], product[6] = {0};
    for (int i = 0; i < 6; i++) {
        uint64_t upper = word + i < 0 ? 0 : ts_two_by_pi_digits[word + i];
        uint64_t lower = word + i + 1 < 0 ? 0 : ts_two_by_pi_digits[word + i + 1];
        window[i] = (uint32_t)((upper << 32 | lower) << shift >> 32);
    }
    for (int part = 0; part < 2; part++) {
        carry = 0;
        for (int i = 5; i >= part; i--) {
            carry += window[i] * factor[part] + product[i - part];
            product[i - part] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    for (int i = 0; i < 4; i++)
        turns[i] = product[i];
}

/* For finite |x| >= 2^20. */
static inline ts_angle ts_reduce_large(double x)
{
    uint64_t bits = ts_bits(x), least = (uint64_t)1 << 52;
    uint32_t turns[4];
    ts_turns((bits & (least - 1)) | least, (int)(bits >> 52 & 0x7ffu) - 1075, turns);
    /* Quarter turns behind the point, from -1/2 to 1/2. */
    double first = (double)(int32_t)(turns[0] << 2 | turns[1] >> 30) * 0x1p-32;
    double second = (double)(turns[1] << 2 | turns[2] >> 30) * 0x1p-64;
    double third = (double)(turns[2] << 2 | turns[3] >> 30) * 0x1p-96;
    ts_pair small = ts_pair_sum(second, third), sum = ts_pair_sum(first, small.high);
    ts_pair quarters = ts_pair_sum(sum.high, sum.low + small.low);
    ts_pair rest = ts_pair_product(quarters, (ts_pair){TS_HALF_PI, TS_HALF_PI_REST});
    uint32_t quadrant = (turns[0] + (1u << 29)) >> 30;
    return x < 0 ? (ts_angle){{-rest.high, -rest.low}, 0 - quadrant} : (ts_angle){rest, quadrant};
}

static inline ts_angle ts_reduce(double x)
{
    double size = ts_abs(x);
    if (size >= 0x1p20 && size < TS_INFINITY)
        return ts_reduce_large(x);
    double shifted = x * TS_TWO_BY_PI + TS_ROUNDER, n = shifted - TS_ROUNDER;
    double most = x - n * TS_HALF_PI_1, less = n * TS_HALF_PI_2, rest = most - less;
    double change = rest - most, lost = (most - (rest - change)) - (less + change);
    return (ts_angle){ts_pair_sum(rest, lost - n * TS_HALF_PI_3), (uint32_t)ts_bits(shifted)};
}

static inline double ts_sine_of_rest(ts_pair rest)
{
    double r = rest.high, square = r * r;
    /* (sin(r) - r) / r^3 in r^2, |r| <= pi / 4, 2^-58. */
    double p = 0x1.5d93aca6fe0ebp-33;
    p = p * square - 0x1.ae5e68bc48934p-26;
    p = p * square + 0x1.71de357b41b09p-19;
    p = p * square - 0x1.a01a019c16433p-13;
    p = p * square + 0x1.111111110f8a7p-7;
    p = p * square - 0x1.5555555555549p-3;
    return r + (r * square * p + (rest.low - 0.5 * square * rest.low));
}

static inline double ts_cosine_of_rest(ts_pair rest)
{
    double r = rest.high, square = r * r;
    /* (cos(r) - 1 + r^2 / 2) / r^4 in r^2, |r| <= pi / 4, 2^-64. */
    double p = -0x1.8fb1493c9e90cp-37;
    p = p * square + 0x1.1ee9f180333d3p-29;
    p = p * square - 0x1.27e4f812f53a7p-22;
    p = p * square + 0x1.a01a019cbfad2p-16;
    p = p * square - 0x1.6c16c16c15221p-10;
    p = p * square + 0x1.555555555554cp-5;
    double half = 0.5 * square, main = 1.0 - half;
    return main + (((1.0 - main) - half) + (square * square * p - r * rest.low));
}

/* sin(rest + quadrant * pi / 2) */
static inline double ts_sine_of_angle(ts_angle angle)
{
    double sine = ts_sine_of_rest(angle.rest), cosine = ts_cosine_of_rest(angle.rest);
    double size = angle.quadrant & 1u ? cosine : sine;
    return angle.quadrant & 2u ? -size : size;
}

static inline double ts_sin(double x)
{
    double result = ts_sine_of_angle(ts_reduce(x));
    return x == 0 ? x : result;
}

static inline double ts_cos(double x)
{
    ts_angle angle = ts_reduce(x);
    angle.quadrant += 1u;
    return ts_sine_of_angle(angle);
}

static inline double ts_tan(double x)
{
    ts_angle angle = ts_reduce(x);
    double sine = ts_sine_of_rest(angle.rest), cosine = ts_cosine_of_rest(angle.rest);
    double result = angle.quadrant & 1u ? -cosine / sine : sine / cosine;
    return x == 0 ? x : result;
}

/* asin(root), where root = sqrt(square) <= 1/2. */
static inline double ts_asin_part(double root, double square)
{
    /* (asin(t) - t) / t^3 in t^2, t <= 1/2, 2^-56. */
    double p = 0x1.05df0f9a15976p-5;
    p = p * square - 0x1.0b2832e246243p-6;
    p = p * square + 0x1.40d4977466f07p-6;
    p = p * square + 0x1.aa7d7687a713ap-8;
    p = p * square + 0x1.8eeb682f1e1c8p-7;
    p = p * square + 0x1.c6f75ebcb716dp-7;
    p = p * square + 0x1.1c6c37c496af7p-6;
    p = p * square + 0x1.6e89ee4990ee4p-6;
    p = p * square + 0x1.f1c72c7bb50a5p-6;
    p = p * square + 0x1.6db6db41a0bc2p-5;
    p = p * square + 0x1.333333336fe14p-4;
    p = p * square + 0x1.5555555555384p-3;
    return root + root * square * p;
}

/* Beyond 1/2, asin(t) = pi / 2 - 2 asin(sqrt((1 - t) / 2)). */
static inline double ts_asin(double x)
{
    double size = ts_abs(x), far = 0.5 - 0.5 * size, square = size > 0.5 ? far : size * size;
    double part = ts_asin_part(size > 0.5 ? ts_sqrt(far) : size, square);
    double halved = (0.5 * TS_HALF_PI - part) + 0.5 * TS_HALF_PI_REST;
    double result = size > 0.5 ? 2.0 * halved : part;
    return ts_copysign(result, x);
}

static inline double ts_acos(double x)
{
    double size = ts_abs(x), far = 0.5 - 0.5 * size, square = size > 0.5 ? far : size * size;
    double part = ts_asin_part(size > 0.5 ? ts_sqrt(far) : size, square);
    double middle = TS_HALF_PI - (ts_copysign(part, x) - TS_HALF_PI_REST);
    double left = TS_PI - 2.0 * (part - TS_HALF_PI_REST), end = x < 0 ? left : 2.0 * part;
    return size > 0.5 ? end : middle;
}

/* atan(t) = offset + atan((t - c) / (1 + c t)) with c = tan(offset) of 0, 1 or infinity. */
static inline double ts_atan(double x)
{
    double size = ts_abs(x), above = size > 0x1.3504f333f9de6p+1 ? -1.0 : size - 1.0;
    double below = size > 0x1.3504f333f9de6p+1 ? size : size + 1.0;
    int moved = size > 0x1.a827999fcef32p-2;
    double t = moved ? above / below : size, square = t * t;
    double offset = size > 0x1.3504f333f9de6p+1 ? 1.0 : 0.5;
    offset = moved ? offset : 0.0;
    /* (atan(t) - t) / t^3 in t^2, |t| <= tan(pi / 8), 2^-59. */
    double p = -0x1.259314a9cf911p-6;
    p = p * square + 0x1.37e87f73c5a59p-5;
    p = p * square - 0x1.9cda3c14cb27fp-5;
    p = p * square + 0x1.df10f73c781b0p-5;
    p = p * square - 0x1.10ebd59bc611bp-4;
    p = p * square + 0x1.3b111ba75d1e1p-4;
    p = p * square - 0x1.745cf8ffcca3ep-4;
    p = p * square + 0x1.c71c70e735325p-4;
    p = p * square - 0x1.24924922afe8ap-3;
    p = p * square + 0x1.99999999958b1p-3;
    p = p * square - 0x1.555555555553dp-2;
    double part = t + (t * square * p + offset * TS_HALF_PI_REST);
    return ts_copysign(offset * TS_HALF_PI + part, x);
}

#endif
