"""Ensembles of trees inside other estimators: the forest of the tree readers as ONNX nodes.

scikit-learn's trees compare float32 numbers; so the input is rounded to float32, and walked in float64, where
the sums are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.estimator import Estimator, unsupported
from tinsmith.compiler.frontends.sklearn.readers import READERS
from tinsmith.compiler.frontends.sklearn.responses import responds, two_columns
from tinsmith.compiler.frontends.sklearn.tensor import Tensor
from tinsmith.compiler.ir.model import Forest, Model, Transform
from tinsmith.compiler.shaping.builder import ML

LESS = 1
"""BRANCH_LT of TreeEnsemble."""
CLASSIFIERS = tuple(name for name in READERS if name.endswith("Classifier"))
REGRESSORS = tuple(name for name in READERS if name.endswith("Regressor"))


@responds("predict_proba", *CLASSIFIERS)
@responds("predict", *REGRESSORS)
@responds("decision_function", "IsolationForest")
def ensemble(estimator: Estimator, x: Tensor) -> Tensor:
    """What the estimator gives alone."""
    model = READERS[estimator.kind](estimator)
    found = model_answer(estimator, model, x)
    return found if len(model.output.shape) > 1 else found.column(0)


def model_answer(estimator: Estimator, model: Model, x: Tensor) -> Tensor:
    """[rows, outputs] of a model of trees, in the type of its leaves."""
    forest = model.body
    if not isinstance(forest, Forest) or (forest.category >= 0).any() or forest.encodings:
        raise unsupported(estimator, "splits on categories are compiled where the model stands alone")
    total = sums(forest, x)
    if forest.base.any():
        total = total + forest.base
    if forest.divisor != 1.0:
        total = total / forest.divisor
    return _transformed(estimator, model, total)


def sums(forest: Forest, x: Tensor) -> Tensor:
    """[rows, outputs]: the leaves' values added up."""
    dtype = forest.accumulator.name
    rows = x.cast("float32").cast(dtype)
    if forest.leaf_values.shape[1] == 1:
        weights = forest.leaf_values[:, 0]
        return _walk(forest, rows, forest.tree_output, forest.num_outputs, weights)
    return leaf_numbers(forest, rows).cast("int64").of(forest.leaf_values).sum(1)


def leaf_numbers(forest: Forest, rows: Tensor) -> Tensor:
    """[rows, trees]: the row of `leaf_values` that every tree leads to, as a number of the type of `rows`."""
    trees = np.arange(len(forest.roots))
    numbers = np.arange(len(forest.leaf_values)).astype(forest.accumulator)
    return _walk(forest, rows, trees, len(trees), numbers)


def _walk(
    forest: Forest, rows: Tensor, tree_output: NDArray[Any], outputs: int, weights: NDArray[Any]
) -> Tensor:
    """TreeEnsemble: per leaf one of `weights`, added to the output of its tree."""
    inner = forest.leaf < 0
    position = np.cumsum(inner) - 1  # of inner nodes among themselves
    owner = np.repeat(np.arange(len(forest.roots)), np.diff([*forest.roots, len(forest.leaf)]))
    targets = np.asarray(tree_output)[owner[~inner]]
    cuts = forest.cut[inner].astype(forest.accumulator)
    cuts = np.where(np.isnan(cuts), np.inf, cuts)
    roots = forest.roots
    # A tree of one leaf is a node both of whose branches are that leaf.
    stumps = np.flatnonzero(~inner[roots])
    lone = forest.leaf[roots[stumps]]
    extra = int(inner.sum()) + np.arange(len(stumps))
    starts = np.where(inner[roots], position[roots], 0)
    starts[stumps] = extra

    def child(side: NDArray[np.int32]) -> list[int]:
        node = side[inner]
        return [*np.where(inner[node], position[node], forest.leaf[node]).tolist(), *lone.tolist()]

    def is_leaf(side: NDArray[np.int32]) -> list[int]:
        return [*(~inner[side[inner]]).astype(int).tolist(), *[1] * len(lone)]

    zeros = np.zeros(len(stumps))
    found: tuple[Tensor, ...] = rows.builder.declared(
        "TreeEnsemble",
        [rows],
        [(rows.dtype, (rows.shape[0], outputs))],
        domain=ML,
        n_targets=outputs,
        aggregate_function=1,
        post_transform=0,
        tree_roots=starts.tolist(),
        nodes_featureids=[*forest.feature[inner].tolist(), *zeros.astype(int).tolist()],
        nodes_modes=_tensor(np.full(int(inner.sum()) + len(stumps), LESS, np.uint8)),
        nodes_splits=_tensor(np.append(cuts, zeros).astype(forest.accumulator)),
        nodes_missing_value_tracks_true=[
            *forest.default_left[inner].astype(int).tolist(),
            *[0] * len(stumps),
        ],
        nodes_truenodeids=child(forest.left),
        nodes_trueleafs=is_leaf(forest.left),
        nodes_falsenodeids=child(forest.right),
        nodes_falseleafs=is_leaf(forest.right),
        leaf_targetids=targets.astype(int).tolist(),
        leaf_weights=_tensor(weights.astype(forest.accumulator)),
    )
    return found[0]


def _tensor(array: NDArray[Any]) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ascontiguousarray(array))


def _transformed(estimator: Estimator, model: Model, total: Tensor) -> Tensor:
    transform, parameters = model.transform, model.parameters
    if transform is Transform.SIGMOID_PAIR:
        return two_columns((total * parameters.get("scale", 1.0)).sigmoid().column(0))
    if transform is Transform.ISOLATION:
        depth = total * (-math.log(2.0) / parameters["normaliser"])
        return -depth.exp() - parameters["offset"]
    simple: dict[Transform, Callable[[Tensor], Tensor]] = {
        Transform.IDENTITY: lambda t: t,
        Transform.SOFTMAX: Tensor.softmax,
        Transform.EXP: Tensor.exp,
        Transform.SIGMOID: Tensor.sigmoid,
    }
    if transform not in simple:
        raise unsupported(estimator, f"its transformation {transform.value} inside another estimator")
    return simple[transform](total)


@responds("transform", "RandomTreesEmbedding")
def embedding(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per leaf that a training row reached, 1 where the row ends there."""
    from tinsmith.compiler.frontends.sklearn.encoders import one_hot
    from tinsmith.compiler.frontends.sklearn.trees import build_forest, read_trees

    trees, values = read_trees(estimator.children("estimators_"), estimator.num_features)
    node_in_tree = np.arange(len(trees.left)) - np.repeat(trees.roots, trees.sizes)
    forest = build_forest(trees, values[:, :1, 0], num_features=estimator.num_features, base=np.zeros(1))
    leaves = leaf_numbers(forest, x.cast("float32").double()).cast("int64")
    numbers = leaves.of(node_in_tree[trees.is_leaf].astype(np.float64))
    return one_hot(estimator.child("one_hot_encoder_"), numbers)
