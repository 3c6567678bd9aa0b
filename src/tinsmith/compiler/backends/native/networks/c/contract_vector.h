/* contract_vector.h: vectors of floats of the processor that is compiled for, and the arithmetic of epilogues.
 *
 * Everything here is inlined; arguments that count something are constants at every call.
 */
#ifndef TS_CONTRACT_VECTOR_H
#define TS_CONTRACT_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__)
#define TS_VECTOR_BYTES 64
#elif defined(__AVX__)
#define TS_VECTOR_BYTES 32
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define TS_VECTOR_BYTES 16
#else
#define TS_VECTOR_BYTES 4
#endif

/* Floats in a vector. */
#define TS_LANES (TS_VECTOR_BYTES / 4)

/* Of the values for vectors of 16, 32 and 64 bytes on x86-64, the one of this processor. */
#if TS_VECTOR_BYTES == 64
#define TS_BY_VECTOR(sse2, avx2, avx512) (avx512)
#elif TS_VECTOR_BYTES == 32
#define TS_BY_VECTOR(sse2, avx2, avx512) (avx2)
#else
#define TS_BY_VECTOR(sse2, avx2, avx512) (sse2)
#endif

/* Floats in a row of a panel of weights: one cache line, the same on every processor. */
#define TS_PANEL 16

/* min_vector_width: without it Clang cuts 64-byte vectors in two for processors whose clock drops under them. */
#define TS_INLINE static inline __attribute__((always_inline, min_vector_width(8 * TS_VECTOR_BYTES)))

/* A function that is called: its constants take no registers from whoever calls it. */
#define TS_APART static __attribute__((noinline, min_vector_width(8 * TS_VECTOR_BYTES)))

#define TS_UNROLL _Pragma("clang loop unroll(full)")

typedef float ts_vf __attribute__((vector_size(TS_VECTOR_BYTES), aligned(4)));
typedef int32_t ts_vi __attribute__((vector_size(TS_VECTOR_BYTES), aligned(4)));

/* The function at the end of a contraction: of one vector, or, where it is long, of `width` floats in each of `rows`
 * rows in place, which kernels ask of the rows that they have finished; else `rows` is NULL. */
typedef struct ts_activation {
    ts_vf (*vector)(ts_vf x);
    void (*rows)(float *values, size_t rows, size_t step, int width);
} ts_activation;

/* A vector whose lanes are the value of `value`, an expression of the float `name`, at the lanes of `x`. `setting` are
 * statements before it. Clang turns the loop into vectors, which it could not if it were unrolled. */
#define TS_LANEWISE(x, name, setting, value)                                                                           \
    ({                                                                                                                 \
        float ts_lanes[TS_LANES];                                                                                      \
        ts_vf ts_result = (x);                                                                                         \
        __builtin_memcpy(ts_lanes, &ts_result, sizeof ts_result);                                                      \
        _Pragma("clang loop unroll(disable)") for (int ts_lane = 0; ts_lane < TS_LANES; ts_lane++)                     \
        {                                                                                                              \
            const float name = ts_lanes[ts_lane];                                                                      \
            setting ts_lanes[ts_lane] = (value);                                                                       \
        }                                                                                                              \
        __builtin_memcpy(&ts_result, ts_lanes, sizeof ts_result);                                                      \
        ts_result;                                                                                                     \
    })

TS_INLINE ts_vf ts_load(const float *from)
{
    return *(const ts_vf *)from;
}

TS_INLINE void ts_store(float *to, ts_vf value)
{
    *(ts_vf *)to = value;
}

/* The first `count` floats, 1 to TS_LANES; the others are 0. */
TS_INLINE ts_vf ts_load_some(const float *from, int count)
{
    if (count == TS_LANES)
        return ts_load(from);
    ts_vf value = {0};
    __builtin_memcpy(&value, from, (size_t)count * sizeof(float));
    return value;
}

TS_INLINE void ts_store_some(float *to, ts_vf value, int count)
{
    if (count == TS_LANES)
        ts_store(to, value);
    else
        __builtin_memcpy(to, &value, (size_t)count * sizeof(float));
}

/* Not `(ts_vf){0} + x`: adding zero is an operation of its own, because of -0. */
TS_INLINE ts_vf ts_splat(float x)
{
#if TS_LANES == 16
    return (ts_vf){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#elif TS_LANES == 8
    return (ts_vf){x, x, x, x, x, x, x, x};
#elif TS_LANES == 4
    return (ts_vf){x, x, x, x};
#else
    return (ts_vf){x};
#endif
}

/* Lane by lane `yes` where `condition` is -1 and `no` where it is 0. */
TS_INLINE ts_vf ts_select(ts_vi condition, ts_vf yes, ts_vf no)
{
    return (ts_vf)((condition & (ts_vi)yes) | (~condition & (ts_vi)no));
}

/* A NaN in `x` stays. */
TS_INLINE ts_vf ts_at_least(ts_vf x, float low)
{
    return ts_select(x < ts_splat(low), ts_splat(low), x);
}

/* A NaN in `x` stays. */
TS_INLINE ts_vf ts_at_most(ts_vf x, float high)
{
    return ts_select(x > ts_splat(high), ts_splat(high), x);
}

/* The body of a function for `rows`. */
TS_INLINE void ts_activate(float *values, size_t rows, size_t step, int width, ts_vf (*function)(ts_vf))
{
    for (size_t row = 0; row < rows; row++, values += step) {
        int i = 0;
        for (; i + TS_LANES <= width; i += TS_LANES)
            ts_store(values + i, function(ts_load(values + i)));
        if (i == width)
            continue;
        float rest[TS_LANES] = {0};
        for (int lane = 0; i + lane < width; lane++)
            rest[lane] = values[i + lane];
        ts_store(rest, function(ts_load(rest)));
        for (int lane = 0; i + lane < width; lane++)
            values[i + lane] = rest[lane];
    }
}

TS_INLINE ts_vf ts_leaky(ts_vf x, float alpha)
{
    return ts_select(x < ts_splat(0), x * ts_splat(alpha), x);
}

#endif
