"""Files saved by five releases of XGBoost, from 0.90 on, in every format they have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.reference import evaluate

FOLDER = Path(__file__).parents[3] / "data" / "xgboost"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix not in (".py", ".npz", ".pyc"))


def test_every_format_of_every_release_is_here() -> None:
    assert {(name.split("-")[0], name.rsplit(".", 1)[1]) for name in FILES if "-" in name} == {
        *(("0.90", form) for form in ("model", "pkl")),
        *(("1.2.1", form) for form in ("model", "json", "pkl")),
        *(("1.7.6", form) for form in ("model", "json", "ubj", "pkl")),
        *(("2.1.4", form) for form in ("deprecated", "json", "ubj", "pkl")),
        *(("3.4.1", form) for form in ("json", "ubj", "pkl")),
    }


@pytest.mark.parametrize("name", FILES)
def test_margins_are_those_of_the_library(read_files: Callable[..., Model], name: str) -> None:
    release, kind = name.rsplit(".", 1)[0].split("-")
    model = read_files((FOLDER / name).read_bytes())
    with np.load(FOLDER / f"{release}.npz") as reference:
        rows, expected = reference["rows"], reference[f"{release}-{kind}"]
    margin = evaluate(model, rows).margin
    np.testing.assert_array_equal(margin.view(np.int32), expected.reshape(margin.shape).view(np.int32))
    if release == "0.90":
        assert model.producer == "xgboost before 1.0"
    else:
        assert model.producer in (f"xgboost {release}", f"xgboost {release.rpartition('.')[0]}")
