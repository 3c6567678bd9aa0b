"""The evidence inside the artifact of a network: inputs, and what the network must answer on them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.artifact.evidence import CLAIM, FOLDER, npy
from tinsmith.compiler.ir.dtypes import numpy_dtype
from tinsmith.errors import ClientError
from tinsmith_runtime.manifest import Tensor

Arrays = tuple[NDArray[Any], ...]

_BITS = {1: np.uint8, 2: np.uint16}


@dataclass(frozen=True)
class Sample:
    """The arrays of one run, in the order of the network's inputs and outputs."""

    kind: str
    """"normal", "uniform", "zeros", "large"."""
    inputs: Arrays
    outputs: Arrays


@dataclass(frozen=True)
class Samples:
    """Runs with the reference's answers, for whoever wants to check the artifact later, on any machine."""

    runs: tuple[Sample, ...]
    claim: Mapping[str, Any]
    """What was compared and how closely; nothing about the machine that did it."""


def to_files(samples: Samples) -> dict[str, bytes]:
    """The files of `samples` by their names in the artifact: evidence/<run>/input-<number>.npy and so on.

    Elements of types that numpy lacks are stored as uint8 or uint16 with their bits.
    """
    files = {}
    for number, run in enumerate(samples.runs):
        for side, arrays in (("input", run.inputs), ("output", run.outputs)):
            for index, array in enumerate(arrays):
                files[_name(number, side, index)] = npy(_storable(array))
    claim = {**samples.claim, "runs": [run.kind for run in samples.runs]}
    return files | {CLAIM: json.dumps(claim, indent=1, sort_keys=True).encode() + b"\n"}


def from_files(files: Mapping[str, bytes], inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Samples:
    """The inverse of `to_files` for an artifact with these inputs and outputs.

    Raises ClientError InputConfiguration when a file is missing or damaged, or is not of such a tensor.
    """
    claim = _read_claim(files)
    kinds = claim["runs"]
    names = [
        _name(number, side, index)
        for number in range(len(kinds))
        for side, tensors in (("input", inputs), ("output", outputs))
        for index in range(len(tensors))
    ]
    if missing := [name for name in names if name not in files]:
        raise ClientError("InputConfiguration", f"the artifact lacks {', '.join(missing)}")

    def read(number: int, side: str, tensors: Sequence[Tensor]) -> Arrays:
        return tuple(_read(files, _name(number, side, index), tensor) for index, tensor in enumerate(tensors))

    runs = [
        Sample(str(kind), read(number, "input", inputs), read(number, "output", outputs))
        for number, kind in enumerate(kinds)
    ]
    return Samples(tuple(runs), claim)


def _name(number: int, side: str, index: int) -> str:
    return f"{FOLDER}/{number}/{side}-{index}.npy"


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.isbuiltin == 1:
        return array
    return np.ascontiguousarray(array).view(_BITS[array.dtype.itemsize]).reshape(array.shape)


def _read_claim(files: Mapping[str, bytes]) -> dict[str, Any]:
    if CLAIM not in files:
        raise ClientError("InputConfiguration", f"the artifact lacks {CLAIM}")
    try:
        claim = json.loads(files[CLAIM])
    except ValueError as error:
        raise _damage(CLAIM, str(error)) from None
    if not isinstance(claim, dict) or not isinstance(claim.get("runs"), list):
        raise _damage(CLAIM, "expected an object with a list 'runs'")
    return claim


def _read(files: Mapping[str, bytes], name: str, tensor: Tensor) -> NDArray[Any]:
    try:
        array = np.lib.format.read_array(io.BytesIO(files[name]), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _damage(name, str(error)) from None
    dtype = numpy_dtype(tensor.dtype)
    stored = dtype if dtype.isbuiltin == 1 else np.dtype(_BITS[dtype.itemsize])
    fits = len(array.shape) == len(tensor.shape) and all(
        wanted in (-1, found) for wanted, found in zip(tensor.shape, array.shape, strict=False)
    )
    if array.dtype != stored or not fits:
        raise _damage(
            name,
            f"expected {stored} {tensor.shape} of {tensor.name!r}, found {array.dtype} {array.shape}",
        )
    return np.ascontiguousarray(array).view(dtype).reshape(array.shape)


def _damage(name: str, what: str) -> ClientError:
    return ClientError("InputConfiguration", f"the artifact's evidence is damaged: {name}: {what}")
