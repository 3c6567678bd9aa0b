"""From the trees as saved to the IR's forest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.xgboost.saved import Saved, Tree, Trees
from tinsmith.compiler.ir.model import Forest
from tinsmith.errors import ClientError


def forest_of(saved: Saved, trees: Trees, base: NDArray[np.float32]) -> Forest:
    """The forest of a gbtree or dart model; nodes that pruning left behind are dropped.

    Raises ClientError ("InputConfiguration") for children outside their tree and leaf vectors of
    different widths; `ir.check` finds the rest.
    """
    problems = [text for number, tree in enumerate(trees.trees) for text in _problems(number, tree)]
    widths = {tree.leaf_values.shape[1] for tree in trees.trees} or {1}
    if len(widths) > 1 or not widths <= {1, saved.num_outputs}:
        problems.append(f"leaves have {sorted(widths)} values, expected 1 or {saved.num_outputs}.")
    if problems:
        raise ClientError("InputConfiguration", [f"{saved.place}: {text}" for text in problems[:20]])
    sizes = [tree.left.size for tree in trees.trees]
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    if starts[-1] >= 1 << 31:
        raise ClientError("InputConfiguration", f"{saved.place}: {starts[-1]} nodes, at most {2**31 - 1}.")
    return _concatenated(saved, trees, base, starts.astype(np.int32), widths.pop())


def _problems(number: int, tree: Tree) -> list[str]:
    nodes = tree.left.size
    if not nodes:
        return [f"tree {number} has no nodes."]
    inner = tree.left != -1
    outside = inner & ((tree.left < 0) | (tree.left >= nodes) | (tree.right < 0) | (tree.right >= nodes))
    if not outside.any():
        return []
    node = int(outside.argmax())
    found = f"{tree.left[node]} and {tree.right[node]}"
    return [f"tree {number}, node {node}: children {found}, expected numbers from 0 to {nodes - 1}."]


def _concatenated(
    saved: Saved, trees: Trees, base: NDArray[np.float32], starts: NDArray[np.int32], width: int
) -> Forest:
    left, right = _children(trees, starts)
    kept = _kept(left, right, starts[:-1])
    number = np.cumsum(kept, dtype=np.int64).astype(np.int32) - 1  # of each node that is kept
    left, right = left[kept], right[kept]
    leaf = left < 0
    category, categories = _categories(trees, starts, number, kept)
    return Forest(
        num_features=saved.num_feature,
        num_outputs=saved.num_outputs,
        feature=np.where(leaf, np.int32(-1), _joined([t.feature for t in trees.trees], np.int32)[kept]),
        cut=_joined([tree.cut for tree in trees.trees], np.float32)[kept],
        left=np.where(leaf, np.int32(-1), number[left]) if number.size else left,
        right=np.where(leaf, np.int32(-1), number[right]) if number.size else right,
        default_left=_joined([tree.default_left for tree in trees.trees], np.bool_)[kept],
        category=np.where(leaf, np.int32(-1), category),
        outside_right=np.zeros(leaf.size, np.bool_),
        leaf=np.where(leaf, np.cumsum(leaf) - 1, -1).astype(np.int32),
        leaf_values=_leaf_values(trees, width, kept)[leaf],
        roots=number[starts[:-1]] if number.size else starts[:-1],
        tree_output=np.zeros_like(trees.output) if width > 1 else trees.output,
        base=base,
        categories=categories,
    )


def _children(trees: Trees, starts: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Absolute node numbers, -1 at leaves."""
    left = _joined([tree.left for tree in trees.trees], np.int32)
    right = _joined([tree.right for tree in trees.trees], np.int32)
    start = np.repeat(starts[:-1], np.diff(starts))
    leaf = left < 0
    return np.where(leaf, np.int32(-1), left + start), np.where(leaf, np.int32(-1), right + start)


def _kept(left: NDArray[np.int32], right: NDArray[np.int32], roots: NDArray[np.int32]) -> NDArray[np.bool_]:
    """All nodes but the leaves that nothing leads to: pruning leaves them behind."""
    orphan = left < 0
    orphan[left[left >= 0]] = False
    orphan[right[right >= 0]] = False
    orphan[roots] = False
    return ~orphan


def _categories(
    trees: Trees, starts: NDArray[np.int32], number: NDArray[np.int32], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], tuple[NDArray[np.int32], ...]]:
    category = np.full(int(kept.sum()), -1, np.int32)
    sets: list[NDArray[np.int32]] = []
    for start, tree in zip(starts[:-1].tolist(), trees.trees, strict=True):
        for node, codes in tree.categories.items():
            if kept[start + node] and tree.left[node] >= 0:
                category[number[start + node]] = len(sets)
                sets.append(codes)
    return category, tuple(sets)


def _leaf_values(trees: Trees, width: int, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(nodes kept, width), multiplied with the weight of the tree."""
    tables = [tree.leaf_values for tree in trees.trees]
    if trees.weight is not None:
        with np.errstate(all="ignore"):  # inner nodes hold anything
            tables = [table * weight for table, weight in zip(tables, trees.weight, strict=True)]
    values = np.concatenate(tables) if tables else np.empty((0, width), np.float32)
    return values[kept].astype(np.float32, copy=False)


def _joined(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)
