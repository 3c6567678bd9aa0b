"""The model between stages: what a frontend gives and a backend takes.

`check.check` holds the law that every model between stages keeps; `reference.evaluate` is its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TensorSpec:
    """Name, numpy dtype name and shape of an input or output; -1 is a free dimension."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Transform(Enum):
    """What turns the margin (the sums) into the prediction, in the accumulator's precision."""

    IDENTITY = "identity"
    SIGMOID = "sigmoid"
    """1 / (1 + exp(-m * scale)) per column. In float32 the exponent stops at 88.7, as in XGBoost."""
    SIGMOID_PAIR = "sigmoid_pair"
    """One column m becomes two: (1 - p, p) with p = 1 / (1 + exp(-m * scale))."""
    SOFTMAX = "softmax"
    """exp(m - max) / sum over a row; the sum is taken in float64, column by column."""
    ARGMAX = "argmax"
    """Index of the first column of a row that no later one exceeds, as a number: one output column."""
    EXP = "exp"
    HINGE = "hinge"
    """1 where m > 0, else 0."""
    ISOLATION = "isolation"
    """-(2 ** (-m / normaliser)) - offset, of IsolationForest.decision_function."""


@dataclass(frozen=True)
class Encoding:
    """The input column of a forest that is replaced, before the walk, by the position of its number
    among `values`, and by NaN where it equals none of them."""

    feature: int
    values: NDArray[np.float32]
    """Distinct and ascending; equality is that of floating point (-0.0 equals 0.0, NaN nothing)."""


@dataclass(frozen=True)
class Forest:
    """An additive ensemble of binary decision trees, all nodes of all trees concatenated.

    A row x (float32) walks from the root: at an inner node with feature f it goes left when
    `x[f] < cut` (a NaN cut sends every number left), to the default side when x[f] is NaN.
    A categorical node (category >= 0) goes right when trunc(x[f]) is in `categories[category]`
    and x[f] >= 0, else left (outside_right swaps the side of numbers that no set could hold:
    negative ones and those of 2**24 and more).
    Margin = base, then the leaves are added tree by tree in `roots` order, in `accumulator`
    precision, each rounded: that order and precision are the training library's own and are part of
    the meaning. Then the sums are divided by `divisor` (skipped when it is 1) and transformed.
    """

    num_features: int
    num_outputs: int
    """Columns of the margin."""
    feature: NDArray[np.int32]
    """Per node; -1 at leaves."""
    cut: NDArray[np.float32]
    """Per node; frontends turn `x <= t` into `x < cut` (see `cut_below_or_equal`)."""
    left: NDArray[np.int32]
    """Per node: absolute node number; -1 at leaves."""
    right: NDArray[np.int32]
    default_left: NDArray[np.bool_]
    category: NDArray[np.int32]
    """Per node: index into `categories`, -1 where the split is numeric."""
    outside_right: NDArray[np.bool_]
    """Per node; only read where category >= 0."""
    leaf: NDArray[np.int32]
    """Per node: row of `leaf_values`, -1 at inner nodes."""
    leaf_values: NDArray[np.float32] | NDArray[np.float64]
    """(leaves, width) in the accumulator's dtype; width 1, or num_outputs for vector leaves."""
    roots: NDArray[np.int32]
    """Per tree: node number of its root."""
    tree_output: NDArray[np.int32]
    """Per tree: the margin column that a width-1 leaf adds to (0 for vector leaves)."""
    base: NDArray[np.float32] | NDArray[np.float64]
    """(num_outputs,) start of the sums, in the accumulator's dtype."""
    categories: tuple[NDArray[np.int32], ...] = ()
    """Sorted codes that go right, per categorical split."""
    divisor: float = 1.0
    encodings: tuple[Encoding, ...] = ()
    """At most one per feature."""

    @property
    def accumulator(self) -> np.dtype[np.float32] | np.dtype[np.float64]:
        """float32 for XGBoost, float64 for scikit-learn."""
        return self.leaf_values.dtype


@dataclass(frozen=True)
class Linear:
    """margin[k] = base[k], then + x[f] * weights[f, k] for f ascending, NaN inputs skipped,
    every product and sum rounded to the accumulator's dtype (no fused multiply-add)."""

    weights: NDArray[np.float32] | NDArray[np.float64]
    """(features, outputs)"""
    base: NDArray[np.float32] | NDArray[np.float64]
    """(outputs,)"""


@dataclass(frozen=True)
class Model:
    """A model as one input, one body, one transform, one output."""

    framework: str
    producer: str
    """Library and version that saved the file, e.g. "xgboost 3.2.0", as far as the file tells."""
    kind: str
    """The user's word for it: "gbtree multi:softprob", "RandomForestClassifier"."""
    input: TensorSpec
    output: TensorSpec
    body: Forest | Linear
    transform: Transform = Transform.IDENTITY
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Of the transform: "scale" (sigmoid input factor, default 1), "normaliser" and "offset" (isolation)."""
    class_labels: tuple[str, ...] = ()
    """Column meanings of a probability output, in order, where the file tells them."""
    feature_names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """What it was read from, relative to the input folder: files that the artifact need not carry."""
    warnings: tuple[str, ...] = ()


def cut_below_or_equal(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The float32 cuts for which, for every float32 x, `x < cut` equals `x <= threshold`.

    `threshold` of +inf gives NaN ("every number goes left").
    """
    with np.errstate(over="ignore"):
        floor = threshold.astype(np.float32)
        floor = np.where(
            floor.astype(np.float64) > threshold, np.nextafter(floor, np.float32(-np.inf)), floor
        )
        cut = np.nextafter(floor, np.float32(np.inf), dtype=np.float32)
    return np.where(np.isposinf(floor), np.float32(np.nan), cut).astype(np.float32)
