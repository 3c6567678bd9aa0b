/* forest_gather.c: large batches of deep forests. Rows walk one tree together, one after the other within a step, so that
 * their loads overlap; and a tree stays in the cache while many rows pass. Vector gathers are no faster: a step
 * is six instructions, and a gather is split into as many loads. */
#include "forest_walk.h"
#include "kernels.h"

#if TS_HAS_GATHER

/* Rows that walk a tree together, their nodes in registers. */
#define BLOCK_ROWS 8

/* Steps between two looks at whether all rows have arrived. */
#define STRIDE 2

#define CHUNK_BLOCKS (TS_GATHER_CHUNK / BLOCK_ROWS)

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

/* What of the nodes from `at` to `end` is not yet asked for. */
struct stream {
    const char *at;
    const char *end;
};

static inline void fetch(struct stream *nodes, size_t bytes)
{
    for (const char *stop = nodes->at + bytes; nodes->at < stop && nodes->at < nodes->end; nodes->at += 64)
        __builtin_prefetch(nodes->at);
}

/* Walks all rows through one tree. Meanwhile the nodes of the next one are fetched, evenly over the blocks of rows: asked
 * for one after the other by the walk itself, they would cost more than the walk. */
static void walk_tree(size_t tree, block_keys *keys, size_t count, ts_real *margins)
{
    const struct ts_node *nodes = TS_TABLE(struct ts_node, TS_AT_NODES);
    const uint32_t *roots = TS_TABLE(uint32_t, TS_AT_ROOTS);
    size_t after = tree + 1 < TS_TREES ? tree + 2 : TS_TREES;
    struct stream next = {(const char *)(nodes + roots[tree + 1]), (const char *)(nodes + roots[after])};
    size_t share = (size_t)(next.end - next.at) / ((count + BLOCK_ROWS - 1) / BLOCK_ROWS) + 64;
    for (size_t first = 0; first < count; first += BLOCK_ROWS, keys++) {
        const struct ts_node *at[BLOCK_ROWS];
        fetch(&next, share);
        walk_block(nodes + roots[tree], TS_TABLE(uint32_t, TS_AT_DEPTHS)[tree], *keys, at);
        size_t rows = count - first < BLOCK_ROWS ? count - first : BLOCK_ROWS;
        for (size_t row = 0; row < rows; row++)
            ts_add_leaf(at[row], tree, margins + (first + row) * TS_MARGINS);
    }
}

size_t TS_NAME(ts_gather_workspace)(void)
{
    return CHUNK_BLOCKS * sizeof(block_keys);
}

void TS_NAME(ts_gather)(const float *rows, size_t count, size_t stride, ts_real *margins, void *workspace)
{
    const ts_real *base = TS_TABLE(ts_real, TS_AT_BASE);
    block_keys *keys = workspace;
    for (size_t first = 0, block = 0; first < count; first += BLOCK_ROWS, block++)
        fill_keys(rows + first * stride, count - first < BLOCK_ROWS ? count - first : BLOCK_ROWS, stride, keys[block]);
    for (size_t row = 0; row < count; row++)
        for (size_t column = 0; column < TS_MARGINS; column++)
            margins[row * TS_MARGINS + column] = base[column];
    for (size_t tree = 0; tree < TS_TREES; tree++)
        walk_tree(tree, keys, count, margins);
}
#endif
