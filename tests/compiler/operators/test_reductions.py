from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum,
    "ReduceMean": np.mean,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
    "ReduceProd": np.prod,
    "ReduceL1": lambda x, **how: np.sum(np.abs(x), **how),
    "ReduceL2": lambda x, **how: np.sqrt(np.sum(x * x, **how)),
    "ReduceSumSquare": lambda x, **how: np.sum(x * x, **how),
    "ReduceLogSum": lambda x, **how: np.log(np.sum(x, **how)),
    "ReduceLogSumExp": lambda x, **how: np.log(np.sum(np.exp(x), **how)),
}


def numbers(*shape: int) -> Array:
    """Between 1/2 and 3/2, so that products and logarithms stay small."""
    return np.random.default_rng(len(shape)).random(shape) + 0.5


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
def test_every_reduction_over_every_axis(nodes: Nodes, axes: tuple[int, ...]) -> None:
    x = numbers(3, 5, 7)
    given = np.array([axis - 3 if axis % 2 else axis for axis in axes])
    for op, function in REDUCTIONS.items():
        for keepdims in (0, 1):
            wanted = np.asarray(function(x, axis=axes, keepdims=bool(keepdims)))
            single = wanted.astype(np.float32)
            nodes.add(op, x, given, expected=wanted, constant=[1], tolerance=1e-13, keepdims=keepdims)
            nodes.add(op, x.astype(np.float32), given, expected=single, constant=[1], keepdims=keepdims)
    nodes.run()


def test_narrow_floats_are_reduced_in_wide_ones(nodes: Nodes) -> None:
    for kind, tolerance in ((np.dtype(np.float16), 2**-10), (np.dtype(ml_dtypes.bfloat16), 2**-7)):
        x = numbers(6, 40).astype(kind)
        for op, function in REDUCTIONS.items():
            if op != "ReduceProd":
                wanted = function(x.astype(np.float64), axis=1, keepdims=True).astype(kind)
                nodes.add(op, x, np.array([1]), expected=wanted, constant=[1], tolerance=tolerance)
    large = np.full((4, 300), 300, np.float16)
    nodes.add("ReduceMean", large, np.array([1]), expected=large[:, :1], constant=[1])
    nodes.run()


def test_long_rows_and_columns(nodes: Nodes) -> None:
    for shape, axes in (
        ((300,), (0,)),
        ((70, 40), (0,)),
        ((2, 70, 40), (1,)),
        ((3, 131), (1,)),
        ((12, 600), (0,)),
    ):
        x = (numbers(*shape) - 1).astype(np.float32)
        for op in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2"):
            wanted = REDUCTIONS[op](x.astype(np.float64), axis=axes, keepdims=True).astype(np.float32)
            nodes.add(op, x, np.array(axes), expected=wanted, constant=[1], tolerance=1e-5)
        whole = np.prod(1 + x.astype(np.float64) / 100, axis=axes, keepdims=True).astype(np.float32)
        nodes.add("ReduceProd", 1 + x / 100, np.array(axes), expected=whole, constant=[1], tolerance=1e-5)
    nodes.run()


def test_integers_and_truth_values(nodes: Nodes) -> None:
    x = np.array([[-100, 100, 27], [-128, 127, 3]])
    for kind in (np.int8, np.int32, np.int64):
        values, axes = x.astype(kind), np.array([1])
        for op in ("ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd"):
            wanted = REDUCTIONS[op](
                values, axis=1, keepdims=True, **({"dtype": kind} if op[6] in "SP" else {})
            )
            nodes.add(op, values, axes, expected=wanted, constant=[1])
        wanted = np.trunc(x.astype(kind).mean(axis=1, keepdims=True)).astype(kind)
        nodes.add("ReduceMean", values, axes, expected=wanted, constant=[1])
    truth = np.array([[True, False], [True, True], [False, False]])
    nodes.add(
        "ReduceMax", truth, np.array([1]), expected=np.asarray(truth.any(1, keepdims=True)), constant=[1]
    )
    nodes.add(
        "ReduceMin", truth, np.array([1]), expected=np.asarray(truth.all(1, keepdims=True)), constant=[1]
    )
    nodes.run()


def test_reductions_of_nothing_give_the_neutral_element(nodes: Nodes) -> None:
    neutral = {
        "ReduceSum": 0, "ReduceProd": 1, "ReduceL1": 0, "ReduceL2": 0, "ReduceSumSquare": 0,
        "ReduceMax": -np.inf, "ReduceMin": np.inf, "ReduceLogSum": -np.inf, "ReduceLogSumExp": -np.inf,
        "ReduceMean": np.nan,
    }  # fmt: skip
    for op, value in neutral.items():
        wanted = np.full((2, 1, 4), value, np.float32)
        nodes.add(op, np.zeros((2, 0, 4), np.float32), np.array([1]), expected=wanted, constant=[1])
    lowest = np.full((2, 1), np.iinfo(np.int32).min, np.int32)
    nodes.add("ReduceMax", np.zeros((2, 0), np.int32), np.array([1]), expected=lowest, constant=[1])
    nodes.run()


def test_nan_and_infinity(nodes: Nodes) -> None:
    x = np.ones((4, 70), np.float32)
    x[0, 66], x[1, 3], x[2, 69], x[3] = np.nan, np.inf, -np.inf, -np.inf
    wanted = {
        "ReduceMax": [np.nan, np.inf, 1, -np.inf],
        "ReduceMin": [np.nan, 1, -np.inf, -np.inf],
        "ReduceSum": [np.nan, np.inf, -np.inf, -np.inf],
        "ReduceLogSumExp": [np.nan, np.inf, 1 + np.log(69), -np.inf],
    }
    for op, values in wanted.items():
        nodes.add(op, x, np.array([1]), expected=np.array(values, np.float32), constant=[1], keepdims=0)
    nodes.run()


def test_axes_that_only_a_run_knows(nodes: Nodes) -> None:
    x = numbers(3, 2, 2).astype(np.float32)
    for axes in ((1,), (2,), (-1,), (0,), (1, 2), (0, 1), (2, 0)):
        for keepdims in (0, 1):
            wanted = x.sum(axis=tuple(axes), keepdims=bool(keepdims))
            nodes.add("ReduceSum", x, np.array(axes), expected=wanted, declared=True, keepdims=keepdims)
    nodes.run()


def test_no_axes(nodes: Nodes) -> None:
    x = numbers(2, 3).astype(np.float32)
    none = np.zeros(0, np.int64)
    nodes.add("ReduceSumSquare", x, expected=np.sum(x * x, keepdims=True))
    nodes.add("ReduceSumSquare", x, none, expected=np.sum(x * x, keepdims=True))
    nodes.add("ReduceSumSquare", x, none, expected=x * x, constant=[1], noop_with_empty_axes=1)
    nodes.add("ReduceSum", x, expected=x, noop_with_empty_axes=1)
    nodes.add("ReduceSum", np.array(3, np.float32), expected=np.array(3, np.float32))
    nodes.run()


def test_axes_were_attributes(nodes: Nodes) -> None:
    nodes.opset = 11
    x = numbers(3, 4).astype(np.float32)
    nodes.add("ReduceSum", x, expected=x.sum(1, keepdims=True), axes=[1])
    nodes.add("ReduceMax", x, expected=x.max(0), axes=[-2], keepdims=0)
    nodes.run()


def test_bad_axes_are_refused(nodes: Nodes) -> None:
    x = np.zeros((2, 3), np.float32)
    nodes.add("ReduceSum", x, np.array([2]), expected=x, constant=[1])
    nodes.add("ReduceSum", x, np.array([1]), expected=x)
    nodes.add("ReduceSum", x > 0, expected=x)
    with pytest.raises(ClientError) as error:
        nodes.run()
    assert "axis 2 of 2 dimensions" in str(error.value)
    assert "axes are not a constant" in str(error.value)
    assert "of bool is not defined" in str(error.value)


def test_places_of_extremes(nodes: Nodes) -> None:
    x = np.array([[1, 3, 3, 0], [np.nan, 5, np.nan, 1], [-np.inf, -np.inf, -np.inf, -np.inf]], np.float32)
    for op, first, last in (("ArgMax", [1, 0, 0], [2, 2, 3]), ("ArgMin", [3, 0, 0], [3, 2, 3])):
        nodes.add(op, x, expected=np.array(first), axis=1, keepdims=0)
        nodes.add(op, x, expected=np.array(last)[:, None], axis=-1, select_last_index=1)
    integers = np.array([[5, -7], [5, 9]], np.int8)
    nodes.add("ArgMax", integers, expected=np.array([[0, 1]]))
    nodes.add("ArgMax", integers, expected=np.array([[1, 1]]), select_last_index=1)
    nodes.run()


def test_running_totals(nodes: Nodes) -> None:
    x = numbers(5, 6).astype(np.float32)
    for op, function, neutral in (("CumSum", np.cumsum, 0), ("CumProd", np.cumprod, 1)):
        nodes.opset = 26
        for axis in (0, 1):
            ones = np.full_like(x.take([0], axis), neutral)
            for reverse in (0, 1):
                turned = np.flip(x, axis) if reverse else x
                whole: Array = function(turned, axis=axis)
                shifted = np.concatenate([ones, whole.take(range(x.shape[axis] - 1), axis)], axis)
                for exclusive, wanted in ((0, whole), (1, shifted)):
                    back = np.flip(wanted, axis) if reverse else wanted
                    place = np.array(axis - 2 * reverse)
                    how: dict[str, Any] = {"exclusive": exclusive, "reverse": reverse}
                    nodes.add(op, x, place, expected=back, constant=[1], tolerance=1e-5, **how)
                    nodes.add(op, x, place, expected=back, tolerance=1e-5, **how)
    nodes.add("CumSum", np.zeros((0, 3), np.float32), np.array(0), expected=np.zeros((0, 3), np.float32))
    nodes.run()


def softmax(x: Array, axis: int | tuple[int, ...]) -> Array:
    """By its definition, safely."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def test_softmax(nodes: Nodes) -> None:
    x = (numbers(3, 5, 40) * 10).astype(np.float32)
    for axis in (0, 1, -1):
        wanted = softmax(x.astype(np.float64), axis).astype(np.float32)
        nodes.add("Softmax", x, expected=wanted, axis=axis, tolerance=2e-6)
        nodes.add("LogSoftmax", x, expected=np.log(wanted), axis=axis, tolerance=2e-6)
        best = (x == x.max(axis, keepdims=True)).astype(np.float32)
        nodes.add("Hardmax", x, expected=best, axis=axis)
    large = np.array([[0, 1, 2, 3], [10000, 10001, 10002, 10003]], np.float32)
    nodes.add("Softmax", large, expected=softmax(large, -1))
    ties = np.array([[2, 2, 1]], np.float32)
    nodes.add("Hardmax", ties, expected=np.array([[1, 0, 0]], np.float32))
    nodes.run()


def test_softmax_once_flattened_its_input(nodes: Nodes) -> None:
    nodes.opset = 11
    x = numbers(3, 5, 4).astype(np.float32)
    nodes.add("Softmax", x, expected=softmax(x, (1, 2)))
    nodes.add("LogSoftmax", x, expected=np.log(softmax(x, (0, 1, 2))), axis=0)
    flat = x.reshape(3, 20)
    best = (flat == flat.max(1, keepdims=True)).astype(np.float32).reshape(x.shape)
    nodes.add("Hardmax", x, expected=best)
    nodes.run()
