"""A compiled model, loaded into this process."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .artifact import read_manifest, unpack_library
from .errors import ArtifactError, InputError, PredictionError
from .manifest import ABI, Manifest, Tensor

_FLOAT32 = np.dtype(np.float32)
_ELEMENT_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype(np.float32), 11: np.dtype(np.float64)}
_MARGIN = 1
_STATUS = {1: "out of memory", 2: "the library rejected its arguments"}


def load(path: str | os.PathLike[str], threads: int | None = None) -> Model:
    """Loads the compiled model in the tarball or folder at `path`.

    `threads` limits the threads of one `run`; it sets TINSMITH_NUM_THREADS, which all models of this process
    share. A tarball's library is unpacked to a private temporary folder that goes away with the model.
    Raises ArtifactError when the artifact is damaged or not for this machine.
    """
    location = Path(path)
    manifest = read_manifest(location)
    if manifest.abi != ABI:
        raise ArtifactError(f"{location}: its library has ABI {manifest.abi}, this package runs ABI {ABI}")
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads: expected at least 1, found {threads}")
        os.environ["TINSMITH_NUM_THREADS"] = str(threads)
    if location.is_dir():
        return Model(manifest, location / manifest.library)
    folder = Path(tempfile.mkdtemp(prefix="tinsmith-"))
    try:
        model = Model(manifest, unpack_library(location, folder))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
    return model


class Model:
    """One input, one output, any number of rows per call. Safe to use from several threads at once."""

    def __init__(self, manifest: Manifest, library: Path) -> None:
        """Use `load`."""
        native = _open_library(library, manifest)
        self.manifest = manifest
        self._features = int(native.tinsmith_num_features())
        self._input = manifest.inputs[0].name
        self._prediction = _Function(native, manifest.outputs[0], int(native.tinsmith_num_outputs()), flags=0)
        self._margin = _Function(native, manifest.margin, int(native.tinsmith_num_margins()), flags=_MARGIN)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Name, dtype and shape of every input; -1 is any number of rows."""
        return self.manifest.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Name, dtype and shape of every output; -1 is any number of rows."""
        return self.manifest.outputs

    def run(self, inputs: Mapping[str, NDArray[Any]], margin: bool = False) -> dict[str, NDArray[Any]]:
        """Predicts: {input name: float32 (rows, features)} -> {output name: array}; NaN is a missing value.

        One row may also be given as (features,); the result then has no row axis either. Rows are read where
        they lie when the elements of a row are adjacent (slices of rows are fine); other layouts are copied.
        With `margin` the result is the sums before the final transform.
        Raises InputError and PredictionError.
        """
        try:
            rows = inputs[self._input]
            shape = rows.shape
            if rows.dtype != _FLOAT32 or len(inputs) != 1 or shape[-1] != self._features or len(shape) > 2:
                raise self._rejection(inputs)
        except (KeyError, AttributeError, TypeError, IndexError):
            raise self._rejection(inputs) from None
        function = self._margin if margin else self._prediction
        if len(shape) == 1:
            return {function.name: function.of_row(rows)[0]}
        if shape[0] == 1:
            return {function.name: function.of_row(rows)}
        return {function.name: function.of_rows(rows)}

    def _rejection(self, inputs: Any) -> InputError:
        wanted = f"{{{self._input!r}: float32 array of shape (rows, {self._features})}}"
        if not isinstance(inputs, Mapping):
            return InputError(f"expected {wanted}; found {type(inputs).__name__}")
        found = ", ".join(f"{name!r}: {_describe(value)}" for name, value in inputs.items())
        return InputError(f"expected {wanted}; found {{{found}}}")


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    return type(value).__name__


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
            raise _failure(status)
        out: NDArray[Any] = prepared.out.copy()
        self._idle.append(prepared)
        return out

    def of_rows(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Of (count, features)."""
        count = rows.shape[0]
        stride, odd = divmod(rows.strides[0], rows.itemsize)
        if rows.strides[1] != rows.itemsize or odd or stride < self._features or not rows.flags.aligned:
            rows = np.ascontiguousarray(rows)
            stride = self._features
        out: NDArray[Any] = np.empty((count, *self._shape), self._dtype)
        if count:
            status = self._call(rows.ctypes.data, count, stride, out.ctypes.data, self._flags)
            if status:
                raise _failure(status)
        return out


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


def _failure(status: int) -> PredictionError:
    return PredictionError(f"tinsmith_predict: {_STATUS.get(status, f'unknown status {status}')}")


def _open_library(path: Path, manifest: Manifest) -> ctypes.CDLL:
    """The library at `path`, checked against its manifest, with prototypes set."""
    try:
        native = ctypes.CDLL(str(path.resolve()))
    except OSError as error:
        raise ArtifactError(
            f"{path}: compiled for {manifest.target.name}, does not load here: {error}"
        ) from None
    try:
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
            "ABI": native.tinsmith_abi_version(),
            "features": native.tinsmith_num_features(),
            "output columns": native.tinsmith_num_outputs(),
            "margin columns": native.tinsmith_num_margins(),
            "output type": str(_ELEMENT_TYPES.get(native.tinsmith_output_type())),
        }
    except AttributeError as error:
        raise ArtifactError(f"{path}: not a compiled model: {error}") from None
    wanted = {
        "ABI": manifest.abi,
        "features": manifest.inputs[0].shape[-1],
        "output columns": _columns(manifest.outputs[0]),
        "margin columns": _columns(manifest.margin),
        "output type": manifest.outputs[0].dtype,
    }
    wrong = [
        f"{key} {found[key]}, its manifest says {wanted[key]}" for key in wanted if found[key] != wanted[key]
    ]
    if wrong:
        raise ArtifactError(f"{path}: {'; '.join(wrong)}")
    return native


def _columns(tensor: Tensor) -> int:
    return tensor.shape[1] if len(tensor.shape) == 2 else 1
