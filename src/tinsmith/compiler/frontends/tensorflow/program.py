"""What is compiled of the customer's files: a graph with functions, its inputs and its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinsmith.compiler.frontends.tensorflow.messages import Message, type_name
from tinsmith.compiler.frontends.tensorflow.scope import Library
from tinsmith.compiler.frontends.tensorflow.tensors import STRING, dtype_of, shape_of
from tinsmith.compiler.frontends.tensorflow.variables import by_name
from tinsmith.compiler.shaping.builder import Dims
from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.inputs import model_shape
from tinsmith.spec.frameworks import Version

DEFAULT_SIGNATURE = "serving_default"
_INITIALISER = "__saved_model_init_op"
_KNOWN_SHAPES = 24
"""The version of graphs since which a placeholder without dimensions is a scalar; before, anything."""

_KNOWN_SHAPES_SINCE = (1, 4)
"""A version of TensorFlow whose graphs are of that version or later."""

_NO_OUTPUTS = frozenset(
    [
        *(
            "Assert",
            "Assign",
            "AssignAdd",
            "AssignSub",
            "AssignVariableOp",
            "Const",
            "HashTable",
            "HashTableV2",
        ),
        *(
            "InitializeTable",
            "InitializeTableFromTextFileV2",
            "InitializeTableV2",
            "IteratorFromStringHandle",
        ),
        *("IteratorGetNext", "IteratorToStringHandle", "MergeV2Checkpoints", "NoOp", "Placeholder", "Print"),
        *(
            "RestoreV2",
            "SaveV2",
            "ScalarSummary",
            "HistogramSummary",
            "MergeSummary",
            "ImageSummary",
            "VarHandleOp",
        ),
        *(
            "VarIsInitializedOp",
            "Variable",
            "VariableV2",
            "ShardedFilename",
            "MakeIterator",
            "LookupTableImportV2",
        ),
        *(
            "Switch",
            "Merge",
            "Enter",
            "LoopCond",
            "NextIteration",
            "TensorArrayV3",
            "ReadVariableOp",
            "StringJoin",
        ),
    ]
)
"""Operators that are no result of a model, even where nothing follows them."""


@dataclass(frozen=True)
class Feed:
    """Something that can be given to the model."""

    name: str
    """As the artifact calls it."""
    reference: str
    """In the graph."""
    type: int
    """TensorFlow's number of the element type."""
    shape: Dims
    optional: bool = False
    """The file has a value for it."""


@dataclass
class Program:
    """A graph to be compiled."""

    nodes: dict[str, Message]
    library: Library
    feeds: list[Feed]
    outputs: dict[str, str]
    """References in the graph, by the names of the outputs."""
    producer: str
    warnings: list[str] = field(default_factory=list)


def frozen(
    graph: Message, output_names: list[str] | None, findings: Findings, version: Version | None = None
) -> Program:
    """A graph whose variables are constants; without `output_names` whatever nothing follows is an output.

    `version` is what the request says of TensorFlow; it counts where the graph does not tell.
    """
    nodes = by_name(graph.node)
    if len(nodes) < len(graph.node):
        findings.damaged("it has several nodes of one name")
    outputs = _named_outputs(nodes, output_names, findings) if output_names else _sinks(nodes)
    findings.stop()
    if not outputs:
        findings.damaged(
            "no node of it is an output; name the outputs by CompilerOptions, as in "
            '{"output_names": ["name:0"]}'
        )
    findings.stop()
    told = graph.versions.producer
    old = told < _KNOWN_SHAPES if told or version is None else version < _KNOWN_SHAPES_SINCE
    reached = _reached(nodes, outputs.values())
    feeds = [
        _feed(node, old)
        for name, node in nodes.items()
        if name in reached and node.op in ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
    ]
    return Program(
        nodes, _library(graph), feeds, outputs, f"TensorFlow graph {graph.versions.producer or ''}".strip()
    )


def _named_outputs(nodes: Mapping[str, Message], names: list[str], findings: Findings) -> dict[str, str]:
    outputs, ends = {}, list(_sinks(nodes))
    for name in names:
        plain = name.removesuffix(":0").removeprefix("^")
        node = _scoped(plain.partition(":")[0], nodes, ends)
        if node is None:
            listed = ", ".join(map(shown, ends[:16]))
            findings.damaged(
                f"output_names has {shown(name)}, which the graph does not have; nothing follows "
                f"{listed or 'no node'}"
            )
            continue
        suffix = plain.partition(":")[2]
        outputs[node + (f":{suffix}" if suffix else "")] = node + (f":{suffix}" if suffix else "")
    return outputs


def _scoped(name: str, nodes: Mapping[str, Message], first: Sequence[str] = ()) -> str | None:
    """The node called `name`, with or without the scope in front; of several the one among `first`."""
    if name in nodes:
        return name
    for among in (first, nodes):
        found = [node for node in among if node.endswith(f"/{name}") or name.endswith(f"/{node}")]
        if len(found) == 1:
            return found[0]
    return None


def _sinks(nodes: Mapping[str, Message]) -> dict[str, str]:
    used = {name.removeprefix("^").partition(":")[0] for node in nodes.values() for name in node.input}
    ends = [
        name
        for name, node in nodes.items()
        if name not in used and node.op not in _NO_OUTPUTS and not node.op.endswith("Dataset")
    ]
    fed = [name for name in ends if _is_fed(name, nodes)]
    return {name: name for name in fed or ends}


def _is_fed(name: str, nodes: Mapping[str, Message]) -> bool:
    return any(nodes[each].op.startswith("Placeholder") for each in _reached(nodes, [name]))


def _reached(nodes: Mapping[str, Message], references: Any) -> set[str]:
    stack, found = list(references), set()
    while stack:
        name = stack.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in found:
            found.add(name)
            stack += nodes[name].input
    return found


def _feed(node: Message, old: bool) -> Feed:
    shape = shape_of(node.attr["shape"].shape) if "shape" in node.attr else None
    kind = node.attr["dtype"].type
    return Feed(
        node.name,
        node.name,
        kind,
        None if old and shape == () else shape,
        node.op == "PlaceholderWithDefault",
    )


def any_node(name: str, nodes: Mapping[str, Message]) -> Feed | None:
    """The node `name` as something that is given, which spares what comes before it."""
    plain = name.removesuffix(":0")
    found = _scoped(plain.partition(":")[0], nodes)
    if found is None:
        return None
    index = plain.partition(":")[2]
    place = int(index) if index.isdigit() and len(index) < 6 else 0
    attributes = nodes[found].attr
    kinds = list(attributes["output_types"].list.type) if "output_types" in attributes else []
    kind = kinds[place] if place < len(kinds) else 0
    for key in ("dtype", "DstT", "output_type", "T"):
        kind = kind or (attributes[key].type if key in attributes else 0)
    reference = f"{found}:{index}" if index else found
    return Feed(reference, reference, kind, None) if dtype_of(kind) is not None else None


def _library(graph: Message) -> Library:
    return Library({function.signature.name: function for function in graph.library.function})


def saved(model: Message, key: str | None, findings: Findings) -> Program:
    """The signature `key` of a SavedModel; without a key the one that servers take."""
    graph = next(
        (each for each in model.meta_graphs if "serve" in each.meta_info_def.tags), model.meta_graphs[0]
    )
    signatures = {name: each for name, each in graph.signature_def.items() if name != _INITIALISER}
    chosen, warning = _chosen(signatures, key)
    if chosen is None:
        listed = ", ".join(map(shown, sorted(signatures))) or "none"
        findings.damaged(
            f"it has no signature {shown(key or DEFAULT_SIGNATURE)}; its signatures are {listed}, of which "
            'CompilerOptions choose one by {"signature_def_key": "name"}'
        )
        findings.stop()
        raise AssertionError
    signature = signatures[chosen]
    _refuse_text(chosen, signatures, findings)
    findings.stop()
    nodes = by_name(graph.graph_def.node)
    feeds = [
        Feed(name, info.name, info.dtype, shape_of(info.tensor_shape))
        for name, info in sorted(signature.inputs.items())
    ]
    feeds += _others(nodes, feeds, signature)
    outputs = {name: info.name for name, info in sorted(signature.outputs.items())}
    producer = f"TensorFlow {graph.meta_info_def.tensorflow_version}".strip()
    return Program(nodes, _library(graph.graph_def), feeds, outputs, producer, [warning] if warning else [])


def _others(nodes: Mapping[str, Message], feeds: list[Feed], signature: Message) -> list[Feed]:
    """Placeholders that have a value of their own, which the signature does not name."""
    named = {feed.reference.partition(":")[0] for feed in feeds}
    reached = _reached(nodes, [info.name for info in signature.outputs.values()])
    return [
        _feed(node, False)
        for name, node in nodes.items()
        if name in reached and name not in named and node.op in ("Placeholder", "PlaceholderWithDefault")
    ]


def _chosen(signatures: Mapping[str, Message], key: str | None) -> tuple[str | None, str]:
    if key is not None:
        return (key if key in signatures else None), ""
    if DEFAULT_SIGNATURE in signatures:
        return DEFAULT_SIGNATURE, ""
    if len(signatures) == 1:
        (only,) = signatures
        return only, f"the signature {shown(only)} is compiled; there is no {DEFAULT_SIGNATURE}"
    return None, ""


def _refuse_text(chosen: str, signatures: Mapping[str, Message], findings: Findings) -> None:
    """Signatures that take or give what is no tensor of numbers."""
    numeric = [name for name in sorted(signatures) if not any(_strange(signatures[name]))]
    advice = (
        f"CompilerOptions choose the numeric signature {', '.join(map(shown, numeric))} by "
        f'{{"signature_def_key": "{numeric[0][:60]}"}}'
        if numeric
        else "save a signature that takes and gives tensors of numbers"
    )
    for text in _strange(signatures[chosen]):
        findings.refused(f"{text} of the signature {shown(chosen)}, which is not compiled; {advice}")


def _strange(signature: Message) -> list[str]:
    found = []
    for role, infos in (("input", signature.inputs), ("output", signature.outputs)):
        for name, info in sorted(infos.items()):
            described = f"{shown(name)} ({type_name(info.dtype)} {model_shape(shape_of(info.tensor_shape))})"
            if info.dtype == STRING:
                found.append(f"string {role}: text is the {role} {described}")
            elif not info.name or dtype_of(info.dtype) is None:
                found.append(f"{role}: no plain tensor of numbers is the {role} {described}")
    return found
