/* contract_integer_store.h: exact sums become numbers of the output. */
#ifndef TS_CONTRACT_INTEGER_STORE_H
#define TS_CONTRACT_INTEGER_STORE_H

#include "contract_vector.h"

/* Arrays of int32 or float per column: the integer that each sum begins with, the sum of the weights, scale, shift; or,
 * of `fixed` numbers, mantissa and shift to the right instead of the last two. */
#define TS_TERMS 4

enum ts_number { TS_SUMS_INT32, TS_NUMBERS_FLOAT, TS_NUMBERS_UINT8, TS_NUMBERS_INT8 };

/* Of one layer: activation(sum * scale + shift); where that becomes a byte, held between `low` and `high`, rounded to
 * the nearest whole number (halves to even) and moved by `zero`. Or the sum as it is. */
struct ts_integer_store {
    enum ts_number number;
    int zero;
    float low, high;
    /* Which terms are not all 0. */
    bool start, shift;
    /* Bytes are round(round(sum * mantissa / 2^31) / 2^right), held and moved in the same way: in integers. */
    bool fixed;
    /* Columns in the arrays of terms. */
    size_t stride;
};

TS_INLINE void *ts_element(const struct ts_integer_store *p, void *y, size_t index)
{
    const bool wide = p->number == TS_SUMS_INT32 || p->number == TS_NUMBERS_FLOAT;
    return (uint8_t *)y + (wide ? index * 4 : index);
}

/* `value` within the bounds, which lie between -2^22 and 2^22: its sum with 1.5 * 2^23 ends in its whole number. */
TS_INLINE void ts_store_bytes(const struct ts_integer_store *p, uint8_t *to, ts_vf value, int count)
{
    typedef uint8_t bytes __attribute__((vector_size(TS_LANES), aligned(1)));
    const ts_vf held = ts_at_most(ts_at_least(value, p->low), p->high);
    const bytes narrow = __builtin_convertvector((ts_vi)(held + ts_splat(0x1.8p23f)) + p->zero, bytes);
    if (count == TS_LANES)
        *(bytes *)to = narrow;
    else
        __builtin_memcpy(to, &narrow, (size_t)count);
}

/* The first halves are rounded up, the second ones away from zero. */
TS_INLINE ts_vi ts_multiply_fixed(ts_vi sum, ts_vi mantissa, ts_vi right)
{
    typedef int64_t wide __attribute__((vector_size(2 * TS_VECTOR_BYTES)));
    typedef uint64_t bits __attribute__((vector_size(2 * TS_VECTOR_BYTES)));
    const wide product = __builtin_convertvector(sum, wide) * __builtin_convertvector(mantissa, wide) + (1LL << 30);
    const ts_vi high = __builtin_convertvector((bits)product >> 31, ts_vi);
    const ts_vi half = (((ts_vi){} + 1) << right) >> 1;
    return (high + half + ((high < 0) & (right > 0))) >> right;
}

TS_INLINE void ts_store_fixed(const struct ts_integer_store *p, ts_vi sum, const int32_t *terms, void *y, int count)
{
    typedef uint8_t bytes __attribute__((vector_size(TS_LANES), aligned(1)));
    const ts_vi mantissa = *(const ts_vi *)(terms + 2 * p->stride), right = *(const ts_vi *)(terms + 3 * p->stride);
    const ts_vi low = (ts_vi){} + (int)p->low, high = (ts_vi){} + (int)p->high;
    const ts_vi value = ts_multiply_fixed(sum, mantissa, right);
    const ts_vi held = __builtin_elementwise_min(__builtin_elementwise_max(value, low), high);
    const bytes narrow = __builtin_convertvector(held + p->zero, bytes);
    __builtin_memcpy(y, &narrow, (size_t)count);
}

/* One vector of `count` columns, the sums of which are floats. */
TS_INLINE void ts_store_numbers(const struct ts_integer_store *p, ts_vf sum, const int32_t *terms, void *y, int count,
                                ts_activation activation)
{
    if (p->fixed) {
        ts_store_fixed(p, __builtin_convertvector(sum, ts_vi), terms, y, count);
        return;
    }
    ts_vf value = sum * *(const ts_vf *)(const void *)(terms + 2 * p->stride);
    if (p->shift)
        value += *(const ts_vf *)(const void *)(terms + 3 * p->stride);
    value = activation.vector(value);
    if (p->number == TS_NUMBERS_FLOAT)
        ts_store_some(y, value, count);
    else
        ts_store_bytes(p, y, value, count);
}

/* One vector of `count` columns. `offset`: what packing has added to every x. */
TS_INLINE void ts_store_sums(const struct ts_integer_store *p, ts_vi sum, const int32_t *terms, void *y, int count,
                             int offset, ts_activation activation)
{
    if (p->start)
        sum += *(const ts_vi *)terms;
    if (offset != 0)
        sum -= *(const ts_vi *)(terms + p->stride) * offset;
    if (p->number == TS_SUMS_INT32)
        ts_store_some(y, (ts_vf)sum, count);
    else if (p->fixed)
        ts_store_fixed(p, sum, terms, y, count);
    else
        ts_store_numbers(p, __builtin_convertvector(sum, ts_vf), terms, y, count, activation);
}

/* `count` columns from `column` on of one pixel, which begins at element `start` of `y`. */
TS_INLINE void ts_integer_store(const struct ts_integer_store *p, const int32_t *sums, const int32_t *terms,
                                size_t column, size_t count, void *y, size_t start, int offset,
                                ts_activation activation)
{
    for (size_t i = 0; i < count; i += TS_LANES) {
        const size_t rest = count - i;
        void *const to = ts_element(p, y, start + column + i);
        const ts_vi sum = *(const ts_vi *)(sums + i);
        if (rest >= TS_LANES)
            ts_store_sums(p, sum, terms + column + i, to, TS_LANES, offset, activation);
        else
            ts_store_sums(p, sum, terms + column + i, to, (int)rest, offset, activation);
    }
}

#endif
