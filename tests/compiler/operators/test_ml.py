from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

ML = "ai.onnx.ml"


def test_preprocessing(nodes: Nodes) -> None:
    x = np.array([[1.0, np.nan, -3.0], [0.5, 2.0, np.inf]], np.float32)
    whole = np.array([[1, 2], [-1, 7]], np.int64)
    nodes.add("Binarizer", x, expected=np.where(x > 0.75, 1, 0).astype(np.float32), domain=ML, threshold=0.75)
    nodes.add("Binarizer", whole, expected=np.array([[0, 1], [0, 1]]), domain=ML, threshold=1.5)
    offset, scale = np.array([1, 2, 3], np.float32), np.array([0.5], np.float32)
    wanted = (x - offset) * scale
    nodes.add("Scaler", x, expected=wanted, domain=ML, offset=[1.0, 2.0, 3.0], scale=[0.5])
    both = ((whole - [0.5, 1.0]) * [2.0, 4.0]).astype(np.float32)
    nodes.add("Scaler", whole, expected=both, domain=ML, offset=[0.5, 1.0], scale=[2.0, 4.0])
    nodes.run()


def test_missing_values(nodes: Nodes) -> None:
    x = np.array([[1.0, np.nan, -3.0], [np.nan, 2.0, -3.0]], np.float32)
    fill: dict[str, Any] = {"imputed_value_floats": [5.0, 6.0, 7.0]}
    wanted = np.where(np.isnan(x), np.array([5, 6, 7], np.float32), x)
    nodes.add("Imputer", x, expected=wanted, domain=ML, replaced_value_float=np.nan, **fill)
    wanted = np.where(x == -3, np.array([5, 6, 7], np.float32), x)
    nodes.add("Imputer", x, expected=wanted, domain=ML, replaced_value_float=-3.0, **fill)
    whole = np.array([[0, 4], [9, 0]])
    options: dict[str, Any] = {"imputed_value_int64s": [8], "replaced_value_int64": 0}
    nodes.add("Imputer", whole, expected=np.array([[8, 4], [9, 8]]), domain=ML, **options)
    nodes.run()


def test_features_that_do_not_fit_are_refused(nodes: Nodes) -> None:
    x = np.zeros((2, 3), np.float32)
    nodes.add("Scaler", x, expected=x, domain=ML, offset=[1.0, 2.0], scale=[1.0])
    nodes.add("Imputer", x, expected=x, domain=ML)
    with pytest.raises(ClientError) as error:
        nodes.run()
    assert "attribute offset has 2 values for 3 features" in str(error.value)
    assert "attribute imputed_value_floats has 0 values for 3 features" in str(error.value)
