from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.compiler.backends.native.networks.kernels import activation
from tinsmith.compiler.backends.native.networks.kernels.contraction import plan_convolution
from tinsmith.compiler.backends.native.networks.kernels.depthwise import plan_depthwise
from tinsmith.compiler.backends.native.networks.kernels.planes import Halo
from tinsmith.compiler.backends.native.networks.kernels.winograd import plan_winograd, winograd_halo
from tinsmith.errors import InternalError

PAD = Halo(1, 1, 1, 1)
LONG = activation.lanewise("v * half + 0.25f", (), "const float half = 0.5f;")


def test_long_activations(check_layers: Callable[[Sequence[Any]], None], convolution: Any) -> None:
    shape = {"size": (6, 7), "kernel": (3, 3), "pads": PAD, "function": (LONG, lambda x: 0.5 * x + 0.25)}
    check_layers(
        [
            convolution(plan_convolution, 1, channels=(5, 39), residual=True, **shape),
            convolution(plan_convolution, 2, channels=(700, 20), **shape),
            convolution(plan_depthwise, 3, channels=(21, 21), groups=21, residual=True, **shape),
            convolution(
                plan_winograd,
                4,
                channels=(9, 19),
                residual=True,
                halo=winograd_halo((6, 7), PAD),
                tolerance=6e-6,
                **shape,
            ),
        ]
    )


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (None, None, "x"),
        (-math.inf, math.inf, "x"),
        (0, None, "ts_at_least(x, 0x0.0p+0f)"),
        (0, 6, "ts_at_most(ts_at_least(x, 0x0.0p+0f), 0x1.8000000000000p+2f)"),
    ],
)
def test_clip(low: float | None, high: float | None, expected: str) -> None:
    assert activation.clip(low, high).expression == expected


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_literal(value: float) -> None:
    text = activation.literal(value)
    assert text.endswith("f")
    assert np.float32(float.fromhex(text[:-1])) == np.float32(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_literal(value: float) -> None:
    with pytest.raises(InternalError):
        activation.literal(value)
