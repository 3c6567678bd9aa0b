"""The functions that treelite runtimes call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Model, Transform
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.spec.targets import platforms

MISSING = np.array([-1], np.int32).view(np.float32)[0]


@pytest.mark.parametrize(
    ("transform", "outputs", "wide", "name"),
    [
        (Transform.SIGMOID, 1, False, b"sigmoid"),
        (Transform.SOFTMAX, 4, False, b"softmax"),
        (Transform.SIGMOID_PAIR, 1, True, b"identity"),
        (Transform.ARGMAX, 3, False, b"max_index"),
    ],
)
def test_rows_one_by_one(
    transform: Transform,
    outputs: int,
    wide: bool,
    name: bytes,
    workshop: Any,
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
) -> None:
    model = replace(random_model(shape_of(outputs=outputs, wide=wide)), transform=transform)
    library, _ = workshop.compile(model, platforms()["LINUX_X86_64"])
    native = workshop.load(library).native
    for text in ("get_pred_transform", "get_threshold_type", "get_leaf_output_type"):
        getattr(native, text).restype = ctypes.c_char_p
    for number in ("get_sigmoid_alpha", "get_ratio_c", "get_global_bias", "predict"):
        getattr(native, number).restype = ctypes.c_float
    native.predict_multiclass.restype = ctypes.c_size_t
    rows = rows_for(model, 30, 1)
    expected = evaluate(model, rows)
    columns = expected.prediction.shape[1]
    assert native.get_num_class() == native.get_num_output_group() == columns
    assert native.get_num_feature() == 5
    assert native.get_pred_transform() == name
    assert native.get_threshold_type() == native.get_leaf_output_type() == b"float32"
    assert (native.get_sigmoid_alpha(), native.get_ratio_c(), native.get_global_bias()) == (1, 1, 0)
    entries = np.where(np.isnan(rows), MISSING, rows)
    for row, margin, prediction in zip(entries, expected.margin, expected.prediction, strict=True):
        out = np.full(8, 77, np.float32)
        at = ctypes.c_void_p(row.ctypes.data)
        assert native.predict_multiclass(at, 0, ctypes.c_void_p(out.ctypes.data)) == columns
        assert np.allclose(out[:columns], prediction, rtol=1e-6)
        assert (out[columns:] == 77).all()
        assert np.isclose(native.predict(at, 0), prediction[0], rtol=1e-6)
        assert native.predict(at, 1) == np.float32(margin[0])
