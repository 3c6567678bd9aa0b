from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.compiler.backends.native.networks.kernels.pack import PANEL, pack_panels, pad_bias, padded

SIZES = st.integers(1, 40)


@given(SIZES, SIZES, st.integers(1, 3))
def test_panels(depth: int, columns: int, groups: int) -> None:
    weights = np.arange(1, groups * depth * columns + 1, dtype=np.float32).reshape(groups, depth, columns)
    packed = pack_panels(weights)
    assert packed.shape == (groups, padded(columns) // PANEL, depth, PANEL)
    for group, k, n in np.ndindex(groups, depth, columns):
        assert packed[group, n // PANEL, k, n % PANEL] == weights[group, k, n]
    assert packed.sum(dtype=np.float64) == weights.sum(dtype=np.float64)


@given(SIZES, st.integers(1, 3))
def test_bias(columns: int, groups: int) -> None:
    bias = np.arange(1, groups * columns + 1, dtype=np.float32)
    wide = pad_bias(bias, groups, columns)
    assert wide.shape == (groups, padded(columns))
    assert np.array_equal(wide[:, :columns].ravel(), bias)
    assert not wide[:, columns:].any()
    assert not pad_bias(None, groups, columns).any()
