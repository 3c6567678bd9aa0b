"""Every layer, saved by Keras 3 in both of its formats, gives what Keras gave.

tests/data/keras/make.py made the files.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.keras.conftest import evaluate, read_folder

RECORDED = Path(__file__).parents[3] / "data/keras/layers.zip"
with zipfile.ZipFile(RECORDED) as _archive:
    INDEX: dict[str, int] = json.loads(_archive.read("index.json"))


@pytest.mark.parametrize("name", INDEX)
def test_layer(name: str, tmp_path: Path) -> None:
    inputs, outputs = recorded(name)
    for suffix in (".keras", ".h5"):
        path = tmp_path / suffix[1:] / f"model{suffix}"
        path.parent.mkdir()
        path.write_bytes(stored(name, suffix))
        network = read_folder(path.parent, shapes(inputs, "first" in name))
        found = list(evaluate(network, inputs).values())
        assert [value.shape for value in found] == [value.shape for value in outputs]
        for value, want in zip(found, outputs, strict=True):
            np.testing.assert_allclose(value, want, rtol=2e-4, atol=2e-5)


def stored(name: str, suffix: str) -> bytes:
    """A file of one case."""
    with zipfile.ZipFile(RECORDED) as archive:
        return archive.read(f"{INDEX[name]}{suffix}")


def recorded(name: str) -> tuple[list[Any], list[Any]]:
    """The inputs of a case and what Keras gave for them."""
    with np.load(io.BytesIO(stored(name, ".npz"))) as arrays:
        values = dict(arrays)
    inputs = [values[f"in{number}"] for number in range(sum(key.startswith("in") for key in values))]
    return inputs, [values[f"out{number}"] for number in range(len(values) - len(inputs))]


def shapes(inputs: list[Any], first: bool) -> list[list[int]]:
    """A DataInputConfig, in which images have their channels first."""
    found = []
    for array in inputs:
        batch, *sizes = array.shape
        found.append(
            [batch, sizes[-1], *sizes[:-1]] if len(sizes) in (3, 4) and not first else [batch, *sizes]
        )
    return found
