/* gather_portable.h: 16 rows walk a tree, one after the other within a step, so that their loads overlap. */
#ifndef TS_GATHER_PORTABLE_H
#define TS_GATHER_PORTABLE_H

#include "forest_walk.h"

#define BLOCK_ROWS 16

/* Walks every row to its leaf; `at` are node indices from the root. */
static inline void walk_block(const struct ts_node *root, uint32_t depth, const int32_t keys[][BLOCK_ROWS],
                              uint32_t at[BLOCK_ROWS])
{
    for (int row = 0; row < BLOCK_ROWS; row++)
        at[row] = 0;
    for (uint32_t level = 0; level < depth; level++) {
        uint32_t moved = 0;
        for (int row = 0; row < BLOCK_ROWS; row++) {
            const struct ts_node *node = root + at[row];
            uint32_t step = (uint32_t)ts_node_step(node);
            at[row] += step + (keys[ts_node_slot(node)][row] >= node->cut);
            moved |= step;
        }
        if (!moved)
            break;
    }
}

#endif
