"""Whole graphs, written as text, compiled and executed; onnxruntime says what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from tests.onnx_suite.cases import as_network, difference
from tests.onnx_suite.native import execute, host
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.networks.emit import emit

Array = np.ndarray[Any, Any]


def parsed(text: str, opset: int = 18) -> onnx.ModelProto:
    """A model from ONNX's notation of a graph."""
    return onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]>\n{text}')


def answers(folder: Path, model: onnx.ModelProto, inputs: Mapping[str, Array]) -> list[Array]:
    """What the compiled model gives."""
    given = list(inputs.values())
    network = as_network(model, given)
    target = host()
    library = folder / target.library
    folder.mkdir(exist_ok=True)
    build(emit(network, target, folder), target, library)
    return execute(library, network, given, [])


def reference(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> list[Array]:
    """What onnxruntime gives, with no graph rewritten."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [np.asarray(value) for value in session.run(None, dict(inputs))]


def check(folder: Path, text: str, inputs: Mapping[str, Array], opset: int = 18) -> list[Array]:
    """The answers, after comparing them with onnxruntime's."""
    model = parsed(text, opset)
    found = answers(folder, model, inputs)
    assert not difference(found, reference(model, inputs), 1e-5, 1e-6)
    return found


@dataclass
class Side:
    """Nodes side by side in one model; each has inputs of its own."""

    folder: Path
    opset: int = 14
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    inputs: dict[str, Array] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        op: str,
        inputs: Mapping[str, Array | None],
        types: Mapping[str, int],
        constant: str = "",
        domain: str = "",
        **attributes: Any,
    ) -> None:
        """A node with named inputs, of which `constant` (separated by spaces) are initializers, and
        outputs."""
        number = len(self.nodes)
        names = ["" if value is None else f"{name}_{number}" for name, value in inputs.items()]
        results = [f"{name}_{number}" if name else "" for name in types]
        self.nodes.append(helper.make_node(op, names, results, f"{op} {number}", domain=domain, **attributes))
        for name, value in inputs.items():
            if value is not None:
                group = self.constants if name in constant.split() else self.inputs
                group[f"{name}_{number}"] = value
        self.outputs |= {name: kind for name, kind in zip(results, types.values(), strict=True) if name}

    def check(self, tolerance: float = 1e-5) -> None:
        """Compares every node with onnxruntime."""
        found = dict(
            zip(self.outputs, answers(self.folder, self._model(self.nodes), self.inputs), strict=True)
        )
        problems = []
        for node in self.nodes:
            own = {name: value for name, value in self.inputs.items() if name in node.input}
            names = [name for name in node.output if name]
            wanted = reference(self._model([node]), own)
            problem = difference([found[name] for name in names], wanted, tolerance, tolerance)
            if problem:
                problems.append(f"{helper.printable_node(node)}: {problem}")
        assert not problems, "\n".join(problems)

    def _model(self, nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
        read = {name for node in nodes for name in node.input}
        made = {name for node in nodes for name in node.output}
        graph = helper.make_graph(
            nodes,
            "side",
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
                for name, value in self.inputs.items()
                if name in read
            ],
            [
                helper.make_tensor_value_info(name, kind, None)
                for name, kind in self.outputs.items()
                if name in made
            ],
            [onnx.numpy_helper.from_array(v, name) for name, v in self.constants.items() if name in read],
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("ai.onnx.ml", 3)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)
