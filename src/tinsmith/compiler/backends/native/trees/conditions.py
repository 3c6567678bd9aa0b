"""The distinct questions that a forest asks of a row, shared by all its splits.

Every distinct cut of a feature takes part in a *rank*: the number of cuts that are not above the value, one
byte per column. A feature with more cuts than a byte can count has several columns. A missing value has rank
255. A *condition* then is `rank > k`, with missing values on one side. A category set is the exclusive or of
the conditions at its boundaries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.tables import Tables, bit_set
from tinsmith.compiler.backends.native.trees.lower import NEVER, Bools, Graph, Ints

MOST_CUTS = 254
"""Of a column: ranks 0..254, and 255 for missing values."""
MISSING_RANK = 254
"""`rank > 254`: missing values alone."""
ALWAYS_LEFT, ALWAYS_RIGHT, FIRST_PLANE = 0, 1, 2
"""Planes 0 and 1 are constant."""

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Conditions:
    """Columns, conditions and which of them each split asks. Conditions are numbered as planes are:
    FIRST_PLANE onwards, ordered by column, side and rank; then the category sets."""

    column_feature: Ints
    column_cuts: list[Ints]
    """Per column: its cuts as keys, ascending."""
    column: Ints
    """Per condition that is no set."""
    rank: NDArray[np.uint8]
    missing_right: Bools
    set_terms: list[Longs]
    """Per set condition: the planes whose exclusive or it is."""
    of_node: Ints
    """Per node of the graph: its plane; ALWAYS_LEFT at leaves and unreachable nodes."""

    @property
    def planes(self) -> int:
        """All planes, the two constant ones included."""
        return FIRST_PLANE + len(self.column) + len(self.set_terms)


def find_conditions(graph: Graph, nodes: Longs) -> Conditions:
    """The conditions of the splits at `nodes`."""
    is_set = graph.flips[nodes] >= 0
    kind = (graph.flips[nodes].astype(np.int64) * 2 + graph.missing_right[nodes]) << 31 | graph.feature[nodes]
    sets, set_of = np.unique(np.where(is_set, kind, -1), return_inverse=True)
    plain = nodes[~is_set]
    members = [_set_members(graph, int(number)) for number in sets if number >= 0]
    asked = np.concatenate(
        [_code(graph.feature[plain], graph.cut[plain], graph.missing_right[plain]), *members]
    )
    codes, number = np.unique(asked, return_inverse=True)
    feature, cut, side = codes >> 33, (codes >> 1) & 0xFFFFFFFF, codes & 1
    column_feature, column_cuts, column, rank = _columns(feature, cut)
    # Planes of one column and side are neighbours: order by column, side, rank.
    order = np.lexsort((rank, side, column))
    plane = np.empty(len(order), np.int64)
    plane[order] = np.arange(len(order)) + FIRST_PLANE
    of_node = np.zeros(len(graph.leaf), np.int32)
    of_node[plain] = plane[number[: len(plain)]]
    terms = _set_terms(graph, sets[sets >= 0], members, plane[number[len(plain) :]])
    of_node[nodes[is_set]] = FIRST_PLANE + len(codes) + set_of[is_set] - int((sets < 0).any())
    return Conditions(
        column_feature=column_feature,
        column_cuts=column_cuts,
        column=column[order].astype(np.int32),
        rank=rank[order].astype(np.uint8),
        missing_right=side[order].astype(np.bool_),
        set_terms=terms,
        of_node=of_node,
    )


def add_columns(conditions: Conditions, tables: Tables) -> None:
    """Writes the columns: the feature of each, and its cuts as a complete search tree of 2^levels - 1 nodes,
    level by level from index 1 on, filled up with NEVER."""
    count = len(conditions.column_feature)
    search = np.full((max(count, 1), 256), NEVER, np.int32)
    depth = np.zeros(count, np.uint32)
    for number, cuts in enumerate(conditions.column_cuts):
        depth[number] = len(cuts).bit_length()
        size = 2 ** int(depth[number])
        padded = np.full(size - 1, NEVER, np.int32)
        padded[: len(cuts)] = cuts
        for level in range(int(depth[number])):
            gap = size >> level
            search[number, 2**level : 2 ** (level + 1)] = padded[gap // 2 - 1 :: gap]
    tables.define("COLUMNS", count, "Byte columns of ranks.")
    tables.define("COLUMN_DEPTHS", bit_set(depth), "Bit i: some column's search tree has i levels.")
    tables.add("COLUMN_FEATURES", conditions.column_feature.astype(np.uint32), "uint32 per column, ascending")
    tables.add("COLUMN_LEVELS", depth, "uint32 per column: levels of its search tree")
    tables.add(
        "COLUMN_SEARCH", search, "int32[256] per column: cuts, node i's children being 2 i and 2 i + 1"
    )


def _code(feature: NDArray[np.int32], cut: NDArray[np.int32], side: Bools) -> Longs:
    shifted = cut.astype(np.int64) + 2**31
    return (feature.astype(np.int64) << 33) | (shifted << 1) | side.astype(np.int64)


def _set_members(graph: Graph, kind: int) -> Longs:
    """Codes of the conditions at a set's boundaries. The first one carries the side of missing values, where
    that differs from the side of the numbers below all boundaries."""
    (flip, missing_right), feature = divmod(kind >> 31, 2), kind & 0x7FFFFFFF
    keys = graph.flip_keys[graph.flip_start[flip] : graph.flip_start[flip + 1]]
    side = np.zeros(len(keys), np.bool_)
    side[0] = bool(missing_right) != bool(graph.flip_right[flip])
    return _code(np.full(len(keys), feature), keys, side)


def _set_terms(graph: Graph, sets: Longs, members: list[Longs], planes: Longs) -> list[Longs]:
    ends = np.cumsum([len(codes) for codes in members])
    terms = []
    for kind, part in zip(sets, np.split(planes, ends[:-1]) if len(ends) else [], strict=True):
        flipped = [ALWAYS_RIGHT] if graph.flip_right[kind >> 32] else []
        terms.append(np.concatenate([part, np.array(flipped, np.int64)]))
    return terms


def _columns(feature: Longs, cut: Longs) -> tuple[Ints, list[Ints], Longs, Longs]:
    """Features and cuts of the columns, and the column and rank of each condition. Input is sorted."""
    key = cut - 2**31
    missing_only = key == NEVER
    pair = np.where(missing_only, feature << 33, (feature << 33) | (cut + 1))
    pairs, number = np.unique(pair, return_inverse=True)
    pair_feature = pairs >> 33
    is_cut = (pairs & (2**33 - 1)) > 0
    if not len(pairs):
        return np.empty(0, np.int32), [], number, number
    # Position of a cut within its feature, a feature's "missing only" entry (sorted first) not counted.
    counted: Longs = np.cumsum(is_cut) - is_cut
    begins = np.concatenate([[True], pair_feature[1:] != pair_feature[:-1]])
    position: Longs = counted - counted[np.flatnonzero(begins)][np.cumsum(begins) - 1]
    chunk = np.where(is_cut, position // MOST_CUTS, 0)
    columns, column_of_pair = np.unique((pair_feature << 32) | chunk, return_inverse=True)
    values = ((pairs & (2**33 - 1)) - 1 - 2**31)[is_cut].astype(np.int32)
    sizes = np.bincount(column_of_pair[is_cut], minlength=len(columns))
    cuts = np.split(values, np.cumsum(sizes)[:-1])
    rank = np.where(missing_only, MISSING_RANK, position[number] % MOST_CUTS)
    return (columns >> 32).astype(np.int32), cuts, column_of_pair[number], rank
