"""Tables of the bytes kernel: all nodes of 64 trees for one row at once.

The ranks of a row fill at most 256 byte *slots*: a rank column and the side of its missing values, or the
truth of a category set. Trees are taken 64 at a time, deepest first. For each place of a complete tree, one
vector names the slots that the 64 trees ask there and another the ranks that must be exceeded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.tables import Tables, bit_set
from tinsmith.compiler.backends.native.trees.conditions import FIRST_PLANE, Conditions
from tinsmith.compiler.backends.native.trees.levels import Level, Longs, depths
from tinsmith.compiler.backends.native.trees.lower import NEVER, Graph, Ints
from tinsmith.compiler.ir.model import Forest

LANES = 64
MOST_SLOTS = 256
MOST_DEPTH = 8
MOST_COLUMNS = 128


@dataclass(frozen=True)
class BytesPlan:
    """What the kernel reads but the ranks."""

    lane: Longs
    """Per tree: its lane, counted through all groups."""
    group_depth: Longs
    nodes: NDArray[np.uint8]
    """Per group and place: LANES slots, LANES ranks."""
    slot_column: Longs
    """Per rank slot: its column."""
    slot_right: NDArray[np.bool_]
    """Per rank slot: missing values keep rank 255; else they have rank 0."""
    leaf_first: Longs
    """Per tree: its first leaf."""
    leaf_rows: Ints


def plan_bytes(graph: Graph, found: list[Level], conditions: Conditions) -> BytesPlan | None:
    """The plan; None where a tree is too deep or there are too many slots."""
    count = len(graph.roots)
    depth = np.maximum(depths(found, count), 1)
    pair = conditions.column.astype(np.int64) * 2 + conditions.missing_right
    slots, slot_of = np.unique(pair, return_inverse=True)
    sets = len(conditions.set_terms)
    too_big = len(slots) + sets > MOST_SLOTS or len(conditions.column_feature) > MOST_COLUMNS
    if not count or depth.max() > MOST_DEPTH or too_big:
        return None
    order = np.argsort(-depth, kind="stable")
    group_depth = depth[order[::LANES]]
    group_first = np.concatenate([[0], np.cumsum(2**group_depth - 1)])
    lane = np.empty(count, np.int64)
    lane[order] = np.arange(count)
    slot = np.concatenate([np.zeros(FIRST_PLANE), slot_of, len(slots) + np.arange(sets)]).astype(np.uint8)
    rank = np.concatenate([np.full(FIRST_PLANE, 255), conditions.rank, np.zeros(sets)]).astype(np.uint8)
    nodes = np.zeros((group_first[-1], 2, LANES), np.uint8)
    nodes[:, 1, :] = 255
    bits = group_depth[lane // LANES]
    leaf_first = np.cumsum(2**bits) - 2**bits
    leaf_rows = np.zeros(int((2**bits).sum()), np.int32)
    for number, level in enumerate(found):
        split = level.splits
        tree = level.tree[split]
        place = group_first[lane[tree] // LANES] + 2**number - 1 + level.place[split]
        plane = conditions.of_node[level.node[split]]
        nodes[place, 0, lane[tree] % LANES] = slot[plane]
        nodes[place, 1, lane[tree] % LANES] = rank[plane]
        tree = level.tree[~split]
        copies = 2 ** (bits[tree] - number)
        begin = leaf_first[tree] + level.place[~split] * copies
        within = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies)
        leaf_rows[np.repeat(begin, copies) + within] = np.repeat(graph.leaf[level.node[~split]], copies)
    return BytesPlan(lane, group_depth, nodes, slots >> 1, (slots & 1).astype(bool), leaf_first, leaf_rows)


def add_bytes(plan: BytesPlan, conditions: Conditions, forest: Forest, tables: Tables) -> None:
    """Writes `plan` and the columns in the form that ranks one row fastest."""
    column = np.zeros(MOST_SLOTS, np.uint8)
    column[: len(plan.slot_column)] = plan.slot_column
    right = np.zeros(MOST_SLOTS, np.uint8)
    right[: len(plan.slot_right)] = plan.slot_right
    tables.define("RANK_SLOTS", len(plan.slot_column), "Byte slots that are ranks; category sets follow.")
    tables.define("BYTE_GROUPS", len(plan.group_depth), "Groups of 64 trees.")
    tables.define("BYTE_DEPTHS", bit_set(plan.group_depth), "Bit i: some group has depth i.")
    tables.add("SLOT_COLUMNS", column, "uint8 per byte slot: its column")
    tables.add(
        "SLOT_SIDES", np.packbits(right, bitorder="little"), "bit per byte slot: missing values keep rank 255"
    )
    tables.add(
        "BYTE_GROUP_DEPTHS", plan.group_depth.astype(np.uint32), "uint32 per group: depth of its trees"
    )
    tables.add("BYTE_NODES", plan.nodes, "uint8 per group and place: 64 slots, 64 ranks")
    tables.add("BYTE_LANES", plan.lane.astype(np.uint32), "uint32 per tree: group * 64 + lane")
    tables.add("BYTE_LEAF_FIRST", plan.leaf_first.astype(np.uint32), "uint32 per tree: its first leaf")
    tables.add("BYTE_LEAVES", forest.leaf_values[plan.leaf_rows], "accumulator type per leaf, per value")
    tables.add(
        "COLUMN_CUTS", _sorted_cuts(conditions), "int32[288] per column: every 16th cut, then all, ascending"
    )


def _sorted_cuts(conditions: Conditions) -> Ints:
    cuts = np.full((max(1, len(conditions.column_cuts)), 288), NEVER, np.int32)
    for number, values in enumerate(conditions.column_cuts):
        cuts[number, 16 : 16 + len(values)] = values
    cuts[:, :16] = cuts[:, 31:287:16]
    return cuts
