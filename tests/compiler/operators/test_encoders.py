from __future__ import annotations

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

ML = "ai.onnx.ml"


def test_rows_divided_by_their_norms(nodes: Nodes) -> None:
    x = np.array([[1, -2, 3], [0, 0, 0], [-1, -2, -4]], np.float32)
    size = {"L1": np.abs(x).sum(1), "L2": np.sqrt((x * x).sum(1)), "MAX": x.max(1)}
    for name, norm in size.items():
        wanted = x / np.where(norm == 0, 1, norm)[:, None]
        nodes.add("Normalizer", x, expected=wanted.astype(np.float32), domain=ML, norm=name)
    nodes.add(
        "Normalizer",
        np.array([3, 4], np.int64),
        expected=np.array([0.6, 0.8], np.float32),
        domain=ML,
        norm="L2",
    )
    nodes.run()


def test_features_side_by_side(nodes: Nodes) -> None:
    a, b, c = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([[7], [8]]), np.array([[1.5, 2], [3, 4]])
    wanted = np.concatenate([a, b, c], 1).astype(np.float32)
    nodes.add("FeatureVectorizer", a, b, c, expected=wanted, domain=ML, inputdimensions=[3, 1, 2])
    nodes.run()


def test_categories_become_ones(nodes: Nodes) -> None:
    x = np.array([[3, 1], [5, 99]])
    wanted = (x[..., None] == np.array([1, 3, 5])).astype(np.float32)
    nodes.add("OneHotEncoder", x, expected=wanted, domain=ML, cats_int64s=[1, 3, 5])
    nodes.run()


def test_keys_become_values(nodes: Nodes) -> None:
    x = np.array([3, 1, 7, -5])
    nodes.add(
        "LabelEncoder", x, expected=np.array([30.0, 10.0, -1.5, -1.5], np.float32), domain=ML,
        keys_int64s=[1, 3], values_floats=[10.0, 30.0], default_float=-1.5,
    )  # fmt: skip
    floats = np.array([np.nan, 0.5, 2.0], np.float32)
    nodes.add(
        "LabelEncoder", floats, expected=np.array([4, 6, -1]), domain=ML,
        keys_floats=[0.5, float("nan")], values_int64s=[6, 4],
    )  # fmt: skip
    nodes.run()


def test_text_is_refused(nodes: Nodes) -> None:
    nodes.add(
        "LabelEncoder",
        np.array([1]),
        expected=np.array([1]),
        domain=ML,
        keys_int64s=[1],
        values_strings=["a"],
    )
    nodes.add(
        "OneHotEncoder", np.array([1]), expected=np.zeros((1, 1), np.float32), domain=ML, cats_strings=["a"]
    )
    with pytest.raises(ClientError) as caught:
        nodes.run()
    assert "its keys or values are text; numbers are needed" in str(caught.value)
    assert "its categories are text; numbers are needed" in str(caught.value)
