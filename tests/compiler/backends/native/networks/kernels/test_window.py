from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.compiler.backends.native.networks.kernels.planes import Halo, Plane
from tinsmith.compiler.backends.native.networks.kernels.window import STEP, Window, check_convolution
from tinsmith.errors import InternalError

PADS = st.integers(0, 3)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), PADS, PADS)
def test_output_is_what_fits(
    length: int, taps: int, stride: int, dilation: int, before: int, after: int
) -> None:
    span, room = dilation * (taps - 1) + 1, length + before + after
    window = Window((stride, 1), (dilation, 1), Halo(before, 0, after, 0))
    assert window.output((length, 5), (taps, 1)) == (len(range(0, max(room - span + 1, 0), stride)), 5) or (
        room < span
    )


def test_all_problems_are_named() -> None:
    weights = np.zeros((8, 4, 3, 3), np.float32)
    with pytest.raises(InternalError) as caught:
        check_convolution(
            Plane(1, 9, 9, 5), Plane(1, 8, 9, 8), weights, Window(pads=Halo(1, 1, 1, 1)), 1, Plane(1, 1, 1, 1)
        )
    for part in ("weights (8, 4, 3, 3)", "halo", "size, which must be (1, 9, 9)", "residual (1, 1, 1, 1)"):
        assert part in str(caught.value)


def test_agreement() -> None:
    weights = np.zeros((8, 4, 3, 3), np.float32)
    check_convolution(Plane(1, 9, 9, 4), Plane(1, 7, 7, 8), weights, STEP, 1, None)
