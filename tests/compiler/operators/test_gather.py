from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.onnx_suite.nodes import Nodes
from tinsmith.compiler.ir.evaluate import evaluate
from tinsmith.compiler.ir.scalars import Tensor
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import find
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]
X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


def ints(*values: Any) -> Array:
    return np.array(values, np.int64)


def test_gather(nodes: Nodes) -> None:
    for axis in (0, 1, 2, -1):
        for indices in (ints(0, 2, -1, -3), ints([0, 1], [2, 0]), np.array([-1], np.int32), np.array(1)):
            nodes.add("Gather", X, indices, axis=axis, expected=np.take(X, indices, axis))
            nodes.add("Gather", X, indices, constant=[1], axis=axis, expected=np.take(X, indices, axis))
    nodes.add("Gather", X, np.zeros((2, 0), np.int64), expected=np.zeros((2, 0, 4, 5), "f"))
    for dtype in (np.float16, ml_dtypes.bfloat16, np.int8, np.bool_, np.float64):
        x = X.astype(dtype)
        nodes.add("Gather", x, ints(2, 0), expected=x[[2, 0]])
    nodes.run()


def test_gather_elements(nodes: Nodes) -> None:
    indices = ints([[1, 0, -1, 2]], [[0, 0, 3, -4]])
    for axis in range(3):
        part: list[slice] = [slice(size) for size in indices.shape]
        part[axis] = slice(None)
        along = np.take_along_axis(X[tuple(part)], indices % X.shape[axis], axis)
        nodes.add("GatherElements", X, indices % X.shape[axis], axis=axis, expected=along)
        nodes.add("GatherElements", X, indices % X.shape[axis] - X.shape[axis], axis=axis - 3, expected=along)
    nodes.run()


def test_gather_nd(nodes: Nodes) -> None:
    nodes.add("GatherND", X, ints([0, 1], [2, -1]), expected=X[[0, 2], [1, -1]])
    nodes.add("GatherND", X, ints([0, 1, 4], [2, -1, -5]), expected=X[[0, 2], [1, -1], [4, -5]])
    nodes.add("GatherND", X, ints([[1]], [[2]]), expected=X[[[1], [2]]])
    batched = np.stack([X[i, [3, 0], [4, 1]] for i in range(3)])
    nodes.add("GatherND", X, ints(*[[[3, 4], [0, 1]]] * 3), batch_dims=1, expected=batched)
    nodes.add("GatherND", X, np.zeros((3, 4, 1), np.int64) + 2, batch_dims=2, expected=X[:, :, 2])
    nodes.run()


def test_features(nodes: Nodes) -> None:
    for x in (X, X[0], X[0, 0]):
        expected = x[..., [4, 0, 1]].reshape(-1, 3) if x.ndim == 1 else x[..., [4, 0, 1]]
        nodes.add("ArrayFeatureExtractor", x, ints(4, 0, 1), domain="ai.onnx.ml", expected=expected)
        nodes.add("ArrayFeatureExtractor", x, ints([4, 0, 1]), domain="ai.onnx.ml", expected=expected)
    nodes.run()


def test_one_hot(nodes: Nodes) -> None:
    values = np.array([-1, 7], np.int32)
    for indices in (ints(0, 3, -1, 9, -8), ints([1], [2]), np.array([0.0, 2.0], np.float32)):
        for axis in range(-indices.ndim - 1, indices.ndim + 1):
            hit = np.expand_dims(np.where(indices < 0, indices + 4, indices), axis)
            shape = [1] * hit.ndim
            shape[axis] = 4
            expected = np.where(hit == np.arange(4).reshape(shape), 7, -1).astype(np.int32)
            options: dict[str, Any] = {"axis": axis, "expected": expected}
            nodes.add("OneHot", indices, np.array(4), values, constant=[1], **options)
            nodes.add("OneHot", indices, ints(4), values, declared=True, **options)
    nodes.run()


def test_a_wrong_index_reads_some_element(nodes: Nodes) -> None:
    far = 2**40
    nodes.add("Gather", X[0, 0], ints(far, -far), expected=np.array([4, 0], "f"))
    nodes.add("GatherElements", X[0, 0], ints(far, -far), expected=np.array([4, 0], "f"))
    nodes.add("GatherND", X[0, 0], ints([far], [-far]), expected=np.array([4, 0], "f"))
    nodes.run()


@given(st.integers(1, 6), st.lists(st.integers(-6, 5), min_size=1, max_size=8), st.booleans())
@settings(deadline=None, max_examples=60)
def test_gather_as_numpy(length: int, places: list[int], second: bool) -> None:
    indices = np.array([place % (2 * length) - length for place in places])
    x = np.random.default_rng(length).normal(size=(2, length, 3) if second else (length, 3))
    axis = int(second)
    given = (Tensor("x", "float64", x.shape), Tensor("i", "int64", indices.shape))
    node = Node("n", "Gather", 13, {"axis": axis}, given, ("y",))
    rule = find("", "Gather")
    assert rule is not None
    out = rule(node, *given)
    known = dict(zip(given, (x, indices), strict=True))
    evaluate(node.stages, known)
    np.testing.assert_array_equal(known[out], np.take(x, indices, axis))


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        ("Gather", [X, ints(3)], "index 3 of an axis of length 3"),
        ("GatherElements", [X, ints(0)], r"indices of shape \(1,\)"),
        ("GatherND", [X, ints([0, 0, 0, 0])], "indices of shape"),
    ],
)
def test_impossible_indices(nodes: Nodes, op: str, inputs: list[Array], message: str) -> None:
    nodes.add(op, *inputs, constant=[1], expected=X)
    with pytest.raises(ClientError, match=message):
        nodes.run()
