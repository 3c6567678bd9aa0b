"""Makes layers.zip: the models of cases.py as Keras saves them, with inputs and what Keras gives for them.

    KERAS_BACKEND=numpy python make.py TARGET.zip [NAME ...]

wants keras 3.15, jax (with which the numpy backend convolves) and h5py. For each case the archive holds
`<number>.keras`, `<number>.h5` and `<number>.npz` with in0, in1 ... and out0, out1 ...; `index.json` has the
names.
"""

# mypy: ignore-errors

from __future__ import annotations

import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES

BATCH = 3


def main(target: Path, names: list[str]) -> None:
    """Builds the models of `names`, all of them by default."""
    index = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number, name in enumerate(names or CASES):
            try:
                files = record(name)
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {str(error)[:300]}", flush=True)
                continue
            for suffix, content in files.items():
                add(archive, f"{number}{suffix}", content)
            index[name] = number
        add(archive, "index.json", json.dumps(index, indent=1).encode())
    print(f"{len(index)} of {len(names or CASES)} models")


def add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)


def record(name: str) -> dict[str, bytes]:
    """The files of one case by their suffixes."""
    model = CASES[name]()
    random = np.random.default_rng(len(name))
    randomise(model, random)
    arrays = [sample(given, random) for given in model.inputs]
    results = flat(model(as_given(model, arrays), training=False))
    values = {f"in{number}": array for number, array in enumerate(arrays)}
    values |= {f"out{number}": np.asarray(result) for number, result in enumerate(results)}
    content = io.BytesIO()
    np.savez(content, **values)
    files = {".npz": content.getvalue()}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".keras", ".h5"):
            path = Path(folder) / f"model{suffix}"
            model.save(path)
            files[suffix] = stored(path.read_bytes()) if suffix == ".keras" else path.read_bytes()
    return files


def stored(content: bytes) -> bytes:
    """The archive without compression, which the one around it does better."""
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name))
    return copy.getvalue()


def randomise(model: Any, random: np.random.Generator) -> None:
    """Weights as training leaves them: no zeros, and variances above zero."""
    weights = []
    for variable in model.weights:
        values = random.normal(0, 0.4, variable.shape)
        if variable.name in ("mean", "variance", "count"):  # which a Normalization reads once
            values = np.asarray(variable)
        elif variable.name == "moving_variance":
            values = np.abs(values) + 0.5
        weights.append(values.astype(variable.dtype))
    model.set_weights(weights)


def sample(given: Any, random: np.random.Generator) -> np.ndarray[Any, Any]:
    """Codes with zeros among them, or numbers with some time steps that are zero."""
    shape = (BATCH, *given.shape[1:])
    if given.dtype == "int32":
        return (random.integers(0, 9, shape) * (random.random(shape) < 0.6)).astype(np.int32)
    values = random.normal(0, 1, shape)
    if "codes" in given.name:
        return np.floor(np.abs(values) * 3).astype(np.float32)
    return (values * (random.random(shape[:2] + (1,) * (len(shape) - 2)) < 0.8)).astype(np.float32)


def as_given(model: Any, arrays: list[Any]) -> Any:
    if isinstance(getattr(model, "_inputs_struct", None), dict):
        return dict(zip((given.name for given in model.inputs), arrays, strict=True))
    return arrays if len(arrays) > 1 else arrays[0]


def flat(result: Any) -> list[Any]:
    if isinstance(result, dict):
        return list(result.values())
    if isinstance(result, list | tuple):
        return [value for item in result for value in flat(item)]
    return [result]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
