"""The reference evaluation against the words of `ir.model`, row by row in plain Python."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinsmith.compiler.ir.check import check
from tinsmith.compiler.ir.model import (
    Encoding,
    Forest,
    Linear,
    Model,
    TensorSpec,
    Transform,
    cut_below_or_equal,
)
from tinsmith.compiler.ir.reference import evaluate

SPECIAL = [0.0, -0.0, 1e-45, -1e-45, 1.0, 2.5, 7.0, -1.0, -0.5, 3.4e38, -3.4e38, 2.0**24, 1e30]
SPECIAL += [math.inf, -math.inf, math.nan]


def model(body: Forest | Linear, transform: Transform = Transform.IDENTITY, **parameters: float) -> Model:
    """A model around `body`."""
    features = body.num_features if isinstance(body, Forest) else len(body.weights)
    columns = {Transform.ARGMAX: 1, Transform.SIGMOID_PAIR: 2}.get(transform, body.base.size)
    return Model(
        framework="XGBOOST",
        producer="made up",
        kind="made up",
        input=TensorSpec("data", "float32", (-1, features)),
        output=TensorSpec("prediction", str(body.base.dtype), (-1, columns)),
        body=body,
        transform=transform,
        parameters=parameters,
    )


@st.composite
def forests(draw: st.DrawFn) -> Forest:
    """Small forests with every feature of the IR."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    trees, features, outputs = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    kind = draw(st.sampled_from([np.float32, np.float64]))
    wide = outputs > 1 and draw(st.booleans())
    categories = tuple(
        np.unique(random.integers(0, 9, random.integers(0, 6))).astype(np.int32)
        for _ in range(draw(st.integers(0, 3)))
    )
    rows: list[dict[str, Any]] = []
    roots = []
    for _ in range(trees):
        roots.append(len(rows))
        grow(random, rows, features, len(categories), draw(st.integers(0, 4)))
    leaves = [row for row in rows if row["feature"] < 0]
    for number, row in enumerate(leaves):
        row["leaf"] = number
    encoded = draw(st.booleans())
    values = np.unique(random.choice([0.0, 1.0, 2.5, 7.0, -1.0], 3)).astype(np.float32)
    arrays: Mapping[str, Any] = {
        name: np.array([row[name] for row in rows], np.int32)
        for name in ("feature", "left", "right", "category", "leaf")
    }
    return Forest(
        num_features=features,
        num_outputs=outputs,
        **arrays,
        cut=np.array([row["cut"] for row in rows], np.float32),
        default_left=random.random(len(rows)) < 0.5,
        outside_right=random.random(len(rows)) < 0.5,
        leaf_values=random.normal(size=(len(leaves), outputs if wide else 1)).astype(kind),
        roots=np.array(roots, np.int32),
        tree_output=np.zeros(trees, np.int32) if wide else random.integers(0, outputs, trees, np.int32),
        base=random.normal(size=outputs).astype(kind),
        categories=categories,
        divisor=draw(st.sampled_from([1.0, 3.0])),
        encodings=(Encoding(0, values),) if encoded else (),
    )


def grow(
    random: np.random.Generator, rows: list[dict[str, Any]], features: int, sets: int, depth: int
) -> int:
    """Append a random tree and give the number of its root."""
    number = len(rows)
    row = {"feature": -1, "cut": 0.0, "left": -1, "right": -1, "category": -1, "leaf": -1}
    rows.append(row)
    if depth and random.random() < 0.8:
        row["feature"] = int(random.integers(features))
        row["cut"] = float(random.choice([*SPECIAL, random.normal()]))
        if sets and random.random() < 0.4:
            row["category"] = int(random.integers(sets))
        row["left"] = grow(random, rows, features, sets, depth - 1)
        row["right"] = grow(random, rows, features, sets, depth - 1)
    return number


def walk(forest: Forest, node: int, row: list[float]) -> int:
    """The leaf that `row` ends at, by the words of the IR."""
    while forest.feature[node] >= 0:
        value, cut = row[forest.feature[node]], float(forest.cut[node])
        if math.isnan(value):
            left = bool(forest.default_left[node])
        elif forest.category[node] < 0:
            left = math.isnan(cut) or value < cut
        elif value < 0 or value >= 2**24:
            left = not forest.outside_right[node]
        else:
            left = math.trunc(value) not in forest.categories[forest.category[node]].tolist()
        node = int(forest.left[node] if left else forest.right[node])
    return node


def encode(forest: Forest, row: list[float]) -> list[float]:
    """`row` with its encoded columns replaced."""
    row = list(row)
    for encoding in forest.encodings:
        values = encoding.values.tolist()
        value = row[encoding.feature]
        row[encoding.feature] = float(values.index(value)) if value in values else math.nan
    return row


def margin_of(forest: Forest, row: list[float]) -> list[Any]:
    """The margin of one row, tree by tree in the accumulator's precision."""
    kind = forest.accumulator.type
    sums = list(forest.base)
    row = encode(forest, row)
    for root, column in zip(forest.roots, forest.tree_output, strict=True):
        values = forest.leaf_values[forest.leaf[walk(forest, int(root), row)]]
        for at, value in enumerate(values):
            target = int(column) if len(values) == 1 else at
            sums[target] = kind(sums[target] + value)
    return sums if forest.divisor == 1 else [kind(value / kind(forest.divisor)) for value in sums]


@settings(max_examples=150, deadline=None)
@given(forest=forests(), seed=st.integers(0, 2**32 - 1))
def test_forests_mean_what_the_ir_says(forest: Forest, seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = (12, forest.num_features)
    rows = random.choice(np.array(SPECIAL, np.float32), shape)
    rows[6:] = random.normal(size=(6, forest.num_features)) * 3
    check(model(forest))
    found = evaluate(model(forest), rows)
    assert found.margin.dtype == forest.accumulator
    expected = np.array([margin_of(forest, row) for row in rows.tolist()], forest.accumulator)
    np.testing.assert_array_equal(found.margin, expected)
    np.testing.assert_array_equal(found.prediction, expected)


def test_many_rows_and_trees_are_walked_in_pieces() -> None:
    random = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    roots = [grow(random, rows, 3, 0, 3) for _ in range(40)]
    leaf = np.cumsum([row["feature"] < 0 for row in rows]) - 1
    inner = np.array([row["feature"] >= 0 for row in rows])
    forest = Forest(
        num_features=3,
        num_outputs=1,
        **{n: np.array([row[n] for row in rows], np.int32) for n in ("feature", "left", "right", "category")},  # type: ignore[arg-type]
        leaf=np.where(inner, -1, leaf).astype(np.int32),
        cut=np.array([row["cut"] for row in rows], np.float32),
        default_left=inner,
        outside_right=np.zeros(len(rows), np.bool_),
        leaf_values=random.normal(size=(int((~inner).sum()), 1)).astype(np.float32),
        roots=np.array(roots, np.int32),
        tree_output=np.zeros(40, np.int32),
        base=np.zeros(1, np.float32),
    )
    many = random.normal(size=(20_000, 3)).astype(np.float32)
    whole = evaluate(model(forest), many).margin
    for start in (0, 7_000, 19_990):
        np.testing.assert_array_equal(
            whole[start : start + 10], evaluate(model(forest), many[start : start + 10]).margin
        )
    assert evaluate(model(forest), many[:0]).margin.shape == (0, 1)


def test_linear_models_skip_missing_values_and_round_every_step() -> None:
    weights = np.array([[0.1, 1e-8], [3e7, -1], [0.7, 1]], np.float32)
    linear = Linear(weights, np.array([0.3, 1], np.float32))
    rows = np.array([[0.1, 0.3, 1.1], [np.nan, 2, np.nan], [1, np.inf, -0.0]], np.float32)
    found = evaluate(model(linear), rows)
    for row, sums in zip(rows, found.margin, strict=True):
        for output in range(2):
            total = linear.base[output]
            for value, weight in zip(row, weights[:, output], strict=True):
                if not np.isnan(value):
                    total = np.float32(total + np.float32(value * weight))
            assert total == sums[output]


def constant(values: Any, kind: Any, transform: Transform, **parameters: float) -> NDArray[Any]:
    """What `transform` makes of `values`, the base of a linear model that ignores its input."""
    base = np.array(values, kind)
    linear = Linear(np.zeros((1, base.size), kind), base)
    found = evaluate(model(linear, transform, **parameters), np.zeros((1, 1), np.float32)).prediction
    return np.asarray(found[0])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_transforms(kind: Any) -> None:
    values = [-3.0, 0.0, 0.25, 7.0]
    tight: dict[str, Any] = {"rtol": 3e-7 if kind is np.float32 else 1e-15}
    sigmoid = [1 / (1 + math.exp(-v)) for v in values]
    np.testing.assert_allclose(constant(values, kind, Transform.SIGMOID), sigmoid, **tight)
    scaled = constant(values, kind, Transform.SIGMOID, scale=2.0)
    np.testing.assert_allclose(scaled, [1 / (1 + math.exp(-2 * v)) for v in values], **tight)
    pair = constant([0.25], kind, Transform.SIGMOID_PAIR, scale=2.0)
    np.testing.assert_allclose(pair, [1 / (1 + math.exp(0.5)), 1 / (1 + math.exp(-0.5))], **tight)
    softmax = [math.exp(v) / sum(map(math.exp, values)) for v in values]
    np.testing.assert_allclose(constant(values, kind, Transform.SOFTMAX), softmax, **tight)
    np.testing.assert_allclose(constant(values, kind, Transform.EXP), [math.exp(v) for v in values], **tight)
    assert constant(values, kind, Transform.HINGE).tolist() == [0, 0, 1, 1]
    assert constant([-0.0, 5e-324, np.nan, np.inf], np.float64, Transform.HINGE).tolist() == [0, 1, 0, 1]
    assert constant([1, 3, 3, 2], kind, Transform.ARGMAX).tolist() == [1]
    assert constant([2, np.nan, 1], kind, Transform.ARGMAX).tolist() == [0]
    isolated = constant([1.5], kind, Transform.ISOLATION, normaliser=3.0, offset=-0.5)
    np.testing.assert_allclose(isolated, [0.5 - 2**-0.5], **tight)


def test_transforms_keep_the_dtype_at_extremes() -> None:
    for transform in (Transform.SIGMOID, Transform.SOFTMAX, Transform.EXP, Transform.ARGMAX, Transform.HINGE):
        for kind in (np.float32, np.float64):
            assert constant([-1000, 1000, 0], kind, transform).dtype == kind
    assert constant([-1000, 1000], np.float32, Transform.EXP).tolist() == [0, np.inf]
    # XGBoost stops the exponent at 88.7, so that its smallest probability is no zero.
    smallest = constant([-1000, -88.7, -np.inf], np.float32, Transform.SIGMOID)
    assert smallest[0] == smallest[1] == smallest[2] > 0
    assert constant([-1000, 1000], np.float64, Transform.SIGMOID).tolist() == [0, 1]
    assert constant([1000, 1000, -1000], np.float32, Transform.SOFTMAX).tolist() == [0.5, 0.5, 0]


@settings(max_examples=300, deadline=None)
@example(threshold=3.4028234663852886e38, value=0.0, near=1)
@example(threshold=math.inf, value=0.0, near=-1)
@example(threshold=1e-50, value=0.0, near=1)
@given(
    threshold=st.floats(allow_nan=False),
    value=st.floats(width=32, allow_nan=False),
    near=st.integers(-2, 2),
)
def test_cut_below_or_equal(threshold: float, value: float, near: int) -> None:
    cut = float(cut_below_or_equal(np.array([threshold]))[0])
    with np.errstate(over="ignore"):
        beside = np.float32(threshold)
        for _ in range(abs(near)):
            beside = np.nextafter(beside, np.float32(math.copysign(math.inf, near)))
    for number in (value, float(beside)):
        assert (math.isnan(cut) or number < cut) == (number <= threshold)
