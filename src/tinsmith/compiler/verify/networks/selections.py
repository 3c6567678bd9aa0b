"""Which boxes a detector keeps is a matter of rounding where scores are equal, or nearly so.

Neither the exact reference nor the one in the network's own types then tells the one right answer, and what
is suppressed because of a box that was kept makes any two answers differ in all that follows. So the
reference follows the library: a second library, of the same layers, also gives the numbers that decide, the
scores and boxes that operators like TopK and NonMaxSuppression read. They must be those of the reference,
held to what an output is held to. The reference goes on with them in the place of its own, and the packaged
library must answer what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir
from numpy.typing import NDArray

from tinsmith.compiler.artifact.samples import Arrays
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.emit import emit
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.execute import Machine, build_runner, run_calls
from tinsmith.compiler.verify.networks import reference
from tinsmith.compiler.verify.networks.calls import read_answers, write_plan
from tinsmith.compiler.verify.networks.compare import Wanted, Wrong, compare_output
from tinsmith.compiler.verify.networks.examples import Run
from tinsmith.compiler.verify.networks.reference import Unable
from tinsmith.compiler.verify.networks.ties import decisive
from tinsmith.compiler.verify.networks.tolerance import COARSENESS, TOLERANCES, allow, arithmetics
from tinsmith.errors import InternalError
from tinsmith.spec.targets import Target
from tinsmith_runtime.manifest import Tensor


@dataclass
class Follower:
    """Gives the right answers for what the library decided."""

    network: Network
    target: Target
    machine: Machine
    folder: Path
    book: Any = None
    """The schedules that the library was built with."""
    followed: dict[str, None] = field(default_factory=dict)
    """The kinds of the runs that it was asked for."""
    _known: dict[tuple[str, str], Wanted] = field(default_factory=dict)

    @cached_property
    def deciding(self) -> list[onnx_ir.Value]:
        """See `decisive`."""
        return decisive(self.network)

    def wanted(self, run: Run, variant: str) -> Wanted:
        """The right answers of `run` for what the library decides in `variant` ("": the one it chooses).

        Raises InternalError where the numbers that decide are wrong.
        """
        kind = run.wanted.kind
        self.followed[kind] = None
        if (kind, variant) not in self._known:
            numbers = self._decided(run.inputs, variant)
            self._known[kind, variant] = self._evaluate(run, numbers)
        return self._known[kind, variant]

    def _evaluate(self, run: Run, decided: dict[str, NDArray[Any]]) -> Wanted:
        try:
            native = _follow(self.network, run.inputs, decided, wide=False)
            exact = _follow(self.network, run.inputs, decided, wide=True)
        except Unable as error:
            raise InternalError(f"verification: the reference cannot follow the library: {error}") from None
        kinds = arithmetics(self.network)
        coarsest = TOLERANCES[max(kinds, key=COARSENESS.index)]
        for name, found in decided.items():
            right, own = exact.own[name], native.own[name]
            try:
                compare_output(right, own, found, allow(right, own, found.dtype.name, coarsest))
            except Wrong as wrong:
                raise InternalError(
                    f"verification: {run.wanted.kind} inputs: {name!r}, which decides: {wrong}"
                ) from None
        allowances = tuple(
            allow(array, native.outputs[index], spec.dtype, TOLERANCES[kinds[index]])
            for index, (spec, array) in enumerate(zip(self.network.outputs, exact.outputs, strict=True))
        )
        return Wanted(run.wanted.kind, exact.outputs, native.outputs, allowances)

    def _decided(self, inputs: Arrays, variant: str) -> dict[str, NDArray[Any]]:
        """By name, the numbers that decide, as the library computes them."""
        program, library = self._library
        plan, result = self.folder / "plan-decided", self.folder / "result-decided"
        write_plan([inputs], self._inputs, program.outputs, plan)
        settings = {"TINSMITH_NUM_THREADS": "1"} | ({"TINSMITH_ISA": variant} if variant else {})
        runner = build_runner(self.target, self.folder)
        run_calls(self.machine, runner, library, plan, result, settings, "tensors")
        (answers,) = read_answers(result, 1, program.outputs)
        names = [value.name or "" for value in self.deciding]
        return dict(zip(names, answers[len(self.network.outputs) :], strict=True))

    @property
    def _inputs(self) -> list[Tensor]:
        return [Tensor(spec.name, spec.dtype, spec.shape) for spec in self.network.inputs]

    @cached_property
    def _library(self) -> tuple[Program, Path]:
        """Of the network with outputs more: those of `deciding`."""
        sources, library = self.folder / "decided", self.folder / f"decided-{self.target.library}"
        sources.mkdir()
        with showing(self.network, self.deciding) as network:
            program = emit(network, self.target, sources, self.book)
        build(program, self.target, library)
        return program, library


@dataclass
class _Followed:
    """What an evaluation gives that goes on with the library's numbers."""

    own: dict[str, NDArray[Any]]
    """What it computed itself where it took the library's."""
    outputs: Arrays


def _follow(network: Network, inputs: Arrays, decided: dict[str, NDArray[Any]], wide: bool) -> _Followed:
    own: dict[str, NDArray[Any]] = {}

    def steer(name: str, value: Any) -> Any:
        if name not in decided:
            return value
        own[name] = np.asarray(value)
        return decided[name].astype(own[name].dtype)

    outputs = reference.steered(network, steer, wide).evaluate(inputs)
    return _Followed(own, outputs)


@contextmanager
def showing(network: Network, values: list[onnx_ir.Value]) -> Iterator[Network]:
    """`network` with `values` as outputs behind its own; while it is in use, its graph has them."""
    outputs = network.graph.graph.outputs
    count = len(outputs)
    specs = [
        TensorSpec(value.name or "", str(value.dtype.numpy().name), ()) for value in values if value.dtype
    ]
    try:
        outputs.extend(values)
        yield replace(network, outputs=(*network.outputs, *specs))
    finally:
        del outputs[count:]
