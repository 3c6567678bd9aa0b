"""What a saved estimator answers: by the frontend, evaluated, and by scikit-learn."""

from __future__ import annotations

import json
import pickle
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn import read
from tinsmith.compiler.ir.check import check
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.compiler.verify.networks.reference import native
from tinsmith.spec.request import CompileRequest

Array = NDArray[Any]
METHODS = ("predict_proba", "decision_function", "predict", "transform")
TOLERANCE = 1e-9


def read_saved(estimator: Any, shape: Sequence[int] | None = None) -> Model | Network:
    """`estimator`, pickled and read; compiled for a table of this shape."""
    config = None if shape is None else json.dumps({"data": list(shape)})
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "model.pkl").write_bytes(pickle.dumps(estimator))
        return read(Path(name), CompileRequest("SKLEARN", "model", device="ml_c5", data_input_config=config))


def answers(model: Model | Network, rows: Array) -> list[Array]:
    """The outputs of `model` for float32 `rows`, by an evaluation that the compiler has no part in."""
    if isinstance(model, Network):
        return list(native(model).evaluate((rows,)))
    check(model)
    shape = tuple(len(rows) if size == -1 else size for size in model.output.shape)
    return [evaluate(model, rows).prediction.reshape(shape)]


def expected(estimator: Any, rows: Array) -> list[Array]:
    """What scikit-learn gives for the same numbers in float64, by the method that the frontend prefers."""
    for method in METHODS:
        if not hasattr(estimator, method):
            continue
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                found = getattr(estimator, method)(rows.astype(np.float64))
            except (AttributeError, NotImplementedError):
                continue
        found = found.toarray() if hasattr(found, "toarray") else found
        return [np.asarray(part, np.float64) for part in (found if isinstance(found, list) else [found])]
    raise AssertionError(f"{estimator} answers nothing")


def difference(found: Sequence[Array], wanted: Sequence[Array]) -> str:
    """Nothing where all agree, else what is wrong."""
    if len(found) != len(wanted):
        return f"{len(found)} outputs, expected {len(wanted)}"
    for answer, right in zip(found, wanted, strict=True):
        if answer.shape != right.shape:
            return f"shape {answer.shape}, expected {right.shape}"
        wrong = ~np.isclose(answer, right, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        if wrong.any():
            where = tuple(np.argwhere(wrong)[0].tolist())
            return f"{answer[where]!r}, expected {right[where]!r} at {where}"
    return ""


def assert_agrees(estimator: Any, rows: Array) -> Model | Network:
    """The frontend's answer to `rows` is scikit-learn's; gives the model."""
    rows = rows.astype(np.float32)
    model = read_saved(estimator, rows.shape)
    assert not difference(answers(model, rows), expected(estimator, rows))
    return model
