"""Clusters by their centres."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array, table, vector
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.kernels import squared_distances
from tinsmith.compiler.frontends.sklearn.responses import responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat, where

CENTRES = ("KMeans", "MiniBatchKMeans", "MeanShift", "AffinityPropagation")
MAX_DEPTH = 200


@responds("predict", *CENTRES)
def nearest(estimator: Estimator, x: Tensor) -> Tensor:
    """The number of the nearest centre."""
    return squared_distances(x, table(estimator, "cluster_centers_")).argmin().double()


@responds("transform", "KMeans", "MiniBatchKMeans", "BisectingKMeans")
def to_centres(estimator: Estimator, x: Tensor) -> Tensor:
    """The distances to the centres."""
    return squared_distances(x, table(estimator, "cluster_centers_")).sqrt()


@responds("predict", "Birch")
def birch(estimator: Estimator, x: Tensor) -> Tensor:
    """The label of the nearest subcluster."""
    centres = table(estimator, "subcluster_centers_")
    labels = vector(estimator, "subcluster_labels_", size=len(centres))
    return squared_distances(x, centres).argmin().of(labels)


@responds("transform", "Birch")
def to_subclusters(estimator: Estimator, x: Tensor) -> Tensor:
    """The distances to the subclusters."""
    return squared_distances(x, table(estimator, "subcluster_centers_")).sqrt()


@responds("predict", "BisectingKMeans")
def bisecting(estimator: Estimator, x: Tensor) -> Tensor:
    """Down a tree of pairs of centres, to the nearer one each time."""
    shift = vector(estimator, "_X_mean") if estimator.has("_X_mean") else np.zeros(1)
    return _descend(estimator.child("_bisecting_tree"), x, shift, 0)


def _descend(node: Estimator, x: Tensor, shift: Array, depth: int) -> Tensor:
    if depth > MAX_DEPTH:
        raise malformed(node.place, "the tree is too deep")
    if node.get("left", default=None) is None:
        return x.column(0).filled(node.number("label"))
    left, right = node.child("left"), node.child("right")
    centres = np.stack([vector(left, "center"), vector(right, "center")]) + shift
    is_left = squared_distances(x, centres).argmin().equals(0)
    return where(is_left, _descend(left, x, shift, depth + 1), _descend(right, x, shift, depth + 1))


@responds("transform", "FeatureAgglomeration")
def agglomerated(estimator: Estimator, x: Tensor) -> Tensor:
    """The mean, or another statistic, of the columns of every cluster of columns."""
    labels = vector(estimator, "labels_").astype(np.int64)
    function = estimator.get("pooling_func")
    name = getattr(function, "name", describe(function)).rpartition(".")[2]
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if name == "mean":
        return (
            x
            @ np.stack(
                [(labels == label) / len(g) for label, g in zip(np.unique(labels), groups, strict=True)]
            ).T.copy()
        )
    pools = {"max": Tensor.max, "amax": Tensor.max, "min": Tensor.min, "amin": Tensor.min, "sum": Tensor.sum}
    if name not in pools:
        raise unsupported(estimator, f"pooling_func={name}; compiled are mean, max, min and sum")
    return concat([pools[name](x.columns(group), 1, True) for group in groups])
