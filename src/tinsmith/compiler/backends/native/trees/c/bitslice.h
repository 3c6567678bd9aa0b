/* bitslice.h: tables of the bitslice kernel; plan_bitslice.py and conditions.py write them.
 *
 * A plane is a bit per row of a block. Which bit belongs to which row is up to the vector layer, bitslice_avx512.h or
 * bitslice_portable.h; so is the order of the accumulators. Each layer defines
 *
 *   plane               a vector of TS_PLANE_BYTES
 *   ts_mux              bit by bit: selector ? one : zero
 *   ts_key_block        keys of 16 features, feature by feature
 *   rank_levels         ranks of a column from the keys of its feature, given the depth of its search
 *   ts_make_planes      conditions `rank > k` as planes
 *   ts_leaf_class       trees of one class may have their leaves added together
 *   ts_add_leaves       leaf numbers from planes, and their values onto the accumulators
 *   ts_accumulator_of   where the accumulator of a row stands
 */
#ifndef TS_BITSLICE_H
#define TS_BITSLICE_H

#include "forest.h"

struct ts_mux_tree {
    uint32_t code;       /* first reference in TS_AT_MUX_CODE */
    uint32_t operations; /* of its network; 0: a complete tree */
    uint32_t leaves;     /* first leaf: the leaf numbers of all trees before */
    uint32_t leaf_bytes; /* the same, every tree having at least 64 */
    uint32_t bits;       /* of its leaf number, 1 to 8 */
    uint32_t column;     /* the margin that its leaves add to; 0 where leaves have a value for each */
};

#define MOST_BITS 8

/* Features whose keys are made together. */
#define KEY_FEATURES 16

/* Trees whose leaves are added together, so that accumulators stay in registers. */
#define TREE_BATCH 8

/* The rank of a missing value. */
#define MISSING_RANK 255

#endif
