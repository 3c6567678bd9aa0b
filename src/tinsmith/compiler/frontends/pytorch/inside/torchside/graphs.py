"""Graphs of TorchScript made ready for export: what a fixed shape decides is decided, lists are unrolled."""

from __future__ import annotations

from collections import defaultdict

import torch

from .blocks import all_nodes, constant
from .decompositions import expand
from .failures import Refused
from .specialise import specialise

LISTED = 20

_STATE_ADVICE = "trace the model with torch.jit.trace, and pass its state as inputs and outputs"
_FALSE = {"aten::is_autocast_enabled", "aten::is_autocast_cpu_enabled", "aten::is_grad_enabled"}
_CONTROL = ("prim::If", "prim::Loop", "prim::RaiseException")


def layer_of(node: torch._C.Node) -> str:
    """The path of the user's layer that `node` is in; "" at the top."""
    parts = [part.rpartition("::")[2] for part in node.scopeName().split("/")]
    return ".".join(part for part in parts[2:] if part)


def leave_accelerators(module: torch.jit.ScriptModule) -> None:
    """Moves tensors that the code makes on the device that it was traced on to the processor."""
    for part in module.modules():
        for name in part._c._method_names():
            for node in all_nodes(part._c._get_method(name).graph):
                if node.kind() == "prim::Constant" and str(node.output().type()) == "Device":
                    node.s_("value", "cpu")


def refuse_state(module: torch.jit.ScriptModule) -> None:
    """Raises Refused for a forward that keeps something for the next call."""
    nodes = list(all_nodes(module.forward.inlined_graph))
    kept = sorted({node.s("name") for node in nodes if node.kind() == "prim::SetAttr"})
    if not kept:
        return
    control = [kind for kind in _CONTROL if any(node.kind() == kind for node in nodes)]
    numbers = [
        f"{one.name} ({one.type})"
        for one in module.forward.schema.arguments[1:]
        if one.type.kind() in ("IntType", "FloatType", "BoolType")
    ]
    facts = [f"control flow ({', '.join(control)})"] if control else []
    facts += [f"the arguments {', '.join(numbers)}"] if numbers else []
    also = f"; it also has {' and '.join(facts)}" if facts else ""
    raise Refused(
        "OperatorNotImplemented",
        f"forward keeps state between calls in the attributes {', '.join(kept)} (prim::SetAttr), which is "
        f"not compiled{also}: {_STATE_ADVICE}",
    )


def refuse_training(graph: torch._C.Graph) -> None:
    """Raises Refused for layers that a trace has recorded as they behave in training."""
    layers = defaultdict(list)
    for node in all_nodes(graph):
        position = {"aten::dropout": 2, "aten::batch_norm": 5, "aten::feature_dropout": 2}.get(node.kind())
        if position is not None and constant(node, position) is True:
            layers[node.kind()].append(layer_of(node) or "forward")
    if layers:
        named = "; ".join(f"{kind} in {', '.join(where[:LISTED])}" for kind, where in layers.items())
        raise Refused(
            "InputConfiguration",
            f"the model was traced in training mode ({named}): cast it with eval() before torch.jit.trace",
        )


def refuse_quantized(graph: torch._C.Graph) -> None:
    """Raises Refused for layers of integers, which the exporter has no words for."""
    layers = defaultdict(list)
    for node in all_nodes(graph):
        if node.kind().startswith("quantized::"):
            layers[node.kind()].append(layer_of(node) or "forward")
    if layers:
        problems = [
            f"the operator {kind} is not implemented: {', '.join(where[:LISTED])}; hand in the model before "
            "quantization"
            for kind, where in layers.items()
        ]
        raise Refused("OperatorNotImplemented", problems)


def refuse_early_returns(graph: torch._C.Graph) -> None:
    """Raises Refused for functions that return from within a loop, whose value before it has no content."""
    layers = [
        layer_of(node) or "forward"
        for node in all_nodes(graph)
        if node.kind() == "prim::Loop"
        and any(value.node().kind() == "prim::Uninitialized" for value in node.inputs())
    ]
    if layers:
        raise Refused(
            "OperatorNotImplemented",
            f"a function returns from within a loop (prim::Loop in {', '.join(layers[:LISTED])}), which is "
            "not compiled: let a variable have the value, and return it after the loop",
        )


def prepare(module: torch.jit.ScriptModule, inputs: list[torch.Tensor]) -> torch.jit.ScriptModule:
    """`module` frozen, its calls inlined with the layers' names, conditions decided by the inputs' shapes."""
    graph = module.forward.graph
    torch._C._jit_pass_onnx_function_substitution(graph)
    for node in list(all_nodes(graph)):
        if node.kind() in _FALSE:
            _replace(graph, node, False)
    frozen = torch.jit._recursive.wrap_cpp_module(
        torch._C._freeze_module(module._c, preserveParameters=False)
    )
    _insert_tensors(frozen)
    specialise(frozen, inputs)
    expand(frozen.forward.graph, list(all_nodes(frozen.forward.graph)))
    specialise(frozen, inputs)
    return frozen


def _insert_tensors(module: torch.jit.ScriptModule) -> None:
    """Freezing leaves tensors in the module that scripts ask for more than their elements."""
    graph = module.forward.graph
    first = next(iter(graph.nodes()), graph.return_node())
    for node in [node for node in all_nodes(graph) if node.kind() == "prim::GetAttr"]:
        value = _attribute(module, node)
        if isinstance(value, torch.Tensor):
            with graph.insert_point_guard(first):
                node.output().replaceAllUsesWith(graph.insertConstant(value.detach()))
    torch._C._jit_pass_dce(graph)


def _attribute(module: torch.jit.ScriptModule, node: torch._C.Node) -> object:
    owner = node.inputsAt(0).node()
    holder = _attribute(module, owner) if owner.kind() == "prim::GetAttr" else module
    return getattr(holder, node.s("name"))


def _replace(graph: torch._C.Graph, node: torch._C.Node, value: object) -> None:
    with graph.insert_point_guard(node):
        node.output().replaceAllUsesWith(graph.insertConstant(value))
    node.destroy()
