"""TorchScript files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from . import graphs
from .calling import Input, arguments_of, attempt, examples, probe, wrapped
from .exporting import export_module
from .failures import Refused, unreadable


class Script:
    """A module with one tensor per input and output."""

    def __init__(self, module: torch.jit.ScriptModule, inputs: list[Input], outputs: list[str]) -> None:
        self.module = module
        self.inputs = inputs
        self.outputs = outputs

    def export(self, path: Path) -> None:
        """Writes the ONNX file."""
        given = examples(self.inputs)
        prepared = graphs.prepare(self.module, given)
        graphs.refuse_training(prepared.forward.graph)
        graphs.refuse_quantized(prepared.forward.graph)
        graphs.refuse_early_returns(prepared.forward.graph)
        export_module(prepared, given, ([one.name for one in self.inputs], self.outputs), path)

    def call(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """PyTorch's own answer."""
        found = attempt(lambda: self.module(*tensors), self.inputs)
        return list(found) if isinstance(found, tuple) else [found]


def load(path: str, inputs: list[dict[str, Any]] | None) -> Script:
    """The file at `path`, to be called with `inputs`. Raises Refused for what cannot be."""
    try:
        module = torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, ValueError, KeyError, torch.jit.Error) as error:
        raise unreadable(error, torch.__version__) from error
    if not hasattr(module, "forward") or not isinstance(module.forward, torch._C.ScriptMethod):
        raise Refused("InputConfiguration", "it has no forward, expected the method that is compiled")
    graphs.leave_accelerators(module)
    graphs.refuse_state(module)
    if inputs is None:
        raise Refused("InputConfiguration", _no_shapes(module))
    arguments = arguments_of(module, tuple(one["name"] for one in inputs))
    settled = [
        Input(
            one["name"] or suggested,
            demanded or one["dtype"] or "float32",
            tuple(one["shape"]),
        )
        for one, suggested, demanded in zip(inputs, arguments.suggested, arguments.dtypes, strict=True)
    ]
    holder, outputs = wrapped(module, settled, arguments, probe(module, settled, arguments))
    return Script(holder, settled, outputs)


def _no_shapes(module: torch.jit.ScriptModule) -> str:
    said = ", ".join(f"{one.name}: {one.type}" for one in list(module.forward.schema.arguments)[1:])
    return (
        "We are unable to extract DataInputConfig from the model, a TorchScript file without the shapes that "
        "it was traced with. Please override by providing a DataInputConfig with a shape for each of "
        f"forward({said})"
    )
