"""Models as people ship them agree with what the library answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.reference import evaluate

CORPUS = Path(__file__).parents[3] / "corpus"
ENTRIES = {
    entry["id"]: entry
    for entry in json.loads((CORPUS / "manifest.json").read_text())["models"]
    if entry["framework"] == "XGBOOST"
}


def test_the_corpus_has_models() -> None:
    assert len(ENTRIES) == 13
    assert all(entry["expect"] == "compile" for entry in ENTRIES.values())


@pytest.mark.corpus
@pytest.mark.parametrize("name", [name for name in ENTRIES if "legacy" not in name])
def test_margins_are_bit_identical(
    corpus: Path,
    read_files: Callable[..., Model],
    agree: Callable[..., None],
    make_rows: Callable[..., NDArray[np.float32]],
    name: str,
) -> None:
    (path,) = (corpus / name / "files").iterdir()
    content = path.read_bytes()
    model = read_files(content)
    agree(xgboost.Booster(model_file=bytearray(content)), model, make_rows(model, 100))


@pytest.mark.corpus
@pytest.mark.parametrize("name", ENTRIES)
def test_predictions_agree(corpus: Path, read_files: Callable[..., Model], name: str) -> None:
    entry = ENTRIES[name]
    files = {path.name: path.read_bytes() for path in (corpus / name / "files").iterdir()}
    model = read_files(files, entry["data_input_config"])
    limits = entry["reference"]
    with np.load(CORPUS / "reference" / f"{name}.npz") as reference:
        for sample in (0, 1):
            expected = reference[f"s{sample}_out0"]
            found = evaluate(model, reference[f"s{sample}_in0"]).prediction.reshape(expected.shape)
            np.testing.assert_allclose(found, expected, rtol=limits["rtol"], atol=limits["atol"])
