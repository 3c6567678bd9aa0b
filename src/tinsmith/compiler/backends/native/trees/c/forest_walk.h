/* forest_walk.h: nodes of the walking kernels; plan_walk.py lays them out.
 *
 * The children of a node are neighbours, the left one first. A leaf steps 0 and reads the last slot, which holds the
 * least key: it stays where it is. A forward reads it too and steps to the node that it stands for.
 *
 * Keys are those of ts_key with the highest bit turned, compared without sign: `step + (key >= cut)` then is a
 * comparison and an addition with carry. */
#ifndef TS_FOREST_WALK_H
#define TS_FOREST_WALK_H

#include "forest.h"

#define TS_NODE_SHORT 0
#define TS_NODE_LINK 1
#define TS_NODE_WIDE 2

typedef uint32_t ts_walk_key;

#define TS_TURN 0x80000000u
#define TS_LEAST_KEY 0u

struct ts_node {
    uint32_t cut; /* at a leaf, turned: its value's bits (TS_INLINE_LEAVES) or its row of the leaf values */
#if TS_NODE_LAYOUT == TS_NODE_SHORT
    uint16_t slot;
    int16_t step;
#elif TS_NODE_LAYOUT == TS_NODE_LINK
    int32_t link; /* step << TS_SLOT_BITS | slot */
#else
    int32_t step;
    uint32_t slot;
    uint32_t unused;
#endif
};

/* The key that slot `slot` (an element of TS_AT_SLOTS) takes from `row`. */
static inline ts_walk_key ts_slot_key(const float *row, uint32_t slot)
{
    uint32_t bits;
    __builtin_memcpy(&bits, row + (slot >> 1), sizeof bits);
    return (uint32_t)ts_key(bits, slot & 1 ? TS_KEY_MISSING_RIGHT : TS_KEY_MISSING_LEFT) ^ TS_TURN;
}

static inline ptrdiff_t ts_node_step(const struct ts_node *node)
{
#if TS_NODE_LAYOUT == TS_NODE_LINK
    return node->link >> TS_SLOT_BITS;
#else
    return node->step;
#endif
}

static inline uint32_t ts_node_slot(const struct ts_node *node)
{
#if TS_NODE_LAYOUT == TS_NODE_LINK
    return (uint32_t)node->link & ((1u << TS_SLOT_BITS) - 1);
#else
    return node->slot;
#endif
}

/* The next node on the way of a row with these keys. */
static inline const struct ts_node *ts_node_next(const struct ts_node *node, const ts_walk_key *keys)
{
    return node + ts_node_step(node) + (keys[ts_node_slot(node)] >= node->cut);
}

/* Adds the leaf at `node` of tree `tree` to one row of margins. */
static inline void ts_add_leaf(const struct ts_node *node, size_t tree, ts_real *margins)
{
#if TS_INLINE_LEAVES
    uint32_t payload = node->cut ^ TS_TURN;
    float value;
    __builtin_memcpy(&value, &payload, sizeof value);
#elif TS_LEAF_WIDTH == 1
    ts_real value = TS_TABLE(ts_real, TS_AT_LEAVES)[node->cut ^ TS_TURN];
#endif
#if TS_LEAF_WIDTH > 1
    (void)tree;
    const ts_real *values = TS_TABLE(ts_real, TS_AT_LEAVES) + (size_t)(node->cut ^ TS_TURN) * TS_LEAF_WIDTH;
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
