"""What executes a network: this machine and the emulators of verification, or Windows' own loader."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from tests.onnx_suite.cases import Array
from tests.onnx_suite.native import plain_array
from tests.wine import Wine, windows
from tinsmith.compiler.backends.native.build import build, compile_and_link
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify import execute
from tinsmith.compiler.verify.networks.calls import read_answers, write_plan
from tinsmith.errors import InternalError
from tinsmith.spec.targets import Target
from tinsmith_runtime.manifest import Tensor

WINDOWS_RUNNER = Path(__file__).parent / "c" / "windows_runner.c"


class Machine(Protocol):
    """Compiles and executes networks for one target."""

    def run(self, network: Network, inputs: Sequence[Array]) -> list[Array]:
        """What the compiled network gives. Raises InternalError where it fails."""


@contextmanager
def opened(target: Target, folder: Path) -> Iterator[Machine]:
    """What executes networks for `target`; it keeps what it needs in `folder`, which must exist."""
    if target.os == "windows":
        yield from _in_wine(target, folder)
    else:
        yield Runner(target, execute.find_machine(target), execute.build_runner(target, folder))


@dataclass(frozen=True)
class Runner:
    """The runner of verification, natively or under qemu; inputs and outputs end where an unreadable page
    begins."""

    target: Target
    machine: execute.Machine
    program: Path

    def run(self, network: Network, inputs: Sequence[Array]) -> list[Array]:
        """See Machine."""
        with TemporaryDirectory() as name:
            library, plan, result = (Path(name) / part for part in (self.target.library, "plan", "result"))
            program = emit(network, self.target, Path(name))
            build(program, self.target, library)
            write_inputs(network, program, inputs, plan)
            settings = {"TINSMITH_NUM_THREADS": "1"}
            execute.run_calls(self.machine, self.program, library, plan, result, settings, "tensors")
            return list(read_answers(result, 1, program.outputs)[0])


@dataclass(frozen=True)
class WindowsProgram:
    """A Windows program that has its library loaded by Windows' own loader, Wine's."""

    target: Target
    program: Path
    machine: Wine

    def run(self, network: Network, inputs: Sequence[Array]) -> list[Array]:
        """See Machine."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            program = emit(network, self.target, folder)
            build(program, self.target, folder / self.target.library)
            write_inputs(network, program, inputs, folder / "plan")
            start([self.machine.program, str(self.program)], folder, self.machine.environment)
            return list(read_answers(folder / "result", 1, program.outputs)[0])


def _in_wine(target: Target, folder: Path) -> Iterator[WindowsProgram]:
    parts = [WINDOWS_RUNNER, execute.RUNNER / "tensors.c", *execute.RUNNER.glob("*.h")]
    sources = [Path(shutil.copy(part, folder)) for part in parts]
    program = folder / "runner.exe"
    compile_and_link(sources[:2], target, program, kind="executable")
    with windows(folder, {"TINSMITH_NUM_THREADS": "1"}) as machine:
        yield WindowsProgram(target, program, machine)


def start(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Runs `command` in `folder`. Raises InternalError with what it says when it fails."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode != 0:
        text = done.stderr.decode("utf-8", "replace").strip()
        raise InternalError(f"{Path(command[0]).name}: exit status {done.returncode}: {text}")


def write_inputs(network: Network, program: Program, inputs: Sequence[Array], path: Path) -> None:
    """The plan of one run."""
    plain = tuple(plain_array(array, spec) for array, spec in zip(inputs, network.inputs, strict=True))
    tensors = [Tensor(spec.name, spec.dtype, spec.shape) for spec in network.inputs]
    write_plan([plain], tensors, program.outputs, path)
