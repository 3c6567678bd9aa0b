"""The nodes of scikit-learn's trees, and the IR forest made of them. All work is on whole arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed
from tinsmith.compiler.ir.model import Encoding, Forest, cut_below_or_equal

MAX_NODES = 1 << 31


@dataclass(frozen=True)
class Trees:
    """The nodes of some trees, tree after tree. Node numbers are absolute."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    """A number x of this column goes left when x <= threshold; so none does where it is NaN."""
    left: NDArray[np.int64]
    """-1 at leaves."""
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    roots: NDArray[np.int64]

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        """Per node."""
        return self.left < 0

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Nodes per tree."""
        return np.diff(self.roots, append=len(self.left))


@dataclass(frozen=True)
class CategorySplits:
    """The categorical nodes among `Trees`."""

    category: NDArray[np.int32]
    """Per node: index into `codes`, -1 where the split is numeric."""
    codes: tuple[NDArray[np.int32], ...]
    """Sorted codes that go right."""
    encodings: tuple[Encoding, ...]


def read_trees(estimators: Sequence[Estimator], num_features: int) -> tuple[Trees, NDArray[np.float64]]:
    """The trees of fitted `sklearn.tree` estimators, and all nodes' values: (nodes, outputs, classes)."""
    if not estimators:
        raise malformed("model", "it has no trees")
    found = [estimator.child("tree_") for estimator in estimators]
    nodes = [_array(tree, "nodes") for tree in found]
    values = [_array(tree, "values") for tree in found]
    for tree, node, value in zip(found, nodes, values, strict=True):
        if value.ndim != 3 or value.dtype.kind != "f" or len(value) != len(node):
            raise malformed(tree.place, f"values of shape {value.shape} do not fit {len(node)} nodes")
        if value.shape[1:] != values[0].shape[1:]:
            raise malformed(tree.place, f"values of shape {value.shape} differ from the first tree's")
    place = estimators[0].place if len(estimators) == 1 else f"{estimators[0].place} and the trees after it"
    trees = assemble(
        nodes,
        {
            "feature": "feature",
            "threshold": "threshold",
            "left": "left_child",
            "right": "right_child",
            "missing": "missing_go_to_left",
        },
        num_features,
        place,
    )
    return trees, np.concatenate(values).astype(np.float64)


def assemble(nodes: Sequence[Any], names: dict[str, str], num_features: int, place: str) -> Trees:
    """Concatenate per-tree structured arrays.

    `names` maps feature, threshold, left, right, missing and, where leaves are not marked by a left
    child of -1, leaf to the field names of the arrays. Without a `missing` field (scikit-learn before
    1.3 refused NaN) NaN goes right, which is what the comparison in such a tree does. Nodes where the
    field `categorical` is set have no threshold.
    Raises ClientError unless every tree is a tree whose children come after their parents.
    """
    sizes = np.array([len(node) for node in nodes], np.int64)
    if sizes.min() < 1 or sizes.sum() >= MAX_NODES:
        raise malformed(place, f"expected between 1 and {MAX_NODES} nodes, found {sizes.sum()}")
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    shift = np.repeat(starts, sizes)
    left, right = (column(nodes, names[side], place).astype(np.int64) for side in ("left", "right"))
    leaf = column(nodes, names["leaf"], place).astype(bool) if "leaf" in names else left < 0
    has_missing = all(names["missing"] in (node.dtype.names or ()) for node in nodes)
    threshold = column(nodes, names["threshold"], place).astype(np.float64)
    if "categorical" in names:
        threshold = np.where(column(nodes, names["categorical"], place), 0.0, threshold)
    trees = Trees(
        feature=np.where(leaf, -1, column(nodes, names["feature"], place).astype(np.int64)),
        threshold=threshold,
        left=np.where(leaf, -1, left + shift),
        right=np.where(leaf, -1, right + shift),
        missing_left=column(nodes, names["missing"], place).astype(bool)
        if has_missing
        else np.zeros_like(leaf),
        roots=starts,
    )
    _check(trees, num_features, place)
    return trees


def column(nodes: Sequence[Any], name: str, place: str) -> NDArray[Any]:
    """One field of all nodes of all trees."""
    for node in nodes:
        if not isinstance(node, np.ndarray) or name not in (node.dtype.names or ()):
            raise malformed(place, f"expected nodes with a field {name}, found {describe(node)}")
    return np.concatenate([node[name] for node in nodes])


def build_forest(
    trees: Trees,
    values: NDArray[np.float64],
    *,
    num_features: int,
    base: NDArray[np.float64],
    tree_output: NDArray[np.int64] | None = None,
    divisor: float = 1.0,
    splits: CategorySplits | None = None,
) -> Forest:
    """The IR forest of `trees`. `values` is (nodes, width); only the rows of leaves are read."""
    leaf = trees.is_leaf
    count = len(leaf)
    threshold = np.where(leaf, 0.0, trees.threshold)
    none_left = np.isnan(threshold)
    cut = cut_below_or_equal(np.where(none_left, 0.0, threshold))
    cut[none_left] = -np.inf
    return Forest(
        num_features=num_features,
        num_outputs=len(base),
        feature=trees.feature.astype(np.int32),
        cut=cut,
        left=trees.left.astype(np.int32),
        right=trees.right.astype(np.int32),
        default_left=trees.missing_left & ~leaf,
        category=splits.category if splits else np.full(count, -1, np.int32),
        outside_right=np.zeros(count, np.bool_),
        leaf=np.where(leaf, np.cumsum(leaf) - 1, -1).astype(np.int32),
        leaf_values=np.ascontiguousarray(values[leaf]),
        roots=trees.roots.astype(np.int32),
        tree_output=np.zeros(len(trees.roots), np.int32)
        if tree_output is None
        else tree_output.astype(np.int32),
        base=base,
        categories=splits.codes if splits else (),
        divisor=divisor,
        encodings=splits.encodings if splits else (),
    )


def depths(trees: Trees) -> NDArray[np.int64]:
    """Per node: how many edges it is from its root."""
    depth = np.zeros(len(trees.left), np.int64)
    level = trees.roots
    while True:
        inner = level[~trees.is_leaf[level]]
        if not inner.size:
            return depth
        level = np.concatenate((trees.left[inner], trees.right[inner]))
        depth[level] = np.tile(depth[inner] + 1, 2)


def _array(tree: Estimator, name: str) -> NDArray[Any]:
    value = tree.get(name)
    if isinstance(value, Record) or not isinstance(value, np.ndarray):
        raise malformed(tree.place, f"{name}: expected an array, found {describe(value)}")
    return value


def _check(trees: Trees, num_features: int, place: str) -> None:
    inner = np.flatnonzero(~trees.is_leaf)
    ends = np.repeat(trees.roots + trees.sizes, trees.sizes)[inner]
    for name, child in (("left", trees.left[inner]), ("right", trees.right[inner])):
        wrong = np.flatnonzero((child <= inner) | (child >= ends))
        if wrong.size:
            node = inner[wrong[0]]
            raise malformed(
                place, f"node {node}: its {name} child {child[wrong[0]]} is not a later node of its tree"
            )
    parents = np.bincount(np.concatenate((trees.left[inner], trees.right[inner])), minlength=len(trees.left))
    parents[trees.roots] += 1
    if (parents != 1).any():
        raise malformed(place, f"node {np.flatnonzero(parents != 1)[0]} does not have exactly one parent")
    wrong = np.flatnonzero((trees.feature[inner] < 0) | (trees.feature[inner] >= num_features))
    if wrong.size:
        node = inner[wrong[0]]
        raise malformed(place, f"node {node}: feature {trees.feature[node]} of an input of {num_features}")
