"""Networks: several tensors in, several tensors out."""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ArtifactError, InputError, PredictionError
from .manifest import Manifest, Tensor
from .memory import address, readable
from .model import Model, check_out, describe, failure, rejection

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
        self._function = native.tinsmith_run
        self._function.restype = ctypes.c_int32
        self._inputs = tuple(
            (tensor.name, element_dtype(tensor.dtype), tensor.shape) for tensor in manifest.inputs
        )
        self._outputs = tuple(
            (tensor.name, element_dtype(tensor.dtype), tensor.bounds) for tensor in manifest.outputs
        )
        self._idle: list[_Call] = []

    def run(
        self,
        inputs: Mapping[str, NDArray[Any]] | NDArray[Any],
        margin: bool = False,
        out: Mapping[str, NDArray[Any]] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Runs the network: {input name: array} -> {output name: array}.

        Arrays whose elements lie in order and without gaps are read where they are; others are copied. Names,
        dtypes and shapes must be those of `inputs`: nothing is converted. A network with one input takes its
        array too. `out` holds arrays that take outputs, of their largest shapes; see `Model.run`.
        Raises InputError, which tells all problems at once, and PredictionError.
        """
        if margin:
            raise ValueError("margin: only tree models have one")
        try:
            call = self._idle.pop()  # atomic: no two threads get the same one
        except IndexError:
            call = _Call(len(self._inputs), self.outputs)
        arrays = inputs if type(inputs) is dict else self.named(inputs)
        copies = self._place_inputs(arrays, call)
        results = self._place_outputs(call) if out is None else self._place_given(out, call)
        status = self._function(*call.arguments)
        if status:
            raise failure("tinsmith_run", status)
        del copies
        for at in call.varying:
            tensor = self.outputs[at]
            results[tensor.name] = _trimmed(tensor, results[tensor.name], call.shape(at))
        self._idle.append(call)
        return results

    def _place_inputs(self, arrays: Any, call: _Call) -> list[NDArray[Any]]:
        """Tells `call` where the inputs are; gives the copies that have to live until it is over."""
        copies: list[NDArray[Any]] = []
        try:
            for at, (name, dtype, shape) in enumerate(self._inputs):
                array = arrays[name]
                if array.dtype != dtype or array.shape != shape:
                    raise self._rejection(arrays)
                call.inputs[at] = readable(array, copies)
            if len(arrays) != len(self._inputs):
                raise self._rejection(arrays)
        except (KeyError, AttributeError, TypeError, IndexError):
            raise self._rejection(arrays) from None
        return copies

    def _place_outputs(self, call: _Call) -> dict[str, NDArray[Any]]:
        """Tells `call` of new arrays for the outputs."""
        results = {}
        for at, (name, dtype, bounds) in enumerate(self._outputs):
            array = results[name] = np.empty(bounds, dtype)
            call.outputs[at] = address(array)
        return results

    def _place_given(self, out: Mapping[str, NDArray[Any]], call: _Call) -> dict[str, NDArray[Any]]:
        """Tells `call` of the arrays in `out`, and of new ones for the other outputs."""
        read = []
        for at, (name, dtype, shape) in enumerate(self._inputs):
            start = call.inputs[at] or 0
            read.append((f"input {name!r}", start, start + dtype.itemsize * math.prod(shape)))
        check_out(out, self._outputs, read)
        results = {}
        for at, (name, dtype, bounds) in enumerate(self._outputs):
            array = out.get(name)
            results[name] = np.empty(bounds, dtype) if array is None else array
            call.outputs[at] = address(results[name])
        return results

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


class _Call:
    """The arguments of tinsmith_run, for one call at a time."""

    def __init__(self, inputs: int, outputs: Sequence[Tensor]) -> None:
        self.inputs = (ctypes.c_void_p * max(1, inputs))()
        self.outputs = (ctypes.c_void_p * max(1, len(outputs)))()
        self.varying = tuple(at for at, tensor in enumerate(outputs) if -1 in tensor.shape)
        """Numbers of the outputs whose shapes a run tells."""
        self._written = {at: (ctypes.c_int64 * len(outputs[at].shape))() for at in self.varying}
        self._shapes = (ctypes.c_void_p * max(1, len(outputs)))()
        for at, shape in self._written.items():
            shape[:] = [-1] * len(shape)
            self._shapes[at] = ctypes.addressof(shape)
        self.arguments = (
            ctypes.c_void_p(ctypes.addressof(self.inputs)),
            ctypes.c_void_p(ctypes.addressof(self.outputs)),
            ctypes.c_void_p(ctypes.addressof(self._shapes) if self.varying else None),
            ctypes.c_uint32(0),
        )

    def shape(self, output: int) -> tuple[int, ...]:
        """What the call wrote; of -1 where the next one writes nothing."""
        written = self._written[output]
        shape = tuple(written)
        written[:] = [-1] * len(shape)
        return shape


def _trimmed(tensor: Tensor, out: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The elements of the shape that a run told, which lie first in `out`."""

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
