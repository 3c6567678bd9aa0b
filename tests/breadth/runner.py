"""Architectures beyond the corpus: built by their framework, compiled, executed, compared with its answers.

    python -m tests.breadth.runner [WORD ...] [--read] [--keep FOLDER]

prints a line per entry and ends with `breadth: K of N agree`. Each WORD is a framework, a name or a form and
keeps the entries that have it, `MobileNetV2 keras`; several names, or several forms, may be joined by commas.
With `--read` ONNX Runtime evaluates what the frontend makes of the model, and nothing is compiled;
`--keep FOLDER` leaves what frameworks built there for another run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir
import onnxruntime
from numpy.typing import NDArray

import tinsmith_runtime
from tinsmith.compiler import frontends
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.cpu import lacking
from tinsmith.errors import TinsmithError
from tinsmith.spec.request import CompileRequest, Report, WorkDirectory
from tinsmith.spec.targets import devices

Array = NDArray[Any]
Arrays = dict[str, Array]

MODULES = ("keras_applications", "pytorch", "mxnet", "darknet")
"""Of this folder; each has a list ENTRIES."""
DEVICES = ("ml_c5", "ml_c4")
"""Best first: what this machine can execute is compiled for."""
VARIETY = 1e-3
"""Outputs whose standard deviation is less, as a share of the largest, compare nothing."""


@dataclass(frozen=True)
class Built:
    """A model as a customer hands it in, and what its framework makes of some inputs."""

    model: Path
    """The tarball of the job's input."""
    data_input_config: str | None
    inputs: Arrays
    """As the artifact takes them, by its names."""
    expected: Arrays | list[Array]
    """What the framework gives for `inputs`, by the artifact's names of outputs or in their order."""
    tolerance: float
    """The largest difference that agrees: of floats as a share of the largest |expected| of the output, of
    integers in steps."""
    framework_version: str | None = None
    compiler_options: str | None = None


@dataclass(frozen=True)
class Entry:
    """One architecture in one of the forms that its framework saves."""

    framework: str
    """Of the API."""
    name: str
    form: str
    build: Callable[[Path], Built]
    """Gets the folder of all forms of this architecture: what one form made there another may use. Raises
    Unbuilt where the framework itself does not build or save it."""


class Unbuilt(Exception):
    """The framework is not here, or does not build the model; says why."""


@dataclass(frozen=True)
class Outcome:
    """What became of one entry."""

    agrees: bool
    text: str
    """The reason where it does not."""
    difference: float | None = None
    """The largest of all outputs, see `Built.tolerance`."""
    unit: str = ""
    seconds: float = 0.0

    def line(self, entry: Entry) -> str:
        """Of the table."""
        far = "-" if self.difference is None else f"{self.difference:.2g}{self.unit}"
        verdict = "agrees" if self.agrees else "DIFFERS"
        head = f"{verdict:<8} {entry.framework:<11} {entry.name:<20} {entry.form:<11} {far:<10}"
        return f"{head} {self.seconds:6.1f} s  {self.text[:400]}".rstrip()


Execute = Callable[[Entry, Built], Arrays]
"""Gives the outputs of an entry by name."""


def judge(entry: Entry, folder: Path, execute: Execute) -> Outcome:
    """Builds, executes and compares one entry; a failure of any kind is its outcome."""
    start = time.perf_counter()
    try:
        built = entry.build(folder)
        compare_something(built.expected)
        start = time.perf_counter()
        found = execute(entry, built)
        far, unit = difference(found, built.expected)
        outcome = Outcome(far <= built.tolerance, f"of {built.tolerance:g}{unit}", far, unit)
    except Unbuilt as error:
        outcome = Outcome(False, f"not built: {error}")
    except TinsmithError as error:
        outcome = Outcome(False, f"{error.family}: {error}")
    except Exception as error:
        outcome = Outcome(False, f"{type(error).__name__}: {error}")
    return Outcome(
        outcome.agrees, outcome.text, outcome.difference, outcome.unit, time.perf_counter() - start
    )


def compile_and_run(entry: Entry, built: Built) -> Arrays:
    """Compiles as the sandbox does, for this machine, and runs the artifact."""
    with tempfile.TemporaryDirectory() as folder:
        work = WorkDirectory(Path(folder))
        work.request.write_text(_request(entry, built, _device()).to_json())
        _extract(built.model, work.input)
        command = [sys.executable, "-m", "tinsmith.compiler", str(work.path)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1800)
        if not work.report.exists():
            raise RuntimeError(f"the compiler ended with {done.returncode}: {done.stderr[-500:]}")
        report = Report.from_json(work.report.read_text())
        if report.artifact is None:
            raise RuntimeError(report.failure_reason or "no artifact")
        return tinsmith_runtime.load(work.output / report.artifact).run(built.inputs)


def read_and_run(entry: Entry, built: Built) -> Arrays:
    """What ONNX Runtime makes of what the frontend reads."""
    with tempfile.TemporaryDirectory() as name:
        _extract(built.model, Path(name))
        network = frontends.load(entry.framework)(Path(name), _request(entry, built, DEVICES[0]))
        assert isinstance(network, Network)
        content = onnx_ir.serde.serialize_model(network.graph).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options)
    names = [spec.name for spec in network.outputs]
    return dict(zip(names, session.run(names, built.inputs), strict=True))


def difference(found: Arrays, expected: Arrays | list[Array]) -> tuple[float, str]:
    """The largest difference of all outputs and its unit, see `Built.tolerance`; infinite for another type,
    and where one has a number and the other has none."""
    wanted = expected if isinstance(expected, dict) else dict(zip(found, expected, strict=True))
    if found.keys() != wanted.keys():
        raise ValueError(f"the outputs are {sorted(found)}, expected {sorted(wanted)}")
    worst, unit = 0.0, ""
    for name, want in wanted.items():
        got = found[name]
        if got.shape != want.shape or got.dtype != want.dtype:
            raise ValueError(
                f"{name} is {got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}"
            )
        if want.dtype.kind in "iub":
            unit = " steps"
        worst = max(worst, _difference(got.astype(np.float64), want.astype(np.float64), want.dtype.kind))
    return worst, unit


def _difference(got: Array, want: Array, kind: str) -> float:
    finite = np.isfinite(want)
    if not np.isfinite(got[finite]).all() or not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    far = np.abs(got[finite] - want[finite]).max(initial=0.0)
    return float(far if kind in "iub" else far / max(np.abs(want[finite]).max(initial=0.0), 1e-30))


def compare_something(expected: Mapping[str, Array] | Sequence[Array]) -> None:
    """Raises ValueError where an output of several numbers is as good as constant."""
    for array in expected.values() if isinstance(expected, Mapping) else expected:
        wide = array.astype(np.float64)
        if wide.size > 1 and wide.std() <= VARIETY * np.abs(wide).max():
            raise ValueError(f"the framework's own answer says nothing: all about {wide.flat[0]:.4g}")


def select(entries: Sequence[Entry], words: Sequence[str]) -> list[Entry]:
    """The entries that have one part of every word as their framework, name or form."""
    asked = [set(word.lower().split(",")) for word in words]
    return [
        entry
        for entry in entries
        if all(parts & {entry.framework.lower(), entry.name.lower(), entry.form.lower()} for parts in asked)
    ]


def entries() -> Iterator[Entry]:
    """Of all frameworks."""
    for module in MODULES:
        yield from import_module(f"tests.breadth.{module}").ENTRIES


def _request(entry: Entry, built: Built, device: str) -> CompileRequest:
    return CompileRequest(
        framework=entry.framework,
        model_name=f"{entry.name}-{entry.form}".lower().replace("_", "-"),
        device=device,
        framework_version=built.framework_version,
        data_input_config=built.data_input_config,
        compiler_options=built.compiler_options,
    )


def _device() -> str:
    return next(name for name in DEVICES if not lacking(devices()[name]))


def _extract(tarball: Path, folder: Path) -> None:
    with tarfile.open(tarball) as tar:
        tar.extractall(folder, filter="data")


def main(words: list[str], read: bool, kept: Path | None) -> int:
    """The table; 1 when something disagrees. What frameworks built stays in `kept`."""
    chosen = select(list(entries()), words)
    execute = read_and_run if read else compile_and_run
    agree = 0
    for name, forms in groupby(chosen, lambda entry: entry.name):
        with tempfile.TemporaryDirectory() as passing:
            folder = kept / name if kept else Path(passing)
            folder.mkdir(parents=True, exist_ok=True)
            for entry in forms:
                outcome = judge(entry, folder, execute)
                agree += outcome.agrees
                print(outcome.line(entry), flush=True)
    print(f"breadth: {agree} of {len(chosen)} agree")
    return 0 if agree == len(chosen) else 1


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("words", nargs="*", metavar="WORD")
    arguments.add_argument("--read", action="store_true")
    arguments.add_argument("--keep", type=Path, metavar="FOLDER")
    options = arguments.parse_args()
    sys.exit(main(options.words, options.read, options.keep))
