from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]
EDGES = [3.0, -0.0, 0.0, np.nan, -np.inf, np.inf, 1e-40, -1e-40, 3.0, -2.5, 3.0, -2.5, np.nan]


def top(x: Array, k: int, axis: int, largest: bool) -> tuple[Array, Array]:
    """Equal elements by rising index; NaN is the greatest."""
    values = np.moveaxis(x, axis, -1)
    order = np.empty(values.shape, np.int64)
    for place in np.ndindex(values.shape[:-1]):
        row = values[place]
        keys = [
            (bool(v != v), 0 if v != v else float(v) + 0.0 if x.dtype.kind not in "iu" else int(v))
            for v in row
        ]
        sign = -1 if largest else 1
        order[place] = [
            i for _, _, i in sorted((sign * nan, sign * key, i) for i, (nan, key) in enumerate(keys))
        ]
    order = np.moveaxis(order, -1, axis).take(range(k), axis)
    return np.take_along_axis(x, order, axis), order


@pytest.mark.parametrize("largest", [True, False])
def test_the_greatest_or_least_elements_in_order(nodes: Nodes, largest: bool) -> None:
    random = np.random.default_rng(1)
    cases = [
        (np.array(EDGES, dtype), 13, 0) for dtype in (np.float32, np.float64, np.float16, ml_dtypes.bfloat16)
    ]
    for dtype in ("int8", "int32", "int64", "uint8", "uint64"):
        info = np.iinfo(dtype)
        extremes = np.array([info.min, info.max, 5, info.max, info.min, 5, 0, info.max - 1], dtype)
        cases.append((extremes, 6, 0))
    for shape, k, axis in [
        ((4, 5), 3, 1),
        ((4, 5), 2, 0),
        ((3, 4, 5), 4, -2),
        ((1,), 1, 0),
        ((3, 0), 0, 1),
        ((0, 3), 2, 1),
    ]:
        cases.append((random.integers(0, 4, shape).astype(np.float32), k, axis))
    cases.append((random.integers(0, 50, 1000).astype(np.float32), 300, 0))
    for x, k, axis in cases:
        nodes.add(
            "TopK", x, np.array([k]), expected=list(top(x, k, axis, largest)),
            constant=[1], folds=False, axis=axis, largest=int(largest),
        )  # fmt: skip
    nodes.run()


def test_the_number_wanted_may_be_known_only_at_run_time(nodes: Nodes) -> None:
    x = np.array([[3, 1, 2], [5, 4, 6]], np.float32)
    nodes.add("TopK", x, np.array([2]), expected=list(top(x, 2, 1, True)), folds=False)
    nodes.add("TopK", x, np.array([0]), expected=list(top(x, 0, 1, True)), folds=False)
    nodes.add("TopK", x, np.array([3]), expected=list(top(x, 3, 1, True)), folds=False, declared=True)
    nodes.run()


def test_more_than_there_are_is_refused(nodes: Nodes) -> None:
    nodes.add(
        "TopK", np.zeros(3, np.float32), np.array([4]), expected=[np.zeros(4, np.float32)] * 2, constant=[1]
    )
    with pytest.raises(ClientError, match="K is 4 of 3 elements"):
        nodes.run()


def distinct(x: Array, axis: int | None, in_order: bool) -> list[Array]:
    """numpy.unique, in order of appearance unless sorted."""
    values, first, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    if not in_order:
        order = np.argsort(first)
        values = values[order] if axis is None else np.take(values, order, axis)
        first, counts, inverse = first[order], counts[order], np.argsort(order)[inverse]
    return [values, first, inverse.reshape(-1), counts]


@pytest.mark.parametrize("in_order", [True, False])
def test_distinct_elements_or_slices(nodes: Nodes, in_order: bool) -> None:
    random = np.random.default_rng(2)
    cases: list[tuple[Array, int | None]] = [
        (np.array(EDGES[:3] + EDGES[4:12], np.float32), None),
        (np.array([np.nan, 1, np.nan], np.float64), None),
        (np.array([2**63 - 1, -(2**63), 0, 2**63 - 1]), None),
        (np.array([2**64 - 1, 0, 2**64 - 1, 1], np.uint64), None),
        (np.array([True, False, True]), None),
        (np.zeros(0, np.float32), None),
        (random.integers(0, 9, (3, 7)).astype(np.float32), None),
        (random.integers(0, 2, (6, 2)).astype(np.float32), 0),
        (random.integers(0, 2, (2, 6, 1)).astype(np.int8), -2),
        (random.integers(0, 99, 500), None),
    ]
    for x, axis in cases:
        given: dict[str, Any] = {} if axis is None else {"axis": axis}
        nodes.add(
            "Unique", x, expected=distinct(x, axis, in_order), folds=False, sorted=int(in_order), **given
        )
    nodes.run()


def kept(boxes: Array, scores: Array, most: int, overlap: float, least: float) -> Array:
    """Of every class, best first, what no better box overlaps too much; corners are y, x, y, x in any
    order."""
    rows = []
    for batch, each in enumerate(scores):
        low, high = np.sort(boxes[batch].reshape(-1, 2, 2).astype(np.float64), axis=1).transpose(1, 0, 2)
        area = (high - low).prod(-1)
        for kind, column in enumerate(each):
            chosen: list[int] = []
            for box in np.argsort(-column, kind="stable"):
                both = np.clip(
                    np.minimum(high[box], high[chosen]) - np.maximum(low[box], low[chosen]), 0, None
                ).prod(-1)
                with np.errstate(invalid="ignore"):
                    shares = np.nan_to_num(both / (area[box] + area[chosen] - both))
                if column[box] > least and len(chosen) < most and (shares <= overlap).all():
                    chosen.append(int(box))
            rows += [[batch, kind, box] for box in chosen]
    return np.array(rows, np.int64).reshape(-1, 3)


def test_boxes_that_do_not_overlap(nodes: Nodes) -> None:
    random = np.random.default_rng(3)
    for batches, kinds, count in [(1, 1, 1), (2, 3, 40), (1, 2, 0), (1, 80, 10)]:
        boxes = random.random((batches, count, 4)).astype(np.float32)
        boxes[:, :2] = 0.5  # empty boxes
        scores = np.round(random.random((batches, kinds, count)), 1).astype(np.float32)
        for most, overlap, least in [(3, 0.3, 0.25), (100, 0.0, -1.0), (0, 0.5, 0.5)]:
            given = (np.array([most]), np.array([overlap], np.float32), np.array([least], np.float32))
            wanted = kept(boxes, scores, most, float(given[1][0]), float(given[2][0]))
            constant = [2] if most == 3 else []
            nodes.add(
                "NonMaxSuppression", boxes, scores, *given, expected=wanted, constant=constant, folds=False
            )
    nodes.run()
