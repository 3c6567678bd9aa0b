/* bitslice_leaves_avx512.h: leaf values by permutation of whole values, or by gathering; accumulators in row order. */
#ifndef TS_BITSLICE_LEAVES_AVX512_H
#define TS_BITSLICE_LEAVES_AVX512_H

#include "bitslice.h"

#define GROUP (64 / (int)sizeof(ts_real)) /* values of a vector */

#if TS_DOUBLE
typedef __m512d values;
typedef __m256i indices;
#else
typedef __m512 values;
typedef __m512i indices;
#endif

/* Leaf numbers of chunk `chunk`. `paths[k]` holds bit k of the numbers. */
static inline __m512i leaf_numbers(const plane *paths, unsigned bits, int chunk)
{
    __m512i number = _mm512_setzero_si512();
    for (unsigned k = 0; k < bits; k++) {
        __mmask64 set = ((const __mmask64 *)(const void *)(paths + k))[chunk];
        number = _mm512_mask_add_epi8(number, set, number, _mm512_set1_epi8((char)(1 << k)));
    }
    return number;
}

#if TS_DOUBLE
static inline indices group_indices(__m512i numbers, int group)
{
    __m128i bytes = _mm512_castsi512_si128(_mm512_maskz_compress_epi64((__mmask8)(1 << group), numbers));
    return _mm256_cvtepu8_epi32(bytes);
}

static inline values look_up(const double *table, unsigned bits, indices at)
{
    (void)bits;
    return _mm512_i32gather_pd(at, table, 8);
}
#else
static inline indices group_indices(__m512i numbers, int group)
{
    __m512i lane = _mm512_shuffle_i64x2(numbers, numbers, 0);
    if (group == 1)
        lane = _mm512_shuffle_i64x2(numbers, numbers, 0x55);
    if (group == 2)
        lane = _mm512_shuffle_i64x2(numbers, numbers, 0xaa);
    if (group == 3)
        lane = _mm512_shuffle_i64x2(numbers, numbers, 0xff);
    return _mm512_cvtepu8_epi32(_mm512_castsi512_si128(lane));
}

static inline values look_up(const float *table, unsigned bits, indices at)
{
    if (bits <= 4)
        return _mm512_permutexvar_ps(at, _mm512_loadu_ps(table));
    if (bits >= 7)
        return _mm512_i32gather_ps(at, table, 4);
    __m512 low = _mm512_permutex2var_ps(_mm512_loadu_ps(table), at, _mm512_loadu_ps(table + 16));
    if (bits == 5)
        return low;
    __m512 high = _mm512_permutex2var_ps(_mm512_loadu_ps(table + 32), at, _mm512_loadu_ps(table + 48));
    return _mm512_mask_mov_ps(low, _mm512_test_epi32_mask(at, _mm512_set1_epi32(32)), high);
}
#endif

static inline size_t ts_accumulator_of(size_t row)
{
    return row;
}

static inline unsigned ts_leaf_class(const struct ts_mux_tree *tree)
{
    return tree->bits;
}

__attribute__((always_inline)) static inline void add_trees(const struct ts_mux_tree *trees, size_t count, unsigned bits,
                                                            const plane paths[][MOST_BITS], size_t rows, size_t column,
                                                            ts_real *sums)
{
    const ts_real *leaves = TS_TABLE(ts_real, TS_AT_MUX_LEAVES);
    for (int chunk = 0; chunk < CHUNKS && 64 * (size_t)chunk < rows; chunk++) {
        values sum[64 / GROUP];
        __builtin_memcpy(sum, sums + 64 * chunk, sizeof sum);
        for (size_t tree = 0; tree < count; tree++) {
            __m512i numbers = leaf_numbers(paths[tree], bits, chunk);
            const ts_real *table =
                leaves + (size_t)trees[tree].leaves * TS_LEAF_WIDTH + (column << bits);
#pragma clang loop unroll(full)
            for (int group = 0; group < 64 / GROUP; group++)
                sum[group] += look_up(table, bits, group_indices(numbers, group));
        }
        __builtin_memcpy(sums + 64 * chunk, sum, sizeof sum);
    }
}

/* Adds value `column` of the leaves of `count` trees of one class (at most TREE_BATCH), tree by tree, to the
 * accumulators of `rows` rows. */
static inline void ts_add_leaves(const struct ts_mux_tree *trees, size_t count, const plane paths[][MOST_BITS],
                                 size_t rows, size_t column, ts_real *sums)
{
    switch (trees->bits) {
        /* Widths that no tree has are not compiled. */
#define TS_CASE(width)                                                                                                 \
    case width:                                                                                                        \
        if (TS_LEAF_BITS >> width & 1)                                                                                 \
            add_trees(trees, count, width, paths, rows, column, sums);                                                 \
        break;
        TS_CASE(1)
        TS_CASE(2)
        TS_CASE(3)
        TS_CASE(4)
        TS_CASE(5)
        TS_CASE(6)
        TS_CASE(7)
        TS_CASE(8)
#undef TS_CASE
    }
}

#endif
