"""Networks: several tensors in, several tensors out."""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ArtifactError, InputError, PredictionError
from .manifest import Manifest, Tensor
from .model import Model, describe, failure, rejection

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None  # type: ignore[assignment,unused-ignore]

_BITS: dict[str, Any] = {"bfloat16": np.uint16, "int4": np.int8, "int2": np.int8}


def element_dtype(name: str) -> np.dtype[Any]:
    """The dtype of arrays of an element type.

    numpy's own where it has one; else that of the package ml_dtypes. Where that is not installed: int8 for
    int4, uint8 for uint4, and the elements' bits for floats, as uint16 (bfloat16) or uint8 (8 bits and less).
    """
    try:
        return np.dtype(name)
    except TypeError:
        pass
    dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name, _BITS.get(name, np.uint8)))
    return dtype


class NetworkModel(Model):
    """Shapes of inputs are fixed; those of some outputs may depend on the values of the inputs."""

    def __init__(self, manifest: Manifest, native: ctypes.CDLL) -> None:
        """Use `load`."""
        super().__init__(manifest)
        _check_description(native, manifest)
        self._call = native.tinsmith_run
        self._call.restype = ctypes.c_int32
        pointer = ctypes.c_void_p
        self._call.argtypes = [pointer, pointer, pointer, ctypes.c_uint32]
        self._inputs = tuple(
            (tensor.name, element_dtype(tensor.dtype), tensor.shape) for tensor in manifest.inputs
        )
        self._outputs = tuple(
            (tensor.name, element_dtype(tensor.dtype), tensor.bounds, -1 in tensor.shape)
            for tensor in manifest.outputs
        )
        self._input_pointers = pointer * max(1, len(self._inputs))
        self._output_pointers = pointer * max(1, len(self._outputs))

    def run(
        self, inputs: Mapping[str, NDArray[Any]] | NDArray[Any], margin: bool = False
    ) -> dict[str, NDArray[Any]]:
        """Runs the network: {input name: array} -> {output name: array}.

        Arrays whose elements lie in order and without gaps are read where they are; others are copied. Names,
        dtypes and shapes must be those of `inputs`: nothing is converted. A network with one input takes its
        array too. Raises InputError, which tells all problems at once, and PredictionError.
        """
        given = self._checked(inputs)
        if margin:
            raise ValueError("margin: only tree models have one")
        outputs = [np.empty(bounds, dtype) for _, dtype, bounds, _ in self._outputs]
        shapes = [
            (ctypes.c_int64 * len(bounds))(*([-1] * len(bounds))) if varies else None
            for _, _, bounds, varies in self._outputs
        ]
        status = self._call(
            self._input_pointers(*(array.ctypes.data for array in given)),
            self._output_pointers(*(array.ctypes.data for array in outputs)),
            self._output_pointers(*(None if shape is None else ctypes.addressof(shape) for shape in shapes)),
            0,
        )
        if status:
            raise failure("tinsmith_run", status)
        return {
            tensor.name: _trimmed(tensor, outputs[at], shapes[at]) for at, tensor in enumerate(self.outputs)
        }

    def _checked(self, inputs: object) -> list[NDArray[Any]]:
        """The inputs in the library's order, contiguous."""
        arrays = self.named(inputs)
        given = []
        try:
            for name, dtype, shape in self._inputs:
                array = arrays[name]
                if array.dtype != dtype or array.shape != shape:
                    raise self._rejection(arrays)
                given.append(np.asarray(array, order="C"))
            if len(arrays) != len(self._inputs):
                raise self._rejection(arrays)
        except (KeyError, AttributeError, TypeError, IndexError):
            raise self._rejection(arrays) from None
        return given

    def _rejection(self, found: Any) -> InputError:
        wanted = {name: f"{dtype} array of shape {shape}" for name, dtype, shape in self._inputs}
        problems = []
        if isinstance(found, Mapping):
            problems = [f"{name!r} is missing" for name in wanted if name not in found]
            problems += [f"{name!r} is no input" for name in found if name not in wanted]
            problems += [
                f"{name!r} is a {describe(found[name])}"
                for name, text in wanted.items()
                if name in found and describe(found[name]) != text
            ]
        return rejection(wanted, found, f": {'; '.join(problems)}" if problems else "")


def _trimmed(tensor: Tensor, out: NDArray[Any], written: Any) -> NDArray[Any]:
    """The elements that a run wrote, which lie first in `out`; `written` is their shape, or None for all."""
    if written is None:
        return out
    shape = tuple(written)

    def fits(wanted: int, found: int, bound: int) -> bool:
        return 0 <= found <= bound and wanted in (-1, found)

    if not all(map(fits, tensor.shape, shape, out.shape)):
        raise PredictionError(
            f"tinsmith_run: output {tensor.name!r} has shape {shape}, "
            f"expected {tensor.shape} of at most {out.shape}"
        )
    if shape == out.shape:
        return out
    return out.reshape(-1)[: math.prod(shape)].reshape(shape).copy()


def _check_description(native: ctypes.CDLL, manifest: Manifest) -> None:
    """Raises ArtifactError when the library has other tensors than its manifest says."""
    if manifest.margin is not None:
        raise ArtifactError("the library is a network, its manifest tells of a tree model")
    native.tinsmith_describe.restype = ctypes.c_char_p
    native.tinsmith_describe.argtypes = []
    try:
        record = json.loads(native.tinsmith_describe())
        found = {side: [_read(entry) for entry in record[side]] for side in ("inputs", "outputs")}
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"the library's description is malformed: {error!r}") from None
    wrong = []
    for side, tensors in found.items():
        library = [_text(tensor) for tensor in tensors]
        wanted = [_text(tensor) for tensor in getattr(manifest, side)]
        if library != wanted:
            wrong.append(f"{side} {', '.join(library)}; its manifest says {', '.join(wanted)}")
    if wrong:
        raise ArtifactError("; ".join(wrong))


def _read(entry: Mapping[str, Any]) -> Tensor:
    shape = tuple(entry["shape"])
    return Tensor(entry["name"], entry["dtype"], shape, tuple(entry.get("largest", shape)))


def _text(tensor: Tensor) -> str:
    size = f"{list(tensor.shape)}" + (f" of at most {list(tensor.bounds)}" if -1 in tensor.shape else "")
    return f"{tensor.name}: {tensor.dtype} {size}"
