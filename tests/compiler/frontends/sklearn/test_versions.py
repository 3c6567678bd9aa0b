"""Files saved by old versions of scikit-learn, against what those versions predicted.

tests/data/sklearn/make.py made both.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tinsmith.compiler.ir.model import Transform
from tinsmith.compiler.ir.reference import evaluate

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

DATA = Path(__file__).parents[3] / "data" / "sklearn"
FILES = sorted(path for path in DATA.glob("*/*") if path.suffix in (".pkl", ".joblib"))

STEPS = {Transform.IDENTITY: 0, Transform.EXP: 1, Transform.SIGMOID_PAIR: 2, Transform.SOFTMAX: 8}
"""Float64 steps that another library's exponential function may be away; versions before 1.4 give the softmax
as the exponential of a difference of logarithms, which rounds more."""


def test_the_data_is_there() -> None:
    versions = {path.parent.name for path in FILES}
    assert versions == {
        "0.22.2.post1",
        "0.24.2",
        "1.0.2",
        "1.2.2",
        "1.3.2",
        "1.4.2",
        "1.5.2",
        "1.7.2",
        "1.8.0",
    }
    assert len(FILES) >= 15 * len(versions)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_old_file_predicts_what_its_version_predicted(path: Path, frontend: Frontend) -> None:
    shutil.copy(path, frontend.folder)
    model = frontend.read()
    expected = np.load(path.parent / "expected.npz")
    assert model.producer == f"scikit-learn {path.parent.name}"
    assert model.warnings == ()
    margin = f"{path.stem}-margin"
    if margin in expected:
        # The starting values come from logarithms.
        found = evaluate(model, expected["rows"]).margin.reshape(expected[margin].shape)
        np.testing.assert_allclose(found, expected[margin], rtol=1e-15, atol=2e-15)
    for rows, name in (("rows", path.stem), ("missing", f"{path.stem}-missing")):
        if name not in expected:
            continue  # that version refuses missing values there
        if model.transform is Transform.ISOLATION:
            # The offset is subtracted from a score near 0.5, which leaves few of the steps' bits.
            prediction = evaluate(model, expected[rows]).prediction[:, 0]
            np.testing.assert_allclose(prediction, expected[name], rtol=0, atol=2**-52)
        else:
            frontend.assert_agrees(model, expected[rows], expected[name], STEPS[model.transform])
