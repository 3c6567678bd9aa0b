"""Interprets TensorFlow graphs: from the outputs back, node by node, into values of an ONNX message.

Only what the outputs need is looked at. Functions are gone through at each call; a Switch with a known
predicate makes one side dead; what cannot be compiled becomes a value that says so, and counts when an output
needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tinsmith.compiler.frontends.tensorflow.dropout import dropped_out
from tinsmith.compiler.frontends.tensorflow.messages import Message
from tinsmith.compiler.frontends.tensorflow.registry import RULES, STEERING, Op
from tinsmith.compiler.frontends.tensorflow.scope import Guards, Library, Scope
from tinsmith.compiler.frontends.tensorflow.things import DEAD, Dead, Refused, Thing, Unsupported
from tinsmith.compiler.shaping.builder import Builder, Graph, UnknownSize, Value
from tinsmith.compiler.shaping.findings import shown

DEPTH = 60
"""Functions that call one another, loops inside loops."""
BUDGET = 300_000
"""Nodes that one model may make the interpreter go through."""

_OUTPUTS = {
    "BlockLSTM": ("i", "cs", "f", "o", "ci", "co", "h"),
    "BlockLSTMV2": ("i", "cs", "f", "o", "ci", "co", "h"),
    "CombinedNonMaxSuppression": ("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"),
    "CudnnRNN": ("output", "output_h", "output_c", "reserve_space"),
    "CudnnRNNV2": ("output", "output_h", "output_c", "reserve_space", "host_reserved"),
    "CudnnRNNV3": ("output", "output_h", "output_c", "reserve_space", "host_reserved"),
    "FusedBatchNorm": ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"),
    "FusedBatchNormV2": ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"),
    "FusedBatchNormV3": (
        *("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3"),
    ),
    "GRUBlockCell": ("r", "u", "c", "h"),
    "LSTMBlockCell": ("i", "cs", "f", "o", "ci", "co", "h"),
    "MaxPoolWithArgmax": ("output", "argmax"),
    "Merge": ("output", "value_index"),
    "NonMaxSuppressionV4": ("selected_indices", "valid_outputs"),
    "NonMaxSuppressionV5": ("selected_indices", "selected_scores", "valid_outputs"),
    "Switch": ("output_false", "output_true"),
    "TensorArrayV3": ("handle", "flow"),
    "TensorListPopBack": ("tensor_list", "tensor"),
    "TopK": ("values", "indices"),
    "TopKV2": ("values", "indices"),
    "Unique": ("y", "idx"),
    "UniqueV2": ("y", "idx"),
    "UniqueWithCounts": ("y", "idx", "count"),
    "UniqueWithCountsV2": ("y", "idx", "count"),
}
"""The outputs of operators with several, as functions refer to them."""

_CHANGES = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"})

_FAULTS = (
    *(ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, ArithmeticError),
    *(MemoryError, RuntimeError, NotImplementedError, UnicodeDecodeError),
)


class Interpreter:
    """Makes ONNX nodes of what the outputs of a model need."""

    def __init__(self, builder: Builder[Value], library: Library, variable: Callable[[str], Value]) -> None:
        self.builder = builder
        self.library = library
        self.variable = variable
        """The content of a variable by the name of its node; ValueError where there is none."""
        self.warnings: dict[str, None] = {}
        self.dropped: dict[tuple[str, ...], str] = {}
        """Nodes that apply dropout, each as its name and inputs, and what they are without it."""
        self._left = BUDGET

    def evaluate(self, scope: Scope, references: Iterable[str]) -> list[Thing]:
        """What `references` of `scope` carry."""
        wanted = list(references)
        with self.builder.into(scope.graph):
            for reference in wanted:
                self._prepare(scope, reference)
        return [self._found(scope, reference) for reference in wanted]

    def call(
        self, scope: Scope, function: str, arguments: Sequence[Thing], name: str, graph: Graph | None = None
    ) -> list[Thing]:
        """What `function` gives for `arguments`; its nodes are named after `name`."""
        body = self.library.body(function)
        if scope.depth >= DEPTH:
            raise ValueError(f"functions call one another more than {DEPTH} deep")
        inputs = [argument.name for argument in body.signature.input_arg]
        if len(inputs) != len(arguments):
            raise ValueError(
                f"it gives {len(arguments)} arguments to the function {shown(function)}, "
                f"expected {len(inputs)}"
            )
        inner = Scope(
            {node.name: node for node in body.node_def},
            graph or scope.graph,
            f"{name}/",
            dict(zip(inputs, arguments, strict=True)),
            depth=scope.depth + 1,
        )
        self._warn_of_state(body)
        results = [body.ret[output.name] for output in body.signature.output_arg]
        return self.evaluate(inner, results)

    def _warn_of_state(self, body: Message) -> None:
        if any(node.op in _CHANGES for node in body.node_def):
            text = (
                f"the function {shown(body.signature.name)} changes variables; the compiled model begins "
                "every call with what the file has"
            )
            self.warnings[text] = None

    def _prepare(self, scope: Scope, reference: str) -> None:
        """Converts the node of `reference` and all that it needs."""
        stack = [reference]
        waiting: set[str] = set()
        while stack:
            name = _node_of(stack[-1])
            if name in scope.done or self._given(scope, stack[-1]) is not None:
                stack.pop()
                continue
            node = scope.nodes.get(name)
            if node is None:
                scope.done[name] = _damaged(
                    f"the file has no node {shown(name)}, which others take inputs from"
                )
                continue
            needs = [
                need
                for need in self._needs(scope, node)
                if _node_of(need) not in scope.done and self._given(scope, need) is None
            ]
            if needs and name in waiting:
                circle = ", ".join(shown(_node_of(need)) for need in needs[:3])
                scope.done[name] = _damaged(f"node {shown(name)} waits for itself, through {circle}")
                continue
            waiting.add(name)
            if needs:
                stack += needs
                continue
            self._convert(scope, node)
            stack.pop()

    def _needs(self, scope: Scope, node: Message) -> list[str]:
        """References that `node` takes, and the control inputs that steer it."""
        if node.op in ("Exit", "RefExit") or (node.op in ("Enter", "RefEnter") and scope.frame):
            return []
        kept = dropped_out(node, scope.nodes)
        if kept is not None:
            return [kept]
        needs = [name for name in node.input if not name.startswith("^")]
        return needs + [name for name in _controls(node) if _steers(scope, name)]

    def _given(self, scope: Scope, reference: str) -> Thing | None:
        return scope.presets.get(_plain(reference), scope.arguments.get(reference))

    def _found(self, scope: Scope, reference: str) -> Thing:
        given = self._given(scope, reference)
        if given is not None:
            return given
        name = _node_of(reference)
        results = scope.done[name]
        if isinstance(results, Dead | Refused):
            return results
        index = _index(reference, scope.nodes[name].op)
        if not 0 <= index < len(results):
            return _damaged(f"node {shown(name)} has {len(results)} outputs, but {shown(reference)} is taken")
        return results[index]

    def _convert(self, scope: Scope, node: Message) -> None:
        self._left -= 1
        if self._left < 0:
            scope.done[node.name] = _damaged(f"more than {BUDGET} nodes, functions and loops unfolded")
            return
        place = f"node {shown(scope.prefix + node.name)} ({node.op})"
        kept = dropped_out(node, scope.nodes)
        if kept is not None:
            self.warnings["dropout is for training: it is left out"] = None
            self.dropped[(node.name, *node.input)] = kept
            scope.done[node.name] = [self._found(scope, kept)]
            return
        data = [name for name in node.input if not name.startswith("^")]
        steering = [name for name in _controls(node) if _steers(scope, name)]
        lazy = node.op in ("Exit", "RefExit") or (node.op in ("Enter", "RefEnter") and scope.frame)
        inputs: list[Thing] = [] if lazy else [self._found(scope, name) for name in data]
        if node.op not in ("Merge", "RefMerge") and not lazy:
            scope.guards[node.name] = frozenset().union(*(self._guards(scope, n) for n in data + steering))
            if any(isinstance(self._found(scope, name), Dead) for name in data + steering):
                scope.done[node.name] = DEAD
                return
        with self.builder.layer(scope.prefix + node.name):
            try:
                scope.done[node.name] = self._results(scope, node, inputs)
            except (Unsupported, UnknownSize) as limit:
                limits = frozenset([f"{place}: {limit}"])
                scope.done[node.name] = Refused(limits=limits, stand_in=_stand_in(inputs))
            except _FAULTS as error:
                scope.done[node.name] = _damaged(f"{place}: {str(error)[:400] or type(error).__name__}")

    def _results(self, scope: Scope, node: Message, inputs: list[Thing]) -> Sequence[Thing] | Dead | Refused:
        op = Op(self, scope, node)
        steering = STEERING.get(node.op)
        if steering is not None:
            result = steering(op, *inputs)
            if isinstance(result, Dead | Refused):
                return result
        else:
            refused = [thing for thing in inputs if isinstance(thing, Refused)]
            if node.op not in RULES:
                operators = frozenset([(node.op, scope.prefix + node.name)])
                return merged([*refused, Refused(operators=operators, stand_in=_stand_in(inputs))])
            if refused:
                return merged([self._probed(op, inputs), *refused])
            strange = next((thing for thing in inputs if not isinstance(thing, Value)), None)
            if strange is not None:
                raise Unsupported(f"it works on {described(strange)}, expected tensors of numbers")
            result = RULES[node.op](op, *inputs)
        return result if isinstance(result, list | tuple) else [result]

    def _probed(self, op: Op, inputs: Sequence[Thing]) -> Refused:
        """What else is refused of a node whose inputs are; it leaves no nodes."""
        tensors = [thing.stand_in if isinstance(thing, Refused) else thing for thing in inputs]
        if not all(isinstance(tensor, Value) for tensor in tensors):
            return Refused()
        nodes = op.scope.graph.nodes
        before = len(nodes)
        try:
            made = RULES[op.node.op](op, *tensors)
            return Refused(stand_in=_stand_in(made if isinstance(made, list | tuple) else [made]))
        except Unsupported as limit:
            place = f"node {shown(op.scope.prefix + op.node.name)} ({op.node.op})"
            return Refused(limits=frozenset([f"{place}: {limit}"]), stand_in=_stand_in(tensors))
        except _FAULTS:
            return Refused()
        finally:
            del nodes[before:]

    def _guards(self, scope: Scope, reference: str) -> Guards:
        reference = reference.removeprefix("^")
        name = _node_of(reference)
        guards = scope.guards.get(name, frozenset())
        node = scope.nodes.get(name)
        if node is not None and node.op in ("Switch", "RefSwitch") and self._given(scope, reference) is None:
            predicate = self._found(scope, [i for i in node.input if not i.startswith("^")][1])
            if isinstance(predicate, Value) and predicate.constant is None:
                return guards | {(predicate, _index(reference, node.op) == 1)}
        return guards

    def guards(self, scope: Scope, references: Iterable[str]) -> list[Guards]:
        """Per reference the predicates that it hangs on."""
        return [self._guards(scope, reference) for reference in references]


def merged(refused: Iterable[Refused]) -> Refused:
    """All reasons together."""
    result = Refused()
    for each in refused:
        result |= each
    return result


def _stand_in(things: Sequence[Thing | None]) -> Value | None:
    """The first tensor that the run computes."""
    values = [thing.stand_in if isinstance(thing, Refused) else thing for thing in things]
    return next((value for value in values if isinstance(value, Value) and value.constant is None), None)


def described(thing: Any) -> str:
    """How errors call what is no tensor."""
    kind = getattr(thing, "kind", None)
    return f"a resource of {kind}" if kind else "a list of tensors"


def _damaged(text: str) -> Refused:
    return Refused(damage=frozenset([text]))


def _controls(node: Message) -> list[str]:
    return [name[1:] for name in node.input if name.startswith("^")]


def _steers(scope: Scope, name: str) -> bool:
    """Whether the control input `name` says which side of a Switch a node is on."""
    for _ in range(8):
        node = scope.nodes.get(_node_of(name))
        if node is None or not node.input:
            return False
        if node.op in ("Switch", "RefSwitch"):
            return _plain(name) not in scope.presets and f"{node.name}:1" not in scope.presets
        if node.op not in ("Identity", "RefIdentity"):
            return False
        name = node.input[0]
    return False


def _plain(reference: str) -> str:
    """`name:0` is `name`."""
    return reference.removesuffix(":0")


def _node_of(reference: str) -> str:
    return reference.removeprefix("^").partition(":")[0]


def _index(reference: str, operator: str) -> int:
    """The place among the outputs: graphs write `node:2`, functions `node:indices:0`."""
    parts = reference.split(":")
    if len(parts) == 1:
        return 0
    if not parts[-1].isdigit() or len(parts[-1]) > 9:
        return -1
    if len(parts) == 2:
        return int(parts[1])
    names = _OUTPUTS.get(operator, ())
    return (names.index(parts[1]) if parts[1] in names else 0) + int(parts[2])
