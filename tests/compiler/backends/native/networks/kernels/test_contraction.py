from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels import activation, contraction
from tinsmith.compiler.backends.native.networks.kernels.planes import Halo, Plane
from tinsmith.compiler.backends.native.networks.kernels.window import Window
from tinsmith.errors import InternalError

Check = Callable[[Sequence[Any]], None]
Floats = NDArray[np.float32]

SHAPES = [
    (1, 1, 1),
    (1, 64, 100),
    (1, 513, 33),
    (2, 40, 17),
    (3, 7, 5),
    (5, 100, 47),
    (13, 9, 16),
    (29, 33, 31),
]
SHAPES += [(61, 17, 66), (6, 1024, 40), (40, 1536, 20), (4, 2053, 8)]


def draw(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def gemm(
    layer_of: Any, rows: int, depth: int, columns: int, seed: int, gap: int, act: str, finite: bool = True
) -> Any:
    x, w, bias = draw(seed, rows, depth + gap), draw(seed + 1, depth, columns), draw(seed + 2, columns)
    residual = draw(seed + 3, rows, columns + gap)
    y = np.full((rows, columns + 2 * gap), 77, np.float32)
    if not finite:
        x[3, 5], x[4, 6], x[5, :] = np.nan, np.inf, 0
        residual[5, 2], residual[6, 1] = -np.inf, 1e-42
    chosen, function = ACTIVATIONS[act]
    plan = contraction.plan_gemm(
        rows,
        w,
        bias if gap else None,
        x_row=depth + gap,
        y_row=columns + 2 * gap,
        residual_row=columns + gap if gap else None,
        activation=chosen,
    )
    with np.errstate(invalid="ignore"):
        sums = x[:, :depth].astype(np.float64) @ w
    if gap:
        sums += bias + residual[:, :columns].astype(np.float64)
    expected = y.astype(np.float64)
    expected[:, :columns] = function(sums)
    return layer_of(plan, x, residual, y, expected, 3 * np.sqrt(depth) + 1)


ACTIVATIONS: dict[str, tuple[activation.Activation, Any]] = {
    "identity": (activation.IDENTITY, lambda x: x),
    "relu": (activation.RELU, lambda x: np.maximum(x, 0)),
    "clip": (activation.clip(-0.5, 6), lambda x: np.clip(x, -0.5, 6)),
    "leaky": (activation.leaky_relu(0.1), lambda x: np.where(x < 0, 0.1 * x, x)),
}


def test_gemm(check_layers: Check, layer_of: Any) -> None:
    names = list(ACTIVATIONS)
    check_layers(
        [
            gemm(layer_of, *shape, seed, gap, names[(seed + gap) % len(names)])
            for seed, shape in enumerate(SHAPES)
            for gap in (0, 3)
        ]
    )


def test_not_finite(check_layers: Check, layer_of: Any) -> None:
    """NaN stays, infinities saturate, and nothing leaks into other rows or columns."""
    check_layers([gemm(layer_of, 17, 40, 37, 5, 3, name, finite=False) for name in ACTIVATIONS])


PAD = Halo(1, 1, 1, 1)
CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "3x3": {"size": (9, 15), "channels": (20, 40), "kernel": (3, 3), "pads": PAD},
    "3x3, narrow image": {"size": (7, 7), "channels": (33, 17), "kernel": (3, 3), "pads": PAD, "images": 2},
    "first layer": {
        "size": (31, 18),
        "channels": (3, 24),
        "kernel": (7, 7),
        "pads": Halo(3, 3, 2, 3),
        "strides": (2, 2),
    },
    "dilated": {
        "size": (12, 11),
        "channels": (8, 16),
        "kernel": (3, 2),
        "dilations": (2, 3),
        "strides": (1, 2),
    },
    "groups": {"size": (10, 9), "channels": (24, 48), "kernel": (3, 3), "pads": PAD, "groups": 3},
    "groups of one": {"size": (5, 6), "channels": (6, 6), "kernel": (2, 2), "groups": 6, "images": 2},
    "1x1 with stride": {
        "size": (9, 8),
        "channels": (10, 35),
        "kernel": (1, 1),
        "strides": (2, 2),
        "images": 2,
    },
    "1x1 of adjoining images": {
        "size": (5, 4),
        "channels": (12, 32),
        "kernel": (1, 1),
        "images": 3,
        "close": True,
    },
    "deep": {"size": (6, 7), "channels": (256, 20), "kernel": (3, 3), "pads": PAD},
    "wide kernel": {"size": (3, 40), "channels": (5, 9), "kernel": (1, 9), "pads": Halo(0, 4, 0, 4)},
    "one pixel": {"size": (1, 1), "channels": (4, 4), "kernel": (1, 1)},
    "image and kernel of a size": {"size": (4, 4), "channels": (16, 10), "kernel": (4, 4)},
}


def test_convolution(check_layers: Check, convolution: Any) -> None:
    check_layers(
        [
            convolution(contraction.plan_convolution, seed, residual=seed % 2 == 0, **shape)
            for seed, shape in enumerate(CONVOLUTIONS.values())
        ]
    )


def test_refused() -> None:
    w = draw(0, 8, 4, 3, 3)
    with pytest.raises(InternalError) as caught:
        contraction.plan_convolution(Plane(1, 9, 9, 5), Plane(1, 9, 9, 8), w, None, window=Window(pads=PAD))
    assert "weights (8, 4, 3, 3)" in str(caught.value)
    assert "halo" in str(caught.value)


def test_equal_layers_are_one_function() -> None:
    one = contraction.plan_gemm(40, draw(0, 8, 20), node="first")
    two = contraction.plan_gemm(40, draw(1, 8, 20), draw(2, 20), node="second */")
    other = contraction.plan_gemm(40, draw(1, 8, 20), activation=activation.RELU)
    assert one.function == two.function
    assert one.source.splitlines()[1:] == two.source.splitlines()[1:]
    assert one.function != other.function


@pytest.mark.parametrize(
    ("pixels", "depth", "columns"),
    [((7, 7), 576, 160), ((1, 1), 2048, 1000), ((14, 14), 192, 64), ((56, 56), 64, 16)],
)
def test_items_for_several_threads(pixels: tuple[int, int], depth: int, columns: int) -> None:
    x, y = Plane(1, *pixels, depth), Plane(1, *pixels, columns)
    plan = contraction.plan_convolution(x, y, np.zeros((columns, depth, 1, 1), np.float32))
    assert plan.items >= 8
    assert plan.flops >= plan.items * 10**5


def test_little_work_is_one_item() -> None:
    assert contraction.plan_gemm(1, np.zeros((64, 10), np.float32)).items == 1
