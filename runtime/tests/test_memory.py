from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tinsmith_runtime.memory import address, overlaps, readable, span

GRID = np.arange(24, dtype=np.float32).reshape(4, 6)
LOCKED = GRID.copy()
LOCKED.flags.writeable = False


@pytest.mark.parametrize(
    "array",
    [
        GRID,
        LOCKED,
        GRID[1:3],
        np.zeros((0, 3)),
        np.zeros((), np.int64),
        np.zeros(3, ml_dtypes.bfloat16),
        np.zeros(17, np.uint8)[1:].view(np.float64),
    ],
)
def test_arrays_without_gaps_are_read_where_they_lie(array: Any) -> None:
    copies: list[Any] = []
    assert readable(array, copies) == address(array) == array.ctypes.data
    assert all(np.shares_memory(copy, array) or copy.size == 0 for copy in copies)


@pytest.mark.parametrize(
    "array", [GRID[:, 1:], GRID.T, GRID[::-1], np.broadcast_to(GRID[0], (2, 6)), np.float64(3)]
)
def test_others_are_copied(array: Any) -> None:
    copies: list[Any] = []
    start = readable(array, copies)
    (copy,) = copies
    assert start == copy.ctypes.data
    np.testing.assert_array_equal(copy, array)
    assert copy.flags.c_contiguous


@pytest.mark.parametrize(
    "array", [GRID, GRID[1:3, 2:4], GRID[::-1, ::2], GRID.T, GRID[2], GRID[3, 5:], GRID[:0]]
)
def test_spans_are_the_bounds_of_an_array(array: Any) -> None:
    what, first, last = span("grid", array)
    assert (what, first, last) == (
        "grid",
        *np.lib.array_utils.byte_bounds(array),
    ) or array.size == 0 == last - first


def test_overlaps_are_told_once() -> None:
    spans = [("a", 0, 8), ("b", 7, 9), ("c", 9, 12)]
    assert overlaps(spans, []) == ["b shares memory with a"]
    assert overlaps(spans[:1], spans[2:]) == []
    assert overlaps(spans[2:], [("x", 0, 10), ("y", 11, 11), ("z", 5, 9)]) == ["c shares memory with x"]
