/* forest_walk.c: any forest, few rows. Eight trees are walked together, so that their loads overlap. */
#include "forest_walk.h"
#include "kernels.h"

#define TREES 8

/* Depth from which it pays to look whether all trees of a group have arrived. */
#define DEEP 12

static void row_keys(const float *row, ts_walk_key *keys)
{
    const uint32_t *slots = TS_TABLE(uint32_t, TS_AT_SLOTS);
    for (size_t i = 0; i < TS_SLOTS; i++)
        keys[i] = ts_slot_key(row, slots[i]);
    keys[TS_SLOTS] = TS_LEAST_KEY;
}

static inline void step_all(const struct ts_node *at[TREES], const ts_walk_key *keys)
{
    for (int i = 0; i < TREES; i++)
        at[i] = ts_node_next(at[i], keys);
}

#if TS_MAX_DEPTH > DEEP
static inline bool all_at_leaves(const struct ts_node *const at[TREES])
{
    ptrdiff_t steps = 0;
    for (int i = 0; i < TREES; i++)
        steps |= ts_node_step(at[i]);
    return steps == 0;
}
#endif

static void walk_group(const struct ts_node *at[TREES], uint32_t depth, const ts_walk_key *keys)
{
#if TS_MAX_DEPTH > DEEP
    for (; depth > DEEP; depth -= 4) {
        for (int i = 0; i < 4; i++)
            step_all(at, keys);
        if (all_at_leaves(at))
            return;
    }
#endif
    for (uint32_t i = 0; i < depth; i++)
        step_all(at, keys);
}

static void walk_row(const ts_walk_key *keys, ts_real *margins)
{
    const struct ts_node *nodes = TS_TABLE(struct ts_node, TS_AT_NODES);
    const uint32_t *roots = TS_TABLE(uint32_t, TS_AT_ROOTS);
    const uint32_t *depths = TS_TABLE(uint32_t, TS_AT_GROUP_DEPTHS);
    const ts_real *base = TS_TABLE(ts_real, TS_AT_BASE);
    for (size_t column = 0; column < TS_MARGINS; column++)
        margins[column] = base[column];
    for (size_t tree = 0; tree < TS_TREES; tree += TREES) {
        const struct ts_node *at[TREES];
        for (size_t i = 0; i < TREES; i++)
            at[i] = nodes + roots[tree + i < TS_TREES ? tree + i : tree];
        walk_group(at, depths[tree / TREES], keys);
        for (size_t i = 0; i < TREES && tree + i < TS_TREES; i++)
            ts_add_leaf(at[i], tree + i, margins);
    }
}

size_t TS_NAME(ts_walk_workspace)(void)
{
    return (TS_SLOTS + 1) * sizeof(ts_walk_key);
}

void TS_NAME(ts_walk)(const float *rows, size_t count, size_t stride, ts_real *margins, void *workspace)
{
    for (size_t row = 0; row < count; row++) {
        row_keys(rows + row * stride, workspace);
        walk_row(workspace, margins + row * TS_MARGINS);
    }
}
