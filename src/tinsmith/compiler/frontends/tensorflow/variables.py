"""Variables of a SavedModel: which tensor of the checkpoint each one is.

The graph that restores the checkpoint says so: a variable is assigned what RestoreV2 reads under a name.
Where it does not, the checkpoint's own list of objects tells the names of variables, or the variable's name
is the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tinsmith.compiler.frontends.tensorflow.bundle import Bundle
from tinsmith.compiler.frontends.tensorflow.messages import Message, TrackableObjectGraph
from tinsmith.compiler.frontends.tensorflow.scope import Library
from tinsmith.compiler.shaping.builder import Builder, Value
from tinsmith.compiler.shaping.findings import shown

_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VARIABLES = ("VarHandleOp", "VariableV2", "Variable")
_ASSIGNMENTS = ("AssignVariableOp", "Assign")


@dataclass
class Variables:
    """The contents of variables by the names of their nodes."""

    builder: Builder[Value]
    nodes: Mapping[str, Message]
    bundle: Bundle | None
    missing: str
    """Why there is no checkpoint, where there is none."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """By node: the key in the checkpoint, as far as the graph tells it."""
    _read: dict[str, Value] = field(default_factory=dict)

    def content(self, name: str) -> Value:
        """The content of the variable that the node `name` makes. Raises ValueError where there is none."""
        if name not in self._read:
            if self.bundle is None:
                raise ValueError(f"it reads the variable {shown(name)}, but {self.missing}")
            tensor = self.bundle.tensor(self._key(name, self.bundle))
            with self.builder.layer(name):
                self._read[name] = self.builder.constant(tensor)
        return self._read[name]

    def _key(self, name: str, bundle: Bundle) -> str:
        if name in self.keys:
            return self.keys[name]
        node = self.nodes.get(name)
        shared: str = node.attr["shared_name"].s.decode(errors="replace") if node is not None else ""
        known = _object_keys(bundle)
        for candidate in (shared, name):
            if candidate in known:
                return known[candidate]
            if candidate in bundle.entries:
                return candidate
        return shared or name


def _object_keys(bundle: Bundle) -> dict[str, str]:
    """Keys by the full names of variables; names that several have are left out."""
    try:
        graph = TrackableObjectGraph.FromString(bundle.text(_OBJECTS))
    except (DecodeError, ValueError, IndexError):
        return {}
    found: dict[str, set[str]] = {}
    for node in graph.nodes:
        for attribute in node.attributes:
            found.setdefault(attribute.full_name, set()).add(attribute.checkpoint_key)
    return {name: next(iter(keys)) for name, keys in found.items() if name and len(keys) == 1}


def restored_keys(nodes: Mapping[str, Message], library: Library) -> dict[str, str]:
    """By the node of a variable: the key that the graph restores it from."""
    found: dict[str, str] = {}
    for variable, key in _assigned(nodes, {}):
        found[variable] = key
    for node in nodes.values():
        function = library.functions.get(node.attr["f"].func.name) if "f" in node.attr else None
        if function is None or not any(inner.op == "RestoreV2" for inner in function.node_def):
            continue
        given = [name for name in node.input if not name.startswith("^")]
        names = [argument.name for argument in function.signature.input_arg]
        inner_nodes = {inner.name: inner for inner in function.node_def}
        outer = dict(zip(names, given, strict=False))
        for variable, key in _assigned(inner_nodes, outer):
            source = _variable(variable, nodes)
            if source is not None:
                found[source] = key
    return found


def _assigned(nodes: Mapping[str, Message], arguments: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Pairs of a variable, or of what is given for an argument, and its key."""
    for node in nodes.values():
        if node.op not in _ASSIGNMENTS or len(node.input) < 2:
            continue
        target = arguments.get(node.input[0]) or _variable(node.input[0], nodes)
        key = _restored(node.input[1], nodes)
        if target is not None and key is not None:
            yield target, key


def _variable(reference: str, nodes: Mapping[str, Message]) -> str | None:
    node = _behind(reference, nodes)
    return node.name if node is not None and node.op in _VARIABLES else None


def _restored(reference: str, nodes: Mapping[str, Message]) -> str | None:
    """The key of the tensor that RestoreV2 reads for `reference`."""
    for _ in range(4):
        node = nodes.get(reference.partition(":")[0])
        if node is None or not node.input:
            return None
        if node.op == "RestoreV2":
            break
        if node.op != "Identity":
            return None
        reference = node.input[0]
    else:
        return None
    names = _behind(node.input[1], nodes) if len(node.input) > 1 else None
    place = reference.rpartition(":")[2] if ":" in reference else "0"
    if names is None or names.op != "Const" or not place.isdigit():
        return None
    listed = names.attr["value"].tensor.string_val
    return listed[int(place)].decode(errors="replace") if int(place) < len(listed) else None


def _behind(reference: str, nodes: Mapping[str, Message]) -> Message | None:
    """The node that `reference` comes from, through identities."""
    for _ in range(4):
        node = nodes.get(reference.partition(":")[0])
        if node is None or node.op != "Identity" or not node.input:
            return node
        reference = node.input[0]
    return None


def by_name(nodes: Iterable[Message]) -> dict[str, Message]:
    """Nodes by their names."""
    return {node.name: node for node in nodes}
