"""Runs our scripts in the environment of a framework, inside the sandbox that the compiler is in already.

A script prints one JSON object as its last line. `{"problems": [...], "area": "..."}` says that the model is
at fault; anything else is its answer.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tinsmith.compiler.ir.network import Arrays, Original
from tinsmith.errors import ClientError, InternalError, KilledError
from tinsmith.spec.toolchains import TOOLCHAINS

TAIL = 600
"""Characters of what a script said that an error repeats."""
ANSWERING = Path(__file__).with_name("answering.py")
KILLED = (-9, 128 + 9)


@dataclass(frozen=True)
class Toolchain:
    """An environment that is installed."""

    name: str
    python: Path
    versions: dict[str, str]
    """By package."""


def find(name: str) -> Toolchain:
    """The toolchain `name`. Raises ClientError with the command that installs it."""
    known = TOOLCHAINS[name]
    versions = known.installed()
    if versions is None:
        raise ClientError(
            "InputConfiguration",
            f"{' and '.join(known.frameworks)} models need the toolchain {name}, which is not installed: "
            f"run `tinsmith toolchain install {name}`",
        )
    return Toolchain(name, known.python, versions)


def run(toolchain: Toolchain, script: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """The answer of `script`.

    Raises ClientError with the problems that it found, KilledError when it was killed from outside,
    InternalError with the end of what it said when it broke down.
    """
    command = [str(toolchain.python), "-I", "-B", str(script), *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=dict(os.environ), check=False
    )
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode in KILLED:
        raise KilledError(
            f"{script.name} in the toolchain {toolchain.name} was killed, perhaps for want of memory"
        )
    answer = _last_object(done.stdout)
    if done.returncode != 0 or answer is None:
        raise InternalError(
            f"{script.name} in the toolchain {toolchain.name}: exit status {done.returncode}: {said[-TAIL:]}"
        )
    if "problems" in answer:
        raise ClientError(
            str(answer.get("area", "InputConfiguration")), [str(one) for one in answer["problems"]]
        )
    return answer


def original(name: str, package: str, script: Path, arguments: Sequence[str]) -> Original | None:
    """What answers for a model by the function `answer` of `script`, see `answering`, in the toolchain
    `name`, and is called after `package` in it; None where it is not installed."""
    versions = TOOLCHAINS[name].installed()
    if versions is None:
        return None
    toolchain = Toolchain(name, TOOLCHAINS[name].python, versions)

    def answer(runs: Sequence[Arrays]) -> list[Arrays]:
        with TemporaryDirectory(prefix="original-") as folder:
            given, found = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
            named = {
                f"{run}/{at}": array for run, arrays in enumerate(runs) for at, array in enumerate(arrays)
            }
            np.savez(given, allow_pickle=False, **named)
            run(toolchain, ANSWERING, [str(script), *arguments, str(given), str(found)])
            with np.load(found, allow_pickle=False) as stored:
                outputs = dict(stored)
        return [_of_run(outputs, number) for number in range(len(runs))]

    return Original(f"{package} {versions.get(package, '')}".strip(), answer)


def _of_run(outputs: dict[str, Any], number: int) -> Arrays:
    count = sum(name.startswith(f"{number}/") for name in outputs)
    return tuple(outputs[f"{number}/{index}"] for index in range(count))


def _last_object(printed: bytes) -> dict[str, Any] | None:
    lines = printed.decode("utf-8", "replace").strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
