"""The law of the IR: what every stage behind the frontends may rely on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Forest, Linear, Model, Transform
from tinsmith.errors import ClientError, InternalError

MAX_FEATURES = 1 << 22
"""16 MiB a row."""
MAX_OUTPUTS = 1 << 16
MAX_DEPTH = 4096
"""Edges from a root to its farthest leaf."""
MAX_CODE = 1 << 24
"""Categories lie below: float32 holds every whole number up to here."""

_REPORTED = 20  # problems of one model

_NODE_ARRAYS = {
    "feature": np.int32,
    "cut": np.float32,
    "left": np.int32,
    "right": np.int32,
    "default_left": np.bool_,
    "category": np.int32,
    "outside_right": np.bool_,
    "leaf": np.int32,
}


def check(model: Model) -> None:
    """Raise ClientError ("InputConfiguration") with every breach that a model file can cause, and
    InternalError for those that only a frontend can. Takes time in proportion to the model."""
    body = model.body
    outputs = body.num_outputs if isinstance(body, Forest) else body.base.size
    check_size(_features(body), outputs)
    _check_arrays(body)
    _check_ends(model, outputs)
    problems = _forest_problems(body) if isinstance(body, Forest) else _linear_problems(body)
    found = [text for _, text in zip(range(_REPORTED), problems, strict=False)]
    if found:
        raise ClientError("InputConfiguration", found)


def check_size(num_features: int, num_outputs: int) -> None:
    """Raise ClientError ("InputConfiguration") for claims that no array should be made for."""
    problems = []
    if not 1 <= num_features <= MAX_FEATURES:
        problems.append(f"The model takes {num_features} features, expected 1 to {MAX_FEATURES}.")
    if not 1 <= num_outputs <= MAX_OUTPUTS:
        problems.append(f"The model has {num_outputs} outputs, expected 1 to {MAX_OUTPUTS}.")
    if problems:
        raise ClientError("InputConfiguration", problems)


def depths(forest: Forest) -> NDArray[np.int64]:
    """(nodes,) edges between each node and its root.

    Raises ClientError ("InputConfiguration") when a node is not reached from exactly one root.
    """
    nodes = forest.feature.size
    children = np.concatenate([forest.left, forest.right])
    children = children[children >= 0]
    parents = np.bincount(children, minlength=nodes)
    expected = np.ones(nodes, np.int64)
    expected[forest.roots] = 0
    wrong = parents != expected
    if wrong.any():
        node = int(wrong.argmax())
        text = f"{_place(forest, node)}: {parents[node]} nodes lead to it, expected {expected[node]}."
        raise ClientError("InputConfiguration", text)
    # Every node has one way up; follow it in steps that double until all stand at a root.
    above = np.arange(nodes)
    inner = np.flatnonzero(forest.feature >= 0)
    above[forest.left[inner]] = inner
    above[forest.right[inner]] = inner
    depth = expected
    while True:
        further = depth[above]
        if not further.any():
            return depth
        depth = depth + further
        above = above[above]
        if depth.max() > nodes:
            node = int(depth.argmax())
            text = f"{_place(forest, node)}: it lies on a cycle, which no root leads to."
            raise ClientError("InputConfiguration", text)


def _features(body: Forest | Linear) -> int:
    return body.num_features if isinstance(body, Forest) else body.weights.shape[0]


def _check_arrays(body: Forest | Linear) -> None:
    """Dtypes and shapes: the frontend's own doing."""
    if isinstance(body, Linear):
        kinds = {body.weights.dtype, body.base.dtype}
        shapes = body.weights.ndim == 2 and body.base.shape == body.weights.shape[1:]
        if len(kinds) > 1 or not shapes:
            raise InternalError("the arrays of a linear model do not fit each other")
        return
    nodes = body.feature.size
    for name, dtype in _NODE_ARRAYS.items():
        array = getattr(body, name)
        if array.dtype != dtype or array.shape != (nodes,):
            raise InternalError(f"forest.{name} is {array.dtype}{array.shape}, expected {dtype}({nodes},)")
    if body.leaf_values.ndim != 2 or body.leaf_values.shape[1] not in (1, body.num_outputs):
        raise InternalError(f"forest.leaf_values has the shape {body.leaf_values.shape}")
    if body.accumulator not in (np.float32, np.float64) or body.base.dtype != body.accumulator:
        raise InternalError(f"forest sums {body.accumulator} from a base of {body.base.dtype}")
    if body.base.shape != (body.num_outputs,) or body.roots.shape != body.tree_output.shape:
        raise InternalError("forest.base, roots and tree_output do not fit the outputs and trees")


def _check_ends(model: Model, outputs: int) -> None:
    """Input, output and transform fit the body."""
    columns = {Transform.ARGMAX: 1, Transform.SIGMOID_PAIR: 2}.get(model.transform, outputs)
    if model.input.shape != (-1, _features(model.body)):
        raise InternalError(f"the input has the shape {model.input.shape}")
    if model.output.shape not in ((-1, columns), (-1,) if columns == 1 else None):
        raise InternalError(f"the output has the shape {model.output.shape} for {columns} columns")
    if model.transform is Transform.SIGMOID_PAIR and outputs != 1:
        raise InternalError(f"a pair of probabilities from {outputs} margins")
    if model.transform is Transform.ISOLATION and not {"normaliser", "offset"} <= set(model.parameters):
        raise InternalError("the isolation transform lacks its parameters")


def _linear_problems(linear: Linear) -> Iterator[str]:
    if np.isnan(linear.base).any():
        yield f"The base score of output {int(np.isnan(linear.base).argmax())} is NaN."
    missing = np.isnan(linear.weights)
    if missing.any():
        feature, output = np.unravel_index(int(missing.argmax()), missing.shape)
        yield f"The weight of feature {feature} for output {output} is NaN."


def _forest_problems(forest: Forest) -> Iterator[str]:
    yield from _scalar_problems(forest)
    local = list(_node_problems(forest))
    yield from local
    if local or not forest.roots.size:
        return
    depth = depths(forest)
    if depth.max() > MAX_DEPTH:
        node = int(depth.argmax())
        yield f"{_place(forest, node)}: {depth[node]} splits lead to it, at most {MAX_DEPTH}."


def _scalar_problems(forest: Forest) -> Iterator[str]:
    if not forest.roots.size:
        yield "The model has no trees."
    if np.isnan(forest.base).any():
        yield f"The base score of output {int(np.isnan(forest.base).argmax())} is NaN."
    if not 0 < forest.divisor < np.inf:
        yield f"The sums are divided by {forest.divisor}."
    outside = (forest.tree_output < 0) | (forest.tree_output >= forest.num_outputs)
    if outside.any():
        tree = int(outside.argmax())
        found, last = forest.tree_output[tree], forest.num_outputs - 1
        yield f"Tree {tree}: it adds to output {found}, expected 0 to {last}."
    for index, codes in enumerate(forest.categories):
        if codes.size and (codes.min() < 0 or codes.max() >= MAX_CODE or (np.diff(codes) <= 0).any()):
            yield f"The categories of split {index} are not ascending numbers below {MAX_CODE}."
    yield from _encoding_problems(forest)


def _encoding_problems(forest: Forest) -> Iterator[str]:
    features = [encoding.feature for encoding in forest.encodings]
    if len(set(features)) < len(features):
        yield "A feature is encoded twice."
    for encoding in forest.encodings:
        values = encoding.values
        if not 0 <= encoding.feature < forest.num_features:
            yield f"Feature {encoding.feature} is encoded, expected 0 to {forest.num_features - 1}."
        if not 0 < values.size <= MAX_CODE or np.isnan(values).any() or (np.diff(values) <= 0).any():
            yield f"The encoded values of feature {encoding.feature} are not ascending numbers."


def _node_problems(forest: Forest) -> Iterator[str]:
    """What is wrong within single nodes: the first node of each kind."""
    nodes, inner = forest.feature.size, forest.feature >= 0
    if forest.roots.size and not (forest.roots.min() >= 0 and forest.roots.max() < nodes):
        yield f"A tree starts at node {forest.roots.max()}, expected 0 to {nodes - 1}."
        return
    if np.unique(forest.roots).size < forest.roots.size:
        yield "Two trees start at the same node."
    for side, child in (("left", forest.left), ("right", forest.right)):
        yield from _first(forest, inner & ((child < 0) | (child >= nodes)), f"{side} child", child, nodes)
        yield from _first(forest, ~inner & (child != -1), f"{side} child of a leaf", child, 0)
    yield from _first(forest, forest.feature < -1, "feature", forest.feature, forest.num_features)
    beyond = forest.feature >= forest.num_features
    yield from _first(forest, beyond, "feature", forest.feature, forest.num_features)
    leaves = len(forest.leaf_values)
    outside = ~inner & ((forest.leaf < 0) | (forest.leaf >= leaves))
    yield from _first(forest, outside, "row of the leaf values", forest.leaf, leaves)
    yield from _first(forest, inner & (forest.leaf != -1), "row of the leaf values", forest.leaf, 0)
    sets = len(forest.categories)
    outside = (forest.category < -1) | (forest.category >= sets)
    yield from _first(forest, outside, "set of categories", forest.category, sets)
    if not outside.any() and leaves and np.isnan(forest.leaf_values).any():
        missing = np.flatnonzero(np.isnan(forest.leaf_values).any(axis=1))
        at_leaf = ~inner & np.isin(forest.leaf, missing)
        if at_leaf.any():
            yield f"{_place(forest, int(at_leaf.argmax()))}: the value of the leaf is NaN."


def _first(
    forest: Forest, wrong: NDArray[np.bool_], what: str, found: NDArray[np.int32], end: int
) -> Iterator[str]:
    if wrong.any():
        node = int(wrong.argmax())
        expected = f"0 to {end - 1}" if end else "none"
        yield f"{_place(forest, node)}: {what} {found[node]}, expected {expected}."


def _place(forest: Forest, node: int) -> str:
    """Tree and node, counted from the root that the node follows in the arrays."""
    order = np.argsort(forest.roots, kind="stable")
    at = int(np.searchsorted(forest.roots[order], node, side="right")) - 1
    if at < 0:
        return f"Node {node}"
    tree = int(order[at])
    return f"Tree {tree}, node {node - int(forest.roots[tree])}"
