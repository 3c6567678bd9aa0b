"""Files of Keras 1.2 and 2.2 on Theano and of tf_keras 2.21 give what those versions gave.

tests/data/keras/make_old.py and make_second.py made them.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.keras.conftest import evaluate, read_folder

DATA = Path(__file__).parents[3] / "data/keras"
ARCHIVES = ("old-1.2.2.zip", "old-2.2.4.zip", "second.zip")
CASES = [
    (archive, name, number)
    for archive in ARCHIVES
    for name, number in json.loads(zipfile.ZipFile(DATA / archive).read("index.json")).items()
]


@pytest.mark.parametrize(("archive", "name", "number"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_file(archive: str, name: str, number: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA / archive) as files:
        stored = next(each for each in files.namelist() if each in (f"{number}.h5", f"{number}.keras"))
        (tmp_path / stored).write_bytes(files.read(stored))
        with np.load(io.BytesIO(files.read(f"{number}.npz"))) as arrays:
            values = dict(arrays)
    inputs = [values[f"in{index}"] for index in range(sum(key.startswith("in") for key in values))]
    wanted = [values[f"out{index}"] for index in range(len(values) - len(inputs))]
    network = read_folder(tmp_path, [list(array.shape) for array in inputs])
    found = list(evaluate(network, inputs).values())
    assert len(found) == len(wanted)
    for value, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(value, want, rtol=2e-4, atol=2e-5)
