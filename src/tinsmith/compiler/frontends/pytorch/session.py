"""Asks PyTorch in its toolchain: to convert a model, and for its own answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tinsmith.compiler import toolchains
from tinsmith.compiler.frontends.pytorch.inputs import Wanted
from tinsmith.compiler.ir.network import Arrays
from tinsmith.compiler.toolchains import Toolchain, answering
from tinsmith.errors import ClientError

PROGRAM = Path(__file__).parent / "inside"


@dataclass(frozen=True)
class Settled:
    """The interface of a model that PyTorch has loaded."""

    inputs: tuple[Wanted, ...]
    """Names and dtypes are known."""
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Torch:
    """PyTorch with one model file."""

    toolchain: Toolchain
    kind: str
    path: Path
    place: str
    inputs: tuple[Wanted, ...] | None
    known: str = ""
    """What the file tells of its inputs, for the end of a complaint about those that were given."""

    @property
    def version(self) -> str:
        """Of PyTorch."""
        return self.toolchain.versions.get("torch", "")

    def convert(self, message: Path) -> Settled:
        """Writes the model as an ONNX file. Raises ClientError with everything that is not compiled."""
        answer = self._ask("convert", message.parent, {"onnx": str(message)})
        inputs = tuple(Wanted(one["name"], one["dtype"], tuple(one["shape"])) for one in answer["inputs"])
        return Settled(inputs, tuple(answer["outputs"]))

    def answer(self, runs: Sequence[Arrays]) -> list[Arrays]:
        """PyTorch's own outputs, for inputs in order. Raises ClientError where it refuses."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            given, found = str(folder / "arrays.npz"), str(folder / "answers.npz")
            answering.write(given, runs)
            self._ask("answer", folder, {"arrays": given, "answers": found})
            return [tuple(arrays) for arrays in answering.read(found)]

    def _ask(self, command: str, folder: Path, more: dict[str, Any]) -> dict[str, Any]:
        inputs = None if self.inputs is None else [asdict(item) for item in self.inputs]
        job = folder / "job.json"
        job.write_text(json.dumps({"kind": self.kind, "path": str(self.path), "inputs": inputs, **more}))
        try:
            return toolchains.run(self.toolchain, PROGRAM, [command, str(job)])
        except ClientError as error:
            known = self.known if error.area == "InputConfiguration" else ""
            problems = [f"{self.place}: {problem}{known}" for problem in error.problems]
            raise ClientError(error.area, problems) from None
