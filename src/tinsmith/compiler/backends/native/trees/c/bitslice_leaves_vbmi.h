/* bitslice_leaves_vbmi.h: leaf values by byte permutation, 64 rows at once.
 *
 * The table of a tree holds the bytes of its leaf values apart, so one permutation looks a byte up for 64 rows.
 * Interleaving the bytes into values orders rows differently; accumulators keep that order. */
#ifndef TS_BITSLICE_LEAVES_VBMI_H
#define TS_BITSLICE_LEAVES_VBMI_H

#include "bitslice.h"

#define VALUE_BYTES sizeof(ts_real)
#define VALUE_VECTORS sizeof(ts_real) /* vectors that 64 values fill */

#if TS_DOUBLE
typedef __m512d values;
#else
typedef __m512 values;
#endif

static inline values load_values(const ts_real *from)
{
#if TS_DOUBLE
    return _mm512_load_pd(from);
#else
    return _mm512_load_ps(from);
#endif
}

static inline void store_values(ts_real *to, values from)
{
#if TS_DOUBLE
    _mm512_store_pd(to, from);
#else
    _mm512_store_ps(to, from);
#endif
}

/* Leaf numbers of rows 64 j .. 64 j + 63 as bytes, for every chunk j. `paths[k]` holds bit k of the numbers, k < bits.
 * First the quadwords of a chunk are brought together, plane by plane, then each group of 8 x 8 bits is turned. */
__attribute__((always_inline)) static inline void leaf_numbers(const plane *paths, unsigned bits, __m512i numbers[CHUNKS])
{
    __m512i p[MOST_BITS], q[MOST_BITS];
    for (unsigned k = 0; k < MOST_BITS; k++)
        p[k] = k < bits ? paths[k] : _mm512_setzero_si512();
    for (int k = 0; k < 4; k++) {
        q[2 * k] = _mm512_unpacklo_epi64(p[2 * k], p[2 * k + 1]);
        q[2 * k + 1] = _mm512_unpackhi_epi64(p[2 * k], p[2 * k + 1]);
    }
    /* q[2 k + o] lane l: quadword 2 l + o of planes 2 k and 2 k + 1. */
    /* Byte p of quadword m comes from byte m of quadword 7 - p. */
    const __m512i spread = _mm512_set_epi64(0x070f171f272f373f, 0x060e161e262e363e, 0x050d151d252d353d,
                                            0x040c141c242c343c, 0x030b131b232b333b, 0x020a121a222a323a,
                                            0x0109111921293139, 0x0008101820283038);
    const __m512i unit = _mm512_set1_epi64((long long)0x8040201008040201);
    for (int odd = 0; odd < 2; odd++) {
        __m512i a = _mm512_shuffle_i64x2(q[odd], q[2 + odd], 0x44), b = _mm512_shuffle_i64x2(q[odd], q[2 + odd], 0xee);
        __m512i c = _mm512_shuffle_i64x2(q[4 + odd], q[6 + odd], 0x44);
        __m512i d = _mm512_shuffle_i64x2(q[4 + odd], q[6 + odd], 0xee);
        /* a: lanes 0 1 of planes 0 1, lanes 0 1 of planes 2 3; and so on. */
        __m512i chunk[4] = {_mm512_shuffle_i64x2(a, c, 0x88), _mm512_shuffle_i64x2(a, c, 0xdd),
                            _mm512_shuffle_i64x2(b, d, 0x88), _mm512_shuffle_i64x2(b, d, 0xdd)};
        for (int lane = 0; lane < 4; lane++) {
            __m512i groups = _mm512_permutexvar_epi8(spread, chunk[lane]);
            numbers[2 * lane + odd] = _mm512_gf2p8affine_epi64_epi8(unit, groups, 0);
        }
    }
}

/* One byte of the values of 64 leaf numbers. */
__attribute__((always_inline)) static inline __m512i leaf_byte(const uint8_t *table, unsigned bits, __m512i number)
{
    if (bits <= 6)
        return _mm512_permutexvar_epi8(number, _mm512_load_si512(table));
    __m512i low = _mm512_permutex2var_epi8(_mm512_load_si512(table), number, _mm512_load_si512(table + 64));
    if (bits == 7)
        return low;
    __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(table + 128), number, _mm512_load_si512(table + 192));
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(number), high);
}

/* Values of 64 leaf numbers, in the order of ts_accumulator_of. */
__attribute__((always_inline)) static inline void leaf_values(const uint8_t *table, unsigned bits, __m512i number,
                                                              values out[VALUE_VECTORS])
{
    const size_t entries = bits <= 6 ? 64 : (size_t)1 << bits;
    __m512i pair[VALUE_BYTES], quad[VALUE_BYTES];
    for (unsigned i = 0; i < VALUE_BYTES; i += 2) {
        __m512i even = leaf_byte(table + i * entries, bits, number);
        __m512i odd = leaf_byte(table + (i + 1) * entries, bits, number);
        pair[i] = _mm512_unpacklo_epi8(even, odd);
        pair[i + 1] = _mm512_unpackhi_epi8(even, odd);
    }
    for (unsigned i = 0; i < VALUE_BYTES; i += 4)
        for (unsigned half = 0; half < 2; half++) {
            quad[i + 2 * half] = _mm512_unpacklo_epi16(pair[i + half], pair[i + 2 + half]);
            quad[i + 2 * half + 1] = _mm512_unpackhi_epi16(pair[i + half], pair[i + 2 + half]);
        }
#if TS_DOUBLE
    for (unsigned i = 0; i < 4; i++) {
        out[2 * i] = _mm512_castsi512_pd(_mm512_unpacklo_epi32(quad[i], quad[4 + i]));
        out[2 * i + 1] = _mm512_castsi512_pd(_mm512_unpackhi_epi32(quad[i], quad[4 + i]));
    }
#else
    for (unsigned i = 0; i < 4; i++)
        out[i] = _mm512_castsi512_ps(quad[i]);
#endif
}

/* Row 16 lane + w of a chunk stands in lane `lane` of vector w / values per lane. */
static inline size_t ts_accumulator_of(size_t row)
{
    const size_t per_lane = 16 / sizeof(ts_real);
    size_t chunk = row / 64, lane = row / 16 % 4, within = row % 16;
    return chunk * 64 + within / per_lane * (4 * per_lane) + lane * per_lane + within % per_lane;
}

static inline const uint8_t *leaf_table(const struct ts_mux_tree *tree, size_t column)
{
    const uint8_t *tables = TS_TABLE(uint8_t, TS_AT_MUX_LEAF_BYTES);
    size_t entries = tree->bits <= 6 ? 64 : (size_t)1 << tree->bits;
    return tables + ((size_t)tree->leaf_bytes * TS_LEAF_WIDTH + column * entries) * VALUE_BYTES;
}

/* Adds the leaves of trees of `bits` bits to the accumulators of one chunk. */
__attribute__((always_inline)) static inline void add_chunk(const struct ts_mux_tree *trees, size_t count,
                                                            unsigned bits, __m512i numbers[][CHUNKS], int chunk,
                                                            size_t column, ts_real *sums)
{
    values sum[VALUE_VECTORS];
    for (unsigned i = 0; i < VALUE_VECTORS; i++)
        sum[i] = load_values(sums + i * (64 / VALUE_VECTORS));
    for (size_t tree = 0; tree < count; tree++) {
        values leaf[VALUE_VECTORS];
        leaf_values(leaf_table(trees + tree, column), bits, numbers[tree][chunk], leaf);
        for (unsigned i = 0; i < VALUE_VECTORS; i++)
            sum[i] += leaf[i];
    }
    for (unsigned i = 0; i < VALUE_VECTORS; i++)
        store_values(sums + i * (64 / VALUE_VECTORS), sum[i]);
}

__attribute__((always_inline)) static inline void add_trees(const struct ts_mux_tree *trees, size_t count, unsigned bits,
                                                            const plane paths[][MOST_BITS], size_t rows, size_t column,
                                                            ts_real *sums)
{
    __m512i numbers[TREE_BATCH][CHUNKS];
    for (size_t tree = 0; tree < count; tree++)
        leaf_numbers(paths[tree], bits, numbers[tree]);
    for (int chunk = 0; chunk < CHUNKS && 64 * (size_t)chunk < rows; chunk++)
        add_chunk(trees, count, bits, numbers, chunk, column, sums + 64 * chunk);
}

/* Trees whose leaves ts_add_leaves may add together are of one class. */
static inline unsigned ts_leaf_class(const struct ts_mux_tree *tree)
{
    return tree->bits <= 6 ? 6 : tree->bits;
}

/* Adds value `column` of the leaves of `count` trees (at most TREE_BATCH), tree by tree, to the accumulators of `rows`
 * rows. Planes of bits that a tree does not have are zero. */
static inline void ts_add_leaves(const struct ts_mux_tree *trees, size_t count, const plane paths[][MOST_BITS],
                                 size_t rows, size_t column, ts_real *sums)
{
    /* Widths that no tree has are not compiled. */
    if (TS_LEAF_BITS >> 7 & 1 && trees->bits == 7)
        add_trees(trees, count, 7, paths, rows, column, sums);
    else if (TS_LEAF_BITS >> 8 & 1 && trees->bits == 8)
        add_trees(trees, count, 8, paths, rows, column, sums);
    else
        add_trees(trees, count, 6, paths, rows, column, sums);
}

#endif
