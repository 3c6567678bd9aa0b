"""Tables of the walking kernels: nodes tree by tree, in the order of cache_lines.py.

The children of a node are neighbours, the left one first, and a node knows the distance to them, so a step
is `node += step + (key[slot] >= cut)`. A leaf steps 0 and reads a slot that holds the least key, so it
stays where it is; its cut field holds the leaf itself. Keys and cut fields have their highest bit turned and
compare as unsigned numbers: a step needs no branch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.tables import Tables
from tinsmith.compiler.backends.native.trees.cache_lines import UNUSED, order_nodes
from tinsmith.compiler.backends.native.trees.lower import Graph, Ints, Longs, numeric
from tinsmith.compiler.ir.model import Forest

TREES_PER_GROUP = 8
"""Trees that the portable kernel walks together."""


SHORT, LINK, WIDE = range(3)
"""Layouts of a node after its cut: step and slot in 16 bits each, in 32 bits together, in 32 bits each."""


@dataclass(frozen=True)
class WalkPlan:
    """What the walking kernels read."""

    first: Ints
    """Per tree, then the total: first table row."""
    depth: Ints
    """Per tree: most steps from root to leaf."""
    slots: Ints
    """Per slot: feature * 2 + (1 where a missing value goes right)."""
    nodes: NDArray[Any]
    """Zeros where no node is."""
    layout: int
    """SHORT, LINK or WIDE."""
    slot_bits: int
    inline: bool
    """Leaves hold their float, not a row number of `leaf_values`."""
    leaf_values: NDArray[np.float32] | NDArray[np.float64]
    """The distinct leaf values: the fewer they are, the better they fit a cache."""


def plan_walk(forest: Forest, graph: Graph) -> WalkPlan:
    """Lays out the nodes of `graph`, which is `forest` lowered."""
    graph = numeric(graph)
    order, first = order_nodes(graph)
    used = np.flatnonzero(order != UNUSED)
    node = order[used]
    goes_on = graph.leaf[node] < 0
    place = np.zeros(len(graph.leaf), np.int64)
    place[node] = used
    step = np.where(goes_on, place[graph.left[node]] - used, 0)
    slots, slot = _slots(graph, node)
    slot_bits = max(1, len(slots).bit_length())
    values, value_of = _distinct(forest.leaf_values)
    inline = _can_inline(forest)
    payload = forest.leaf_values.view(np.int32).ravel() if inline else value_of
    cut = np.where(goes_on, graph.cut[node], payload[graph.leaf[node]]).astype(np.int32)
    layout = _layout(step, len(slots), slot_bits)
    packed = _pack(cut, step, slot, slot_bits, layout)
    nodes = np.zeros((len(order), packed.shape[1]), packed.dtype)
    nodes[used] = packed
    return WalkPlan(
        first=first.astype(np.int32),
        depth=_depths(graph),
        slots=slots,
        nodes=nodes,
        layout=layout,
        slot_bits=slot_bits,
        inline=inline,
        leaf_values=values,
    )


def add_walk(plan: WalkPlan, tables: Tables) -> None:
    """Writes `plan`."""
    groups = np.pad(plan.depth, (0, -len(plan.depth) % TREES_PER_GROUP))
    tables.define(
        "SLOTS", len(plan.slots), "Keys of a row that splits read: a feature and the side of missing values."
    )
    tables.define("SLOT_BITS", plan.slot_bits, "A node's link is its step << TS_SLOT_BITS | its slot.")
    tables.define("NODE_LAYOUT", plan.layout, "0: short, 1: link, 2: wide.")
    tables.define(
        "INLINE_LEAVES", int(plan.inline), "1: a leaf's node holds its value; 0: the row of its values."
    )
    tables.define("MAX_DEPTH", int(plan.depth.max(initial=0)), "Steps from a root to the deepest leaf.")
    tables.add(
        "SLOTS", plan.slots.astype(np.uint32), "uint32 per slot: feature * 2 + (1: missing goes right)"
    )
    tables.add("NODES", plan.nodes, "struct ts_node, tree by tree")
    tables.add("ROOTS", plan.first.astype(np.uint32), "uint32 per tree: its first node; then the end")
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


def _distinct(
    values: NDArray[np.float32] | NDArray[np.float64],
) -> tuple[NDArray[np.float32] | NDArray[np.float64], Longs]:
    """The distinct rows, bit by bit, and for every row its number among them."""
    integer = values.view(np.uint32 if values.dtype == np.float32 else np.uint64)
    number = np.zeros(len(values), np.int64)
    for column in integer.T:
        _, code = np.unique(column, return_inverse=True)
        _, number = np.unique(number * len(values) + code, return_inverse=True)
    first = np.zeros(int(number.max(initial=-1)) + 1, np.int64)
    first[number] = np.arange(len(values))
    return values[first], number


def _slots(graph: Graph, node: Longs) -> tuple[Ints, Ints]:
    """The distinct slots, and per node of `node` its slot; leaves and forwards read slot len(slots)."""
    inner = graph.inner[node]
    pair = graph.feature[node].astype(np.int64) * 2 + graph.missing_right[node]
    slots, number = np.unique(pair[inner], return_inverse=True)
    slot = np.full(len(node), len(slots), np.int32)
    slot[inner] = number
    return slots.astype(np.int32), slot


def _depths(graph: Graph) -> Ints:
    """Per tree: the steps of the longest way from its root, forwards counting as steps."""
    node, tree = graph.roots.astype(np.int64), np.arange(len(graph.roots))
    depth = np.zeros(len(graph.roots), np.int32)
    steps = 0
    while len(node):
        node, at = np.unique(node, return_index=True)  # forwards meet again
        tree = tree[at]
        depth[tree] = steps
        goes_on = graph.leaf[node] < 0
        node, tree = node[goes_on], tree[goes_on]
        splits = graph.inner[node]
        node = np.concatenate([graph.left[node], graph.right[node[splits]]]).astype(np.int64)
        tree = np.concatenate([tree, tree[splits]])
        steps += 1
    return depth


def _layout(step: Longs, slots: int, slot_bits: int) -> int:
    def all_fit(bits: int) -> bool:
        reach = 2 ** (bits - 1)
        return bool((step >= -reach).all() and (step < reach).all())

    if slots < 2**16 and all_fit(16):
        return SHORT
    return LINK if all_fit(32 - slot_bits) else WIDE


def _pack(cut: Ints, step: Longs, slot: Ints, slot_bits: int, layout: int) -> NDArray[Any]:
    turned = cut.view(np.uint32) ^ np.uint32(2**31)
    if layout == WIDE:
        fields = [turned, step.astype(np.int32).view(np.uint32), slot.view(np.uint32), np.zeros_like(turned)]
        return np.stack(fields, axis=1)
    low = 16 if layout == SHORT else slot_bits
    link = ((step << low) | slot).astype(np.uint64) & np.uint64(0xFFFFFFFF)
    return np.stack([turned, link.astype(np.uint32)], axis=1)
