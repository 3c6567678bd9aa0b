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

from tinsmith.compiler.ir.network import Arrays, Original
from tinsmith.compiler.toolchains import answering
from tinsmith.errors import ClientError, InternalError, KilledError
from tinsmith.spec.toolchains import TOOLCHAINS

TAIL = 600
"""Characters of what a script said that an error repeats."""
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
    toolchain = _installed(name)
    if toolchain is None:
        raise ClientError(
            "InputConfiguration",
            f"{' and '.join(TOOLCHAINS[name].frameworks)} models need the toolchain {name}, which is not "
            f"installed: run `tinsmith toolchain install {name}`",
        )
    return toolchain


def _installed(name: str) -> Toolchain | None:
    versions = TOOLCHAINS[name].installed()
    return None if versions is None else Toolchain(name, TOOLCHAINS[name].python, versions)


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
    toolchain = _installed(name)
    if toolchain is None:
        return None

    def answer(runs: Sequence[Arrays]) -> list[Arrays]:
        with TemporaryDirectory(prefix="original-") as folder:
            given, found = f"{folder}/inputs.npz", f"{folder}/outputs.npz"
            answering.write(given, runs)
            run(toolchain, Path(answering.__file__), [str(script), *arguments, given, found])
            return [tuple(arrays) for arrays in answering.read(found)]

    return Original(f"{package} {toolchain.versions.get(package, '')}".strip(), answer)


def _last_object(printed: bytes) -> dict[str, Any] | None:
    lines = printed.decode("utf-8", "replace").strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
