"""A compiled model, loaded into this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, PredictionError
from .manifest import Manifest, Tensor
from .memory import Span, address, overlaps

Output = tuple[str, np.dtype[Any], tuple[int, ...]]
"""Name, dtype and shape of an array that takes an output."""

_STATUS = {1: "out of memory", 2: "the library rejected its arguments"}


class Model(ABC):
    """A tree model or a network; `load` gives it. Safe to use from several threads at once."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Name, dtype and shape of every input; -1 is any number of rows."""
        return self.manifest.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Name, dtype and shape of every output; -1 is any number of rows, or a size that a run tells."""
        return self.manifest.outputs

    @abstractmethod
    def run(
        self,
        inputs: Mapping[str, NDArray[Any]] | NDArray[Any],
        margin: bool = False,
        out: Mapping[str, NDArray[Any]] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Predicts: {input name: array} -> {output name: array}. A model with one input takes its array too.

        `margin` asks a tree model for the sums before the final transform. The arrays of `out`, by names of
        outputs, take results that would else be new arrays; their elements lie in order and without gaps, and
        share memory with no other array.
        Raises InputError, which tells all that is wrong with the arrays, and PredictionError.
        """

    def named(self, inputs: object) -> Any:
        """`inputs` as a mapping, if it is one or a single array for the only input; else what it is."""
        if hasattr(inputs, "dtype") and len(self.inputs) == 1:
            return {self.inputs[0].name: inputs}
        return inputs


def describe(value: Any) -> str:
    """An input, for the text of an InputError."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} array of shape {value.shape}"
    return type(value).__name__


def rejection(wanted: Mapping[str, str], found: Any, problems: str = "") -> InputError:
    """Says what was expected of each input, and what was found."""
    expected = ", ".join(f"{name!r}: {text}" for name, text in wanted.items())
    if isinstance(found, Mapping):
        given = ", ".join(f"{name!r}: {describe(value)}" for name, value in found.items())
        return InputError(f"expected {{{expected}}}; found {{{given}}}{problems}")
    return InputError(f"expected {{{expected}}}; found {type(found).__name__}{problems}")


def check_out(out: Any, outputs: Sequence[Output], read: Sequence[Span]) -> None:
    """Raises InputError, which tells every problem, when arrays in `out` cannot take `outputs`; `read` is the
    memory of the inputs."""
    if not isinstance(out, Mapping):
        raise InputError(f"out: expected a mapping of names to arrays, found {type(out).__name__}")
    problems = []
    written: list[Span] = []
    for name, dtype, shape in outputs:
        array = out.get(name)
        if array is None:
            continue
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
            problems.append(f"{name!r}: expected {dtype} array of shape {shape}, found {describe(array)}")
        elif not (array.flags.c_contiguous and array.flags.writeable):
            problems.append(f"{name!r} has gaps or is read-only")
        else:
            start = address(array)
            written.append((repr(name), start, start + array.nbytes))
    if len(written) != len(out):  # some are missing, wrong, or of another name
        names = [name for name, _, _ in outputs]
        problems += [f"{name!r} is no output" for name in out if name not in names]
    problems += overlaps(written, read)
    if problems:
        raise InputError(f"out: {'; '.join(problems)}")


def failure(function: str, status: int) -> PredictionError:
    """For what a function of the library returned."""
    return PredictionError(f"{function}: {_STATUS.get(status, f'unknown status {status}')}")
