"""Tables of the walking kernels: nodes in breadth-first order, tree by tree.

The children of a node are neighbours, the left one first, and a node knows the distance to them, so a step
is `node += step + (key[slot] >= cut)`. A leaf steps 0 and reads a slot that holds the least key, so it
stays where it is; its cut field holds the leaf itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.lower import Graph, Ints, numeric
from tinsmith.compiler.backends.native.tables import Tables
from tinsmith.compiler.ir.model import Forest

TREES_PER_GROUP = 8
"""Trees that the portable kernel walks together."""


@dataclass(frozen=True)
class WalkPlan:
    """What the walking kernels read."""

    order: Ints
    """Per table row: node of the numeric graph."""
    first: Ints
    """Per tree, then the total: first table row."""
    depth: Ints
    """Per tree: most steps from root to leaf."""
    slots: Ints
    """Per slot: feature * 2 + (1 where a missing value goes right)."""
    nodes: NDArray[Any]
    wide: bool
    slot_bits: int
    inline: bool
    """Leaves hold their float, not a row number of the leaf values."""


def plan_walk(forest: Forest, graph: Graph) -> WalkPlan:
    """Lays out the nodes of `graph`, which is `forest` lowered."""
    graph = numeric(graph)
    order, first, level = _breadth_first(graph)
    slots, slot = _slots(graph, order)
    place = np.full(len(graph.leaf), -1, np.int64)
    place[order] = np.arange(len(order))
    is_leaf = graph.leaf[order] >= 0
    step = np.where(is_leaf, 0, place[np.maximum(graph.left[order], 0)] - np.arange(len(order)))
    cut = np.where(is_leaf, 0, graph.cut[order]).astype(np.int32)
    rows = graph.leaf[order][is_leaf]
    inline = _can_inline(forest)
    cut[is_leaf] = forest.leaf_values.view(np.int32).ravel()[rows] if inline else rows
    slot_bits = max(1, len(slots).bit_length())
    reach = 2 ** (31 - slot_bits)
    wide = bool(len(step)) and not bool((step >= -reach).all() and (step < reach).all())
    return WalkPlan(
        order=order.astype(np.int32),
        first=first,
        depth=_depths(graph, order, first, level),
        slots=slots,
        nodes=_pack(cut, step, slot, slot_bits, wide),
        wide=wide,
        slot_bits=slot_bits,
        inline=inline,
    )


def add_walk(plan: WalkPlan, tables: Tables) -> None:
    """Writes `plan`."""
    groups = np.pad(plan.depth, (0, -len(plan.depth) % TREES_PER_GROUP))
    tables.define(
        "SLOTS", len(plan.slots), "Keys of a row that splits read: a feature and the side of missing values."
    )
    tables.define("SLOT_BITS", plan.slot_bits, "A node's link is its step << TS_SLOT_BITS | its slot.")
    tables.define("WIDE_NODES", int(plan.wide), "1: steps and slots do not fit one 32-bit link.")
    tables.define(
        "INLINE_LEAVES", int(plan.inline), "1: a leaf's node holds its value; 0: the row of its values."
    )
    tables.define("WALK_NODES", len(plan.order), "Nodes of the walking kernels.")
    tables.define("MAX_DEPTH", int(plan.depth.max(initial=0)), "Steps from a root to the deepest leaf.")
    tables.add(
        "SLOTS", plan.slots.astype(np.uint32), "uint32 per slot: feature * 2 + (1: missing goes right)"
    )
    tables.add("NODES", plan.nodes, "struct ts_node, tree by tree, breadth first")
    tables.add("ROOTS", plan.first.astype(np.uint32), "uint32 per tree: its first node")
    tables.add("DEPTHS", plan.depth.astype(np.uint32), "uint32 per tree: its depth")
    tables.add(
        "GROUP_DEPTHS",
        groups.reshape(-1, TREES_PER_GROUP).max(axis=1).astype(np.uint32),
        "uint32 per group of 8 trees: the greatest depth",
    )


def _can_inline(forest: Forest) -> bool:
    """A leaf's bits may stand in a cut field: they fit, and none is -0.0, whose bits are the least key."""
    values = forest.leaf_values
    if values.dtype != np.float32 or values.shape[1] != 1:
        return False
    return not bool((values.view(np.int32) == np.int32(-(2**31))).any())


def _breadth_first(graph: Graph) -> tuple[NDArray[np.int64], Ints, Ints]:
    """Nodes tree by tree, each tree level by level with children as neighbours; the first row of each tree,
    then the total; and the level of each row (forwards' targets keep their own)."""
    node = graph.roots.astype(np.int64)
    tree = np.arange(len(node))
    levels: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    while len(node):
        levels.append((node, tree, np.full(len(node), len(levels))))
        splits = graph.feature[node] >= 0
        node = (
            np.stack([graph.left[node[splits]], graph.right[node[splits]]], axis=1).ravel().astype(np.int64)
        )
        tree = np.repeat(tree[splits], 2)
    if not levels:
        return np.empty(0, np.int64), np.zeros(1, np.int32), np.empty(0, np.int32)
    nodes, trees, depth = (np.concatenate(part) for part in zip(*levels, strict=True))
    by_tree = np.argsort(trees, kind="stable")
    sizes = np.bincount(trees, minlength=len(graph.roots))
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return nodes[by_tree], first, depth[by_tree].astype(np.int32)


def _slots(graph: Graph, order: NDArray[np.int64]) -> tuple[Ints, Ints]:
    """The distinct slots, and per table row its slot; leaves and forwards read slot len(slots)."""
    inner = graph.feature[order] >= 0
    pair = graph.feature[order].astype(np.int64) * 2 + graph.missing_right[order]
    slots, number = np.unique(pair[inner], return_inverse=True)
    slot = np.full(len(order), len(slots), np.int32)
    slot[inner] = number
    return slots.astype(np.int32), slot


def _depths(graph: Graph, order: NDArray[np.int64], first: Ints, level: Ints) -> Ints:
    """Per tree: the longest way from its root, forwards counting as steps."""
    forwards = (graph.feature[order] < 0) & (graph.leaf[order] < 0)
    if forwards.any():
        level = _longest_way(graph)[order]
    if len(first) == 1:
        return np.empty(0, np.int32)
    return np.maximum.reduceat(level, first[:-1]).astype(np.int32)


def _longest_way(graph: Graph) -> Ints:
    """Per node: steps of the longest way from a root."""
    longest = np.zeros(len(graph.leaf), np.int32)
    node = np.unique(graph.roots)
    steps = 0
    while len(node):
        longest[node] = steps
        goes_on = node[graph.leaf[node] < 0]
        node = np.unique(np.concatenate([graph.left[goes_on], graph.right[goes_on]]))
        steps += 1
    return longest


def _pack(cut: Ints, step: NDArray[np.int64], slot: Ints, slot_bits: int, wide: bool) -> NDArray[Any]:
    if wide:
        return np.stack([cut, step.astype(np.int32), slot, np.zeros_like(slot)], axis=1)
    # Forwards read the slot of leaves, whose key reaches no cut but the least.
    link = ((step << slot_bits) | slot).astype(np.uint64) & np.uint64(0xFFFFFFFF)
    return np.stack([cut.view(np.uint32), link.astype(np.uint32)], axis=1)
