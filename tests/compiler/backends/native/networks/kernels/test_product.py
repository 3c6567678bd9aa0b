from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels import activation
from tinsmith.compiler.backends.native.networks.kernels.product import Stack, plan_product
from tinsmith.errors import InternalError

Check = Callable[[Sequence[Any]], None]
Floats = NDArray[np.float32]

SHAPES = [(1, 1, 1), (1, 64, 77), (5, 13, 16), (17, 40, 65), (33, 7, 131), (300, 9, 3), (3, 258, 64)]


def draw(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def stacked(layer_of: Any, rows: int, depth: int, columns: int, seed: int, transposed: bool) -> Any:
    """Heads inside of rows, as attention has them: [outer, row, inner, element]; the outer ones share w."""
    x, y = draw(seed, 2, rows, 3, depth), np.full((2, rows, 3, columns), 77, np.float32)
    w = draw(seed + 1, columns if transposed else depth, 3, depth if transposed else columns)
    mask = draw(seed + 2, 2, columns)
    residual = seed % 2 == 0
    plan = plan_product(
        (2, 3),
        rows,
        depth,
        columns,
        Stack(3 * depth, rows * 3 * depth, depth),
        Stack(w[0].size, 0, w.shape[2]),
        Stack(3 * columns, rows * 3 * columns, columns),
        transposed=transposed,
        scale=0.125,
        residual=Stack(0, columns) if residual else None,
        activation=activation.RELU,
    )
    right = w.transpose(2, 1, 0) if transposed else w
    sums = 0.125 * np.einsum("orik,kic->oric", x.astype(np.float64), right.astype(np.float64))
    if residual:
        sums += mask[:, None, None, :]
    return layer_of(plan, x, mask, y, np.maximum(sums, 0), np.sqrt(depth) + 1, w)


def test_product(check_layers: Check, layer_of: Any) -> None:
    check_layers(
        [
            stacked(layer_of, *shape, seed, transposed)
            for seed, shape in enumerate(SHAPES)
            for transposed in (False, True)
        ]
    )


def test_refused() -> None:
    with pytest.raises(InternalError, match="no elements"):
        plan_product((1, 1), 0, 3, 4, Stack(3), Stack(4), Stack(4))
