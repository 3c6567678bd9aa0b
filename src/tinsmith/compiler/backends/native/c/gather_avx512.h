/* gather_avx512.h: 64 rows walk a tree in four vectors. */
#ifndef TS_GATHER_AVX512_H
#define TS_GATHER_AVX512_H

#include <immintrin.h>

#include "forest_walk.h"

#define BLOCK_ROWS 64
#define VECTORS 4

struct fetched {
    __m512i cut, step, slot;
};

/* The nodes at 16 indices. */
static inline struct fetched fetch(const struct ts_node *root, __m512i at)
{
#if TS_WIDE_NODES
    __m512i four = _mm512_slli_epi32(at, 2);
    const char *fields = (const char *)root;
    return (struct fetched){_mm512_i32gather_epi32(four, fields, 4), _mm512_i32gather_epi32(four, fields + 4, 4),
                            _mm512_i32gather_epi32(four, fields + 8, 4)};
#else
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    __m512i low = _mm512_i32gather_epi64(_mm512_castsi512_si256(at), root, 8);
    __m512i high = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(at, 1), root, 8);
    __m512i link = _mm512_permutex2var_epi32(low, odd, high);
    return (struct fetched){_mm512_permutex2var_epi32(low, even, high), _mm512_srai_epi32(link, TS_SLOT_BITS),
                            _mm512_and_si512(link, _mm512_set1_epi32((1 << TS_SLOT_BITS) - 1))};
#endif
}

/* Walks every row to its leaf; `at` are node indices from the root. */
static inline void walk_block(const struct ts_node *root, uint32_t depth, const int32_t keys[][BLOCK_ROWS],
                              uint32_t at[BLOCK_ROWS])
{
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i node[VECTORS] = {};
    for (uint32_t level = 0; level < depth; level++) {
        __m512i moved = _mm512_setzero_si512();
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) {
            struct fetched here = fetch(root, node[v]);
            __m512i key_at = _mm512_or_si512(_mm512_slli_epi32(here.slot, 6), _mm512_or_si512(lane, _mm512_set1_epi32(16 * v)));
            __m512i key = _mm512_i32gather_epi32(key_at, keys, 4);
            __m512i next = _mm512_add_epi32(node[v], here.step);
            __mmask16 right = _mm512_cmpge_epi32_mask(key, here.cut);
            node[v] = _mm512_mask_add_epi32(next, right, next, _mm512_set1_epi32(1));
            moved = _mm512_or_si512(moved, here.step);
        }
        if (!_mm512_test_epi32_mask(moved, moved))
            break;
    }
    for (int v = 0; v < VECTORS; v++)
        _mm512_storeu_si512(at + 16 * v, node[v]);
}

#endif
