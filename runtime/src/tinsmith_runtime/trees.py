"""Tree and linear models: rows of float32 in, one prediction per row out."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ArtifactError, InputError
from .manifest import Manifest, Tensor
from .memory import address, span
from .model import Model, check_out, failure, rejection

_FLOAT32 = np.dtype(np.float32)
_ELEMENT_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype(np.float32), 11: np.dtype(np.float64)}
_MARGIN = 1


class TreeModel(Model):
    """One input, one output, any number of rows per call."""

    def __init__(self, manifest: Manifest, native: ctypes.CDLL) -> None:
        """Use `load`."""
        super().__init__(manifest)
        if manifest.margin is None:
            raise ArtifactError("the library is a tree model, its manifest tells of a network")
        _bind(native, manifest, manifest.margin)
        self._features = int(native.tinsmith_num_features())
        self._input = manifest.inputs[0].name
        self._prediction = _Function(native, manifest.outputs[0], int(native.tinsmith_num_outputs()), flags=0)
        self._margin = _Function(native, manifest.margin, int(native.tinsmith_num_margins()), flags=_MARGIN)

    def run(
        self,
        inputs: Mapping[str, NDArray[Any]] | NDArray[Any],
        margin: bool = False,
        out: Mapping[str, NDArray[Any]] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Predicts: {input name: float32 (rows, features)} -> {output name: array}; NaN is a missing value.

        One row may also be given as (features,); the result then has no row axis either. Rows are read where
        they lie when the elements of a row are adjacent (slices of rows are fine); other layouts are copied.
        The array alone will do for the mapping. With `margin` the result is the sums before the final
        transform. `out` holds the array that takes the result, of its shape.
        Raises InputError and PredictionError.
        """
        named: Any = inputs if type(inputs) is dict else self.named(inputs)
        try:
            rows = named[self._input]
            shape = rows.shape
            if rows.dtype != _FLOAT32 or len(named) != 1 or shape[-1] != self._features or len(shape) > 2:
                raise self._rejection(named)
        except (KeyError, AttributeError, TypeError, IndexError):
            raise self._rejection(named) from None
        function = self._margin if margin else self._prediction
        if out is not None:
            return {function.name: function.into(out, rows)}
        if len(shape) == 1:
            return {function.name: function.of_row(rows)[0]}
        if shape[0] == 1:
            return {function.name: function.of_row(rows)}
        return {function.name: function.of_rows(rows)}

    def _rejection(self, found: Any) -> InputError:
        return rejection({self._input: f"float32 array of shape (rows, {self._features})"}, found)


class _Function:
    """tinsmith_predict with the flags, and so the columns, of one kind of result."""

    def __init__(self, native: ctypes.CDLL, tensor: Tensor, columns: int, flags: int) -> None:
        self.name = tensor.name
        self._call = native.tinsmith_predict
        self._features = int(native.tinsmith_num_features())
        self._shape = (columns,) if len(tensor.shape) == 2 else ()
        self._dtype = _ELEMENT_TYPES[native.tinsmith_output_type()]
        self._flags = flags
        self._idle: list[_PreparedRow] = []

    def of_row(self, row: NDArray[Any]) -> NDArray[Any]:
        """Of one row, (features,) or (1, features), through a buffer whose address is known beforehand."""
        try:
            prepared = self._idle.pop()  # atomic: no two threads get the same one
        except IndexError:
            prepared = _PreparedRow(self._features, (1, *self._shape), self._dtype, self._flags)
        prepared.row[...] = row
        status = self._call(*prepared.arguments)
        if status:
            raise failure("tinsmith_predict", status)
        out: NDArray[Any] = prepared.out.copy()
        self._idle.append(prepared)
        return out

    def of_rows(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Of (count, features)."""
        out: NDArray[Any] = np.empty((len(rows), *self._shape), self._dtype)
        self._predict(rows, out)
        return out

    def into(self, out: Mapping[str, NDArray[Any]], rows: NDArray[Any]) -> NDArray[Any]:
        """Of (count, features) or (features,), in the array of `out`; a new one where that is empty."""
        shape = (*rows.shape[:-1], *self._shape)
        check_out(out, [(self.name, self._dtype, shape)], [span("the rows", rows)])
        given = out.get(self.name)
        answer = np.empty(shape, self._dtype) if given is None else given
        self._predict(rows if rows.ndim == 2 else rows[None], answer)
        return answer

    def _predict(self, rows: NDArray[Any], out: NDArray[Any]) -> None:
        count = len(rows)
        stride, odd = divmod(rows.strides[0], rows.itemsize)
        if rows.strides[1] != rows.itemsize or odd or stride < self._features or not rows.flags.aligned:
            rows = np.ascontiguousarray(rows)
            stride = self._features
        if count:
            status = self._call(address(rows), count, stride, address(out), self._flags)
            if status:
                raise failure("tinsmith_predict", status)


class _PreparedRow:
    """A row, its result, and the arguments of the call that turns one into the other."""

    def __init__(self, features: int, shape: tuple[int, ...], dtype: np.dtype[Any], flags: int) -> None:
        self.row = np.empty((1, features), _FLOAT32)
        self.out = np.empty(shape, dtype)
        self.arguments = (
            ctypes.c_void_p(self.row.ctypes.data),
            ctypes.c_int64(1),
            ctypes.c_int64(features),
            ctypes.c_void_p(self.out.ctypes.data),
            ctypes.c_uint32(flags),
        )


def _bind(native: ctypes.CDLL, manifest: Manifest, margin: Tensor) -> None:
    """Sets the prototypes; raises ArtifactError when the library has other columns than its manifest says."""
    for name in ("tinsmith_num_features", "tinsmith_num_outputs", "tinsmith_num_margins"):
        getattr(native, name).restype = ctypes.c_int64
        getattr(native, name).argtypes = []
    native.tinsmith_predict.restype = ctypes.c_int32
    native.tinsmith_predict.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_void_p,
        ctypes.c_uint32,
    ]
    found = {
        "features": native.tinsmith_num_features(),
        "output columns": native.tinsmith_num_outputs(),
        "margin columns": native.tinsmith_num_margins(),
        "output type": str(_ELEMENT_TYPES.get(native.tinsmith_output_type())),
    }
    wanted = {
        "features": manifest.inputs[0].shape[-1],
        "output columns": _columns(manifest.outputs[0]),
        "margin columns": _columns(margin),
        "output type": manifest.outputs[0].dtype,
    }
    wrong = [
        f"{key} {found[key]}, its manifest says {wanted[key]}" for key in wanted if found[key] != wanted[key]
    ]
    if wrong:
        raise ArtifactError("; ".join(wrong))


def _columns(tensor: Tensor) -> int:
    return tensor.shape[1] if len(tensor.shape) == 2 else 1
