"""Decision trees of ai.onnx.ml: a C function walks them, what follows is done with its totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinsmith.compiler.ir.scalars import Tensor, literal, select
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.scores import (
    classified,
    is_second,
    rows_of,
    transformed,
    transforms,
    two_columns,
)

ML = "ai.onnx.ml"
Array = np.ndarray[Any, Any]

LEAF = 0
TESTS = {name: number for number, name in enumerate(("LEQ", "LT", "GTE", "GT", "EQ", "NEQ"), 1)}
"""As in extern_trees.h."""
MISSING_TRUE = 8
TOTALS = {"SUM": 0, "AVERAGE": 1, "MIN": 2, "MAX": 3}


@dataclass(frozen=True)
class Ensemble:
    """Nodes of all trees: the test that each does on a feature, and the numbers of the two nodes after it.
    A leaf has
    the weights spans[leaf, 0] to spans[leaf, 1], each for a target."""

    tests: Array
    features: Array
    thresholds: Array
    children: Array
    """[nodes, 2]: where the test holds, and where not."""
    roots: Array
    spans: Array
    targets: Array
    weights: Array

    def check(self, node: Node, width: int, targets: int) -> None:
        """Refuses trees that a walk would leave or never end."""
        inner = self.tests != LEAF
        if ((self.features[inner] < 0) | (self.features[inner] >= width)).any():
            raise node.refuse(f"a feature number is not below {width}, the number of features")
        if self.targets.size and not 0 <= self.targets.min() <= self.targets.max() < targets:
            raise node.refuse(f"a target number is not below {targets}, the number of targets")
        reached = np.zeros(len(self.tests), bool)
        level = self.roots
        while level.size:
            if reached[level].any() or np.unique(level).size != level.size:
                raise node.refuse("its nodes are not trees: one has two parents")
            reached[level] = True
            # A tree of one leaf is given as a node both of whose branches are that leaf.
            pairs = self.children[level[inner[level]]]
            level = np.concatenate([pairs[:, 0], pairs[pairs[:, 0] != pairs[:, 1], 1]])
        if not reached.all():
            raise node.refuse("its nodes are not trees: a node cannot be reached from a root")


@operator("TreeEnsembleRegressor", domain=ML)
def tree_ensemble_regressor(node: Node, x: Tensor) -> Tensor:
    targets = node.integer("n_targets", 1)
    ensemble = _listed(node, "target")
    total = node.text("aggregate_function", "SUM")
    if total not in TOTALS:
        raise node.refuse(f"aggregate_function {total}; one of {', '.join(TOTALS)} is needed")
    totals = _totals(node, x, ensemble, targets, TOTALS[total])
    base = _base(node, targets, np.zeros(targets))
    scores = node.map(totals.shape, lambda n, t: (totals[n, t] + base[t]).cast("float32"))
    return transformed(node, scores, transforms(node))


@operator("TreeEnsembleClassifier", domain=ML)
def tree_ensemble_classifier(node: Node, x: Tensor) -> tuple[Tensor, Tensor]:
    labels = labels_of(node, "classlabels_int64s")
    ensemble = _listed(node, "class")
    transform = transforms(node)
    if len(labels) == 2 and np.unique(ensemble.targets).size <= 1:
        return _binary(node, x, ensemble, labels, transform)
    totals = _totals(node, x, ensemble, len(labels), 0)
    base = _base(node, len(labels), np.zeros(len(labels)))
    scores = node.map(totals.shape, lambda n, t: (totals[n, t] + base[t]).cast("float32"))
    return classified(node, scores, labels, transform)


def _binary(
    node: Node, x: Tensor, ensemble: Ensemble, labels: Array, transform: str
) -> tuple[Tensor, Tensor]:
    """Two classes with the weights of one, by the rules of onnxruntime: weights that are all positive add
    up to a
    probability of the second class, others to its score. Weights of class 1 leave class 0 a score of 0."""
    probability = bool((ensemble.weights >= 0).all())
    second = bool(ensemble.targets.any())
    base = _numbers(node, "base_values")
    if base.size > 1:
        raise node.refuse("two base values for two classes of which only one has weights")
    totals = _totals(node, x, replace(ensemble, targets=np.zeros_like(ensemble.targets)), 1, 0)
    added = float(base[-1]) if base.size else 0.0
    score = node.map(totals.shape, lambda n, t: (totals[n, t] + added).cast("float32"))
    label = is_second(node, score, labels, 0.5 if probability else 0.0)
    if not second:
        return label, two_columns(node, score, transform, probability)
    both = node.map((score.shape[0], 2), lambda n, t: select(t.equals(0), literal(0, "float32"), score[n, 0]))
    return label, transformed(node, both, transform)


@operator("TreeEnsemble", domain=ML)
def tree_ensemble(node: Node, x: Tensor) -> Tensor:
    targets = node.integer("n_targets", 1)
    number = node.integer("aggregate_function", 1)
    totals = _totals(node, x, _indexed(node), targets, {0: 1, 1: 0, 2: 2, 3: 3}[number])
    scores = node.cast(totals, x.dtype)
    names = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
    return transformed(node, scores, names[node.integer("post_transform", 0)])


def labels_of(node: Node, name: str) -> Array:
    """The classes, which have to be numbers."""
    if node.attributes.get("classlabels_strings"):
        raise node.refuse(
            "its labels are text; use it where its label is an output, or train with numbers as labels"
        )
    labels = np.array(node.attributes.get(name, ()), np.int64)
    if not labels.size:
        raise node.refuse(f"attribute {name} is missing")
    return labels


def _totals(node: Node, x: Tensor, ensemble: Ensemble, targets: int, total: int) -> Tensor:
    """[rows, targets] in float64."""
    rows = node.cast(rows_of(node, x), "float64")
    width = rows.shape[1]
    if not isinstance(width, int):
        raise node.refuse("the number of features is known only at run time")
    ensemble.check(node, width, targets)
    ensemble = _in_walking_order(_without_sets(ensemble))
    asked = np.unique(ensemble.tests[ensemble.tests != LEAF])
    parts = (
        (_packed(ensemble), "int32"), (ensemble.roots, "int32"), (ensemble.spans, "int32"),
        (ensemble.targets, "int32"), (ensemble.weights, "float64"),
    )  # fmt: skip
    shape = (rows.shape[0], targets)
    totals, _ = node.extern(
        "trees",
        [rows, *(node.constant(part if part.size else np.zeros(1), dtype) for part, dtype in parts)],
        [(shape, "float64"), (shape, "int32")],
        [*rows.shape, len(ensemble.roots), targets, int(asked[0]) if len(asked) == 1 else LEAF, total],
    )
    return totals


def _in_walking_order(ensemble: Ensemble) -> Ensemble:
    """Every node comes before those behind it, and those where its test holds follow at once: they share
    lines of the cache."""
    children, inner = ensemble.children.tolist(), (ensemble.tests != LEAF).tolist()
    order: list[int] = []
    seen = bytearray(len(inner))
    waiting = ensemble.roots.tolist()[::-1]
    while waiting:
        number = waiting.pop()
        if seen[number]:
            continue
        seen[number] = 1
        order.append(number)
        if inner[number]:
            waiting += children[number][::-1]
    places = np.zeros(len(inner), np.int64)
    places[order] = np.arange(len(order))
    return Ensemble(
        ensemble.tests[order], ensemble.features[order], ensemble.thresholds[order],
        places[ensemble.children[order]],
        places[ensemble.roots], ensemble.spans[order], ensemble.targets, ensemble.weights,
    )  # fmt: skip


NODE = np.dtype([("threshold", "<f8"), ("next", "<i4", 2), ("feature", "<i4"), ("test", "<i4")])
"""struct ts_tree_node of extern_trees.h."""


def _packed(ensemble: Ensemble) -> Array:
    """The nodes as the C function reads them; a leaf is its own next node, and asks for a feature that is
    there."""
    count = len(ensemble.tests)
    leaf = ensemble.tests == LEAF
    nodes = np.zeros(count, NODE)
    nodes["threshold"], nodes["test"] = ensemble.thresholds, ensemble.tests
    nodes["next"] = np.where(leaf[:, None], np.arange(count)[:, None], ensemble.children)
    nodes["feature"] = np.where(leaf, 0, ensemble.features)
    return nodes.view(np.int32)


def _base(node: Node, count: int, default: Array) -> Tensor:
    """The base values, in float64."""
    values = _numbers(node, "base_values")
    if values.size not in (0, 1, count):
        raise node.refuse(f"{values.size} base values for {count} targets")
    return node.constant(np.broadcast_to(values, count) if values.size else default, "float64")


def _numbers(node: Node, name: str) -> Array:
    """A list attribute or, where that is given, the tensor that stands for it with more digits."""
    return np.asarray(node.attributes.get(f"{name}_as_tensor", node.attributes.get(name, ()))).ravel()


def _listed(node: Node, kind: str) -> Ensemble:
    """From the lists of versions 1 and 3; `kind` is target or class."""
    trees, numbers = _numbers(node, "nodes_treeids"), _numbers(node, "nodes_nodeids")
    count = len(trees)
    place = {key: number for number, key in enumerate(zip(trees.tolist(), numbers.tolist(), strict=True))}
    modes = [_text(mode) for mode in node.attributes["nodes_modes"]]
    tests = np.array(
        [LEAF if mode == "LEAF" else TESTS.get(mode.removeprefix("BRANCH_"), -1) for mode in modes], int
    )
    if count != len(place) or len(tests) != count or (tests < 0).any():
        raise node.refuse("its lists of nodes differ in length, name a node twice or have an unknown mode")
    inner = tests != LEAF
    missing = _numbers(node, "nodes_missing_value_tracks_true")
    if missing.size:
        tests = tests + MISSING_TRUE * (inner & (missing != 0))
    children = np.zeros((count, 2), np.int64)
    for side, name in enumerate(("nodes_truenodeids", "nodes_falsenodeids")):
        for number in np.flatnonzero(inner):
            key = (int(trees[number]), int(_numbers_at(node, name, int(number))))
            if key not in place:
                raise node.refuse(f"tree {key[0]} has no node {key[1]}")
            children[number, side] = place[key]
    spans, targets, weights = _leaf_weights(node, kind, place)
    return Ensemble(
        tests, _numbers(node, "nodes_featureids"), _numbers(node, "nodes_values").astype(np.float64),
        children,
        _roots(children[inner], count), spans, targets, weights,
    )  # fmt: skip


def _roots(children: Array, count: int) -> Array:
    """The nodes that are no child."""
    free = np.ones(count, bool)
    free[children.ravel()] = False
    return np.flatnonzero(free)


def _numbers_at(node: Node, name: str, number: int) -> int:
    return int(node.attributes[name][number])


def _leaf_weights(node: Node, kind: str, place: dict[tuple[int, int], int]) -> tuple[Array, Array, Array]:
    """Spans per node, and targets and weights in the order of the nodes."""
    keys = zip(
        _numbers(node, f"{kind}_treeids").tolist(), _numbers(node, f"{kind}_nodeids").tolist(), strict=True
    )
    try:
        owners = np.array([place[key] for key in keys], np.int64)
    except KeyError as error:
        raise node.refuse(f"a weight for the node {error.args[0]}, which no tree has") from error
    order = np.argsort(owners, kind="stable")
    edges = np.searchsorted(owners[order], np.arange(len(place) + 1))
    targets = _numbers(node, f"{kind}_ids")[order]
    return (
        np.stack([edges[:-1], edges[1:]], 1),
        targets,
        _numbers(node, f"{kind}_weights").astype(np.float64)[order],
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@dataclass(frozen=True)
class Sets(Ensemble):
    """An ensemble with tests for membership, and the values of each."""

    members: dict[int, Sequence[float]]


MEMBER = 7


def _indexed(node: Node) -> Ensemble:
    """From the tensors of version 5: leaves have numbers of their own and come after the nodes here."""
    modes = _numbers(node, "nodes_modes").astype(int)
    count, leaves = len(modes), _numbers(node, "leaf_weights").astype(np.float64)
    tests = np.concatenate([modes + 1, np.zeros(len(leaves), int)])
    missing = _numbers(node, "nodes_missing_value_tracks_true")
    if missing.size:
        tests[:count] += MISSING_TRUE * (missing != 0)
    children = np.zeros((len(tests), 2), np.int64)
    for side, name in enumerate(("true", "false")):
        targets, is_leaf = _numbers(node, f"nodes_{name}nodeids"), _numbers(node, f"nodes_{name}leafs")
        children[:count, side] = np.where(is_leaf != 0, targets + count, targets)
    if children.size and not 0 <= children.min() <= children.max() < len(tests):
        raise node.refuse("a node has a child that is not there")
    splits = np.concatenate([_numbers(node, "nodes_splits").astype(np.float64), np.zeros(len(leaves))])
    spans = np.zeros((len(tests), 2), np.int64)
    spans[count:, 0] = np.arange(len(leaves))
    spans[count:, 1] = np.arange(len(leaves)) + 1
    features = np.concatenate([_numbers(node, "nodes_featureids"), np.zeros(len(leaves), int)])
    roots = _numbers(node, "tree_roots")
    members = _members(node, np.flatnonzero(modes == MEMBER - 1))
    return Sets(
        tests, features, splits, children, roots, spans, _numbers(node, "leaf_targetids"), leaves, members
    )


def _members(node: Node, where: Array) -> dict[int, Sequence[float]]:
    """The sets of the nodes, which stand one after the other, a NaN behind each."""
    values = _numbers(node, "membership_values").astype(np.float64)
    ends = np.flatnonzero(np.isnan(values))
    starts = np.concatenate([[0], ends[:-1] + 1])
    if len(ends) < len(where):
        raise node.refuse(f"{len(ends)} sets of membership_values for {len(where)} nodes that need one")
    return {
        int(number): values[start:end].tolist()
        for number, start, end in zip(where, starts, ends, strict=False)
    }


def _without_sets(ensemble: Ensemble) -> Ensemble:
    """Every test for membership as a chain of tests for equality."""
    if not isinstance(ensemble, Sets) or not ensemble.members:
        return ensemble
    tests, features = ensemble.tests.tolist(), ensemble.features.tolist()
    thresholds, children = ensemble.thresholds.tolist(), ensemble.children.tolist()
    spans = ensemble.spans.tolist()
    for number, values in ensemble.members.items():
        missing = tests[number] & MISSING_TRUE
        yes, no = children[number]
        here = number
        for value in values or [float("nan")]:
            if here != number or tests[number] & ~MISSING_TRUE != MEMBER:
                children[here][1] = len(tests)
                here = len(tests)
                tests.append(0)
                features.append(features[number])
                thresholds.append(0.0)
                children.append([yes, no])
                spans.append([0, 0])
            tests[here], thresholds[here] = TESTS["EQ"] + missing, value
            children[here] = [yes, no]
    return Ensemble(
        np.array(tests), np.array(features), np.array(thresholds), np.array(children),
        ensemble.roots, np.array(spans), ensemble.targets, ensemble.weights,
    )  # fmt: skip
