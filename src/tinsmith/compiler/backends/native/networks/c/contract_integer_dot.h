/* contract_integer_dot.h: sums of products of bytes, exact in int32, by what the processor has for them.
 *
 * The sum runs over groups of four. Weights are signed bytes in panels of TS_PANEL columns: a group is one cache line,
 * four bytes per column. The other side is packed as the products want it: unsigned bytes (VNNI), signed bytes (ARM and
 * scalar code), or words of 16 bits, where a product of unsigned and signed bytes would saturate or does not exist
 * (AVX2, SSE2).
 */
#ifndef TS_CONTRACT_INTEGER_DOT_H
#define TS_CONTRACT_INTEGER_DOT_H

#include "contract_cut.h"

#if defined(__ARM_NEON)
#include <arm_neon.h>
#endif

/* Elements of a group. */
#define TS_GROUP 4

/* TS_PACK_UNSIGNED, TS_PACK_SIGNED: what packing adds to unsigned and to signed bytes.
 * TS_DOT_COLUMNS: columns in a vector of sums. Where they are half of TS_LANES, a column has two adjoining sums.
 * TS_DOT_VECTORS, TS_DOT_ROWS: of a register tile. */
#if (defined(__AVX512VNNI__) && TS_VECTOR_BYTES == 64) || (defined(__AVXVNNI__) && TS_VECTOR_BYTES == 32)
#define TS_DOT_VNNI
typedef uint8_t ts_packed;
#define TS_PACK_UNSIGNED 0
#define TS_PACK_SIGNED 128
#define TS_DOT_COLUMNS TS_LANES
#define TS_DOT_VECTORS 2
#define TS_DOT_ROWS (TS_VECTOR_BYTES == 64 ? 12 : 6)
#elif defined(__SSE2__)
#define TS_DOT_WORDS
typedef int16_t ts_packed;
#define TS_PACK_UNSIGNED 0
#define TS_PACK_SIGNED 0
#define TS_DOT_COLUMNS (TS_LANES / 2)
#define TS_DOT_VECTORS 2
#if defined(__i386__)
#define TS_DOT_ROWS 2
#else
#define TS_DOT_ROWS (TS_VECTOR_BYTES == 64 ? 12 : 6)
#endif
#else
typedef int8_t ts_packed;
#define TS_PACK_UNSIGNED (-128)
#define TS_PACK_SIGNED 0
#define TS_DOT_VECTORS 4
#if defined(__ARM_FEATURE_DOTPROD)
#define TS_DOT_COLUMNS TS_LANES
#define TS_DOT_ROWS 6
#elif defined(__aarch64__)
#define TS_DOT_COLUMNS (TS_LANES / 2)
#define TS_DOT_ROWS 5
#else
#define TS_DOT_COLUMNS (TS_LANES > 1 ? TS_LANES / 2 : 1)
#define TS_DOT_ROWS 2
#endif
#endif

/* Columns of a register tile. */
#define TS_STRIP (TS_DOT_VECTORS * TS_DOT_COLUMNS)

/* ts_dot_x: the same group for every column; ts_dot_w: the weights of TS_DOT_COLUMNS columns. */
#if defined(TS_DOT_VNNI)

typedef ts_vi ts_dot_x, ts_dot_w;

TS_INLINE ts_dot_x ts_dot_group(const ts_packed *from)
{
    int32_t group;
    __builtin_memcpy(&group, from, sizeof group);
    return group - (ts_vi){0};
}

TS_INLINE ts_dot_w ts_dot_weights(const int8_t *from)
{
    return *(const ts_vi *)(const void *)from;
}

TS_INLINE ts_vi ts_dot(ts_vi sum, ts_dot_x x, ts_dot_w w)
{
#if TS_VECTOR_BYTES == 64
    typedef char bytes __attribute__((vector_size(64)));
    return (ts_vi)__builtin_ia32_vpdpbusd512(sum, (bytes)x, (bytes)w);
#else
    typedef char bytes __attribute__((vector_size(32)));
    return (ts_vi)__builtin_ia32_vpdpbusd256(sum, (bytes)x, (bytes)w);
#endif
}

#elif defined(TS_DOT_WORDS)

#if defined(__AVX512BW__)
#define TS_MULTIPLY_WORDS __builtin_ia32_pmaddwd512
#define TS_MULTIPLY_BYTES 64
#elif defined(__AVX2__)
#define TS_MULTIPLY_WORDS __builtin_ia32_pmaddwd256
#define TS_MULTIPLY_BYTES 32
#else
#define TS_MULTIPLY_WORDS __builtin_ia32_pmaddwd128
#define TS_MULTIPLY_BYTES 16
#endif

typedef int16_t ts_words __attribute__((vector_size(TS_VECTOR_BYTES)));
typedef ts_words ts_dot_x, ts_dot_w;

TS_INLINE ts_dot_x ts_dot_group(const ts_packed *from)
{
    typedef int64_t groups __attribute__((vector_size(TS_VECTOR_BYTES)));
    int64_t group;
    __builtin_memcpy(&group, from, sizeof group);
    return (ts_words)(group - (groups){0});
}

TS_INLINE ts_dot_w ts_dot_weights(const int8_t *from)
{
    typedef int8_t bytes __attribute__((vector_size(TS_VECTOR_BYTES / 2), aligned(1)));
    return __builtin_convertvector(*(const bytes *)from, ts_words);
}

/* Some processors have wider vectors of floats than of integers. */
TS_INLINE ts_vi ts_dot(ts_vi sum, ts_dot_x x, ts_dot_w w)
{
    enum { PARTS = TS_VECTOR_BYTES / TS_MULTIPLY_BYTES };
    typedef int16_t words __attribute__((vector_size(TS_MULTIPLY_BYTES)));
    typedef int32_t sums __attribute__((vector_size(TS_MULTIPLY_BYTES)));
    words left[PARTS], right[PARTS];
    sums products[PARTS];
    __builtin_memcpy(left, &x, sizeof left);
    __builtin_memcpy(right, &w, sizeof right);
    TS_UNROLL
    for (int part = 0; part < PARTS; part++)
        products[part] = (sums)TS_MULTIPLY_WORDS(left[part], right[part]);
    ts_vi added;
    __builtin_memcpy(&added, products, sizeof added);
    return sum + added;
}

#elif defined(__ARM_FEATURE_DOTPROD)

typedef int8x16_t ts_dot_x, ts_dot_w;

TS_INLINE ts_dot_x ts_dot_group(const ts_packed *from)
{
    return vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)(const void *)from));
}

TS_INLINE ts_dot_w ts_dot_weights(const int8_t *from)
{
    return vld1q_s8(from);
}

TS_INLINE ts_vi ts_dot(ts_vi sum, ts_dot_x x, ts_dot_w w)
{
    return (ts_vi)vdotq_s32((int32x4_t)sum, x, w);
}

#elif defined(__ARM_NEON)

typedef int8x8_t ts_dot_x, ts_dot_w;

TS_INLINE ts_dot_x ts_dot_group(const ts_packed *from)
{
    int32_t group;
    __builtin_memcpy(&group, from, sizeof group);
    return vreinterpret_s8_s32(vdup_n_s32(group));
}

TS_INLINE ts_dot_w ts_dot_weights(const int8_t *from)
{
    return vld1_s8(from);
}

/* A product of two signed bytes fits in a word. */
TS_INLINE ts_vi ts_dot(ts_vi sum, ts_dot_x x, ts_dot_w w)
{
    return (ts_vi)vpadalq_s16((int32x4_t)sum, vmull_s8(x, w));
}

#else

typedef struct {
    int32_t of[TS_GROUP];
} ts_dot_x, ts_dot_w;

TS_INLINE ts_dot_x ts_dot_group(const int8_t *from)
{
    return (ts_dot_x){{from[0], from[1], from[2], from[3]}};
}

TS_INLINE ts_dot_w ts_dot_weights(const int8_t *from)
{
    return ts_dot_group(from);
}

TS_INLINE ts_vi ts_dot(ts_vi sum, ts_dot_x x, ts_dot_w w)
{
    return sum + (x.of[0] * w.of[0] + x.of[1] * w.of[1] + x.of[2] * w.of[2] + x.of[3] * w.of[3]);
}

#endif

/* The sums of TS_LANES columns, from one vector of sums or two. */
#if TS_LANES == 16
#define TS_EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define TS_ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif TS_LANES == 8
#define TS_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define TS_ODD 1, 3, 5, 7, 9, 11, 13, 15
#elif TS_LANES == 4
#define TS_EVEN 0, 2, 4, 6
#define TS_ODD 1, 3, 5, 7
#endif

TS_INLINE ts_vi ts_dot_sums(const ts_vi *sum)
{
#if TS_LANES == 1
    return sum[0];
#else
    if (TS_DOT_COLUMNS == TS_LANES)
        return sum[0];
    return __builtin_shufflevector(sum[0], sum[1], TS_EVEN) + __builtin_shufflevector(sum[0], sum[1], TS_ODD);
#endif
}

/* sums[rows][TS_STRIP] of `groups` groups: `x` has `x_row` elements from row to row, `w` begins at the first column and
 * has `panel` bytes from panel to panel. */
TS_INLINE void ts_dot_tile(int rows, int vectors, const ts_packed *x, size_t x_row, const int8_t *w, size_t panel,
                           size_t groups, int32_t *sums)
{
    enum { VECTORS = TS_DOT_COLUMNS == TS_LANES ? 1 : 2 };
    ts_vi sum[TS_DOT_ROWS * TS_DOT_VECTORS];
    TS_UNROLL
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = (ts_vi){0};
    for (size_t k = 0; k < groups; k++, x += TS_GROUP, w += TS_GROUP * TS_PANEL) {
        ts_dot_w weights[TS_DOT_VECTORS];
        TS_UNROLL
        for (int v = 0; v < vectors; v++) {
            const int column = v * TS_DOT_COLUMNS;
            weights[v] = ts_dot_weights(w + (size_t)(column / TS_PANEL) * panel + column % TS_PANEL * TS_GROUP);
        }
        TS_UNROLL
        for (int m = 0; m < rows; m++) {
            const ts_dot_x group = ts_dot_group(x + (size_t)m * x_row);
            TS_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[m * vectors + v] = ts_dot(sum[m * vectors + v], group, weights[v]);
        }
    }
    TS_UNROLL
    for (int i = 0; i < rows * vectors; i += VECTORS) {
        const int m = i / vectors, v = i % vectors;
        *(ts_vi *)(sums + m * TS_STRIP + v * TS_DOT_COLUMNS) = ts_dot_sums(sum + i);
    }
}

#define TS_DOT_CASE(rows)                                                                                              \
    case rows:                                                                                                         \
        return ts_dot_tile(rows, vectors, x, x_row, w, panel, groups, sums);

TS_INLINE void ts_dot_rows(size_t rows, int vectors, const ts_packed *x, size_t x_row, const int8_t *w, size_t panel,
                           size_t groups, int32_t *sums)
{
    switch (rows) {
        TS_DOT_CASE(1)
        TS_DOT_CASE(2)
#if TS_DOT_ROWS > 2
        TS_DOT_CASE(3)
        TS_DOT_CASE(4)
        TS_DOT_CASE(5)
#endif
#if TS_DOT_ROWS > 5
        TS_DOT_CASE(6)
#endif
#if TS_DOT_ROWS > 6
        TS_DOT_CASE(7)
        TS_DOT_CASE(8)
        TS_DOT_CASE(9)
        TS_DOT_CASE(10)
        TS_DOT_CASE(11)
        TS_DOT_CASE(12)
#endif
    }
}

/* As ts_dot_tile for any number of rows; one function for all layers. `columns`: TS_STRIP or fewer. */
[[maybe_unused]] __attribute__((noinline, min_vector_width(8 * TS_VECTOR_BYTES))) static void
ts_dot_block(size_t rows, size_t columns, const ts_packed *x, size_t x_row, const int8_t *w, size_t panel,
             size_t groups, int32_t *sums)
{
    const struct ts_cut cut = ts_cut(rows, TS_DOT_ROWS);
    for (size_t part = 0; part < cut.parts; part++) {
        const size_t first = ts_cut_start(cut, part), count = cut.shorter + (part < cut.longer_parts);
        const ts_packed *from = x + first * x_row;
        int32_t *to = sums + first * TS_STRIP;
#if TS_STRIP > TS_PANEL
        if (columns <= TS_PANEL) {
            ts_dot_rows(count, TS_DOT_VECTORS / 2, from, x_row, w, panel, groups, to);
            continue;
        }
#else
        (void)columns;
#endif
        ts_dot_rows(count, TS_DOT_VECTORS, from, x_row, w, panel, groups, to);
    }
}

#endif
