"""ONNX files of TorchScript modules and exported programs, by PyTorch's own exporters."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.onnx import OnnxExporterError

from .blocks import all_nodes
from .failures import Refused, last_line
from .graphs import LISTED, layer_of
from .specialise import annotate

OPSET = 20
"""The newest that the exporter of TorchScript writes."""


def export_module(
    module: torch.jit.ScriptModule, inputs: list[torch.Tensor], names: tuple[list[str], list[str]], path: Path
) -> None:
    """Writes `module`, as `graphs.prepare` leaves it, with inputs and outputs of these `names`.

    Raises Refused ("OperatorNotImplemented") with every operator that has no counterpart.
    """
    with _annotations_kept(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module,
                tuple(inputs),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=names[0],
                output_names=names[1],
                verbose=False,
            )
        except OnnxExporterError as error:
            raise _refusal(module, inputs, error) from error


def export_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Writes `program`; dimensions that it leaves open stay open. Raises Refused as `export_module`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exported = torch.onnx.export(program, dynamo=True, optimize=True, verbose=False)
        except OnnxExporterError as error:
            raise Refused("OperatorNotImplemented", _unsupported_calls(program, error)) from error
    assert exported is not None
    exported.save(str(path))


@contextmanager
def _annotations_kept() -> Iterator[None]:
    """The exporter inlines calls once more, which forgets the layers that nodes are in, and infers shapes
    without those of operators that it does not know, which a run tells."""
    inline = torch._C._jit_pass_onnx_function_substitution
    infer = torch._C._propagate_and_assign_input_shapes

    def run_too(graph: torch._C.Graph, inputs: Sequence[torch.Tensor], *more: Any) -> torch._C.Graph:
        return annotate(infer(graph, inputs, *more), inputs)

    torch._C._jit_pass_onnx_function_substitution = lambda graph: None
    torch._C._propagate_and_assign_input_shapes = run_too
    try:
        yield
    finally:
        torch._C._jit_pass_onnx_function_substitution = inline
        torch._C._propagate_and_assign_input_shapes = infer


def _refusal(module: torch.jit.ScriptModule, inputs: list[torch.Tensor], error: Exception) -> Refused:
    """All operators that the exporter passes over when it may, or else the one that it stopped at."""
    from torch.onnx._internal.torchscript_exporter import utils
    from torch.onnx._internal.torchscript_exporter.registration import registry

    layers = defaultdict(list)
    try:
        with _annotations_kept(), utils.exporter_context(module, torch.onnx.TrainingMode.EVAL, False):
            graph = utils._model_to_graph(
                module,
                tuple(inputs),
                do_constant_folding=False,
                operator_export_type=torch.onnx.OperatorExportTypes.ONNX_FALLTHROUGH,
            )[0]
        for node in all_nodes(graph):
            domain = node.kind().partition("::")[0]
            if domain not in ("onnx", "prim") and not registry.is_registered_op(node.kind(), OPSET):
                layers[node.kind()].append(layer_of(node) or "forward")
    except Exception:
        layers.clear()
    return Refused(
        "OperatorNotImplemented", _listed(layers) or [f"it cannot be converted: {_first_line(error)}"]
    )


def _listed(layers: dict[str, list[str]]) -> list[str]:
    problems = []
    for operator, where in sorted(layers.items()):
        names = list(dict.fromkeys(where))
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        note = "; hand in the model before quantization" if operator.startswith("quantized::") else ""
        problems.append(
            f"the operator {operator} is not implemented: {', '.join(names[:LISTED])}{more}{note}"
        )
    return problems


def _first_line(error: Exception) -> str:
    return last_line(str(error).strip().split("\n")[0])


def _unsupported_calls(program: torch.export.ExportedProgram, error: Exception) -> list[str]:
    from torch.onnx._internal.exporter import _registration

    known = _registration.ONNXRegistry.from_torchlib()
    layers: dict[str, list[str]] = defaultdict(list)
    for node in program.run_decompositions().graph.nodes:
        called = node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)
        if called and not known.is_registered(node.target):
            layers[str(node.target)].append(path_of(node) or "forward")
    return _listed(layers) or [f"it cannot be converted: {_first_line(error)}"]


def path_of(node: Any) -> str:
    """The path of the user's layer that a node of an exported program is in."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0] if stack else ""
