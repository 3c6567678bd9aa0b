"""The files that carry runs of a network to and from c/runner.c."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinsmith.compiler.artifact.samples import Arrays
from tinsmith.compiler.ir.dtypes import itemsize, numpy_dtype
from tinsmith.compiler.verify.calls import ABI
from tinsmith.errors import InternalError
from tinsmith_runtime.manifest import Tensor


def write_plan(
    runs: Sequence[Arrays], inputs: Sequence[Tensor], outputs: Sequence[Tensor], path: Path
) -> None:
    """Writes the inputs of every run. Elements go as they lie in memory, little-endian."""
    with path.open("wb") as sink:
        sink.write(struct.pack("<qqq", len(runs), len(inputs), len(outputs)))
        for tensor in inputs:
            sink.write(struct.pack("<q", _bytes(tensor)))
        for tensor in outputs:
            sink.write(struct.pack("<qq", _bytes(tensor), len(tensor.shape)))
        for run in runs:
            for array in run:
                sink.write(np.ascontiguousarray(array).tobytes())


def read_answers(path: Path, count: int, outputs: Sequence[Tensor]) -> list[Arrays]:
    """Per run its outputs. Raises InternalError when a run failed or the file is cut off."""
    data = path.read_bytes()
    try:
        (abi,) = struct.unpack_from("<q", data)
        if abi != ABI:
            raise InternalError(f"verification: the library has ABI {abi}; its network ABI {ABI}")
        answers, offset = [], 8
        for number in range(count):
            (status,) = struct.unpack_from("<q", data, offset)
            offset += 8
            if status:
                raise InternalError(f"verification: run {number}: status {status}")
            arrays = []
            for tensor in outputs:
                shape = struct.unpack_from(f"<{len(tensor.shape)}q", data, offset)
                offset += 8 * len(shape)
                _check_shape(tensor, shape)
                array = np.frombuffer(data, numpy_dtype(tensor.dtype), math.prod(shape), offset)
                arrays.append(array.reshape(shape))
                offset += _bytes(tensor)
            answers.append(tuple(arrays))
    except (struct.error, ValueError):
        raise InternalError("verification: the library's answers are cut off") from None
    return answers


def _bytes(tensor: Tensor) -> int:
    return math.prod(tensor.bounds) * itemsize(tensor.dtype)


def _check_shape(tensor: Tensor, shape: tuple[int, ...]) -> None:
    def fits(wanted: int, found: int, bound: int) -> bool:
        return 0 <= found <= bound and wanted in (-1, found)

    if not all(map(fits, tensor.shape, shape, tensor.bounds)):
        raise InternalError(
            f"verification: output {tensor.name!r} has shape {shape}, not {tensor.shape} "
            f"of at most {tensor.bounds}"
        )
