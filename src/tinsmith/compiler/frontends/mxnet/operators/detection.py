"""Boxes: box_nms, MultiBoxDetection, box_iou, box_decode, ROIAlign."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Graph, Value

_LOWEST = -3.0e38


def _columns(node: Node, value: Value, *places: int) -> list[Value]:
    """Columns of [batch, boxes, numbers], each [batch, boxes]."""
    shape = value.shape
    if any(not 0 <= place < shape[-1] for place in places):
        raise AttributeProblem(f"boxes have {shape[-1]} numbers, expected one at place {max(places)}")
    return [value.slice(len(shape) - 1, place, place + 1).reshape(*shape[:-1]) for place in places]


def _rows(node: Node, value: Value, places: Value) -> Value:
    """Rows of [batch, boxes, numbers] by their places, [batch, count]."""
    batch, count = places.shape
    numbers = value.shape[2]
    index = node.add("Expand", places.reshape(batch, count, 1), node.constant([batch, count, numbers]))
    return node.add("GatherElements", value, index, axis=1)


def _suppressed(
    node: Node, corners: list[Value], ids: Value | None, valid: Value, threshold: float, strict: bool
) -> Value:
    """Which boxes, best first, stay: no better one of those that stay (and of their class) overlaps them too
    much. All are [batch, boxes]; a loop goes through the boxes.
    """
    batch, count = valid.shape
    left, top, right, bottom = corners
    area = node.add(
        "Mul",
        node.add("Relu", node.add("Sub", right, left)),
        node.add("Relu", node.add("Sub", bottom, top)),
    )
    places = node.constant(np.arange(count).reshape(1, count))
    message, add = node.message, node.add
    index, again = message.input("index", np.int64, ()), message.input("again", np.bool_, ())
    kept = message.input("kept", np.bool_, (batch, count))

    def each(value: Value) -> Value:
        return value.op("Gather", index, axis=1).unsqueeze(1)

    with message.into(Graph()) as body:
        own = [each(value) for value in corners]
        width = add("Sub", add("Min", right, own[2]), add("Max", left, own[0]))
        height = add("Sub", add("Min", bottom, own[3]), add("Max", top, own[1]))
        common = add("Mul", add("Relu", width), add("Relu", height))
        union = add("Sub", add("Add", area, each(area)), common)
        there = add("Greater", union, 0.0)
        overlap = add("Div", common, add("Where", there, union, add("Add", area, threshold)))
        hit = add("And", add("Greater" if strict else "GreaterOrEqual", overlap, threshold), there)
        hit = add("And", add("And", hit, each(kept)), add("Greater", places, index))
        if ids is not None:
            hit = add("And", hit, add("Equal", ids, each(ids)))
        left_over = add("And", kept, add("Not", hit))
    inner = message.subgraph(body, "suppress", [index, again, kept], [again, left_over])
    trips = node.constant(np.array(count, np.int64))
    types = [(valid.dtype, (batch, count))]
    return message.declared("Loop", [trips, None, valid], types, body=inner)[0]


def _best(node: Node, scores: Value, valid: Value, count: int) -> tuple[Value, Value]:
    """The places of the `count` best valid boxes, best first, and which of them are valid."""
    low = node.constant(np.array(_LOWEST, scores.dtype))
    ranked = node.add("Where", valid, scores, low)
    values, places = node.several("TopK", 2, ranked, node.constant([count]), axis=1)
    return places, node.add("Greater", values, low)


@operator("_contrib_box_nms", "_contrib_box_non_maximum_suppression")
def box_nms(node: Node) -> list[Value]:
    """The boxes that stay, best first, then rows of -1. Of the shape of the input."""
    shape, dtype = node.shape(), node.dtype
    if len(shape) < 2 or dtype.kind != "f" or dtype.itemsize < 4:
        raise node.refuse(
            f"boxes of {dtype} {list(shape)}; float32 and float64 of two axes or more are compiled"
        )
    number, width = shape[-2:]
    data = node.x.reshape(int(np.prod(shape[:-2], dtype=np.int64)), number, width)
    batch = data.shape[0]
    start, score = node.integer("coord_start", 2), node.integer("score_index", 1)
    id_index, background = node.integer("id_index", -1), node.integer("background_id", -1)
    (scores,) = _columns(node, data, score)
    valid = node.add("Greater", scores, node.real("valid_thresh", 0.0))
    if id_index >= 0 and background >= 0:
        other = node.add("Not", node.add("Equal", *_columns(node, data, id_index), float(background)))
        valid = node.add("And", valid, other)
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
    return [rows.reshape(*shape)]


def _corners(node: Node, columns: list[Value]) -> list[Value]:
    x, y, width, height = columns
    halves = [node.add("Mul", size, 0.5) for size in (width, height)]
    low = [node.add("Sub", centre, half) for centre, half in zip((x, y), halves, strict=True)]
    return [*low, *(node.add("Add", centre, half) for centre, half in zip((x, y), halves, strict=True))]


def _centres(node: Node, columns: list[Value]) -> list[Value]:
    left, top, right, bottom = columns
    middle = [node.add("Mul", node.add("Add", a, b), 0.5) for a, b in ((left, right), (top, bottom))]
    return [*middle, node.add("Sub", right, left), node.add("Sub", bottom, top)]


def _compact(node: Node, rows: Value, kept: Value, batch: int, count: int, number: int) -> Value:
    """Rows that are kept, in their order, and -1 behind."""
    behind = np.arange(count, 0, -1, dtype=np.float32).reshape(1, count)
    key = node.add("Where", kept, node.constant(behind), node.constant(behind - count))
    values, places = node.several("TopK", 2, key, node.constant([count]), axis=1)
    stays = node.add("Greater", values, 0.0).reshape(batch, count, 1)
    found = node.add("Where", stays, _rows(node, rows, places), node.constant(np.array(-1, node.dtype)))
    if count == number:
        return found
    pads = node.constant([0, 0, 0, 0, number - count, 0])
    return node.add("Pad", found, pads, np.array(-1, node.dtype))


def _reformatted(node: Node, rows: Value, start: int, to_centre: bool) -> Value:
    """Corners as centre and size, or the other way; MXNet leaves rows alone that begin below zero."""
    shape = rows.shape
    columns = _columns(node, rows, *range(start, start + 4))
    changed = _centres(node, columns) if to_centre else _corners(node, columns)
    same = node.add("Less", columns[0], 0.0)
    new = [
        node.add("Where", same, old, value).reshape(*shape[:2], 1)
        for old, value in zip(columns, changed, strict=True)
    ]
    parts = [rows.slice(2, 0, start)] if start else []
    parts += new
    if start + 4 < shape[2]:
        parts.append(rows.slice(2, start + 4, shape[2]))
    return node.add("Concat", *parts, axis=2)


@operator("_contrib_MultiBoxDetection", "MultiBoxDetection")
def multi_box_detection(node: Node) -> Value:
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
    scores = node.x.slice(1, 1, classes)
    best = node.add("ReduceMax", scores, node.constant([1]), keepdims=0)
    ids = node.add("ArgMax", scores, axis=1, keepdims=0).cast(node.dtype)
    valid = node.add("GreaterOrEqual", best, node.real("threshold", 0.01))
    boxes = _decoded(node, batch, number)
    columns = [value.reshape(batch, number, 1) for value in (ids, best)]
    data = node.add("Concat", *columns, boxes, axis=2)
    top = node.integer("nms_topk", -1)
    count = min(top, number) if top > 0 else number
    places, valid = _best(node, best, valid, count)
    rows = _rows(node, data, places)
    names, *corners = _columns(node, rows, 0, 2, 3, 4, 5)
    classes_of = None if node.flag("force_suppress") else names
    kept = _suppressed(node, corners, classes_of, valid, threshold, strict=False)
    minus = node.constant(np.array(-1, node.dtype))
    names = node.add("Where", kept, names, minus).reshape(batch, count, 1)
    rows = node.add("Concat", names, rows.slice(2, 1, 6), axis=2)
    found = node.add("Where", valid.reshape(batch, count, 1), rows, minus)
    if count == number:
        return found
    return node.add("Pad", found, node.constant([0, 0, 0, 0, number - count, 0]), np.array(-1, node.dtype))


def _decoded(node: Node, batch: int, number: int) -> Value:
    """Offsets to anchors as corners, [batch, anchors, 4]."""
    variances = node.reals("variances", (0.1, 0.1, 0.2, 0.2))
    if len(variances) != 4:
        raise AttributeProblem(f"variances are {variances}, expected 4")
    offsets = node.input(1).reshape(batch, number, 4)
    scaled = node.add("Mul", offsets, np.array(variances, node.dtype))
    moves = _columns(node, scaled, 0, 1, 2, 3)
    anchors = node.input(2).reshape(1, number, 4)
    x, y, width, height = _centres(node, _columns(node, anchors, 0, 1, 2, 3))
    centre = [
        node.add("Add", node.add("Mul", move, size), at)
        for move, size, at in zip(moves[:2], (width, height), (x, y), strict=True)
    ]
    sizes = [
        node.add("Mul", node.add("Exp", move), size)
        for move, size in zip(moves[2:], (width, height), strict=True)
    ]
    corners = [value.reshape(batch, number, 1) for value in _corners(node, [*centre, *sizes])]
    found = node.add("Concat", *corners, axis=2)
    return node.add("Clip", found, 0.0, 1.0) if node.flag("clip", True) else found


@operator("_contrib_box_iou")
def box_iou(node: Node) -> Value:
    """How much each box of one overlaps each of the other."""
    centred = node.choice("format", "corner", "corner", "center") == "center"
    sides = []
    for position, middle in ((0, [-1, 1]), (1, [1, -1])):
        shape = node.shape(position)
        count = int(np.prod(shape[:-1]))
        columns = _columns(node, node.input(position).reshape(1, count, 4), 0, 1, 2, 3)
        columns = _corners(node, columns) if centred else columns
        sides.append([value.reshape(*[count if size < 0 else 1 for size in middle]) for value in columns])
    first, second = sides

    def area(box: list[Value]) -> Value:
        return node.add("Mul", *(node.add("Relu", node.add("Sub", box[i + 2], box[i])) for i in (0, 1)))

    common = node.add(
        "Mul",
        *(
            node.add(
                "Relu",
                node.add(
                    "Sub",
                    node.add("Min", first[i + 2], second[i + 2]),
                    node.add("Max", first[i], second[i]),
                ),
            )
            for i in (0, 1)
        ),
    )
    union = node.add("Sub", node.add("Add", area(first), area(second)), common)
    empty = node.add("LessOrEqual", union, 0.0)
    found = node.add("Div", common, node.add("Where", empty, 1.0, union))
    return node.add("Where", empty, 0.0, found).reshape(*node.shape(0)[:-1], *node.shape(1)[:-1])


@operator("_contrib_box_decode")
def box_decode(node: Node) -> Value:
    """Offsets to anchors as corners."""
    batch, number, _ = node.shape()
    stds = np.array([node.real(f"std{index}", 1.0) for index in range(4)], node.dtype)
    moves = _columns(node, node.add("Mul", node.x, stds), 0, 1, 2, 3)
    anchors = _columns(node, node.input(1), 0, 1, 2, 3)
    if node.choice("format", "center", "corner", "center") == "corner":
        anchors = _centres(node, anchors)
    x, y, width, height = anchors
    centre = [
        node.add("Add", node.add("Mul", move, size), at)
        for move, size, at in zip(moves[:2], (width, height), (x, y), strict=True)
    ]
    clip = node.real("clip", -1.0)
    grown = [node.add("Min", move, clip) if clip > 0 else move for move in moves[2:]]
    sizes = [
        node.add("Mul", node.add("Exp", move), size)
        for move, size in zip(grown, (width, height), strict=True)
    ]
    corners = [value.reshape(batch, number, 1) for value in _corners(node, [*centre, *sizes])]
    return node.add("Concat", *corners, axis=2)


@operator("_contrib_ROIAlign")
def roi_align(node: Node) -> Value:
    """[regions, channels, height, width]; each region has the number of its picture and corners."""
    if node.flag("position_sensitive"):
        raise node.refuse("position_sensitive")
    regions = node.shape(1)[0]
    pictures = node.input(1).slice(1, 0, 1).cast(np.int64).reshape(regions)
    height, width = node.integers("pooled_size")
    found = node.add(
        "RoiAlign",
        node.x,
        node.input(1).slice(1, 1, 5),
        node.add("Clip", pictures, 0, node.shape()[0] - 1),
        output_height=height,
        output_width=width,
        sampling_ratio=max(node.integer("sample_ratio", -1), 0),
        spatial_scale=node.real("spatial_scale"),
        coordinate_transformation_mode="half_pixel" if node.flag("aligned") else "output_half_pixel",
    )
    none = node.add("Less", pictures, 0).reshape(regions, 1, 1, 1)
    return node.add("Where", none, node.constant(np.array(0, node.dtype)), found)
