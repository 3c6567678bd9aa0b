"""Choosing among overlapping boxes."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.formats.flexbuffer import FlexbufferError, read_map
from tinsmith.compiler.frontends.tflite.layer import Layer, scalar
from tinsmith.compiler.frontends.tflite.operators.cells import real_array
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.frontends.tflite.scope import Operand
from tinsmith.compiler.shaping.builder import Value


@operator("NON_MAX_SUPPRESSION_V4")
def non_max_suppression_v4(layer: Layer) -> tuple[Value, Value]:
    """Inputs: boxes [n, 4], scores [n], the largest number of boxes, thresholds of overlap and score.
    Outputs: numbers of boxes, as many as allowed, and how many of them count; the others are 0."""
    boxes, count = _suppressed(layer)
    return boxes, count


@operator("NON_MAX_SUPPRESSION_V5")
def non_max_suppression_v5(layer: Layer) -> tuple[Value, Value, Value]:
    """The same with the scores of the boxes; its sixth input would lower scores rather than drop boxes."""
    if layer.has(5) and layer.constant(5).any():
        raise layer.refuse("soft suppression (soft_nms_sigma above 0)")
    boxes, count = _suppressed(layer)
    scores = layer.emit("Gather", layer.real(1), boxes, axis=0)
    counts = layer.emit("Less", np.arange(_most(layer), dtype=np.int32), count)
    return boxes, layer.emit("Where", counts, scores, scalar(0)), count


def _most(layer: Layer) -> int:
    return layer.bounded(layer.integers(2)[0])


def _suppressed(layer: Layer) -> tuple[Value, Value]:
    zero = np.array([0])
    boxes, scores = (layer.emit("Unsqueeze", layer.real(index), zero) for index in (0, 1))
    scores = layer.emit("Unsqueeze", scores, zero)
    most = np.array([_most(layer)], np.int64)
    limits = [layer.real(index).reshape(1) for index in (3, 4)]
    chosen = layer.emit("NonMaxSuppression", boxes, scores, most, *limits)
    chosen = layer.emit("Gather", chosen, np.array(2), axis=1)
    count = layer.cast(layer.emit("Shape", chosen), "int32").reshape()
    return layer.cast(_filled(layer, chosen, _most(layer)), "int32"), count


def _filled(layer: Layer, values: Value, length: int, dtype: str = "int64") -> Value:
    """The first `length` rows of `values`, zeros where there are fewer."""
    rows = layer.emit("Concat", values, np.zeros(length, dtype), axis=0)
    return layer.emit("Slice", rows, np.array([0]), np.array([length]), np.array([0]))


@operator("TFLite_Detection_PostProcess", custom=True)
def detection_postprocess(layer: Layer) -> tuple[Value, Value, Value, Value]:
    """Inputs: encoded boxes [1, n, 4], scores [1, n, classes with a background], anchors [n, 4].
    Outputs: boxes, classes and scores of the best, and their number, all as floats."""
    options = _options(layer)
    most = layer.bounded(int(options["max_detections"]))
    boxes = _decoded(layer, options)
    scores = layer.real(1)
    classes = int(options["num_classes"])
    labels = layer.shape(1)[-1]
    if not 0 < classes <= labels or most < 1:
        raise layer.refuse(f"{classes} classes and scores of {labels}, {most} detections")
    scores = layer.emit("Slice", scores, np.array([labels - classes]), np.array([labels]), np.array([2]))
    choose = _per_class if options.get("use_regular_nms") else _any_class
    chosen, kind, score = choose(layer, options, boxes, scores)
    best = layer.emit("Gather", layer.emit("Squeeze", boxes, np.array([0])), chosen, axis=0)
    count = layer.emit("Shape", chosen)
    counts = layer.emit("Less", np.arange(most), count)
    zero = scalar(0)
    rows = layer.emit("Gather", best, _clamped_rows(layer, count, most), axis=0)
    rows = layer.emit("Where", layer.emit("Unsqueeze", counts, np.array([1])), rows, zero)
    found = layer.cast(count, "float32")
    filled = [_filled(layer, layer.cast(value, "float32"), most, "float32") for value in (kind, score)]
    front = np.array([0])
    return (
        layer.emit("Unsqueeze", rows, front),
        layer.emit("Unsqueeze", filled[0], front),
        layer.emit("Unsqueeze", filled[1], front),
        layer.emit("Min", found, np.array([most], np.float32)),
    )


def _clamped_rows(layer: Layer, count: Value, most: int) -> Operand:
    last = layer.emit("Max", layer.emit("Sub", count, np.array([1])), np.array([0]))
    return layer.emit("Min", np.arange(most), last)


def _options(layer: Layer) -> dict[str, float]:
    try:
        options = read_map(layer.operator.custom_options)
    except FlexbufferError as error:
        raise layer.refuse(f"its options are damaged: {error}") from error
    needed = ("max_detections", "num_classes", "nms_iou_threshold", "nms_score_threshold")
    missing = [name for name in (*needed, "y_scale", "x_scale", "h_scale", "w_scale") if name not in options]
    if missing:
        raise layer.refuse(f"its options lack {', '.join(missing)}")
    return options


def _decoded(layer: Layer, options: dict[str, float]) -> Value:
    """[1, n, 4] of (top, left, bottom, right): centres move by sizes of anchors, sizes grow exponentially."""
    anchors = real_array(layer, 2)[None]
    middle, size = anchors[..., :2], anchors[..., 2:]
    scale = [
        np.array([options[name] for name in names], np.float32)
        for names in (("y_scale", "x_scale"), ("h_scale", "w_scale"))
    ]
    parts = [
        layer.emit("Slice", layer.real(0), np.array([first]), np.array([first + 2]), np.array([2]))
        for first in (0, 2)
    ]
    centre = layer.emit("Mul", layer.emit("Div", parts[0], scale[0]), size)
    centre = layer.emit("Add", centre, middle)
    half = layer.emit("Mul", layer.emit("Exp", layer.emit("Div", parts[1], scale[1])), size * np.float32(0.5))
    return layer.emit("Concat", layer.emit("Sub", centre, half), layer.emit("Add", centre, half), axis=2)


def _limits(options: dict[str, float]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return [np.array([options[name]], np.float32) for name in ("nms_iou_threshold", "nms_score_threshold")]


def _any_class(
    layer: Layer, options: dict[str, float], boxes: Value, scores: Value
) -> tuple[Value, Value, Value]:
    """Boxes by the best of their classes, whatever it is; then the best classes of each."""
    each = int(options.get("max_classes_per_detection", 1))
    if each != 1:
        raise layer.refuse(f"max_classes_per_detection is {each}, expected 1")
    best = layer.emit("ReduceMax", scores, np.array([2]), keepdims=0)
    kinds = layer.emit("Squeeze", layer.emit("ArgMax", scores, axis=2, keepdims=0), np.array([0]))
    most = np.array([int(options["max_detections"])])
    chosen = layer.emit(
        "NonMaxSuppression", boxes, layer.emit("Unsqueeze", best, np.array([1])), most, *_limits(options)
    )
    chosen = layer.emit("Gather", chosen, np.array(2), axis=1)
    score = layer.emit("Gather", layer.emit("Squeeze", best, np.array([0])), chosen, axis=0)
    return chosen, layer.emit("Gather", kinds, chosen, axis=0), score


def _per_class(
    layer: Layer, options: dict[str, float], boxes: Value, scores: Value
) -> tuple[Value, Value, Value]:
    """Boxes of each class by themselves; the best of all."""
    most, each = int(options["max_detections"]), int(options.get("detections_per_class", 100))
    found = layer.emit(
        "NonMaxSuppression", boxes, scores.transpose(0, 2, 1), np.array([each]), *_limits(options)
    )
    kind, chosen = (layer.emit("Gather", found, np.array(column), axis=1) for column in (1, 2))
    place = layer.emit(
        "Concat", *(layer.emit("Unsqueeze", value, np.array([1])) for value in (chosen, kind)), axis=1
    )
    score = layer.emit("GatherND", layer.emit("Squeeze", scores, np.array([0])), place)
    # Zeros behind the scores make enough of them for the choice of the best.
    padded = layer.emit("Concat", score, np.full(most, -np.inf, np.float32), axis=0)
    values, order = layer.emit_all("TopK", padded, np.array([most]), outputs=2, axis=0)
    kept = layer.emit("Min", layer.emit("Shape", chosen), np.array([most]))
    values, order = (
        layer.emit("Slice", value, np.array([0]), kept, np.array([0])) for value in (values, order)
    )
    return layer.emit("Gather", chosen, order, axis=0), layer.emit("Gather", kind, order, axis=0), values
