/* bitslice_avx512.h: blocks of 512 rows. Bit i of quadword j of a plane is row 64 j + i. */
#ifndef TS_BITSLICE_AVX512_H
#define TS_BITSLICE_AVX512_H

#include <immintrin.h>

#include "bitslice.h"

#define TS_PLANE_BYTES 64
#define BLOCK_ROWS 512
#define CHUNKS 8 /* of 64 rows */

typedef __m512i plane;

static inline plane ts_zero_plane(void)
{
    return _mm512_setzero_si512();
}

static inline plane ts_mux(plane selector, plane one, plane zero)
{
    return _mm512_ternarylogic_epi64(selector, one, zero, 0xca);
}

/* ts_key for 16 floats; missing values take TS_KEY_MISSING_RIGHT. */
static inline __m512i key_vector(__m512i bits)
{
    __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
    __mmask16 missing = _mm512_cmpgt_epi32_mask(magnitude, _mm512_set1_epi32((int)TS_INFINITY_BITS));
    __m512i key = _mm512_mask_sub_epi32(magnitude, _mm512_movepi32_mask(bits), _mm512_setzero_si512(), magnitude);
    return _mm512_mask_mov_epi32(key, missing, _mm512_set1_epi32(TS_KEY_MISSING_RIGHT));
}

/* Features f..f+3 of rows 4 l + i, l being the 128-bit lane. `width` of them exist. */
static inline __m512i load_quads(const float *rows, size_t count, size_t stride, size_t row, unsigned width)
{
    __m512i quads = _mm512_setzero_si512();
    for (unsigned lane = 0; lane < 4; lane++) {
        size_t r = row + 4 * lane < count ? row + 4 * lane : count - 1;
        __m128i quad = _mm_maskz_loadu_epi32((__mmask8)((1u << width) - 1), rows + r * stride);
        quads = _mm512_mask_broadcast_i32x4(quads, (__mmask16)(15u << 4 * lane), quad);
    }
    return quads;
}

/* Keys of features 0..width-1 (at most 4) of all rows, feature by feature. Rows beyond `count` repeat its last. */
static inline void key_quad(const float *rows, size_t count, size_t stride, unsigned width, int32_t *keys)
{
    for (size_t row = 0; row < BLOCK_ROWS && row < count; row += 16) {
        __m512i a = load_quads(rows, count, stride, row, width);
        __m512i b = load_quads(rows, count, stride, row + 1, width);
        __m512i c = load_quads(rows, count, stride, row + 2, width);
        __m512i d = load_quads(rows, count, stride, row + 3, width);
        __m512i ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
        __m512i cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
        int32_t *out = keys + row;
        _mm512_store_si512(out, key_vector(_mm512_unpacklo_epi64(ab_low, cd_low)));
        _mm512_store_si512(out + BLOCK_ROWS, key_vector(_mm512_unpackhi_epi64(ab_low, cd_low)));
        _mm512_store_si512(out + 2 * BLOCK_ROWS, key_vector(_mm512_unpacklo_epi64(ab_high, cd_high)));
        _mm512_store_si512(out + 3 * BLOCK_ROWS, key_vector(_mm512_unpackhi_epi64(ab_high, cd_high)));
    }
}

static inline void ts_key_block(const float *rows, size_t count, size_t stride, size_t features, int32_t *keys)
{
    for (size_t feature = 0; feature < features; feature += 4)
        key_quad(rows + feature, count, stride, features - feature < 4 ? (unsigned)(features - feature) : 4,
                 keys + feature * BLOCK_ROWS);
}

/* Cuts of level `level` at places `at` of a search tree. */
static inline __m512i cuts_at(const int32_t *search, int level, __m512i at)
{
    const int32_t *cuts = search + (1 << level);
    if (level <= 4)
        return _mm512_permutexvar_epi32(at, _mm512_loadu_si512(cuts));
    __m512i low = _mm512_permutex2var_epi32(_mm512_loadu_si512(cuts), at, _mm512_loadu_si512(cuts + 16));
    if (level == 5)
        return low;
    __m512i high = _mm512_permutex2var_epi32(_mm512_loadu_si512(cuts + 32), at, _mm512_loadu_si512(cuts + 48));
    __mmask16 upper = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
    __m512i first = _mm512_mask_mov_epi32(low, upper, high);
    if (level == 6)
        return first;
    low = _mm512_permutex2var_epi32(_mm512_loadu_si512(cuts + 64), at, _mm512_loadu_si512(cuts + 80));
    high = _mm512_permutex2var_epi32(_mm512_loadu_si512(cuts + 96), at, _mm512_loadu_si512(cuts + 112));
    __m512i second = _mm512_mask_mov_epi32(low, upper, high);
    return _mm512_mask_mov_epi32(first, _mm512_test_epi32_mask(at, _mm512_set1_epi32(64)), second);
}

__attribute__((always_inline)) static inline void rank_levels(const int32_t *keys, size_t count, const int32_t *search,
                                                              int levels, uint8_t *ranks)
{
    for (size_t row = 0; row < count; row += 16) {
        __m512i key = _mm512_load_si512(keys + row);
        __m512i at = _mm512_setzero_si512();
#pragma clang loop unroll(full)
        for (int level = 0; level < levels; level++) {
            __mmask16 right = _mm512_cmpge_epi32_mask(key, cuts_at(search, level, at));
            at = _mm512_add_epi32(at, at);
            at = _mm512_mask_add_epi32(at, right, at, _mm512_set1_epi32(1));
        }
        __mmask16 missing = _mm512_cmpeq_epi32_mask(key, _mm512_set1_epi32(TS_KEY_MISSING_RIGHT));
        at = _mm512_mask_mov_epi32(at, missing, _mm512_set1_epi32(MISSING_RANK));
        _mm_store_si128((__m128i *)(void *)(ranks + row), _mm512_cvtepi32_epi8(at));
    }
}

/* Planes of `rank > k` for each k; missing values are true where `missing_right`. */
static inline void ts_make_planes(const uint8_t *ranks, const uint8_t *k, size_t count, bool missing_right, plane *out)
{
    __m512i rank[CHUNKS];
    for (int i = 0; i < CHUNKS; i++) {
        rank[i] = _mm512_load_si512(ranks + 64 * i);
        __mmask64 present = _mm512_cmpneq_epi8_mask(rank[i], _mm512_set1_epi8((char)MISSING_RANK));
        if (!missing_right)
            rank[i] = _mm512_maskz_mov_epi8(present, rank[i]);
    }
    for (size_t condition = 0; condition < count; condition++) {
        __m512i bound = _mm512_set1_epi8((char)k[condition]);
        __mmask64 *bits = (__mmask64 *)(void *)(out + condition);
        for (int i = 0; i < CHUNKS; i++)
            bits[i] = _mm512_cmpgt_epu8_mask(rank[i], bound);
    }
}

#if defined(__AVX512VBMI__) && defined(__GFNI__) && TS_HAS_LEAF_BYTES
#include "bitslice_leaves_vbmi.h"
#else
#include "bitslice_leaves_avx512.h"
#endif

#endif
