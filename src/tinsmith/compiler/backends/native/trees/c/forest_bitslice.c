/* forest_bitslice.c: large batches of forests whose trees have at most 8 levels or 256 leaves.
 *
 * For a block of rows: values become keys, keys become ranks among the cuts of their feature, ranks become planes (one
 * per distinct condition, a bit per row), and each tree selects the bits of its leaf number from them. No branch and
 * no load depends on a row. */
#include "bitslice.h"
#include "kernels.h"

#if TS_HAS_BITSLICE
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include "bitslice_avx512.h"
#else
#include "bitslice_portable.h"
#endif

/* The workspace, in order. */
struct block {
    plane planes[TS_PLANES + TS_TEMPORARIES];
    plane paths[TREE_BATCH][MOST_BITS]; /* bits of leaf numbers */
    alignas(64) ts_real sums[TS_MARGINS][BLOCK_ROWS];
    alignas(64) int32_t keys[KEY_FEATURES][BLOCK_ROWS];
    alignas(64) uint8_t ranks[BLOCK_ROWS];
};

/* A reference counts sixteenths of a plane. */
static inline plane at(const plane *planes, uint32_t reference)
{
    return *(const plane *)(const void *)((const char *)planes + (size_t)reference * (TS_PLANE_BYTES / 16));
}

/* The conditions of a tree: references into the planes. */
typedef struct {
    const plane *planes;
    const uint32_t *code;
} plane_source;

static inline plane ts_mux_1(plane_source source, size_t first, const plane *bits)
{
    (void)bits;
    return at(source.planes, source.code[first]);
}

#include "mux.h"

__attribute__((always_inline)) static inline void walk_complete(const plane *planes, const uint32_t *code,
                                                                unsigned levels, plane *path)
{
    plane turn[MOST_BITS];
    ts_walk_complete((plane_source){planes, code}, levels, turn);
    for (unsigned level = 0; level < levels; level++)
        path[levels - 1 - level] = turn[level];
    for (unsigned bit = levels; bit < MOST_BITS; bit++)
        path[bit] = ts_zero_plane();
}

static void run_network(plane *planes, const uint32_t *code, uint32_t operations, plane *path)
{
    const uint32_t *operation = code + MOST_BITS;
    for (uint32_t i = 0; i < operations; i++, operation += 4) {
        plane result = ts_mux(at(planes, operation[0]), at(planes, operation[1]), at(planes, operation[2]));
        *(plane *)(void *)((char *)planes + (size_t)operation[3] * (TS_PLANE_BYTES / 16)) = result;
    }
    for (unsigned bit = 0; bit < MOST_BITS; bit++)
        path[bit] = at(planes, code[bit]);
}

static void walk_tree(plane *planes, const struct ts_mux_tree *tree, plane *path)
{
    const uint32_t *code = TS_TABLE(uint32_t, TS_AT_MUX_CODE) + tree->code;
    if (tree->operations) {
        run_network(planes, code, tree->operations, path);
        return;
    }
    switch (tree->bits) {
        /* Depths that no tree has are not compiled. */
#define TS_CASE(levels)                                                                                                \
    case levels:                                                                                                       \
        if (TS_MUX_DEPTHS >> levels & 1)                                                                               \
            walk_complete(planes, code, levels, path);                                                                 \
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

/* Ranks of rows beyond `count` are ranks of whatever the keys were before. */
static inline void rank_column(const int32_t *keys, size_t count, const int32_t *search, unsigned levels,
                               uint8_t *ranks)
{
    switch (levels) {
        /* Depths that no column has are not compiled. */
#define TS_CASE(depth)                                                                                                 \
    case depth:                                                                                                        \
        if (TS_COLUMN_DEPTHS >> depth & 1)                                                                             \
            rank_levels(keys, count, search, depth, ranks);                                                            \
        break;
        TS_CASE(0)
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

/* Ranks of one column and the planes of its conditions. */
static void column_planes(struct block *block, size_t column, const int32_t *keys, size_t count)
{
    const uint32_t *first = TS_TABLE(uint32_t, TS_AT_CONDITION_FIRST) + 2 * column;
    const uint8_t *bounds = TS_TABLE(uint8_t, TS_AT_CONDITION_RANKS);
    plane *planes = block->planes + 2;
    rank_column(keys, count, TS_TABLE(int32_t, TS_AT_COLUMN_SEARCH) + 256 * column,
                TS_TABLE(uint32_t, TS_AT_COLUMN_LEVELS)[column], block->ranks);
    if (first[1] > first[0])
        ts_make_planes(block->ranks, bounds + first[0], first[1] - first[0], false, planes + first[0]);
    if (first[2] > first[1])
        ts_make_planes(block->ranks, bounds + first[1], first[2] - first[1], true, planes + first[1]);
}

/* A category set is the exclusive or of the conditions at its boundaries. */
static void set_planes(plane *planes)
{
    const uint32_t *first = TS_TABLE(uint32_t, TS_AT_SET_FIRST), *terms = TS_TABLE(uint32_t, TS_AT_SET_TERMS);
    plane *sets = planes + TS_PLANES - TS_SETS;
    for (size_t set = 0; set < TS_SETS; set++) {
        plane sum = ts_zero_plane();
        for (uint32_t term = first[set]; term < first[set + 1]; term++)
            sum ^= planes[terms[term]];
        sets[set] = sum;
    }
}

static void condition_planes(struct block *block, const float *rows, size_t count, size_t stride)
{
    const uint32_t *features = TS_TABLE(uint32_t, TS_AT_COLUMN_FEATURES);
    size_t ready = 0; /* features whose keys have been passed */
    for (size_t column = 0; column < TS_COLUMNS; column++) {
        size_t first = features[column] / KEY_FEATURES * KEY_FEATURES;
        if (first >= ready) {
            ready = first + KEY_FEATURES;
            ts_key_block(rows + first, count, stride,
                         TS_FEATURES - first < KEY_FEATURES ? TS_FEATURES - first : KEY_FEATURES, block->keys[0]);
        }
        column_planes(block, column, block->keys[features[column] % KEY_FEATURES], count);
    }
    set_planes(block->planes);
}

/* Adds the leaves of waiting trees, which have their bits in block->paths. */
static void add_waiting(struct block *block, const struct ts_mux_tree *trees, size_t count, size_t rows)
{
    if (TS_LEAF_WIDTH == 1) {
        ts_add_leaves(trees, count, (const plane(*)[MOST_BITS])block->paths, rows, 0, block->sums[trees->column]);
        return;
    }
    for (size_t column = 0; column < TS_LEAF_WIDTH; column++)
        ts_add_leaves(trees, count, (const plane(*)[MOST_BITS])block->paths, rows, column, block->sums[column]);
}

static void add_trees_of_block(struct block *block, size_t rows)
{
    const struct ts_mux_tree *trees = TS_TABLE(struct ts_mux_tree, TS_AT_MUX_TREES);
    size_t first = 0; /* of the waiting trees */
    for (size_t tree = 0; tree < TS_TREES; tree++) {
        if (tree - first == TREE_BATCH || trees[tree].column != trees[first].column ||
            ts_leaf_class(trees + tree) != ts_leaf_class(trees + first)) {
            add_waiting(block, trees + first, tree - first, rows);
            first = tree;
        }
        walk_tree(block->planes, trees + tree, block->paths[tree - first]);
    }
    add_waiting(block, trees + first, TS_TREES - first, rows);
}

static void run_block(struct block *block, const float *rows, size_t count, size_t stride, ts_real *margins)
{
    const ts_real *base = TS_TABLE(ts_real, TS_AT_BASE);
    condition_planes(block, rows, count, stride);
    for (size_t column = 0; column < TS_MARGINS; column++)
        for (size_t row = 0; row < BLOCK_ROWS; row++)
            block->sums[column][row] = base[column];
    add_trees_of_block(block, count);
    for (size_t row = 0; row < count; row++)
        for (size_t column = 0; column < TS_MARGINS; column++)
            margins[row * TS_MARGINS + column] = block->sums[column][ts_accumulator_of(row)];
}

size_t TS_NAME(ts_bitslice_workspace)(void)
{
    return sizeof(struct block);
}

void TS_NAME(ts_bitslice)(const float *rows, size_t count, size_t stride, ts_real *margins, void *workspace)
{
    struct block *block = workspace;
    block->planes[0] = ts_zero_plane();
    block->planes[1] = ~ts_zero_plane();
    for (size_t row = 0; row < count; row += BLOCK_ROWS)
        run_block(block, rows + row * stride, count - row < BLOCK_ROWS ? count - row : BLOCK_ROWS, stride,
                  margins + row * TS_MARGINS);
}
#endif
