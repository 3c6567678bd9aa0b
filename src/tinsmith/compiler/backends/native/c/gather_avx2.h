/* gather_avx2.h: 32 rows walk a tree in four vectors. */
#ifndef TS_GATHER_AVX2_H
#define TS_GATHER_AVX2_H

#include <immintrin.h>

#include "forest_walk.h"

#define BLOCK_ROWS 32
#define VECTORS 4

struct fetched {
    __m256i cut, step, slot;
};

/* The nodes at 8 indices. */
static inline struct fetched fetch(const struct ts_node *root, __m256i at)
{
#if TS_WIDE_NODES
    __m256i four = _mm256_slli_epi32(at, 2);
    const int *fields = (const int *)(const void *)root;
    return (struct fetched){_mm256_i32gather_epi32(fields, four, 4), _mm256_i32gather_epi32(fields + 1, four, 4),
                            _mm256_i32gather_epi32(fields + 2, four, 4)};
#else
    const int *fields = (const int *)(const void *)root;
    __m256i link = _mm256_i32gather_epi32(fields + 1, at, 8);
    return (struct fetched){_mm256_i32gather_epi32(fields, at, 8), _mm256_srai_epi32(link, TS_SLOT_BITS),
                            _mm256_and_si256(link, _mm256_set1_epi32((1 << TS_SLOT_BITS) - 1))};
#endif
}

/* Walks every row to its leaf; `at` are node indices from the root. */
static inline void walk_block(const struct ts_node *root, uint32_t depth, const int32_t keys[][BLOCK_ROWS],
                              uint32_t at[BLOCK_ROWS])
{
    const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    __m256i node[VECTORS] = {};
    for (uint32_t level = 0; level < depth; level++) {
        __m256i moved = _mm256_setzero_si256();
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) {
            struct fetched here = fetch(root, node[v]);
            __m256i key_at = _mm256_or_si256(_mm256_slli_epi32(here.slot, 5), _mm256_or_si256(lane, _mm256_set1_epi32(8 * v)));
            __m256i key = _mm256_i32gather_epi32((const int *)keys, key_at, 4);
            __m256i left = _mm256_cmpgt_epi32(here.cut, key);
            __m256i next = _mm256_add_epi32(node[v], here.step);
            node[v] = _mm256_add_epi32(next, _mm256_add_epi32(left, _mm256_set1_epi32(1)));
            moved = _mm256_or_si256(moved, here.step);
        }
        if (_mm256_testz_si256(moved, moved))
            break;
    }
    for (int v = 0; v < VECTORS; v++)
        _mm256_storeu_si256((__m256i *)(void *)(at + 8 * v), node[v]);
}

#endif
