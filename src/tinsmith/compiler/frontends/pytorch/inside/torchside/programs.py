"""Programs of torch.export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.export.graph_signature import InputKind, TensorArgument
from torch.utils import _pytree as pytree

from . import structures
from .calling import Input, attempt, examples, flatten, output_names
from .exporting import export_program
from .failures import Refused, unreadable


class Program:
    """An exported program and the tensors among its flattened arguments."""

    def __init__(self, program: torch.export.ExportedProgram, inputs: list[Input]) -> None:
        self.program = program
        self.inputs = inputs
        self._called = program.module()
        result = attempt(lambda: self._call(examples(inputs)), inputs)
        leaves = [
            tuple(getattr(key, "idx", getattr(key, "key", getattr(key, "name", str(key)))) for key in path)
            for path, leaf in pytree.tree_flatten_with_path(result)[0]
            if isinstance(leaf, torch.Tensor)
        ]
        self.outputs = output_names(leaves, inputs)

    def export(self, path: Path) -> None:
        """Writes the ONNX file."""
        export_program(self.program, path)

    def call(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """PyTorch's own answer."""
        return flatten(attempt(lambda: self._call(tensors), self.inputs))

    def _call(self, tensors: list[torch.Tensor]) -> Any:
        given = iter(tensors)
        flat = [
            next(given) if isinstance(spec.arg, TensorArgument) else getattr(spec.arg, "value", None)
            for spec in self.program.graph_signature.input_specs
            if spec.kind is InputKind.USER_INPUT
        ]
        args, kwargs = pytree.tree_unflatten(flat, self.program.call_spec.in_spec)
        return self._called(*args, **kwargs)


def load(path: str, inputs: list[dict[str, Any]] | None) -> Program:
    """The file at `path`, to be called with `inputs`. Raises Refused for what cannot be."""
    structures.register(path)
    try:
        program = torch.export.load(path)
    except (RuntimeError, ValueError, KeyError, AssertionError, NotImplementedError) as error:
        raise unreadable(error, torch.__version__) from error
    kept = sorted(program.graph_signature.buffers_to_mutate.values())
    if kept:
        raise Refused(
            "OperatorNotImplemented",
            f"the program keeps state between calls in the buffers {', '.join(kept)}, which is not compiled: "
            "pass its state as inputs and outputs",
        )
    declared = _declared(program)
    if inputs is None:
        inputs = [{"name": None, "dtype": None, "shape": None} for _ in declared]
    if len(inputs) != len(declared):
        said = ", ".join(f"{name} ({dtype} {list(shape)})" for name, dtype, shape in declared)
        raise Refused(
            "InputConfiguration",
            f"DataInputConfig has {len(inputs)} inputs, expected {len(declared)} in the order of {said}",
        )
    problems: list[str] = []
    settled = [_settled(one, *known, problems) for one, known in zip(inputs, declared, strict=True)]
    if problems:
        raise Refused("InputConfiguration", problems)
    return Program(program, settled)


def _declared(program: torch.export.ExportedProgram) -> list[tuple[str, str, tuple[int | str, ...]]]:
    """Name, dtype and shape of each tensor among the arguments; a text is a size that is left open."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    found = []
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument):
            value = nodes[spec.arg.name].meta["val"]
            shape = tuple(size if isinstance(size, int) else str(size) for size in value.shape)
            found.append((spec.arg.name, str(value.dtype).removeprefix("torch."), shape))
    return found


def _settled(
    given: dict[str, Any], name: str, dtype: str, shape: tuple[int | str, ...], problems: list[str]
) -> Input:
    sizes = given["shape"]
    if given["dtype"] not in (None, dtype):
        problems.append(f"CompilerOptions: dtype {given['dtype']} of the input {name}, expected {dtype}")
    if sizes is None:
        if any(isinstance(size, str) for size in shape):
            problems.append(
                f"We are unable to extract DataInputConfig from the model: the input {name} ({dtype} "
                f"[{', '.join(map(str, shape))}]) has no fixed size. "
                "Please override by providing a DataInputConfig"
            )
        sizes = [1 if isinstance(size, str) else size for size in shape]
    wrong = len(sizes) != len(shape) or any(
        isinstance(size, int) and size != found for size, found in zip(shape, sizes, strict=True)
    )
    if wrong:
        problems.append(
            f"DataInputConfig: the input {given['name'] or name} has the shape {list(sizes)}, expected "
            f"[{', '.join(map(str, shape))}]"
        )
    return Input(given["name"] or name, dtype, tuple(sizes))
