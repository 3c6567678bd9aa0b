"""The order of tree nodes in memory: a walk should touch few cache lines.

Children lie side by side, so a tree is made of pairs; a line of 64 bytes holds four pairs of 8-byte nodes. A
*cluster* is a pair and the pairs that are reached from it first, four together where so many are left. A walk
that enters a line therefore takes at least two steps there, not one as in breadth-first order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinsmith.compiler.backends.native.trees.lower import Bools, Graph, Longs

PAIRS = 4
"""Of a cluster."""
NODES = 2 * PAIRS
UNUSED = -1


@dataclass(frozen=True)
class _Clusters:
    """Row by row: the nodes pair by pair (UNUSED at the end), the tree, the pairs."""

    nodes: Longs
    tree: Longs
    size: Longs


def order_nodes(graph: Graph) -> tuple[Longs, Longs]:
    """Per place its node of `graph`, or UNUSED; and the first place of each tree, then the number of places.

    Trees, and clusters of four pairs, begin at multiples of eight.
    """
    trees = len(graph.roots)
    clusters = _clusters(graph)
    # Clusters of fewer pairs lead nowhere: behind the others they leave no gap within a line.
    by_tree = np.lexsort((-clusters.size, clusters.tree))
    tree, width = clusters.tree[by_tree], 2 * clusters.size[by_tree]
    used = np.bincount(tree, width, minlength=trees).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(-(-used // NODES) * NODES)])
    unpadded = np.concatenate([[0], np.cumsum(used)])
    start = np.cumsum(width) - width - unpadded[tree] + first[tree]
    order = np.full(first[-1], UNUSED, np.int64)
    there = np.arange(NODES) < width[:, None]
    order[(start[:, None] + np.arange(NODES))[there]] = clusters.nodes[by_tree][there]
    return order, first


def _clusters(graph: Graph) -> _Clusters:
    """All clusters, those nearer to their root first. A root and UNUSED are the first pair of a tree."""
    splits = np.append(graph.inner, False)  # UNUSED is no split
    left, right = graph.left.astype(np.int64), graph.right.astype(np.int64)
    roots = graph.roots.astype(np.int64)
    pairs, tree = np.stack([roots, np.full_like(roots, UNUSED)], axis=1), np.arange(len(roots))
    rounds: list[_Clusters] = []
    while len(pairs):
        nodes, size, leads_on = _grow(pairs, splits, left, right)
        rounds.append(_Clusters(nodes, tree, size))
        parent = nodes[leads_on]
        pairs, tree = np.stack([left[parent], right[parent]], axis=1), np.repeat(tree, leads_on.sum(axis=1))
    if not rounds:
        return _Clusters(np.empty((0, NODES), np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
    parts = zip(*((each.nodes, each.tree, each.size) for each in rounds), strict=True)
    return _Clusters(*(np.concatenate(part) for part in parts))


def _grow(pairs: Longs, splits: Bools, left: Longs, right: Longs) -> tuple[Longs, Longs, Bools]:
    """Clusters that begin with `pairs`: nodes, pairs, and which nodes have their children elsewhere."""
    count = len(pairs)
    nodes = np.full((count, NODES), UNUSED, np.int64)
    nodes[:, :2] = pairs
    size = np.ones(count, np.int64)
    seen = np.zeros(count, np.int64)  # nodes before this one have their children in the cluster, or none
    everyone = np.arange(count)
    for pair in range(1, PAIRS):
        for _ in range(NODES):
            seen += (seen < 2 * size) & ~splits[nodes[everyone, np.minimum(seen, NODES - 1)]]
        grows = np.flatnonzero(seen < 2 * size)
        parent = nodes[grows, seen[grows]]
        nodes[grows, 2 * pair], nodes[grows, 2 * pair + 1] = left[parent], right[parent]
        seen[grows] += 1
        size[grows] += 1
    leads_on = splits[nodes] & (np.arange(NODES) >= seen[:, None])
    return nodes, size, leads_on
