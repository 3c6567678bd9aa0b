"""Trees level by level: the order in which tables are built without a loop over nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.trees.lower import Bools, Graph

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """One level of all trees. The children of split i are entries 2 i and 2 i + 1 of the next."""

    node: Longs
    tree: Longs
    splits: Bools
    """Per entry: an inner node."""
    place: Longs
    """Per entry: its number among the 2^level places of a complete tree; wraps beyond level 62."""


def levels(graph: Graph, trees: Longs) -> list[Level]:
    """The levels of the given trees; Level.tree counts within `trees`."""
    node = graph.roots[trees].astype(np.int64)
    tree = np.arange(len(trees))
    place = np.zeros(len(trees), np.int64)
    found = []
    while len(node):
        splits = graph.feature[node] >= 0
        found.append(Level(node, tree, splits, place))
        parent = node[splits]
        node = np.stack([graph.left[parent], graph.right[parent]], axis=1).ravel().astype(np.int64)
        tree = np.repeat(tree[splits], 2)
        place = np.repeat(place[splits] * 2, 2) + np.tile([0, 1], len(parent))
    return found


def depths(found: list[Level], count: int) -> Longs:
    """Per tree: the level of its deepest leaf."""
    depth = np.zeros(count, np.int64)
    for number, level in enumerate(found):
        depth[level.tree] = number
    return depth


def leaf_counts(found: list[Level], count: int) -> Longs:
    """Per tree: its leaves."""
    leaves = np.zeros(count, np.int64)
    for level in found:
        leaves += np.bincount(level.tree[~level.splits], minlength=count)
    return leaves
