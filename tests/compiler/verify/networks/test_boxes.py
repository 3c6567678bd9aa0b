from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from tests.compiler.verify.networks.test_arithmetic import made, quick, runtime

RANDOM = np.random.default_rng(3)
BOXES = RANDOM.random((2, 90, 4), np.float32)
SCORES = np.round(RANDOM.random((2, 3, 90), np.float32), 1)  # with ties


@pytest.mark.parametrize("centred", [0, 1])
def test_suppression_like_onnx_runtime(centred: int) -> None:
    inputs = (BOXES, SCORES, np.int64(20), np.float32(0.4), np.float32(0.2))
    arrays = list(map(np.asarray, inputs))
    model = made("NonMaxSuppression", arrays, TensorProto.INT64, center_point_box=centred)
    np.testing.assert_array_equal(quick(model, arrays), runtime(model, arrays))


def test_more_indices_than_the_evaluator_takes() -> None:
    arrays: list[np.ndarray[Any, Any]] = [
        RANDOM.random((3, 200), np.float32),
        RANDOM.integers(-200, 200, (2, 100)),
    ]
    model = made("GatherElements", arrays, TensorProto.FLOAT, axis=1)
    np.testing.assert_array_equal(quick(model, arrays), runtime(model, arrays))
