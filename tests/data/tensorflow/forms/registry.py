# mypy: ignore-errors
"""What a case is, and the numbers that it is given: drawn in the order of the cases, always the same."""

from __future__ import annotations

import numpy as np

rng = np.random.default_rng(7)
CASES = {}


def real(*shape, low=-2.0, high=2.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def whole(*shape, low=-9, high=9, dtype=np.int32):
    return rng.integers(low, high, shape).astype(dtype)


def case(name, function, *inputs, lowered=False):
    assert name not in CASES, name
    CASES[name] = (function, inputs, lowered)
