/* forest_gather.c: large batches of deep forests. Rows walk one tree together, one after the other within a step, so that
 * their loads overlap; and a tree stays in the cache while a chunk of rows passes. Vector gathers are no faster: a step
 * is six instructions, and a gather is split into as many loads. */
#include "forest_walk.h"
#include "kernels.h"

#if TS_HAS_GATHER

/* Rows that walk a tree together, their nodes in registers. */
#define BLOCK_ROWS 8

/* Steps between two looks at whether all rows have arrived. */
#define STRIDE 4

#define CHUNK_BLOCKS (512 / BLOCK_ROWS)

/* Keys of a block, row by row. The last slot holds the least key. */
typedef ts_walk_key block_keys[BLOCK_ROWS][TS_SLOTS + 1];

/* Keys of `count` rows, at most BLOCK_ROWS; the last one is repeated to the end of the block. */
static void fill_keys(const float *rows, size_t count, size_t stride, block_keys keys)
{
    const uint32_t *slots = TS_TABLE(uint32_t, TS_AT_SLOTS);
    for (size_t row = 0; row < BLOCK_ROWS; row++) {
        const float *from = rows + (row < count ? row : count - 1) * stride;
        for (size_t slot = 0; slot < TS_SLOTS; slot++)
            keys[row][slot] = ts_slot_key(from, slots[slot]);
        keys[row][TS_SLOTS] = TS_LEAST_KEY;
    }
}

/* Walks every row to its leaf. */
static inline void walk_block(const struct ts_node *root, uint32_t depth, const block_keys keys,
                              const struct ts_node *at[BLOCK_ROWS])
{
    const struct ts_node *node[BLOCK_ROWS];
    for (int row = 0; row < BLOCK_ROWS; row++)
        node[row] = root;
    for (uint32_t level = 0; level < depth; level += STRIDE) {
        ptrdiff_t moved = 0;
        for (int i = 0; i < STRIDE; i++) {
            moved = 0;
#pragma clang loop unroll(full)
            for (int row = 0; row < BLOCK_ROWS; row++) {
                moved |= ts_node_step(node[row]);
                node[row] = ts_node_next(node[row], keys[row]);
                /* Finish this row's step now: otherwise parts of all steps wait, and registers do not suffice. */
                __asm__("" : "+r"(node[row]));
            }
        }
        if (!moved)
            break;
    }
    for (int row = 0; row < BLOCK_ROWS; row++)
        at[row] = node[row];
}

static void walk_tree(size_t tree, block_keys *keys, size_t count, ts_real *margins)
{
    const struct ts_node *root = TS_TABLE(struct ts_node, TS_AT_NODES) + TS_TABLE(uint32_t, TS_AT_ROOTS)[tree];
    uint32_t depth = TS_TABLE(uint32_t, TS_AT_DEPTHS)[tree];
    for (size_t first = 0; first < count; first += BLOCK_ROWS, keys++) {
        const struct ts_node *at[BLOCK_ROWS];
        walk_block(root, depth, *keys, at);
        size_t rows = count - first < BLOCK_ROWS ? count - first : BLOCK_ROWS;
        for (size_t row = 0; row < rows; row++)
            ts_add_leaf(at[row], tree, margins + (first + row) * TS_MARGINS);
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
