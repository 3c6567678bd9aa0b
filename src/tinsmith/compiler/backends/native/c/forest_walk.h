/* forest_walk.h: nodes of the walking kernels; plan_walk.py lays them out.
 *
 * The children of a node are neighbours, the left one first. A leaf steps 0 and reads the last slot, which holds the
 * least key: it stays where it is. A forward reads it too and steps to the node that it stands for. */
#ifndef TS_FOREST_WALK_H
#define TS_FOREST_WALK_H

#include "forest.h"

struct ts_node {
    int32_t cut; /* at a leaf: its value's bits (TS_INLINE_LEAVES) or its row of the leaf values */
#if TS_WIDE_NODES
    int32_t step;
    uint32_t slot;
    uint32_t unused;
#else
    int32_t link; /* step << TS_SLOT_BITS | slot */
#endif
};

static inline ptrdiff_t ts_node_step(const struct ts_node *node)
{
#if TS_WIDE_NODES
    return node->step;
#else
    return node->link >> TS_SLOT_BITS;
#endif
}

static inline uint32_t ts_node_slot(const struct ts_node *node)
{
#if TS_WIDE_NODES
    return node->slot;
#else
    return (uint32_t)node->link & ((1u << TS_SLOT_BITS) - 1);
#endif
}

/* The next node on the way of a row with these keys. */
static inline const struct ts_node *ts_node_next(const struct ts_node *node, const int32_t *keys)
{
    return node + ts_node_step(node) + (keys[ts_node_slot(node)] >= node->cut);
}

/* Adds the leaf at `node` of tree `tree` to one row of margins. */
static inline void ts_add_leaf(const struct ts_node *node, size_t tree, ts_real *margins)
{
#if TS_INLINE_LEAVES
    float value;
    __builtin_memcpy(&value, &node->cut, sizeof value);
#elif TS_LEAF_WIDTH == 1
    ts_real value = TS_TABLE(ts_real, TS_AT_LEAVES)[node->cut];
#endif
#if TS_LEAF_WIDTH > 1
    (void)tree;
    const ts_real *values = TS_TABLE(ts_real, TS_AT_LEAVES) + (size_t)(uint32_t)node->cut * TS_LEAF_WIDTH;
    for (size_t column = 0; column < TS_LEAF_WIDTH; column++)
        margins[column] += values[column];
#elif TS_MARGINS > 1
    margins[TS_TABLE(uint32_t, TS_AT_TREE_COLUMNS)[tree]] += value;
#else
    (void)tree;
    margins[0] += value;
#endif
}

#endif
