"""Commands of this environment; each takes a job, a JSON file, and prints one JSON object as its last line.

convert   {"kind", "path", "inputs": [{"name", "dtype", "shape"}], "onnx"} -> {"inputs", "outputs"}
answer    {"kind", "path", "inputs", "arrays", "answers"} -> {}: .npz files, <run>/<number>, "runs"

`kind` is "torchscript" or "program". Names, dtypes and shapes of inputs may be null, all inputs too.
A refusal is {"area", "problems"}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Protocol

import torch

from . import programs, scripts
from .calling import Input
from .failures import Refused


class Model(Protocol):
    """A loaded file whose inputs are settled."""

    inputs: list[Input]
    outputs: list[str]

    def export(self, path: Path) -> None:
        """Writes the ONNX file."""

    def call(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """PyTorch's own answer."""


def main() -> None:
    """The command that the process was started for."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print, some of it when the process ends, is no answer
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    answer = run(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
    with os.fdopen(answers, "w") as out:
        out.write(json.dumps(answer))


def run(command: str, job: dict[str, Any]) -> dict[str, Any]:
    """The object that answers `job`."""
    try:
        model: Model = (programs if job["kind"] == "program" else scripts).load(job["path"], job["inputs"])
        return _convert(model, job) if command == "convert" else _answer(model, job)
    except Refused as refused:
        return {"area": refused.area, "problems": refused.problems}


def _convert(model: Model, job: dict[str, Any]) -> dict[str, Any]:
    model.export(Path(job["onnx"]))
    inputs = [{"name": one.name, "dtype": one.dtype, "shape": one.shape} for one in model.inputs]
    return {"inputs": inputs, "outputs": model.outputs}


def _answer(model: Model, job: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    with np.load(job["arrays"], allow_pickle=False) as arrays:
        answers = {"runs": arrays["runs"]}
        for run in range(int(arrays["runs"])):
            given = [torch.from_numpy(arrays[f"{run}/{number}"]) for number in range(len(model.inputs))]
            for number, tensor in enumerate(model.call(given)):
                answers[f"{run}/{number}"] = tensor.numpy()
    np.savez(job["answers"], **answers)
    return {}
