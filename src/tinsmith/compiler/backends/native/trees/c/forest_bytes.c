/* forest_bytes.c: single rows and small batches, by AVX-512 VBMI: all nodes of 64 trees at once.
 *
 * The row's ranks lie in vector registers. One byte permutation fetches the ranks that 64 trees ask for at the same
 * place, one comparison decides 64 nodes; the turns then are multiplexed as 64-bit words, a bit per tree. */
#include "kernels.h"

#if TS_HAS_BYTES && defined(__AVX512VBMI__)
#include <immintrin.h>

#define LANES 64
#define COLUMN_CUTS 288
#define MISSING_RANK 255
#define SLOTS (TS_RANK_SLOTS + TS_SETS)
#define SLOT_VECTORS (SLOTS <= 128 ? 2 : 4)

typedef uint64_t plane;
typedef const uint64_t *plane_source;

static inline plane ts_mux(plane selector, plane one, plane zero)
{
    return zero ^ (selector & (one ^ zero));
}

static inline plane ts_mux_1(plane_source source, size_t first, const plane *bits)
{
    (void)bits;
    return source[first];
}

#include "mux.h"

struct space {
    alignas(64) uint8_t ranks[128];
    alignas(64) uint8_t slots[256];
    alignas(64) uint64_t nodes[256];
    alignas(64) uint8_t numbers[(TS_TREES + LANES - 1) / LANES * LANES]; /* leaf numbers */
};

static inline uint8_t rank_of(float value, const int32_t *cuts)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    __m512i key = _mm512_set1_epi32(ts_key(bits, TS_KEY_MISSING_RIGHT));
    __mmask16 passed = _mm512_cmpge_epi32_mask(key, _mm512_load_si512(cuts));
    unsigned sixteens = (unsigned)__builtin_popcount(passed);
    __mmask16 ones = _mm512_cmpge_epi32_mask(key, _mm512_loadu_si512(cuts + 16 + 16 * sixteens));
    unsigned rank = 16 * sixteens + (unsigned)__builtin_popcount(ones);
    /* A missing value passes all cuts and all padding. */
    return (uint8_t)(rank < MISSING_RANK ? rank : MISSING_RANK);
}

/* Truth of the category sets, each the exclusive or of conditions on ranks. */
static void fill_sets(const uint8_t *ranks, uint8_t *sets)
{
    const uint32_t *first = TS_TABLE(uint32_t, TS_AT_SET_FIRST), *terms = TS_TABLE(uint32_t, TS_AT_SET_TERMS);
    const uint32_t *columns = TS_TABLE(uint32_t, TS_AT_CONDITION_COLUMNS);
    const uint8_t *bounds = TS_TABLE(uint8_t, TS_AT_CONDITION_RANKS);
    for (size_t set = 0; set < TS_SETS; set++) {
        unsigned truth = 0;
        for (uint32_t i = first[set]; i < first[set + 1]; i++) {
            if (terms[i] < 2) {
                truth ^= terms[i];
                continue;
            }
            uint32_t condition = terms[i] - 2, column = columns[condition];
            uint8_t rank = ranks[column >> 1];
            truth ^= rank == MISSING_RANK ? column & 1 : rank > bounds[condition];
        }
        sets[set] = (uint8_t)truth;
    }
}

static void fill_slots(const float *row, struct space *space)
{
    const uint32_t *features = TS_TABLE(uint32_t, TS_AT_COLUMN_FEATURES);
    const int32_t *cuts = TS_TABLE(int32_t, TS_AT_COLUMN_CUTS);
    const uint8_t *columns = TS_TABLE(uint8_t, TS_AT_SLOT_COLUMNS);
    const uint64_t *sides = TS_TABLE(uint64_t, TS_AT_SLOT_SIDES);
    for (size_t column = 0; column < TS_COLUMNS; column++)
        space->ranks[column] = rank_of(row[features[column]], cuts + COLUMN_CUTS * column);
    __m512i low = _mm512_load_si512(space->ranks), high = _mm512_load_si512(space->ranks + 64);
    for (size_t i = 0; i < SLOT_VECTORS; i++) {
        __m512i rank = _mm512_permutex2var_epi8(low, _mm512_load_si512(columns + 64 * i), high);
        __mmask64 present = _mm512_cmpneq_epi8_mask(rank, _mm512_set1_epi8((char)MISSING_RANK));
        _mm512_store_si512(space->slots + 64 * i, _mm512_maskz_mov_epi8(present | sides[i], rank));
    }
    if (TS_SETS)
        fill_sets(space->ranks, space->slots + TS_RANK_SLOTS);
}

/* Decides all nodes of a group; bit i of nodes[place] is the turn of tree i there. */
static inline void decide(const uint8_t *slots, const uint8_t *table, size_t places, uint64_t *nodes)
{
    __m512i first = _mm512_load_si512(slots), second = _mm512_load_si512(slots + 64);
#if SLOTS > 128
    __m512i third = _mm512_load_si512(slots + 128), fourth = _mm512_load_si512(slots + 192);
#endif
    for (size_t place = 0; place < places; place++, table += 2 * LANES) {
        __m512i slot = _mm512_load_si512(table);
        __m512i rank = _mm512_permutex2var_epi8(first, slot, second);
#if SLOTS > 128
        rank = _mm512_mask_mov_epi8(rank, _mm512_movepi8_mask(slot), _mm512_permutex2var_epi8(third, slot, fourth));
#endif
        nodes[place] = _mm512_cmpgt_epu8_mask(rank, _mm512_load_si512(table + LANES));
    }
}

/* Leaf numbers of the 64 trees of a group. */
__attribute__((always_inline)) static inline __m512i group_numbers(struct space *space, const uint8_t *table,
                                                                   unsigned depth)
{
    plane turn[8];
    decide(space->slots, table, ((size_t)1 << depth) - 1, space->nodes);
    ts_walk_complete(space->nodes, depth, turn);
    __m512i number = _mm512_setzero_si512();
    for (unsigned level = 0; level < depth; level++)
        number = _mm512_mask_add_epi8(number, turn[level], number, _mm512_set1_epi8((char)(1 << (depth - 1 - level))));
    return number;
}

static __m512i run_group(struct space *space, const uint8_t *table, unsigned depth)
{
    switch (depth) {
        /* Depths that no group has are not compiled. */
#define TS_CASE(levels)                                                                                                \
    case levels:                                                                                                       \
        if (TS_BYTE_DEPTHS >> levels & 1)                                                                              \
            return group_numbers(space, table, levels);                                                                \
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
    return _mm512_setzero_si512();
}

/* Adds the leaves in the order of trees, which is not that of lanes. */
static void add_leaves(const uint8_t *numbers, ts_real *margins)
{
    const uint32_t *first = TS_TABLE(uint32_t, TS_AT_BYTE_LEAF_FIRST), *lanes = TS_TABLE(uint32_t, TS_AT_BYTE_LANES);
    const ts_real *leaves = TS_TABLE(ts_real, TS_AT_BYTE_LEAVES);
    const ts_real *base = TS_TABLE(ts_real, TS_AT_BASE);
#if TS_MARGINS == 1
    ts_real sum = base[0];
    for (size_t tree = 0; tree < TS_TREES; tree++)
        sum += leaves[first[tree] + numbers[lanes[tree]]];
    margins[0] = sum;
#else
    for (size_t column = 0; column < TS_MARGINS; column++)
        margins[column] = base[column];
    for (size_t tree = 0; tree < TS_TREES; tree++) {
        const ts_real *leaf = leaves + ((size_t)first[tree] + numbers[lanes[tree]]) * TS_LEAF_WIDTH;
#if TS_LEAF_WIDTH == 1
        margins[TS_TABLE(uint32_t, TS_AT_TREE_COLUMNS)[tree]] += *leaf;
#else
        for (size_t column = 0; column < TS_LEAF_WIDTH; column++)
            margins[column] += leaf[column];
#endif
    }
#endif
}

size_t TS_NAME(ts_bytes_workspace)(void)
{
    return sizeof(struct space);
}

void TS_NAME(ts_bytes)(const float *rows, size_t count, size_t stride, ts_real *margins, void *workspace)
{
    struct space *space = workspace;
    const uint32_t *depths = TS_TABLE(uint32_t, TS_AT_BYTE_GROUP_DEPTHS);
    for (size_t row = 0; row < count; row++) {
        const uint8_t *table = TS_TABLE(uint8_t, TS_AT_BYTE_NODES);
        fill_slots(rows + row * stride, space);
        for (size_t group = 0; group < TS_BYTE_GROUPS; group++) {
            _mm512_store_si512(space->numbers + LANES * group, run_group(space, table, depths[group]));
            table += (((size_t)1 << depths[group]) - 1) * 2 * LANES;
        }
        add_leaves(space->numbers, margins + row * TS_MARGINS);
    }
}
#endif
