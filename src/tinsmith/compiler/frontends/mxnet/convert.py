"""Every node in its turn; what the model gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import onnx

from tinsmith.compiler.frontends.mxnet.inputs import Sources
from tinsmith.compiler.frontends.mxnet.node import RULES, AttributeProblem, Node, Unsupported
from tinsmith.compiler.frontends.mxnet.operators import load
from tinsmith.compiler.frontends.mxnet.params import Arrays
from tinsmith.compiler.frontends.mxnet.symbol import VARIABLE, Graph, Reference
from tinsmith.compiler.shaping.builder import Builder, ShapeError, Value
from tinsmith.compiler.shaping.findings import Findings, shown

LISTED = 20
"""Nodes that a refusal names for each operator."""

load()

_MISFITS = (ValueError, TypeError, IndexError, KeyError, ZeroDivisionError, AssertionError)
"""What rules make of inputs that are only guessed."""


def refuse_unknown(graph: Graph, findings: Findings) -> None:
    """Notes all operators that are not compiled, with their nodes."""
    unknown: defaultdict[str, list[str]] = defaultdict(list)
    for index in graph.reached():
        node = graph.nodes[index]
        if node.op != VARIABLE and node.op not in RULES:
            unknown[node.op[:120]].append(shown(node.name))
    if unknown:
        listed = "; ".join(
            f"{op} (node {', '.join(names[:LISTED])}{' and more' if len(names) > LISTED else ''})"
            for op, names in unknown.items()
        )
        findings.refused(f"The following operators are not supported for frontend MXNET: {listed}")


def convert(graph: Graph, arrays: Arrays, sources: Sources, findings: Findings) -> onnx.ModelProto:
    """The message. Stops with ClientError for nodes that do not fit their inputs or are not compiled."""
    names = _output_names(graph)
    message = Builder(Value, names, least=1)
    conversion = _Conversion(graph, arrays, message, findings)
    own = {spec.name: message.input(spec.name, spec.dtype, spec.shape) for spec in sources.specs}
    for index in graph.reached():
        node = graph.nodes[index]
        if node.op == VARIABLE:
            source = own.get(node.name)
            value = source or message.constant(arrays[node.name], name=node.name)
            conversion.values[index, 0] = value
        else:
            conversion.convert(index)
    values = conversion.values
    for index, number in graph.heads:
        if (index, number) not in values and not findings:
            findings.damaged(f"heads: {graph.nodes[index].place} has no output {number}")
    findings.stop()
    given = {name: values[head] for name, head in zip(names, graph.heads, strict=True)}
    return message.model("mxnet", list(own.values()), given, "mxnet", graph.version)


class _Conversion:
    """The values of a graph while it is converted."""

    def __init__(self, graph: Graph, arrays: Arrays, message: Builder[Value], findings: Findings) -> None:
        self.values: dict[Reference, Value] = {}
        self._guesses: dict[int, Value] = {}
        """What stands for the outputs of nodes that failed and of those behind them, so that all refusals are
        found. What else goes wrong there is no news."""
        self._graph = graph
        self._arrays = arrays
        self._message = message
        self._findings = findings

    def convert(self, index: int) -> None:
        """Makes the values of a node, or notes why there are none."""
        node = self._graph.nodes[index]
        known = [self.values.get(source) or self._guesses.get(source[0]) for source in node.read]
        inputs = tuple(value for value in known if value is not None)
        if len(inputs) < len(known):
            _note_missing(self._graph, index, self._findings)
            return
        contents = tuple(self._arrays.get(self._graph.nodes[source].name) for source, _ in node.read)
        call = Node(node.name, node.op, node.attributes, inputs, contents, self._message)
        guessed = any(source not in self.values for source in node.read)
        outputs = self._outputs(call, node.place, guessed)
        if outputs is not None and not guessed:
            self.values |= {(index, number): output for number, output in enumerate(outputs)}
        elif outputs or inputs:
            self._guesses[index] = (outputs or inputs)[0]

    def _outputs(self, call: Node, place: str, guessed: bool) -> tuple[Value, ...] | None:
        try:
            with self._message.layer(call.name):
                outputs = RULES[call.op](call)
            return (outputs,) if isinstance(outputs, Value) else tuple(outputs)
        except Unsupported as refusal:
            self._findings.refused(f"{place}: {refusal}")
        except (AttributeProblem, ShapeError) as problem:
            if not guessed:
                self._findings.damaged(f"{place}: {problem}{_operands(call.inputs)}")
        except _MISFITS:
            if not guessed:
                raise
        return None


def _note_missing(graph: Graph, index: int, findings: Findings) -> None:
    """Only where nothing else is wrong: what follows from another problem is no news."""
    if not findings:
        findings.damaged(f"{graph.nodes[index].place}: reads an output that the node it names has not")


def _operands(inputs: Sequence[Value]) -> str:
    return f"; its inputs are {', '.join(map(str, inputs[:8]))}" if inputs else ""


def _output_names(graph: Graph) -> list[str]:
    """As MXNet's list_outputs() names them, each once."""
    counts: dict[int, int] = defaultdict(int)
    for node in graph.nodes:
        for source, number in node.inputs:
            counts[source] = max(counts[source], number + 1)
    for index, number in graph.heads:
        counts[index] = max(counts[index], number + 1)
    names: list[str] = []
    for index, number in graph.heads:
        node = graph.nodes[index]
        if node.op == VARIABLE:
            name = node.name
        else:
            several = counts[index] > 1 or node.op in ("SliceChannel", "split", "_split_v2")
            name = f"{node.name}_output{number if several else ''}"
        while name in names:
            name += "_"
        names.append(name)
    return names
