/* transform.c: margins to predictions, without libm.
 *
 * Each transform follows the arithmetic of the library that trained the model: XGBoost rounds every step to float32,
 * scikit-learn to float64. The exponential itself is computed in float64, so a float32 result is correctly rounded
 * but for rare near-ties, and a float64 result is within 1 ulp. Loops have no branches: compilers vectorise them. */
#include "kernels.h"

#define LOG2_E 0x1.71547652b82fep+0
/* ln 2 in two parts; a product of the first with an integer below 2^20 is exact. */
#define LN2_HIGH 0x1.62e42fee00000p-1
#define LN2_LOW 0x1.a39ef35793c76p-33
/* Adding it to |x| < 2^51 rounds x to an integer, which then stands in the low bits. */
#define ROUNDER 0x1.8p52
/* Beyond these, exp is infinite or rounds to 0. */
#define EXP_MOST 710.0
#define EXP_LEAST (-746.0)

static inline double from_bits(uint64_t bits)
{
    double value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t to_bits(double value)
{
    uint64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* (e^(high + low) - 1 - high), for |high| <= 0.35 and |low| < ulp(high). */
static inline double exp_tail(double high, double low)
{
    double r = high;
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
    p = p * r + 0.5;
    return r * r * p + (low + low * r);
}

/* 2^(integer in the low bits of `shifted`) * e^(high + low). Scales in two steps: the first is exact, so a denormal
 * result is rounded once. */
[[maybe_unused]] static inline double exp_scaled(double shifted, double high, double low)
{
    double sum = 1.0 + high;
    double lost = (1.0 - sum) + high;
    double mantissa = sum + (lost + exp_tail(high, low));
    uint64_t biased = to_bits(shifted) - to_bits(ROUNDER) + 2048;
    uint64_t half = biased >> 1;
    double first = from_bits((half - 1024 + 1023) << 52);
    double second = from_bits((biased - half - 1024 + 1023) << 52);
    return mantissa * first * second;
}

[[maybe_unused]] static inline double ts_exp(double x)
{
    double bounded = x > EXP_MOST ? EXP_MOST : x;
    bounded = bounded < EXP_LEAST ? EXP_LEAST : bounded;
    double shifted = bounded * LOG2_E + ROUNDER;
    double n = shifted - ROUNDER;
    double head = bounded - n * LN2_HIGH;
    double tail = n * LN2_LOW;
    double high = head - tail;
    double low = (head - high) - tail;
    double result = exp_scaled(shifted, high, low);
    return x == x ? result : x;
}

[[maybe_unused]] static inline double ts_exp2(double x)
{
    double bounded = x > 1025 ? 1025 : x;
    bounded = bounded < -1077 ? -1077 : bounded;
    double shifted = bounded + ROUNDER;
    double fraction = bounded - (shifted - ROUNDER);
    /* fraction * ln 2 as high + low: the upper half of `fraction` times LN2_HIGH is exact. */
    double upper = from_bits(to_bits(fraction) & 0xfffffffff0000000u);
    double head = upper * LN2_HIGH;
    double tail = (fraction - upper) * LN2_HIGH + fraction * LN2_LOW;
    double high = head + tail;
    double low = (head - high) + tail;
    double result = exp_scaled(shifted, high, low);
    return x == x ? result : x;
}

/* e^x in the accumulator's precision. */
[[maybe_unused]] static inline ts_real exp_real(ts_real x)
{
    return (ts_real)ts_exp((double)x);
}

[[maybe_unused]] static inline ts_real sigmoid(ts_real margin)
{
    ts_real x = -((ts_real)TS_SCALE * margin);
#if !TS_DOUBLE
    /* XGBoost's bound: the result never falls to 0. */
    x = 88.7f < x ? 88.7f : x;
#endif
    return (ts_real)1 / (exp_real(x) + (ts_real)1);
}

[[maybe_unused]] static inline size_t largest(const ts_real *row)
{
    size_t best = 0;
    for (size_t column = 1; column < TS_MARGINS; column++)
        best = row[column] > row[best] ? column : best;
    return best;
}

/* The sum of float32 exponentials is taken in float64, as XGBoost does. */
[[maybe_unused]] static inline void softmax(const ts_real *row, ts_real *out)
{
    ts_real most = row[largest(row)];
    double sum = 0;
    for (size_t column = 0; column < TS_MARGINS; column++)
        out[column] = exp_real(row[column] - most);
    for (size_t column = 0; column < TS_MARGINS; column++)
        sum += out[column];
    for (size_t column = 0; column < TS_MARGINS; column++)
        out[column] /= (ts_real)sum;
}

[[maybe_unused]] static inline void sigmoid_pair(ts_real margin, ts_real *out)
{
    ts_real positive = sigmoid(margin);
    out[0] = (ts_real)1 - positive;
    out[1] = positive;
}

[[maybe_unused]] static inline ts_real transform_one(ts_real margin)
{
#if TS_TRANSFORM == TS_TRANSFORM_SIGMOID
    return sigmoid(margin);
#elif TS_TRANSFORM == TS_TRANSFORM_EXP
    return exp_real(margin);
#elif TS_TRANSFORM == TS_TRANSFORM_HINGE
    return margin > 0;
#elif TS_TRANSFORM == TS_TRANSFORM_ISOLATION
    return -(ts_real)ts_exp2((double)(-margin / (ts_real)TS_NORMALISER)) - (ts_real)TS_OFFSET;
#else
    return margin;
#endif
}

static inline void transform_row(const ts_real *row, ts_real *out)
{
#if TS_TRANSFORM == TS_TRANSFORM_SIGMOID_PAIR
    sigmoid_pair(row[0], out);
#elif TS_TRANSFORM == TS_TRANSFORM_SOFTMAX
    softmax(row, out);
#elif TS_TRANSFORM == TS_TRANSFORM_ARGMAX
    out[0] = (ts_real)largest(row);
#else
    for (size_t column = 0; column < TS_MARGINS; column++)
        out[column] = transform_one(row[column]);
#endif
}

void TS_NAME(ts_transform)(const ts_real *margins, size_t count, ts_real *out)
{
    for (size_t row = 0; row < count; row++)
        transform_row(margins + row * TS_MARGINS, out + row * TS_OUTPUTS);
}
