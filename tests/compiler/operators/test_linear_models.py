from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.onnx_suite.graphs import Side
from tinsmith.errors import ClientError

ML = "ai.onnx.ml"
INT64, FLOAT = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
X = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)


def test_linear_models_are_those_of_onnxruntime(tmp_path: Path) -> None:
    random, side = np.random.default_rng(1), Side(tmp_path)
    for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        for rows, labels in [(3, [5, 7, 2]), (2, [5, 7]), (1, [5, 7])]:
            side.add(
                "LinearClassifier", {"x": X}, {"l": INT64, "s": FLOAT}, domain=ML, post_transform=transform,
                coefficients=random.normal(size=5 * rows), intercepts=random.normal(size=rows),
                classlabels_ints=labels,
            )  # fmt: skip
        side.add(
            "LinearRegressor", {"x": X}, {"y": FLOAT}, domain=ML, post_transform=transform, targets=2,
            coefficients=random.normal(size=10), intercepts=random.normal(size=2),
        )  # fmt: skip
    side.check()


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF", "SIGMOID"])
def test_support_vectors_are_those_of_onnxruntime(tmp_path: Path, kernel: str) -> None:
    random, side = np.random.default_rng(2), Side(tmp_path)
    for one_class in (0, 1):
        side.add(
            "SVMRegressor", {"x": X}, {"y": FLOAT}, domain=ML, kernel_type=kernel,
            kernel_params=[0.5, 0.3, 3.0], n_supports=4, coefficients=random.normal(size=4),
            support_vectors=random.normal(size=20),
            rho=[0.2],
            one_class=one_class,
        )  # fmt: skip
    side.check()


def test_coefficients_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    side = Side(tmp_path)
    side.add("LinearRegressor", {"x": X}, {"y": FLOAT}, domain=ML, coefficients=[1.0] * 4)
    with pytest.raises(ClientError, match="4 coefficients and 1 intercepts for 5 features and 1 targets"):
        side.check()
