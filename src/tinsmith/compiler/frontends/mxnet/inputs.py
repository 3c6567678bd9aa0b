"""Which variables of a symbol are its inputs, and of which shape and type they are."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinsmith.compiler.frontends.mxnet.params import DTYPES, Arrays
from tinsmith.compiler.frontends.mxnet.symbol import VARIABLE, Graph, Node
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.inputs import Declared, input_specs
from tinsmith.spec.data_input import InputConfig

_PARAMETERS = {
    "Convolution": 1,
    "Deconvolution": 1,
    "FullyConnected": 1,
    "BatchNorm": 1,
    "BatchNorm_v1": 1,
    "_contrib_SyncBatchNorm": 1,
    "LayerNorm": 1,
    "InstanceNorm": 1,
    "GroupNorm": 1,
    "Embedding": 1,
    "LeakyReLU": 1,
}
"""Operators, and from which input on theirs are parameters."""
_INDICES = frozenset(("Embedding", "Cast", "cast", "amp_cast"))
"""Operators whose input need not have the type of their parameters."""


@dataclass(frozen=True)
class Sources:
    """The inputs of a model."""

    specs: tuple[TensorSpec, ...]
    """In the order of the symbol; every dimension is known."""
    warnings: tuple[str, ...] = ()


def find(graph: Graph, arrays: Arrays, text: str | None, findings: Findings, place: str) -> Sources:
    """The inputs: variables that the outputs need and that `arrays`, those of the file `place`, lack.

    What DataInputConfig contradicts or leaves open, and parameters that are missing, go to `findings`.
    """
    reached = graph.reached()
    open_names = [
        graph.nodes[index].name
        for index in reached
        if graph.nodes[index].op == VARIABLE and graph.nodes[index].name not in arrays
    ]
    adapt = _Habits(graph, open_names)
    missing = _missing_parameters(graph, reached, arrays)
    for name, user in missing.items():
        findings.damaged(f"the parameter {shown(name)} of {user} is not in {place}")
    open_names = [name for name in open_names if name not in missing]
    declared = _declared(graph, reached, open_names, arrays, findings)
    specs = input_specs(declared, arrays, text, findings, adapt)
    return Sources(specs, tuple(adapt.warnings))


class _Habits:
    """DataInputConfig as people write it for MXNet: with the label of training."""

    def __init__(self, graph: Graph, open_names: Sequence[str]) -> None:
        variables = {node.name for node in graph.nodes if node.op == VARIABLE}
        self._labels = variables.difference(open_names)
        self.warnings: list[str] = []

    def __call__(self, configs: Sequence[InputConfig], declared: Sequence[Declared]) -> Sequence[InputConfig]:
        labels = [config for config in configs if self._is_label(config.name or "", declared)]
        self.warnings += [
            f"DataInputConfig: {shown(config.name or '')} is a label, which only training needs; left out"
            for config in labels
        ]
        return [config for config in configs if config not in labels]

    def _is_label(self, name: str, declared: Sequence[Declared]) -> bool:
        if any(item.name == name for item in declared):
            return False
        return name.endswith("label") or (name in self._labels and "label" in name)


def _missing_parameters(graph: Graph, reached: Sequence[int], arrays: Arrays) -> Mapping[str, str]:
    """Variables that stand where operators have parameters, with the node that reads them."""
    found: dict[str, str] = {}
    for index in reached:
        node = graph.nodes[index]
        for source, _ in node.inputs[_PARAMETERS.get(node.op, len(node.inputs)) :]:
            variable = graph.nodes[source]
            if variable.op == VARIABLE and variable.name not in arrays:
                found.setdefault(variable.name, node.place)
    return found


def _declared(
    graph: Graph, reached: Sequence[int], open_names: Sequence[str], arrays: Arrays, findings: Findings
) -> list[Declared]:
    declared = []
    for index in reached:
        node = graph.nodes[index]
        if node.op != VARIABLE or node.name not in open_names:
            continue
        dtype = _stated_type(node, findings) or _followed_type(graph, reached, index, arrays)
        shape = _stated_shape(node.attributes) or _followed_shape(graph, reached, index, arrays)
        declared.append(Declared(node.name, dtype, shape))
    return declared


def _stated_type(node: Node, findings: Findings) -> str | None:
    """None where it is to be found out, which MXNet writes as -1 or not at all."""
    text = node.attributes.get("__dtype__", "-1")
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number in DTYPES:
        return str(np.dtype(DTYPES[number]).name)
    if text not in ("-1", "None"):
        known = ", ".join(f"{key} ({np.dtype(dtype).name})" for key, dtype in DTYPES.items())
        findings.damaged(
            f"the input {shown(node.name)} has the element type {text[:20]!r} (__dtype__), expected one of "
            f"{known}"
        )
    return None


def _stated_shape(attributes: Mapping[str, str]) -> tuple[int | None, ...] | None:
    """Zeros and negative sizes are those to be found out."""
    try:
        shape = ast.literal_eval(attributes.get("__shape__", "None")[:400])
    except (ValueError, SyntaxError):
        return None
    if not isinstance(shape, tuple | list) or not shape or not all(isinstance(size, int) for size in shape):
        return None
    return tuple(size if size > 0 else None for size in shape)


def _followed_type(graph: Graph, reached: Sequence[int], source: int, arrays: Arrays) -> str:
    """The type of the first parameters that the input meets on its way: MXNet computes in one type."""
    carrying = {source}
    for index in reached:
        node = graph.nodes[index]
        sources = [number for number, _ in node.read]
        if carrying.isdisjoint(sources) or node.op in _INDICES:
            continue
        for number in sources:
            array = arrays.get(graph.nodes[number].name) if graph.nodes[number].op == VARIABLE else None
            if array is not None and array.dtype.name in ("float16", "float32", "float64", "bfloat16"):
                return str(array.dtype.name)
        carrying.add(index)
    return "float32"


def _followed_shape(
    graph: Graph, reached: Sequence[int], source: int, arrays: Arrays
) -> tuple[int | None, ...] | None:
    """What the first layer says of its input: a convolution its channels, a product its numbers."""
    for index in reached:
        node = graph.nodes[index]
        if not node.inputs or node.inputs[0][0] != source or len(node.inputs) < 2:
            continue
        weight = arrays.get(graph.nodes[node.inputs[1][0]].name)
        if weight is None:
            continue
        if node.op == "Convolution" and node.attributes.get("layout", "None") in (
            "None",
            "NCHW",
            "NCW",
            "NCDHW",
        ):
            groups = node.attributes.get("num_group", "1")
            channels = weight.shape[1] * int(groups) if groups.isdigit() and weight.ndim > 2 else None
            return (None, channels, *[None] * (weight.ndim - 2))
        if node.op.startswith("BatchNorm") and node.attributes.get("axis", "1") == "1":
            return (None, weight.shape[0], None, None) if _feeds_image(graph, reached, index) else None
    return None


def _feeds_image(graph: Graph, reached: Sequence[int], index: int) -> bool:
    """Some convolution of pictures reads node `index`."""
    return any(
        graph.nodes[user].op == "Convolution"
        and graph.nodes[user].inputs[:1] == ((index, 0),)
        and graph.nodes[user].attributes.get("kernel", "").count(",") == 1
        for user in reached
    )
