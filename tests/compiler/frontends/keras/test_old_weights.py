"""Files of Keras 1.2 and 2.2, trained on Theano, give what those versions gave (see make_old.py)."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.keras.conftest import evaluate, read_folder

DATA = Path(__file__).parents[3] / "data/keras"
CASES = [
    (archive.name, name, number)
    for archive in sorted(DATA.glob("old-*.zip"))
    for name, number in json.loads(zipfile.ZipFile(archive).read("index.json")).items()
]


@pytest.mark.parametrize(("archive", "name", "number"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_old_file(archive: str, name: str, number: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA / archive) as files:
        (tmp_path / "model.h5").write_bytes(files.read(f"{number}.h5"))
        with np.load(io.BytesIO(files.read(f"{number}.npz"))) as arrays:
            values = dict(arrays)
    inputs = [values[f"in{index}"] for index in range(sum(key.startswith("in") for key in values))]
    shapes = [list(array.shape) for array in inputs]
    network = read_folder(tmp_path, shapes)
    (found,) = evaluate(network, inputs).values()
    np.testing.assert_allclose(found, values["out0"], rtol=2e-4, atol=2e-5)


def test_both_versions_are_there() -> None:
    assert {archive for archive, _, _ in CASES} == {"old-1.2.2.zip", "old-2.2.4.zip"}
