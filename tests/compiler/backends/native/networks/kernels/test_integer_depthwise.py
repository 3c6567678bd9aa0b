"""Results are compared in test_integer.py, which compiles all kernels of integers at once."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.backends.native.networks.kernels.integer import Finish, Source
from tinsmith.compiler.backends.native.networks.kernels.integer_depthwise import (
    BAND_BYTES,
    plan_integer_depthwise,
    sums_are_exact,
)
from tinsmith.compiler.backends.native.networks.kernels.planes import Halo, Plane
from tinsmith.compiler.backends.native.networks.kernels.window import Window

UNSIGNED, SIGNED = Source(False, 0), Source(True, 0)


def test_floats_hold_the_sums_of_small_windows() -> None:
    assert sums_are_exact(np.full((2, 1, 22, 22), -128, np.int8), UNSIGNED)
    assert not sums_are_exact(np.full((2, 1, 23, 23), -128, np.int8), UNSIGNED)
    assert not sums_are_exact(np.full((2, 1, 22, 22), -128, np.int8), UNSIGNED, np.array([0, 2**21]))
    assert not sums_are_exact(np.full((2, 1, 22, 22), -128, np.int8), Source(False, 131))
    assert sums_are_exact(np.full((2, 1, 31, 31), -128, np.int8), SIGNED)


def test_bands_are_small_and_cover_the_image() -> None:
    w = np.ones((960, 1, 3, 3), np.int8)
    window = Window(pads=Halo(1, 1, 1, 1))
    plan = plan_integer_depthwise(
        Plane(2, 40, 40, 960), Plane(2, 40, 40, 960), w, UNSIGNED, Finish("int32"), window=window
    )
    assert plan.items == 2 * 40
    assert plan.scratch_bytes == 3 * 42 * 960
    small = plan_integer_depthwise(
        Plane(1, 40, 40, 16), Plane(1, 40, 40, 16), w[:16], UNSIGNED, Finish("int32"), window=window
    )
    assert small.items == 5
    assert small.scratch_bytes < BAND_BYTES
