"""Many cases in one library: each is lowered alone, then all are compiled, executed and compared together.

Where one of them makes the compiler or the library fail, halves of the batch are tried until it is alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx_ir

from tests.onnx_suite.cases import Array, Case, as_network, difference
from tests.onnx_suite.machines import Machine
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.operators.lower import lower, nodes_of
from tinsmith.errors import ClientError

SIZE = 32
"""Cases of a library: more take no less time, and fewer pay for the same headers more often."""


@dataclass(frozen=True)
class Outcome:
    """Of one case: passed, refused or failed, and why."""

    name: str
    status: str
    detail: str = ""
    crashed: bool = False
    """It failed by another thing than its answers."""


def in_batches(cases: Sequence[Case]) -> list[Sequence[Case]]:
    """All of `cases`, in order."""
    return [cases[start : start + SIZE] for start in range(0, len(cases), SIZE)]


def run_batch(batch: Sequence[Case], machine: Machine) -> list[Outcome]:
    """The outcomes of cases that become one library."""
    outcomes = {case.name: refusal(case) for case in batch}
    compiled = [case for case in batch if outcomes[case.name] is None]
    found = {**outcomes, **{outcome.name: outcome for outcome in _executed(compiled, machine)}}
    return [outcome for outcome in found.values() if outcome is not None]


def refusal(case: Case) -> Outcome | None:
    """None where the compiler takes the case."""
    try:
        lower(as_network(case.model, case.inputs))
    except ClientError as error:
        return Outcome(case.name, "refused", str(error))
    except Exception as error:  # a failure is a result here
        return _failed(case, error)
    return None


def _executed(batch: Sequence[Case], machine: Machine) -> list[Outcome]:
    if not batch:
        return []
    try:
        answers = _answers(batch, machine)
    except Exception as error:  # a failure is a result here
        if len(batch) == 1:
            return [_failed(batch[0], error)]
        middle = len(batch) // 2
        return _executed(batch[:middle], machine) + _executed(batch[middle:], machine)
    outcomes = []
    for case, results in zip(batch, answers, strict=True):
        problem = difference(results, case.expected, case.rtol, case.atol)
        outcomes.append(Outcome(case.name, "failed" if problem else "passed", problem))
    return outcomes


def _failed(case: Case, error: Exception) -> Outcome:
    return Outcome(case.name, "failed", f"{type(error).__name__}: {error}"[:1500], crashed=True)


def _answers(batch: Sequence[Case], machine: Machine) -> list[list[Array]]:
    """Per case, what its part of the library gives."""
    networks = [as_network(case.model, case.inputs) for case in batch]
    counts = [len(network.outputs) for network in networks]
    inputs = [array for case in batch for array in case.inputs]
    answers = iter(machine.run(side_by_side(networks), inputs))
    return [[next(answers) for _ in range(count)] for count in counts]


def side_by_side(networks: Sequence[Network]) -> Network:
    """One network that does what all do, which are used up. Names begin with the number of the network."""
    inputs: list[onnx_ir.Value] = []
    outputs: list[onnx_ir.Value] = []
    constants: list[onnx_ir.Value] = []
    nodes: list[onnx_ir.Node] = []
    for number, network in enumerate(networks):
        graph = network.graph.graph
        for node in nodes_of(graph):
            node.version = network.graph.opset_imports.get(node.domain, 1)
        for found, own in ((inputs, graph.inputs), (outputs, graph.outputs)):
            found.extend(own)
            own.clear()
        for value in list(graph.initializers.values()):
            del graph.initializers[value.name or ""]
            value.name = f"{number}/{value.name}"
            constants.append(value)
        own_nodes = list(graph)
        graph.remove(own_nodes)
        nodes += own_nodes
    graph = onnx_ir.Graph(inputs, outputs, nodes=nodes, initializers=constants, name="suite")
    specs = [
        [
            replace(spec, name=f"{number}/{spec.name}")
            for number, network in enumerate(networks)
            for spec in getattr(network, side)
        ]
        for side in ("inputs", "outputs")
    ]
    model = onnx_ir.Model(graph, ir_version=networks[0].graph.ir_version)
    return replace(networks[0], graph=model, inputs=tuple(specs[0]), outputs=tuple(specs[1]))
