/* extern_trees.h: ensembles of decision trees over rows of numbers. */
#ifndef TINSMITH_EXTERN_TREES_H
#define TINSMITH_EXTERN_TREES_H

#include <stdbool.h>
#include <stdint.h>

#include "network.h"

enum ts_tree_test { TS_TREE_LEAF, TS_TREE_LEQ, TS_TREE_LT, TS_TREE_GTE, TS_TREE_GT, TS_TREE_EQ, TS_TREE_NEQ };
enum ts_tree_total { TS_TREE_SUM, TS_TREE_AVERAGE, TS_TREE_MIN, TS_TREE_MAX };

/* Added to a test: NaN takes the true branch. */
#define TS_TREE_MISSING_TRUE 8

static inline bool ts_tree_holds(uint8_t test, double value, double threshold)
{
    if (value != value && test & TS_TREE_MISSING_TRUE)
        return true;
    switch (test & 7) {
    case TS_TREE_LEQ:
        return value <= threshold;
    case TS_TREE_LT:
        return value < threshold;
    case TS_TREE_GTE:
        return value >= threshold;
    case TS_TREE_GT:
        return value > threshold;
    case TS_TREE_EQ:
        return value == threshold;
    default:
        return value != threshold;
    }
}

/* `next`: the nodes after it where the test holds, and where not; a leaf is its own. */
struct ts_tree_node {
    double threshold;
    int32_t next[2];
    int32_t feature;
    int32_t test;
};

/* Trees that a row walks through side by side: what a walk waits for is memory. */
enum { TS_TREES_ABREAST = 8 };

/* The leaves that a row reaches in `count` trees. `test`: that of all nodes, or TS_TREE_LEAF where they differ. */
static inline __attribute__((always_inline)) void ts_tree_walk(const double *row, const struct ts_tree_node *nodes,
                                                               const int32_t *roots, int count, int32_t test,
                                                               int32_t *leaves)
{
    for (int i = 0; i < count; i++)
        leaves[i] = roots[i];
    for (bool moves = true; moves;) {
        moves = false;
        for (int i = 0; i < count; i++) {
            const struct ts_tree_node *node = nodes + leaves[i];
            const int32_t asked = test == TS_TREE_LEAF ? node->test : test;
            const int32_t next = node->next[!ts_tree_holds((uint8_t)asked, row[node->feature], node->threshold)];
            moves |= next != leaves[i];
            leaves[i] = next;
        }
    }
}

/* As ts_tree_walk, with a copy of the walk for usual trees. */
static inline void ts_tree_leaves(const double *row, const struct ts_tree_node *nodes, const int32_t *roots, int count,
                                  int32_t test, int32_t *leaves)
{
    if (test == TS_TREE_LEQ && count == TS_TREES_ABREAST)
        ts_tree_walk(row, nodes, roots, TS_TREES_ABREAST, TS_TREE_LEQ, leaves);
    else
        ts_tree_walk(row, nodes, roots, count, test, leaves);
}

static inline double ts_tree_combined(enum ts_tree_total total, double sum, double weight)
{
    switch (total) {
    case TS_TREE_MIN:
        return weight < sum ? weight : sum;
    case TS_TREE_MAX:
        return weight > sum ? weight : sum;
    default:
        return sum + weight;
    }
}

/* totals[rows][targets] of the weights at the leaves of all trees, 0 where no leaf has a weight; hits[rows][targets]
 * counts those. Leaf n has the weights that `spans` tells: spans[2 n] .. spans[2 n + 1] of weights and targets_of.
 * `packed`: a ts_tree_node each. */
static inline void ts_trees(const double *restrict x, const int32_t *restrict packed, const int32_t *restrict roots,
                            const int32_t *restrict spans, const int32_t *restrict targets_of,
                            const double *restrict weights, double *restrict totals, int32_t *restrict hits,
                            ts_index rows, ts_index width, ts_index trees, ts_index targets, int32_t test,
                            enum ts_tree_total total)
{
    const struct ts_tree_node *nodes = (const struct ts_tree_node *)(const void *)packed;
    for (ts_index i = 0; i < rows * targets; i++) {
        totals[i] = 0;
        hits[i] = 0;
    }
    for (ts_index tree = 0; tree < trees; tree += TS_TREES_ABREAST) {
        const int count = trees - tree < TS_TREES_ABREAST ? (int)(trees - tree) : TS_TREES_ABREAST;
        for (ts_index row = 0; row < rows; row++) {
            int32_t leaves[TS_TREES_ABREAST];
            ts_tree_leaves(x + row * width, nodes, roots + tree, count, test, leaves);
            for (int leaf = 0; leaf < count; leaf++)
                for (int32_t i = spans[2 * leaves[leaf]]; i < spans[2 * leaves[leaf] + 1]; i++) {
                    ts_index place = row * targets + targets_of[i];
                    totals[place] = hits[place]++ ? ts_tree_combined(total, totals[place], weights[i]) : weights[i];
                }
        }
    }
    for (ts_index i = 0; total == TS_TREE_AVERAGE && i < rows * targets; i++)
        totals[i] /= (double)trees;
}

#endif
