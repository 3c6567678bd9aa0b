from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels import activation, contraction

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


def gemm(layer_of: Any, rows: int, depth: int, columns: int, seed: int, gap: int, act: str) -> Any:
    x, w, bias = draw(seed, rows, depth + gap), draw(seed + 1, depth, columns), draw(seed + 2, columns)
    residual = draw(seed + 3, rows, columns + gap)
    y = np.full((rows, columns + 2 * gap), 77, np.float32)
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
