/* forest_gather.c: large batches of deep forests. Many rows walk one tree together, each in its own lane, so that a tree
 * stays in the cache while a chunk of rows passes. */
#include "forest_walk.h"
#include "kernels.h"

#if TS_HAS_GATHER
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include "gather_avx512.h"
#elif defined(__AVX2__)
#include "gather_avx2.h"
#else
#include "gather_portable.h"
#endif

#define CHUNK_BLOCKS (512 / BLOCK_ROWS)

/* Keys of a block: slot by slot, the rows of a slot side by side. The last slot holds the least key. */
typedef int32_t block_keys[TS_SLOTS + 1][BLOCK_ROWS];

/* Keys of `count` rows, at most BLOCK_ROWS; the last one is repeated to the end of the block. */
static void fill_keys(const float *rows, size_t count, size_t stride, block_keys keys)
{
    const uint32_t *slots = TS_TABLE(uint32_t, TS_AT_SLOTS);
    for (size_t slot = 0; slot < TS_SLOTS; slot++) {
        const float *value = rows + (slots[slot] >> 1);
        int32_t missing = slots[slot] & 1 ? TS_KEY_MISSING_RIGHT : TS_KEY_MISSING_LEFT;
        for (size_t row = 0; row < BLOCK_ROWS; row++) {
            uint32_t bits;
            __builtin_memcpy(&bits, value + (row < count ? row : count - 1) * stride, sizeof bits);
            keys[slot][row] = ts_key(bits, missing);
        }
    }
    for (size_t row = 0; row < BLOCK_ROWS; row++)
        keys[TS_SLOTS][row] = INT32_MIN;
}

static void walk_tree(size_t tree, block_keys *keys, size_t count, ts_real *margins)
{
    const struct ts_node *root = TS_TABLE(struct ts_node, TS_AT_NODES) + TS_TABLE(uint32_t, TS_AT_ROOTS)[tree];
    uint32_t depth = TS_TABLE(uint32_t, TS_AT_DEPTHS)[tree];
    for (size_t first = 0; first < count; first += BLOCK_ROWS, keys++) {
        uint32_t at[BLOCK_ROWS];
        walk_block(root, depth, (const int32_t(*)[BLOCK_ROWS])*keys, at);
        size_t rows = count - first < BLOCK_ROWS ? count - first : BLOCK_ROWS;
        for (size_t row = 0; row < rows; row++)
            ts_add_leaf(root + at[row], tree, margins + (first + row) * TS_MARGINS);
    }
}

static void walk_chunk(const float *rows, size_t count, size_t stride, ts_real *margins, block_keys *keys)
{
    const ts_real *base = TS_TABLE(ts_real, TS_AT_BASE);
    for (size_t first = 0, block = 0; first < count; first += BLOCK_ROWS, block++)
        fill_keys(rows + first * stride, count - first < BLOCK_ROWS ? count - first : BLOCK_ROWS, stride, keys[block]);
    for (size_t row = 0; row < count; row++)
        for (size_t column = 0; column < TS_MARGINS; column++)
            margins[row * TS_MARGINS + column] = base[column];
    for (size_t tree = 0; tree < TS_TREES; tree++)
        walk_tree(tree, keys, count, margins);
}

size_t TS_NAME(ts_gather_workspace)(void)
{
    return CHUNK_BLOCKS * sizeof(block_keys);
}

void TS_NAME(ts_gather)(const float *rows, size_t count, size_t stride, ts_real *margins, void *workspace)
{
    const size_t chunk = CHUNK_BLOCKS * BLOCK_ROWS;
    for (size_t first = 0; first < count; first += chunk)
        walk_chunk(rows + first * stride, count - first < chunk ? count - first : chunk, stride,
                   margins + first * TS_MARGINS, workspace);
}
#endif
