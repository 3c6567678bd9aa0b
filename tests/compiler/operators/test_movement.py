from __future__ import annotations

from itertools import permutations
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]
TYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int8, np.uint64, np.bool_]


def numbers(*shape: int, dtype: Any = np.float32) -> Array:
    return (np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def test_transpose_every_order(nodes: Nodes) -> None:
    x = numbers(2, 5, 9, 21)
    for perm in permutations(range(4)):
        nodes.add("Transpose", x, perm=perm, expected=x.transpose(perm))
    nodes.add("Transpose", x, expected=x.T)
    nodes.run()


def test_transpose_every_type_and_odd_sizes(nodes: Nodes) -> None:
    for dtype in TYPES:
        x = numbers(3, 35, 18, dtype=dtype)
        nodes.add("Transpose", x, perm=[0, 2, 1], expected=x.transpose(0, 2, 1))
    for shape in ((0, 3), (1, 7), (7, 1), (8, 8), (16, 17), (100, 75)):
        nodes.add("Transpose", numbers(*shape), expected=numbers(*shape).T)
    nodes.add("Transpose", np.array(2, "f"), expected=np.array(2, "f"))
    nodes.run()


def test_concat(nodes: Nodes) -> None:
    parts = [numbers(2, 3, n, 4) for n in (1, 5, 0, 2)]
    nodes.add("Concat", *parts, axis=2)
    nodes.add("Concat", *parts, axis=-2)
    nodes.add("Concat", numbers(3), numbers(2), numbers(1), axis=0)
    nodes.add("Concat", numbers(2, 3), axis=1)
    nodes.add("Concat", np.zeros((2, 0), "f"), np.zeros((2, 0), "f"), axis=1)
    nodes.add("Concat", *(numbers(2, n % 3 + 1) + n for n in range(40)), axis=1)
    for dtype in TYPES:
        nodes.add("Concat", numbers(3, 2, dtype=dtype), numbers(3, 1, dtype=dtype), axis=1)
    nodes.run()


def test_split(nodes: Nodes) -> None:
    x = numbers(4, 7)
    nodes.add("Split", x, expected=np.split(x, 2), axis=0, num_outputs=2)
    nodes.add("Split", x, expected=np.split(x, [3, 6], 1), axis=-1, num_outputs=3)
    nodes.add("Split", x, ints(2, 0, 5), constant=[1], expected=np.split(x, [2, 2], 1), axis=1)
    nodes.add("Split", x, ints(1, 6), declared=True, expected=np.split(x, [1], 1), axis=1)
    nodes.add("Split", x, expected=[x], num_outputs=1)
    nodes.run()


def test_split_in_halves_without_being_told(nodes: Nodes) -> None:
    nodes.opset = 13
    x = numbers(4, 7)
    nodes.add("Split", x, expected=np.split(x, 2))
    nodes.run()


SLICES = [
    ((0, 0), (3, 10), (0, 1), (1, 1)),
    ((1,), (-1,), (1,), (1,)),
    ((1000,), (1000,), (1,), (1,)),
    ((1,), (1000,), (-1,), (2,)),
    ((20, 10, 4), (0, 0, 1), (0, 1, 2), (-1, -3, -2)),
    ((-1,), (-(2**63),), (0,), (-1,)),
    ((0,), (2**63 - 1,), (2,), (3,)),
    ((-3, 1), (2**31, -1), (1, 0), (1, 7)),
    ((3,), (1,), (0,), (1,)),
]


def sliced(x: Array, starts: Any, ends: Any, axes: Any, steps: Any) -> Array:
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


def test_slice(nodes: Nodes) -> None:
    x = numbers(20, 10, 5)
    for parts in SLICES:
        steering = [ints(*part) for part in parts]
        nodes.add("Slice", x, *steering, constant=[1, 2, 3, 4], expected=sliced(x, *parts))
        nodes.add("Slice", x, *steering, declared=True, expected=sliced(x, *parts))
        nodes.add("Slice", x, *steering, constant=[3], declared=True, expected=sliced(x, *parts))
    nodes.add("Slice", x, ints(1, 2), ints(3, 4), declared=True, expected=x[1:3, 2:4])
    nodes.run()


def test_slice_by_attributes(nodes: Nodes) -> None:
    nodes.opset = 9
    x = numbers(6, 5)
    nodes.add("Slice", x, starts=[1, -2], ends=[100, 100], axes=[0, 1], expected=x[1:, -2:])
    nodes.add("Slice", x, starts=[2], ends=[4], expected=x[2:4])
    nodes.run()


def test_a_slice_of_the_run_stays_inside(nodes: Nodes) -> None:
    x = numbers(4)
    # Declared to be 3 long, and starting at the last element.
    nodes.add("Slice", x, ints(3), ints(9), declared=True, expected=np.array([3, 3, 3], "f"))
    ((answer,),) = nodes._executed()
    np.testing.assert_array_equal(answer, [3, 3, 3])


def test_depth_and_space(nodes: Nodes) -> None:
    x = numbers(2, 12, 3, 5)
    for mode in ("DCR", "CRD"):
        nodes.add("DepthToSpace", x, blocksize=2, mode=mode)
    y = numbers(2, 3, 4, 6)
    for block in (1, 2):
        nodes.add("SpaceToDepth", y, blocksize=block)
    nodes.run()


def test_reverse_sequence(nodes: Nodes) -> None:
    x = numbers(4, 3, 2)
    nodes.add("ReverseSequence", x, ints(1, 4, 3), time_axis=0, batch_axis=1)
    nodes.add("ReverseSequence", x, ints(0, 1, 2, 3), time_axis=1, batch_axis=0)
    nodes.run()


def test_trilu(nodes: Nodes) -> None:
    for x in (numbers(4, 5) + 1, numbers(2, 5, 4, dtype=np.int64) + 1, numbers(0, 3, 3), numbers(3, 3) > 2):
        for upper in (0, 1):
            nodes.add("Trilu", x, upper=upper)
            for k in (-7, -1, 0, 2, 9):
                expected = (np.triu if upper else np.tril)(x, k)
                nodes.add("Trilu", x, np.array(k), constant=[1], expected=expected, upper=upper)
            nodes.add("Trilu", x, np.array(1), upper=upper)
    nodes.run()


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("Transpose", [numbers(2, 3)], {"perm": [0, 0]}, "perm"),
        ("Concat", [numbers(2, 3), numbers(3, 3)], {"axis": 1}, "do not fit together along axis 1"),
        ("Split", [numbers(7), ints(3, 3)], {}, "into 1 parts"),
        ("Slice", [numbers(7), ints(0), ints(3), ints(0), ints(0)], {}, "step 0"),
        ("Slice", [numbers(7), ints(0, 1), ints(3, 3), ints(0)], {}, "2 values for 1 axes"),
        ("DepthToSpace", [numbers(1, 6, 2, 2)], {"blocksize": 2}, "6 channels, block size 2"),
        ("SpaceToDepth", [numbers(1, 6, 3, 2)], {"blocksize": 2}, "3 x 2 elements, block size 2"),
        ("Trilu", [numbers(3)], {}, "two dimensions"),
    ],
)
def test_impossible_moves(
    nodes: Nodes, op: str, inputs: list[Array], attributes: dict[str, Any], message: str
) -> None:
    positions = range(1, len(inputs)) if op in ("Slice", "Split") else []
    nodes.add(op, *inputs, constant=list(positions), expected=numbers(1), **attributes)
    with pytest.raises(ClientError, match=message):
        nodes.run()
