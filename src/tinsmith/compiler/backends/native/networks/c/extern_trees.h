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

/* The leaf that a row reaches. A node has a test, a feature, a threshold and the numbers of its two children. */
static inline int32_t ts_tree_walk(const double *row, const uint8_t *tests, const int32_t *features,
                                   const double *thresholds, const int32_t *children, int32_t node)
{
    while (tests[node] != TS_TREE_LEAF)
        node = children[2 * node + !ts_tree_holds(tests[node], row[features[node]], thresholds[node])];
    return node;
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

/* totals[rows][targets] of the weights at the leaves of all trees, 0 where no leaf has a weight; hit[rows][targets]
 * counts those. Leaf n has the weights that `spans` tells: spans[2 n] .. spans[2 n + 1] of weights and targets_of. */
static inline void ts_trees(const double *restrict x, const uint8_t *restrict tests, const int32_t *restrict features,
                            const double *restrict thresholds, const int32_t *restrict children,
                            const int32_t *restrict roots, const int32_t *restrict spans,
                            const int32_t *restrict targets_of, const double *restrict weights,
                            double *restrict totals, int32_t *restrict hits, ts_index rows, ts_index width,
                            ts_index trees, ts_index targets, enum ts_tree_total total)
{
    for (ts_index i = 0; i < rows * targets; i++) {
        totals[i] = 0;
        hits[i] = 0;
    }
    for (ts_index row = 0; row < rows; row++) {
        for (ts_index tree = 0; tree < trees; tree++) {
            int32_t leaf = ts_tree_walk(x + row * width, tests, features, thresholds, children, roots[tree]);
            for (int32_t i = spans[2 * leaf]; i < spans[2 * leaf + 1]; i++) {
                ts_index place = row * targets + targets_of[i];
                totals[place] = hits[place]++ ? ts_tree_combined(total, totals[place], weights[i]) : weights[i];
            }
        }
        for (ts_index target = 0; total == TS_TREE_AVERAGE && target < targets; target++)
            totals[row * targets + target] /= (double)trees;
    }
}

#endif
