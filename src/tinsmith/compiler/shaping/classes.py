"""Class labels that are text: the compiled model gives their numbers.

Classifiers of ai.onnx.ml end in a label per row and, by ZipMap, in a dictionary of probabilities per row. The
compiled model gives the position of the label among the classes, and the probabilities as a matrix whose
columns are the classes in their order.
"""

from __future__ import annotations

import onnx

from tinsmith.compiler.shaping.findings import shown

_ML = "ai.onnx.ml"
_NUMBERS = {
    "LinearClassifier": "classlabels_ints",
    "SVMClassifier": "classlabels_ints",
    "TreeEnsembleClassifier": "classlabels_int64s",
}
"""The attribute with labels that are numbers; those that are text are in `classlabels_strings`."""
LISTED = 50


def number_classes(graph: onnx.GraphProto) -> list[str]:
    """Replaces text by numbers, dictionaries by matrices in the outputs of `graph`; a sentence for each."""
    outputs = {value.name: value for value in graph.output}
    used = {name for node in graph.node for name in node.input}
    notes = []
    for node in graph.node:
        if node.domain != _ML or not node.output or node.output[0] not in outputs or node.output[0] in used:
            continue
        output = outputs[node.output[0]]
        labels = next((a for a in node.attribute if a.name == "classlabels_strings"), None)
        if node.op_type == "ZipMap":
            notes.append(_as_matrix(node, output))
        elif node.op_type in _NUMBERS and labels is not None and labels.strings:
            notes.append(_numbered(node, labels, output))
    return notes


def _as_matrix(node: onnx.NodeProto, output: onnx.ValueInfoProto) -> str:
    classes = [_text(item) for attribute in node.attribute for item in (*attribute.strings, *attribute.ints)]
    node.CopyFrom(onnx.helper.make_node("Identity", node.input, node.output, name=node.name))
    output.type.CopyFrom(onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, (None, None)))
    return (
        f"the output {shown(output.name)} is a matrix instead of dictionaries; its columns are the classes "
        f"{_listed(classes)}"
    )


def _numbered(node: onnx.NodeProto, labels: onnx.AttributeProto, output: onnx.ValueInfoProto) -> str:
    classes = [_text(item) for item in labels.strings]
    labels.CopyFrom(onnx.helper.make_attribute(_NUMBERS[node.op_type], range(len(classes))))
    output.type.tensor_type.elem_type = onnx.TensorProto.INT64
    return (
        f"the output {shown(output.name)} gives the numbers of classes instead of their names, which are, "
        f"from 0, {_listed(classes)}"
    )


def _text(label: bytes | int) -> str:
    return shown(label.decode(errors="replace")) if isinstance(label, bytes) else str(label)


def _listed(classes: list[str]) -> str:
    more = f" and {len(classes) - LISTED} more" if len(classes) > LISTED else ""
    return ", ".join(classes[:LISTED]) + more
