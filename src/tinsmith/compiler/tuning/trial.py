"""Builds a network with some schedules, and measures its layers in place beside another build."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.networks.choices import Book
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.backends.native.networks.kernels.schedule import Geometry, Schedule
from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.execute import run
from tinsmith.compiler.verify.networks.inputs import make_inputs
from tinsmith.errors import InternalError
from tinsmith.spec.targets import Target

QUIET = 0.25
"""Share of the runs that others on the machine disturb least."""

Changes = Mapping[Geometry, Schedule]


@dataclass(frozen=True)
class Measured:
    """Two builds beside each other."""

    ratios: dict[Geometry, float]
    """Of a layer's cycles in the second to those in the first."""
    whole: float
    """Of processor time of the whole network, in runs that followed each other."""
    shares: dict[Geometry, float]
    """Of each layer in the time of all layers of the first."""


class Workshop:
    """Builds and measures variants of one network in `folder`, for a target of one processor."""

    def __init__(
        self, network: Network, target: Target, instruction_set: str, book: Book, folder: Path
    ) -> None:
        self._network, self._target, self._set, self._book = network, target, instruction_set, book
        self._folder = folder
        self._inputs = folder / "inputs.npz"
        self.kernels: Mapping[Geometry, Set[str]] = {}
        """Of the layers of the last build."""

    def build(self, name: str, changes: Changes) -> Path:
        """The library with `changes`, which counts cycles."""
        place = self._folder / name
        place.mkdir()
        table = {self._set: {str(geometry): schedule for geometry, schedule in changes.items()}}
        book = Book((table, *self._book.tables))
        program = emit(self._network, self._target, place, book, timed=True)
        library = self._folder / f"{name}.so"
        build(program, self._target, library)
        shutil.rmtree(place)
        self.kernels = program.timed
        if not self._inputs.exists():
            sizes = [prod(out.bounds) * dtypes.itemsize(out.dtype) for out in program.outputs]
            self._write_inputs(sizes)
        return library

    def measure(self, first: Path, second: Path, seconds: float) -> Measured:
        """Both by turns, on one thread, for about so long."""
        cycles = self._run(seconds, first, second)
        base, other = cycles[:, 0], cycles[:, 1]
        ratios = _ratios(base, other)
        shares = np.median(base[:, :-1], axis=0)
        shares = shares / max(float(shares.sum()), 1)
        return Measured(
            dict(zip(self.kernels, map(float, ratios), strict=False)),
            float(np.median(other[:, -1] / np.maximum(base[:, -1], 1))),
            dict(zip(self.kernels, map(float, shares), strict=True)),
        )

    def _write_inputs(self, outputs: list[int]) -> None:
        kind, arrays = make_inputs(self._network)[0]
        shape = json.dumps({"kind": kind, "outputs": outputs, "layers": len(self.kernels)})
        stored: dict[str, Any] = {"shape": np.frombuffer(shape.encode(), np.uint8)}
        for number, array in enumerate(arrays):
            stored[str(number)] = np.frombuffer(array.tobytes(), np.uint8)
        np.savez(self._inputs, allow_pickle=False, **stored)

    def _run(self, seconds: float, *libraries: Path) -> NDArray[np.float64]:
        result = self._folder / "cycles.npz"
        settings = {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "TMPDIR": str(self._folder),
            "HOME": str(self._folder),
            "TINSMITH_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "tinsmith.compiler.tuning.child", str(self._inputs), str(result)]
        done = run([*command, str(seconds), *map(str, libraries)], settings)
        if done.returncode != 0:
            text = done.stderr.decode("utf-8", "replace").strip()
            raise InternalError(f"tuning: exit status {done.returncode}: {text}")
        with np.load(result, allow_pickle=False) as stored:
            cycles: NDArray[np.float64] = stored["cycles"].astype(np.float64)
        return cycles


def _ratios(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per column, how much longer the second takes: by runs that followed each other, or by the quieter runs
    of each, whichever favours the first."""
    paired = np.median(second / np.maximum(first, 1), axis=0)
    quiet = [np.quantile(runs, QUIET, axis=0) for runs in (first, second)]
    worst: NDArray[np.float64] = np.maximum(paired, quiet[1] / np.maximum(quiet[0], 1))
    return worst
