"""Networks under AddressSanitizer and UndefinedBehaviorSanitizer, by the Clang of the system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from unittest import mock

from tests.onnx_suite.cases import Array
from tests.onnx_suite.machines import start, write_inputs
from tinsmith.compiler.backends.native import toolchain
from tinsmith.compiler.backends.native.build import C_FOLDER, platform_sources
from tinsmith.compiler.backends.native.networks import memory
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.loops import Loops
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.ir.scalars import Tensor
from tinsmith.compiler.verify.execute import RUNNER
from tinsmith.compiler.verify.networks.calls import read_answers
from tinsmith.spec.targets import Target

COMPILER = "clang-19"
"""The oldest that knows #embed."""
SANITIZED = (
    "-O0",
    "-g",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)
RENAMED = ("-Dts_allocate=ts_allocate_", "-Dts_release=ts_release_")
"""For what the runner has of its own."""
OWN_SOURCE = Path(__file__).parent / "c" / "sanitized_runner.c"
RED_ZONE = 128
"""Bytes at least that lie between two tensors: two vectors of the widest kernel."""

_emitting = Lock()
_plan = memory.plan


@dataclass(frozen=True)
class Sanitized:
    """A machine of verification's kind; what a sanitizer finds is an InternalError with its report."""

    target: Target

    def run(self, network: Network, inputs: Sequence[Array]) -> list[Array]:
        """See Machine."""
        with TemporaryDirectory() as name:
            return self.execute(self.emit(network, Path(name)), network, inputs)

    def emit(self, network: Network, folder: Path) -> Program:
        """The program in `folder`, with red zones."""
        zones: list[tuple[int, int]] = []

        def plan(loops: Loops, elsewhere: set[Tensor]) -> memory.MemoryPlan:
            return apart(_plan(loops, elsewhere), zones)

        with _emitting, mock.patch.object(memory, "plan", plan):
            program = emit(network, self.target, folder)
        text = ", ".join(f"{{{begin}, {end}}}" for begin, end in zones)
        (folder / "red_zones.h").write_text(f"#define RED_ZONES {text}\n")
        return program

    def execute(self, program: Program, network: Network, inputs: Sequence[Array]) -> list[Array]:
        """What the program gives."""
        folder = program.directory
        write_inputs(network, program, inputs, folder / "plan")
        self._build(program, folder / "runner")
        start(["sh", "-c", "./runner plan > result"], folder, self._settings())
        return list(read_answers(folder / "result", 1, program.outputs)[0])

    def _build(self, program: Program, runner: Path) -> None:
        folder = program.directory
        include = [f"-I{folder}" for folder in (folder, C_FOLDER, RUNNER)]
        language = [flag for flag in toolchain.LANGUAGE if flag != "-fomit-frame-pointer"]
        generated = [COMPILER, f"-march={self.target.cpu}", *language, *SANITIZED, *include]
        objects = []
        for source in (*(folder / unit.source for unit in program.units), *platform_sources(self.target)):
            objects.append(f"{source.stem}.o")
            own = RENAMED if source.name == "platform_posix.c" else ()
            start([*generated, *own, "-c", str(source), "-o", objects[-1]], folder, os.environ)
        hosted = [COMPILER, "-std=gnu23", *SANITIZED, *include, str(OWN_SOURCE), str(RUNNER / "tensors.c")]
        start([*hosted, *objects, "-o", str(runner)], folder, os.environ)

    def _settings(self) -> dict[str, str]:
        return {
            "TINSMITH_NUM_THREADS": "2",
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PATH": os.environ["PATH"],
        }


def is_installed() -> bool:
    """Whether this machine has the compiler."""
    return shutil.which(COMPILER) is not None


def apart(plan: memory.MemoryPlan, zones: list[tuple[int, int]]) -> memory.MemoryPlan:
    """Every tensor at a place of its own; `zones` gets the begin and the end of what lies behind each."""
    offsets: dict[Tensor, int] = {}
    offset = 0
    for tensor in plan.offsets:
        offsets[tensor] = offset
        end = offset + memory.tensor_bytes(tensor)
        offset = -(-(end + RED_ZONE) // memory.ALIGNMENT) * memory.ALIGNMENT
        zones.append((end, offset))
    return replace(plan, offsets=offsets, size=offset)
