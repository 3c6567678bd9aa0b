/* bitslice_portable.h: blocks of 128 rows (256 with AVX2) in compiler vectors: SSE2, AVX2, NEON, or none of them.
 * Bit j of byte i of a plane is row TS_PLANE_BYTES j + i. */
#ifndef TS_BITSLICE_PORTABLE_H
#define TS_BITSLICE_PORTABLE_H

#include "bitslice.h"

#ifdef __AVX2__
#include <immintrin.h>
#define TS_PLANE_BYTES 32
#else
#define TS_PLANE_BYTES 16
#endif
#define BLOCK_ROWS (8 * TS_PLANE_BYTES)

typedef int8_t plane __attribute__((vector_size(TS_PLANE_BYTES)));
typedef uint16_t halfwords __attribute__((vector_size(TS_PLANE_BYTES)));
typedef int32_t quad __attribute__((vector_size(16)));

static inline plane splat(int value)
{
    return (plane){} + (int8_t)value;
}

static inline plane ts_zero_plane(void)
{
    return (plane){};
}

static inline plane ts_mux(plane selector, plane one, plane zero)
{
    return zero ^ (selector & (one ^ zero));
}

/* ts_key for 4 floats; missing values take TS_KEY_MISSING_RIGHT. */
static inline quad key_quad(quad bits)
{
    quad magnitude = bits & 0x7fffffff;
    quad sign = bits >> 31;
    quad missing = magnitude > (int32_t)TS_INFINITY_BITS;
    return (((magnitude ^ sign) - sign) & ~missing) | (missing & TS_KEY_MISSING_RIGHT);
}

static inline quad load_quad(const float *from, size_t width)
{
    quad loaded = {};
    if (width >= 4) {
        __builtin_memcpy(&loaded, from, sizeof loaded);
        return loaded;
    }
    int32_t some[4] = {};
    for (size_t i = 0; i < width; i++)
        __builtin_memcpy(some + i, from + i, sizeof *some);
    __builtin_memcpy(&loaded, some, sizeof loaded);
    return loaded;
}

/* Keys of `features` features of all rows, feature by feature. Rows beyond `count` may repeat its last. */
static inline void ts_key_block(const float *rows, size_t count, size_t stride, size_t features, int32_t *keys)
{
    for (size_t feature = 0; feature < features; feature += 4) {
        const float *from = rows + feature;
        size_t width = features - feature;
        for (size_t row = 0; row < count; row += 4) {
            size_t last = count - 1 - row;
            quad a = load_quad(from + row * stride, width);
            quad b = load_quad(from + (row + (last < 1 ? last : 1)) * stride, width);
            quad c = load_quad(from + (row + (last < 2 ? last : 2)) * stride, width);
            quad d = load_quad(from + (row + (last < 3 ? last : 3)) * stride, width);
            quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            quad *out = (quad *)(void *)(keys + feature * BLOCK_ROWS + row);
            out[0] = key_quad(__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
            out[BLOCK_ROWS / 4] = key_quad(__builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
            out[2 * BLOCK_ROWS / 4] = key_quad(__builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
            out[3 * BLOCK_ROWS / 4] = key_quad(__builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
        }
    }
}

/* Ranks are stored with their highest bit turned, for signed comparisons. */
#define RANK_BIAS 128

#ifdef __AVX2__
/* Cuts of level `level` at places `at` of a search tree. */
static inline __m256i cuts_at(const int32_t *search, unsigned level, __m256i at)
{
    const int32_t *cuts = search + (1u << level);
    if (level >= 5)
        return _mm256_i32gather_epi32(cuts, at, 4);
    __m256i low = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)(const void *)cuts), at);
    if (level < 4)
        return low;
    __m256i high = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(cuts + 8)), at);
    __m256i upper = _mm256_cmpgt_epi32(at, _mm256_set1_epi32(7));
    return _mm256_blendv_epi8(low, high, upper);
}

__attribute__((always_inline)) static inline void rank_levels(const int32_t *keys, size_t count, const int32_t *search,
                                                              unsigned levels, uint8_t *ranks)
{
    for (size_t row = 0; row < count; row += 8) {
        __m256i key = _mm256_load_si256((const __m256i *)(const void *)(keys + row));
        __m256i at = _mm256_setzero_si256();
#pragma clang loop unroll(full)
        for (unsigned level = 0; level < levels; level++) {
            __m256i left = _mm256_cmpgt_epi32(cuts_at(search, level, at), key);
            at = _mm256_add_epi32(_mm256_add_epi32(at, at), _mm256_add_epi32(left, _mm256_set1_epi32(1)));
        }
        __m256i missing = _mm256_cmpeq_epi32(key, _mm256_set1_epi32(TS_KEY_MISSING_RIGHT));
        at = _mm256_or_si256(at, _mm256_and_si256(missing, _mm256_set1_epi32(MISSING_RANK)));
        at = _mm256_xor_si256(at, _mm256_set1_epi32(RANK_BIAS));
        const __m256i low_bytes = _mm256_set1_epi32(0x0c080400);
        at = _mm256_shuffle_epi8(at, low_bytes);
        uint32_t halves[2] = {(uint32_t)_mm256_extract_epi32(at, 0), (uint32_t)_mm256_extract_epi32(at, 4)};
        __builtin_memcpy(ranks + row, halves, sizeof halves);
    }
}
#else
__attribute__((always_inline)) static inline void rank_levels(const int32_t *keys, size_t count, const int32_t *search,
                                                              unsigned levels, uint8_t *ranks)
{
    enum { ROWS = 8 };
    for (size_t row = 0; row < count; row += ROWS) {
        uint32_t at[ROWS] = {};
        for (unsigned level = 0; level < levels; level++)
            for (int i = 0; i < ROWS; i++)
                at[i] = 2 * at[i] + (keys[row + i] >= search[(1u << level) + at[i]]);
        for (int i = 0; i < ROWS; i++) {
            uint32_t missing = keys[row + i] == TS_KEY_MISSING_RIGHT ? MISSING_RANK : 0;
            ranks[row + i] = (uint8_t)((at[i] | missing) ^ RANK_BIAS);
        }
    }
}
#endif

/* Planes of `rank > k` for each k; missing values are true where `missing_right`. */
static inline void ts_make_planes(const uint8_t *ranks, const uint8_t *k, size_t count, bool missing_right, plane *out)
{
    plane rank[8];
    __builtin_memcpy(rank, ranks, sizeof rank);
    const plane lowest = splat(-RANK_BIAS);
    for (int j = 0; j < 8 && !missing_right; j++) {
        plane missing = rank[j] == splat(MISSING_RANK - RANK_BIAS);
        rank[j] = ts_mux(missing, lowest, rank[j]);
    }
    for (size_t condition = 0; condition < count; condition++) {
        plane bound = splat(k[condition] - RANK_BIAS);
        plane made = (rank[0] > bound) & splat(1);
        for (int j = 1; j < 8; j++)
            made |= (rank[j] > bound) & splat(1 << j);
        out[condition] = made;
    }
}

/* Exchanges the bits of `a` above `mask` with those of `b` at it, `shift` apart. */
static inline void exchange(plane *a, plane *b, int shift, int mask)
{
    plane moved = ((plane)((halfwords)*a >> shift) ^ *b) & splat(mask);
    *b ^= moved;
    *a ^= (plane)((halfwords)moved << shift);
}

/* Leaf numbers as bytes, of rows TS_PLANE_BYTES j + i in byte i of numbers[j]: turns bit j of plane k into bit k of
 * vector j. */
static inline void leaf_numbers(const plane *paths, plane numbers[MOST_BITS])
{
    for (int k = 0; k < MOST_BITS; k++)
        numbers[k] = paths[k];
    for (int k = 0; k < 4; k++)
        exchange(numbers + k, numbers + k + 4, 4, 0x0f);
    for (int k = 0; k < 8; k += k % 4 == 1 ? 3 : 1)
        exchange(numbers + k, numbers + k + 2, 2, 0x33);
    for (int k = 0; k < 8; k += 2)
        exchange(numbers + k, numbers + k + 1, 1, 0x55);
}

static inline size_t ts_accumulator_of(size_t row)
{
    return row;
}

static inline unsigned ts_leaf_class(const struct ts_mux_tree *tree)
{
    (void)tree;
    return 0;
}

#ifdef __AVX2__
/* Adds the values of 8 leaf numbers. */
static inline void add_eight(const ts_real *table, const uint8_t *numbers, ts_real *sums)
{
    __m256i at = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)numbers));
#if TS_DOUBLE
    __m256d low = _mm256_i32gather_pd(table, _mm256_castsi256_si128(at), 8);
    __m256d high = _mm256_i32gather_pd(table, _mm256_extracti128_si256(at, 1), 8);
    _mm256_store_pd(sums, _mm256_load_pd(sums) + low);
    _mm256_store_pd(sums + 4, _mm256_load_pd(sums + 4) + high);
#else
    _mm256_store_ps(sums, _mm256_load_ps(sums) + _mm256_i32gather_ps(table, at, 4));
#endif
}
#else
static inline void add_eight(const ts_real *table, const uint8_t *numbers, ts_real *sums)
{
    for (int i = 0; i < 8; i++)
        sums[i] += table[numbers[i]];
}
#endif

/* Adds value `column` of the leaves of `count` trees, tree by tree, to the accumulators of `rows` rows. Planes of
 * bits that a tree does not have are zero. */
static inline void ts_add_leaves(const struct ts_mux_tree *trees, size_t count, const plane paths[][MOST_BITS],
                                 size_t rows, size_t column, ts_real *sums)
{
    const ts_real *leaves = TS_TABLE(ts_real, TS_AT_MUX_LEAVES);
    for (size_t tree = 0; tree < count; tree++) {
        const ts_real *table = leaves + (size_t)trees[tree].leaves * TS_LEAF_WIDTH + (column << trees[tree].bits);
        union {
            plane vectors[MOST_BITS];
            uint8_t bytes[BLOCK_ROWS];
        } numbers;
        leaf_numbers(paths[tree], numbers.vectors);
        for (size_t row = 0; row < rows; row += 8)
            add_eight(table, numbers.bytes + row, sums + row);
    }
}

#endif
