"""Numbers that follow from the shapes of the inputs become constants, and with them the control flow.

What a number in the program depends on is found out by a walk, what it is by running the program: numbers
that depend on the elements of tensors are left alone, all others are the same at every call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from . import containers
from .blocks import all_nodes

ROUNDS = 8
"""Each lets numbers decide conditions and loop counts, which brings those within them to the surface."""

_GROWS = {"prim::If", "prim::Loop", "aten::append", "aten::__getitem__", "aten::len", "aten::_set_item"}
_ABOUT = {
    "aten::size",
    "aten::dim",
    "aten::len",
    "aten::numel",
    "aten::is_floating_point",
    "aten::is_complex",
    "aten::__is__",
    "aten::__isnot__",
    "prim::shape",
    "prim::dtype",
    "prim::device",
    "prim::layout",
    "prim::type",
    "prim::is_cuda",
    "prim::requires_grad",
    "prim::is_nested",
}
"""They ask a tensor for something else than its elements."""
_OF_ELEMENTS = {
    "aten::nonzero",
    "aten::nonzero_numpy",
    "aten::argwhere",
    "aten::index",
    "aten::masked_select",
    "aten::unique_dim",
    "aten::_unique2",
    "aten::unique_consecutive",
    "aten::repeat_interleave",
    "aten::bincount",
}
"""The shapes of their results depend on elements."""
_NUMBERS = ("int", "bool", "float", "int[]", "float[]", "bool[]")


def specialise(module: torch.jit.ScriptModule, inputs: list[torch.Tensor]) -> None:
    """Fixes what `inputs` decide in a frozen module that has control flow or grows lists."""
    graph = module.forward.graph
    for _ in range(ROUNDS):
        if not _GROWS & {node.kind() for node in all_nodes(graph)}:
            return
        _assume_no_errors(graph)
        _fix_numbers(graph, inputs)
        torch._C._jit_pass_constant_propagation(graph)
        torch._C._jit_pass_constant_loop_unrolling(graph)
        torch._C._jit_pass_lower_all_tuples(graph)
        _split_uninitialized(graph)
        if len(list(graph.outputs())) != 1:
            graph.makeMultiOutputIntoTuple()
        containers.read_dictionaries(graph)
        containers.read_lists(graph)
        torch._C._jit_pass_peephole_list_idioms(graph, True)
        torch._C._jit_pass_peephole(graph, False)
        torch._C._jit_pass_dce(graph)


def _split_uninitialized(graph: torch._C.Graph) -> None:
    """One node for each value: TorchScript does not run one of several, which lowering a tuple leaves."""
    for node in [node for node in all_nodes(graph) if node.kind() == "prim::Uninitialized"]:
        values = list(node.outputs())
        with graph.insert_point_guard(node):
            for value in values[1:]:
                alone = graph.insertNode(graph.create("prim::Uninitialized", 1)).output()
                alone.setType(value.type())
                value.replaceAllUsesWith(alone)
        for position in range(len(values) - 1, 0, -1):
            node.eraseOutput(position)


def annotate(graph: torch._C.Graph, inputs: Sequence[torch.Tensor]) -> torch._C.Graph:
    """Notes the types and shapes of all tensors outside of inner blocks, as a run has them."""
    values = [value for value in _outputs(graph) if _is_plain_tensor(value)]
    for value, tensor in zip(values, _run(graph, values, inputs), strict=True):
        value.inferTypeFrom(tensor)
    return graph


def _fix_numbers(graph: torch._C.Graph, inputs: list[torch.Tensor]) -> None:
    numbers = _fixed(graph)
    for value, answer in zip(numbers, _run(graph, numbers, inputs), strict=True):
        with graph.insert_point_guard(value.node()):
            value.replaceAllUsesWith(graph.insertConstant(answer))


def _run(
    graph: torch._C.Graph, values: list[torch._C.Value], inputs: Sequence[torch.Tensor]
) -> tuple[object, ...]:
    """What `values`, of nodes outside of inner blocks, are in a run; nothing where the module is needed."""
    own = len(list(graph.inputs())) - len(inputs)  # one before freezing is over: the module
    if not values or any(value.uses() for value in list(graph.inputs())[:own]):
        del values[:]
        return ()
    asked = graph.copy()
    copies = dict(zip(_outputs(graph), _outputs(asked), strict=True))
    for _ in list(asked.outputs()):
        asked.eraseOutput(0)
    for value in values:
        asked.registerOutput(copies[value])
    for _ in range(own):
        asked.eraseInput(0)
    asked.makeMultiOutputIntoTuple()
    answers: tuple[object, ...] = torch._C._create_function_from_graph("run", asked)(*inputs)
    return answers


def _outputs(graph: torch._C.Graph) -> list[torch._C.Value]:
    return [value for node in graph.nodes() for value in node.outputs()]


def _fixed(graph: torch._C.Graph) -> list[torch._C.Value]:
    """The numbers outside of inner blocks that do not depend on elements of tensors."""
    return _settled(graph.nodes(), set())


def _settled(nodes: Iterable[torch._C.Node], open_: set[str]) -> list[torch._C.Value]:
    """The numbers that `nodes` give and that do not depend on elements of tensors. Those that do, and tensors
    whose shapes do, join `open_`, with those in the branches of conditions; whatever a loop gives is open."""
    fixed = []
    for node in nodes:
        branches = list(node.blocks())
        for branch in branches:
            _settled(branch.nodes(), open_)
        depends = any(value.debugName() in open_ for value in node.inputs())
        depends |= node.kind() in _OF_ELEMENTS or (bool(branches) and node.kind() != "prim::If")
        reads = node.kind() not in _ABOUT and any(_is_tensor(value) for value in node.inputs())
        for position, value in enumerate(node.outputs()):
            chosen = any(list(branch.outputs())[position].debugName() in open_ for branch in branches)
            number = str(value.type()) in _NUMBERS
            if depends or chosen or (number and reads):
                open_.add(value.debugName())
            elif number and node.kind() not in ("prim::Constant", "prim::Uninitialized"):
                fixed.append(value)
    return fixed


def _is_plain_tensor(value: torch._C.Value) -> bool:
    return str(value.type().kind()) == "TensorType"


def _is_tensor(value: torch._C.Value) -> bool:
    return "Tensor" in str(value.type())


def _assume_no_errors(graph: torch._C.Graph) -> None:
    """Takes the other branch of conditions that raise an error: the shapes at hand do not."""
    for node in [node for node in all_nodes(graph) if node.kind() == "prim::If"]:
        raising = [any(n.kind() == "prim::RaiseException" for n in block.nodes()) for block in node.blocks()]
        if raising.count(True) == 1 and node.inputsAt(0).node().kind() != "prim::Constant":
            with graph.insert_point_guard(node):
                node.replaceInput(0, graph.insertConstant(raising[1]))
