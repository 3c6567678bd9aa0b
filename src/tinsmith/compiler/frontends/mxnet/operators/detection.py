"""Boxes: box_nms, MultiBoxDetection, box_iou, box_decode, ROIAlign."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator

_LOWEST = -3.0e38


def _columns(node: Node, value: str, *places: int) -> list[str]:
    """Columns of [batch, boxes, numbers], each [batch, boxes]."""
    shape = node.message.shape(value)
    if any(not 0 <= place < shape[-1] for place in places):
        raise AttributeProblem(f"boxes have {shape[-1]} numbers, expected one at place {max(places)}")
    return [node.reshaped(node.part(value, len(shape) - 1, place, place + 1), shape[:-1]) for place in places]


def _rows(node: Node, value: str, places: str) -> str:
    """Rows of [batch, boxes, numbers] by their places, [batch, count]."""
    batch, count = node.message.shape(places)
    numbers = node.message.shape(value)[2]
    index = node.make(
        "Expand", node.reshaped(places, [batch, count, 1]), node.constant([batch, count, numbers])
    )
    return node.make("GatherElements", value, index, axis=1)


def _suppressed(
    node: Node, corners: list[str], ids: str | None, valid: str, threshold: float, strict: bool
) -> str:
    """Which boxes, best first, stay: no better one of those that stay (and of their class) overlaps them too
    much. All are [batch, boxes]; a loop goes through the boxes.
    """
    batch, count = node.message.shape(valid)
    left, top, right, bottom = corners
    area = node.make(
        "Mul",
        node.make("Relu", node.make("Sub", right, left)),
        node.make("Relu", node.make("Sub", bottom, top)),
    )
    places = node.constant(np.arange(count).reshape(1, count))
    limit = node.constant(np.array(threshold, node.message.dtype(left)))
    zero = node.constant(np.array(0, node.message.dtype(left)))
    one = node.constant([1])
    nodes: list[NodeProto] = []

    def inner(name: str, *inputs: str, **attributes: Any) -> str:
        output = f"{node.name}.each{len(nodes)}"
        nodes.append(helper.make_node(name, inputs, [output], **attributes))
        return output

    index, again, kept = (f"{node.name}.{word}" for word in ("index", "again", "kept"))
    own = [inner("Unsqueeze", inner("Gather", v, index, axis=1), one) for v in (*corners, area, kept)]
    width = inner("Sub", inner("Min", right, own[2]), inner("Max", left, own[0]))
    height = inner("Sub", inner("Min", bottom, own[3]), inner("Max", top, own[1]))
    common = inner("Mul", inner("Relu", width), inner("Relu", height))
    union = inner("Sub", inner("Add", area, own[4]), common)
    overlap = inner(
        "Div", common, inner("Where", inner("Greater", union, zero), union, inner("Add", area, limit))
    )
    hit = inner(
        "And", inner("Greater" if strict else "GreaterOrEqual", overlap, limit), inner("Greater", union, zero)
    )
    hit = inner("And", inner("And", hit, own[5]), inner("Greater", places, index))
    if ids is not None:
        same = inner("Equal", ids, inner("Unsqueeze", inner("Gather", ids, index, axis=1), one))
        hit = inner("And", hit, same)
    left_over = inner("And", kept, inner("Not", hit))
    go_on = inner("Identity", again)
    body = helper.make_graph(
        nodes,
        "suppress",
        [
            helper.make_tensor_value_info(index, TensorProto.INT64, []),
            helper.make_tensor_value_info(again, TensorProto.BOOL, []),
            helper.make_tensor_value_info(kept, TensorProto.BOOL, [batch, count]),
        ],
        [
            helper.make_tensor_value_info(go_on, TensorProto.BOOL, []),
            helper.make_tensor_value_info(left_over, TensorProto.BOOL, [batch, count]),
        ],
    )
    trips = node.constant(np.array(count, np.int64))
    found = node.make("Loop", trips, "", valid, body=body)
    node.message.note(found, "bool", (batch, count))
    return found


def _best(node: Node, scores: str, valid: str, count: int) -> tuple[str, str]:
    """The places of the `count` best valid boxes, best first, and which of them are valid."""
    low = node.constant(np.array(_LOWEST, node.message.dtype(scores)))
    ranked = node.make("Where", valid, scores, low)
    values, places = node.make_many("TopK", 2, ranked, node.constant([count]), axis=1)
    return places, node.make("Greater", values, low)


@operator("_contrib_box_nms", "_contrib_box_non_maximum_suppression")
def box_nms(node: Node) -> list[str]:
    """The boxes that stay, best first, then rows of -1. Of the shape of the input."""
    shape, dtype = node.shape(), node.dtype
    if len(shape) < 2 or dtype.kind != "f" or dtype.itemsize < 4:
        raise node.refuse(
            f"boxes of {dtype} {list(shape)}; float32 and float64 of two axes or more are compiled"
        )
    number, width = shape[-2:]
    data = node.reshaped(node.x, [int(np.prod(shape[:-2], dtype=np.int64)), number, width])
    batch = node.message.shape(data)[0]
    start, score = node.integer("coord_start", 2), node.integer("score_index", 1)
    id_index, background = node.integer("id_index", -1), node.integer("background_id", -1)
    (scores,) = _columns(node, data, score)
    valid = node.make("Greater", scores, node.real("valid_thresh", 0.0))
    if id_index >= 0 and background >= 0:
        other = node.make("Not", node.make("Equal", *_columns(node, data, id_index), float(background)))
        valid = node.make("And", valid, other)
    top = node.integer("topk", -1)
    count = min(top, number) if top > 0 else number
    places, valid = _best(node, scores, valid, count)
    rows = _rows(node, data, places)
    ids = None
    if id_index >= 0 and not node.flag("force_suppress"):
        (ids,) = _columns(node, rows, id_index)
    centred = node.choice("in_format", "corner", "corner", "center") == "center"
    columns = _columns(node, rows, *range(start, start + 4))
    corners = _corners(node, columns) if centred else columns
    kept = _suppressed(node, corners, ids, valid, node.real("overlap_thresh", 0.5), strict=True)
    rows = _compact(node, rows, kept, batch, count, number)
    found = node.choice("out_format", "corner", "corner", "center")
    if (found == "center") != centred:
        rows = _reformatted(node, rows, start, to_centre=found == "center")
    return [node.reshaped(rows, shape)]


def _corners(node: Node, columns: list[str]) -> list[str]:
    x, y, width, height = columns
    halves = [node.make("Mul", size, 0.5) for size in (width, height)]
    low = [node.make("Sub", centre, half) for centre, half in zip((x, y), halves, strict=True)]
    return [*low, *(node.make("Add", centre, half) for centre, half in zip((x, y), halves, strict=True))]


def _centres(node: Node, columns: list[str]) -> list[str]:
    left, top, right, bottom = columns
    middle = [node.make("Mul", node.make("Add", a, b), 0.5) for a, b in ((left, right), (top, bottom))]
    return [*middle, node.make("Sub", right, left), node.make("Sub", bottom, top)]


def _compact(node: Node, rows: str, kept: str, batch: int, count: int, number: int) -> str:
    """Rows that are kept, in their order, and -1 behind."""
    behind = np.arange(count, 0, -1, dtype=np.float32).reshape(1, count)
    key = node.make("Where", kept, node.constant(behind), node.constant(behind - count))
    values, places = node.make_many("TopK", 2, key, node.constant([count]), axis=1)
    stays = node.reshaped(node.make("Greater", values, 0.0), [batch, count, 1])
    found = node.make("Where", stays, _rows(node, rows, places), node.constant(np.array(-1, node.dtype)))
    if count == number:
        return found
    pads = node.constant([0, 0, 0, 0, number - count, 0])
    return node.make("Pad", found, pads, np.array(-1, node.dtype))


def _reformatted(node: Node, rows: str, start: int, to_centre: bool) -> str:
    """Corners as centre and size, or the other way; MXNet leaves rows alone that begin below zero."""
    shape = node.message.shape(rows)
    columns = _columns(node, rows, *range(start, start + 4))
    changed = _centres(node, columns) if to_centre else _corners(node, columns)
    same = node.make("Less", columns[0], 0.0)
    new = [
        node.reshaped(node.make("Where", same, old, value), [*shape[:2], 1])
        for old, value in zip(columns, changed, strict=True)
    ]
    parts = [node.part(rows, 2, 0, start)] if start else []
    parts += new
    if start + 4 < shape[2]:
        parts.append(node.part(rows, 2, start + 4, shape[2]))
    return node.make("Concat", *parts, axis=2)


@operator("_contrib_MultiBoxDetection", "MultiBoxDetection")
def multi_box_detection(node: Node) -> str:
    """[batch, anchors, 6]: class, score and corners, best first. The class of a box that another one
    suppressed is -1, and rows without a box are -1 all over.
    """
    batch, classes, number = node.shape()
    threshold = node.real("nms_threshold", 0.5)
    if not 0 < threshold <= 1:
        raise node.refuse(f"nms_threshold is {threshold}; numbers above 0 and up to 1 are compiled")
    if node.integer("background_id", 0) != 0 or classes < 2:
        raise node.refuse(
            f"background_id {node.text('background_id', '0')} of {classes} classes; 0 is compiled"
        )
    scores = node.part(node.x, 1, 1, classes)
    best = node.make("ReduceMax", scores, node.constant([1]), keepdims=0)
    ids = node.cast(node.make("ArgMax", scores, axis=1, keepdims=0), node.dtype)
    valid = node.make("GreaterOrEqual", best, node.real("threshold", 0.01))
    boxes = _decoded(node, batch, number)
    columns = [node.reshaped(value, [batch, number, 1]) for value in (ids, best)]
    data = node.make("Concat", *columns, boxes, axis=2)
    top = node.integer("nms_topk", -1)
    count = min(top, number) if top > 0 else number
    places, valid = _best(node, best, valid, count)
    rows = _rows(node, data, places)
    names, *corners = _columns(node, rows, 0, 2, 3, 4, 5)
    classes_of = None if node.flag("force_suppress") else names
    kept = _suppressed(node, corners, classes_of, valid, threshold, strict=False)
    minus = node.constant(np.array(-1, node.dtype))
    names = node.reshaped(node.make("Where", kept, names, minus), [batch, count, 1])
    rows = node.make("Concat", names, node.part(rows, 2, 1, 6), axis=2)
    found = node.make("Where", node.reshaped(valid, [batch, count, 1]), rows, minus)
    if count == number:
        return found
    return node.make("Pad", found, node.constant([0, 0, 0, 0, number - count, 0]), np.array(-1, node.dtype))


def _decoded(node: Node, batch: int, number: int) -> str:
    """Offsets to anchors as corners, [batch, anchors, 4]."""
    variances = node.reals("variances", (0.1, 0.1, 0.2, 0.2))
    if len(variances) != 4:
        raise AttributeProblem(f"variances are {variances}, expected 4")
    offsets = node.reshaped(node.input(1), [batch, number, 4])
    scaled = node.make("Mul", offsets, np.array(variances, node.dtype))
    moves = _columns(node, scaled, 0, 1, 2, 3)
    anchors = node.reshaped(node.input(2), [1, number, 4])
    x, y, width, height = _centres(node, _columns(node, anchors, 0, 1, 2, 3))
    centre = [
        node.make("Add", node.make("Mul", move, size), at)
        for move, size, at in zip(moves[:2], (width, height), (x, y), strict=True)
    ]
    sizes = [
        node.make("Mul", node.make("Exp", move), size)
        for move, size in zip(moves[2:], (width, height), strict=True)
    ]
    corners = [node.reshaped(value, [batch, number, 1]) for value in _corners(node, [*centre, *sizes])]
    found = node.make("Concat", *corners, axis=2)
    return node.make("Clip", found, 0.0, 1.0) if node.flag("clip", True) else found


@operator("_contrib_box_iou")
def box_iou(node: Node) -> str:
    """How much each box of one overlaps each of the other."""
    centred = node.choice("format", "corner", "corner", "center") == "center"
    sides = []
    for position, middle in ((0, [-1, 1]), (1, [1, -1])):
        shape = node.shape(position)
        count = int(np.prod(shape[:-1]))
        columns = _columns(node, node.reshaped(node.input(position), [1, count, 4]), 0, 1, 2, 3)
        columns = _corners(node, columns) if centred else columns
        sides.append(
            [node.reshaped(value, [count if size < 0 else 1 for size in middle]) for value in columns]
        )
    first, second = sides

    def area(box: list[str]) -> str:
        return node.make("Mul", *(node.make("Relu", node.make("Sub", box[i + 2], box[i])) for i in (0, 1)))

    common = node.make(
        "Mul",
        *(
            node.make(
                "Relu",
                node.make(
                    "Sub",
                    node.make("Min", first[i + 2], second[i + 2]),
                    node.make("Max", first[i], second[i]),
                ),
            )
            for i in (0, 1)
        ),
    )
    union = node.make("Sub", node.make("Add", area(first), area(second)), common)
    empty = node.make("LessOrEqual", union, 0.0)
    found = node.make("Div", common, node.make("Where", empty, 1.0, union))
    return node.reshaped(node.make("Where", empty, 0.0, found), [*node.shape(0)[:-1], *node.shape(1)[:-1]])


@operator("_contrib_box_decode")
def box_decode(node: Node) -> str:
    """Offsets to anchors as corners."""
    batch, number, _ = node.shape()
    stds = np.array([node.real(f"std{index}", 1.0) for index in range(4)], node.dtype)
    moves = _columns(node, node.make("Mul", node.x, stds), 0, 1, 2, 3)
    anchors = _columns(node, node.input(1), 0, 1, 2, 3)
    if node.choice("format", "center", "corner", "center") == "corner":
        anchors = _centres(node, anchors)
    x, y, width, height = anchors
    centre = [
        node.make("Add", node.make("Mul", move, size), at)
        for move, size, at in zip(moves[:2], (width, height), (x, y), strict=True)
    ]
    clip = node.real("clip", -1.0)
    grown = [node.make("Min", move, clip) if clip > 0 else move for move in moves[2:]]
    sizes = [
        node.make("Mul", node.make("Exp", move), size)
        for move, size in zip(grown, (width, height), strict=True)
    ]
    corners = [node.reshaped(value, [batch, number, 1]) for value in _corners(node, [*centre, *sizes])]
    return node.make("Concat", *corners, axis=2)


@operator("_contrib_ROIAlign")
def roi_align(node: Node) -> str:
    """[regions, channels, height, width]; each region has the number of its picture and corners."""
    if node.flag("position_sensitive"):
        raise node.refuse("position_sensitive")
    regions = node.shape(1)[0]
    pictures = node.reshaped(node.cast(node.part(node.input(1), 1, 0, 1), np.int64), [regions])
    height, width = node.integers("pooled_size")
    found = node.make(
        "RoiAlign",
        node.x,
        node.part(node.input(1), 1, 1, 5),
        node.make("Clip", pictures, 0, node.shape()[0] - 1),
        output_height=height,
        output_width=width,
        sampling_ratio=max(node.integer("sample_ratio", -1), 0),
        spatial_scale=node.real("spatial_scale"),
        coordinate_transformation_mode="half_pixel" if node.flag("aligned") else "output_half_pixel",
    )
    none = node.reshaped(node.make("Less", pictures, 0), [regions, 1, 1, 1])
    return node.make("Where", none, node.constant(np.array(0, node.dtype)), found)
