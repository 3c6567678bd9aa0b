"""A network becomes loop nests; what is constant is computed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx_ir

from tinsmith.compiler.ir.evaluate import CannotEvaluate, evaluate
from tinsmith.compiler.ir.loops import Extern, Loops, Map, Repeat, Stage, View
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.ir.scalars import Tensor
from tinsmith.compiler.operators.node import Node, Unsupported
from tinsmith.compiler.operators.registry import find
from tinsmith.errors import ClientError

AREA = "OperatorNotImplemented"
LISTED = 20
"""Nodes that a refusal names for each operator."""
MAX_RANK = 64
"""Of a tensor, as numpy's and DLR's."""
MAX_ELEMENTS = 2**29
"""Of a tensor, as of those that the file declares."""
FOLDED_ELEMENTS = 2**24
"""A constant of more is computed by the run, unless it is made of as many."""


def lower(network: Network) -> Loops:
    """Raises ClientError that names every node whose operator, attribute or type is not compiled."""
    check_support(network)
    scope = _Scope(network.graph.opset_imports)
    inputs = []
    for value, spec in zip(network.graph.graph.inputs, network.inputs, strict=True):
        tensor = Tensor(spec.name, spec.dtype, spec.shape)
        inputs.append(tensor)
        scope.define(value, tensor, f"input {spec.name}")
    scope.constants(network.graph.graph)
    scope.lower(network.graph.graph)
    if scope.problems:
        raise ClientError(AREA, scope.problems)
    outputs = [scope.tensors[value] for value in network.graph.graph.outputs]
    return Loops(tuple(inputs), tuple(outputs), tuple(scope.stages))


def check_support(network: Network) -> None:
    """Raises ClientError that names every node whose operator is not compiled; takes no time."""
    missing: dict[str, list[str]] = {}
    for node in nodes_of(network.graph.graph):
        if find(node.domain, node.op_type) is None:
            operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            missing.setdefault(operator, []).append(node.name or "unnamed")
    if missing:
        listed = "; ".join(
            f"{operator} (node {', '.join(names[:LISTED])}"
            + (f" and {len(names) - LISTED} more)" if len(names) > LISTED else ")")
            for operator, names in sorted(missing.items())
        )
        text = f"The following operators are not supported for frontend {network.framework}: {listed}"
        raise ClientError(AREA, text)


def nodes_of(graph: onnx_ir.Graph) -> Iterable[onnx_ir.Node]:
    """All nodes, those of subgraphs too."""
    return onnx_ir.traversal.RecursiveGraphIterator(graph)


@dataclass
class _Scope:
    """A graph while it is lowered."""

    opsets: dict[str, int]
    tensors: dict[onnx_ir.Value, Tensor] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    makers: dict[Tensor, Stage] = field(default_factory=dict)
    """See Node.makers."""

    def constants(self, graph: onnx_ir.Graph) -> None:
        for value in graph.initializers.values():
            if value not in self.tensors and value.const_value is not None:
                tensor = _constant(value.name or "", value.const_value)
                self.define(value, tensor, f"constant {tensor.name}")

    def define(self, value: onnx_ir.Value, tensor: Tensor, place: str) -> None:
        """Complex numbers are refused; text is before."""
        if tensor.dtype.startswith("complex"):
            self.problems.append(f"{place}: elements of type {tensor.dtype} are not compiled")
        else:
            self.tensors[value] = tensor

    def lower(self, graph: onnx_ir.Graph) -> None:
        for node in graph:
            if any(value is not None and value not in self.tensors for value in node.inputs):
                continue  # a node before this one was refused
            try:
                self._lower_node(node)
            except Unsupported as problem:
                self.problems.append(f"node {node.name or node.outputs[0].name} ({node.op_type}): {problem}")
                self._guess(node)

    def _guess(self, node: onnx_ir.Node) -> None:
        """Values of inferred shapes for a node that is refused, so that what is behind it is looked at."""
        if all(value is None or self.tensors[value].value is not None for value in node.inputs):
            return
        for value in node.outputs:
            shape, dtype = _shape(value), _type(value)
            if shape is not None and dtype is not None:
                self.tensors[value] = Tensor(value.name or "", dtype, shape)

    def _lower_node(self, node: onnx_ir.Node) -> None:
        rule = find(node.domain, node.op_type)
        if rule is None:
            raise Unsupported("operator is not compiled")
        context = self._context(node)
        result = rule(context, *context.inputs)
        outputs = list(result) if isinstance(result, tuple) else [result]
        for tensor in outputs:
            _check_shape(tensor)
        outputs = self._folded(context, outputs)
        for value, tensor in zip(node.outputs, outputs, strict=False):
            if tensor is not None:
                self.tensors[value] = tensor

    def _context(self, node: onnx_ir.Node) -> Node:
        version = node.version if node.version is not None else self.opsets.get(node.domain, 1)
        return Node(
            name=node.name or (node.outputs[0].name or ""),
            op_type=node.op_type,
            version=version,
            attributes={name: _attribute(attribute) for name, attribute in node.attributes.items()},
            inputs=tuple(None if value is None else self.tensors[value] for value in node.inputs),
            outputs=tuple(
                (value.name or "") if value.uses() or value.is_graph_output() else ""
                for value in node.outputs
            ),
            declared=tuple(_shape(value) for value in node.outputs),
            declared_types=tuple(_type(value) for value in node.outputs),
            makers=self.makers,
            lower_graph=self._lower_graph,
        )

    def _folded(self, context: Node, outputs: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The outputs as constants, where all that the stages read is constant."""
        constant = all(tensor is None or tensor.value is not None for tensor in context.inputs)
        if (
            constant
            and not _grows(context.inputs, outputs)
            and not any(isinstance(stage, Extern | Repeat) for stage in context.stages)
        ):
            known: dict[Tensor, np.ndarray[Any, Any]] = {}
            try:
                evaluate(context.stages, known)
                # A branch may give a tensor of the graph around it, which is none of its stages'.
                return [
                    replace(tensor, value=known[tensor]) if tensor in known else tensor for tensor in outputs
                ]
            except CannotEvaluate:
                pass
        self.stages += context.stages
        self.makers.update((stage.out, stage) for stage in context.stages if isinstance(stage, Map | View))
        return list(outputs)

    def _lower_graph(
        self, graph: onnx_ir.Graph, inputs: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Stage]]:
        inner = _Scope(self.opsets, dict(self.tensors), [], self.problems, dict(self.makers))
        inner.tensors.update(zip(graph.inputs, inputs, strict=True))
        inner.constants(graph)
        inner.lower(graph)
        if any(value not in inner.tensors for value in graph.outputs):
            raise Unsupported("a node of its body is not compiled")
        return [inner.tensors[value] for value in graph.outputs], inner.stages


def _check_shape(tensor: Tensor | None) -> None:
    """Before anyone makes room for it."""
    shape = () if tensor is None else tensor.static_shape
    if len(shape) > MAX_RANK:
        raise Unsupported(f"a result has {len(shape)} dimensions, at most {MAX_RANK} are compiled")
    if any(size < 0 for size in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise Unsupported(f"a result has the shape {list(shape)}, expected at most {MAX_ELEMENTS} elements")


def _grows(inputs: Sequence[Tensor | None], outputs: Sequence[Tensor | None]) -> bool:
    """To a size that is no longer worth the memory."""

    def elements(tensors: Sequence[Tensor | None]) -> int:
        return sum(math.prod(tensor.static_shape) for tensor in tensors if tensor is not None)

    return elements(outputs) > max(elements(inputs), FOLDED_ELEMENTS)


def _constant(name: str, value: onnx_ir.TensorProtocol) -> Tensor:
    array = value.numpy()
    return Tensor(name, array.dtype.name, array.shape, array)


def _attribute(attribute: onnx_ir.Attr) -> Any:
    value = attribute.value
    if attribute.type == onnx_ir.AttributeType.TENSOR:
        return value.numpy()
    return value


KEEPS_SHAPE = frozenset(["Abs", "Cast", "CastLike", "Exp", "Identity", "Log", "Neg", "Relu", "Sqrt"])


def _shape(value: onnx_ir.Value) -> tuple[int, ...] | None:
    """What the file declares for a value, or for what an operator makes of it that keeps the shape."""
    if value.shape is None or any(not isinstance(dim, int) for dim in value.shape):
        for node, position in value.uses():
            if position == 0 and node.domain == "" and node.op_type in KEEPS_SHAPE:
                return _shape(node.outputs[0])
        return None
    return tuple(int(dim) for dim in value.shape)  # type: ignore[arg-type]


def _type(value: onnx_ir.Value) -> str | None:
    if value.dtype is None or value.dtype in (onnx_ir.DataType.UNDEFINED, onnx_ir.DataType.STRING):
        return None
    return str(value.dtype.numpy().name)
