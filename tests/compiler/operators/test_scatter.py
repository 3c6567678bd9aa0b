from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]
X = np.arange(1, 61, dtype=np.float32).reshape(3, 4, 5)
REDUCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "none": lambda a, b: b, "add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


def ints(*values: Any) -> Array:
    return np.array(values, np.int64)


def scattered(x: Array, places: Sequence[tuple[int, ...]], updates: Array, reduction: str) -> Array:
    out = x.copy()
    for place, update in zip(places, updates.reshape(len(places), *x.shape[len(places[0]) :]), strict=True):
        out[place] = REDUCTIONS[reduction](out[place], update)
    return out


def test_scatter_elements(nodes: Nodes) -> None:
    indices = ints([1, 1, -1, 0], [0, -2, 0, 0])
    for dtype in (np.float32, np.float16, ml_dtypes.bfloat16, np.int32, np.float64):
        x = X[:, :, 0].astype(dtype)
        updates = np.array([[2, 3, 5, -7], [0.5, 4, 8, 100]]).astype(dtype)
        for reduction in REDUCTIONS:
            places = [(int(indices[at]) % 3, at[1]) for at in np.ndindex(2, 4)]
            nodes.add(
                "ScatterElements", x, indices, updates, reduction=reduction,
                expected=scattered(x, places, updates.ravel(), reduction),
            )  # fmt: skip
    nodes.add("ScatterElements", X, ints([[1]]), np.full((1, 1, 1), np.nan, "f"), axis=-1)
    nodes.add("ScatterElements", X, np.zeros((0, 4, 5), np.int64), np.zeros((0, 4, 5), "f"), expected=X)
    nodes.run()


def test_scatter_nd(nodes: Nodes) -> None:
    for reduction in REDUCTIONS:
        rows = np.full((2, 4, 5), 30, np.float32)
        expected = scattered(X, [(2,), (2,)], rows, reduction)
        nodes.add("ScatterND", X, ints([2], [-1]), rows, reduction=reduction, expected=expected)
        single = np.array([7, 40, 9], np.float32)
        expected = scattered(X, [(0, 1, 4), (2, 3, 0), (0, 1, 4)], single, reduction)
        at = ints([0, 1, 4], [2, -1, 0], [0, -3, -1])
        nodes.add("ScatterND", X, at, single, reduction=reduction, expected=expected)
    nodes.run()


def test_a_wrong_index_writes_nothing(nodes: Nodes) -> None:
    far, updates = 2**40, np.array([100, 200], np.float32)
    nodes.add("ScatterElements", X[0, 0], ints(far, 1), updates, expected=np.array([1, 200, 3, 4, 5], "f"))
    nodes.add("ScatterND", X[0, 0], ints([-far], [1]), updates, expected=np.array([1, 200, 3, 4, 5], "f"))
    nodes.run()


def test_tensor_scatter(nodes: Nodes) -> None:
    past = np.arange(2 * 3 * 6 * 2, dtype=np.float32).reshape(2, 3, 6, 2)
    update = -np.ones((2, 3, 4, 2), np.float32)
    nodes.add("TensorScatter", past, update)
    nodes.add("TensorScatter", past, update, ints(2, 0))
    nodes.add("TensorScatter", past, update, ints(5, 3), mode="circular")
    nodes.add("TensorScatter", past, -past[:, :1], ints(2, 1), axis=1)
    nodes.run()


def test_max_unpool(nodes: Nodes) -> None:
    x = np.array([[[[1, 2], [3, 4]]]], np.float32)
    places = ints([[[5, 7], [13, 15]]])
    whole = np.zeros(16, np.float32)
    whole[[5, 7, 13, 15]] = [1, 2, 3, 4]
    image = whole.reshape(1, 1, 4, 4)
    nodes.add("MaxUnpool", x, places, kernel_shape=[2, 2], strides=[2, 2], expected=image)
    larger = np.pad(image, ((0, 0), (0, 0), (0, 1), (0, 1)))
    shape = ints(1, 1, 5, 5)
    nodes.add(
        "MaxUnpool", x, places, shape, kernel_shape=[2, 2], strides=[2, 2], declared=True, expected=larger
    )
    far = ints([[[2**40, 7], [-1, 15]]])
    some = image.copy()
    some[0, 0, 1, 1] = some[0, 0, 3, 1] = 0
    nodes.add("MaxUnpool", x, far, kernel_shape=[2, 2], strides=[2, 2], expected=some)
    nodes.run()


def test_col2im(nodes: Nodes) -> None:
    rng = np.random.default_rng(3)
    cases: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
        ((5, 5), (1, 5), {}),
        ((5, 5), (2, 3), {"strides": [2, 1], "pads": [1, 0, 0, 2]}),
        ((6, 7), (2, 2), {"dilations": [2, 3]}),
        ((4, 5, 3), (1, 2, 2), {"pads": [0, 1, 0, 0, 1, 1]}),
        ((9,), (3,), {"strides": [2]}),
    ]
    for image, block, options in cases:
        dims = len(image)
        strides, dilations = options.get("strides", [1] * dims), options.get("dilations", [1] * dims)
        pads = options.get("pads", [0] * 2 * dims)
        blocks = [
            (image[d] + pads[d] + pads[dims + d] - dilations[d] * (block[d] - 1) - 1) // strides[d] + 1
            for d in range(dims)
        ]
        x = rng.normal(size=(2, 3 * int(np.prod(block)), int(np.prod(blocks)))).astype(np.float32)
        nodes.add("Col2Im", x, ints(*image), ints(*block), constant=[1, 2], tolerance=1e-5, **options)
        nodes.add("Col2Im", x, ints(*image), ints(*block), declared=True, tolerance=1e-5, **options)
    nodes.run()


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("ScatterElements", [X, ints(1), X[0, 0, :1]], {}, r"indices \(1,\) and updates \(1,\)"),
        ("ScatterElements", [X, ints([[1]]), X[:1, :1, :1]], {"reduction": "mean"}, "reduction mean"),
        ("ScatterND", [X, ints([1]), X], {}, "updates of shape"),
        ("TensorScatter", [X, X[:, :, :1]], {}, "an update of shape"),
        ("Col2Im", [X, ints(5, 5), ints(3, 5)], {}, "dimensions of an image"),
    ],
)
def test_impossible_updates(
    nodes: Nodes, op: str, inputs: list[Array], attributes: dict[str, Any], message: str
) -> None:
    constant = [1, 2] if op == "Col2Im" else []
    nodes.add(op, *inputs, constant=constant, expected=X, **attributes)
    with pytest.raises(ClientError, match=message):
        nodes.run()
