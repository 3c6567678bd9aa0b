"""Boxes that overlap too much are dropped."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Value


def _selected(op: Op, boxes: Value, scores: Value, most: Value, overlap: Value, score: Value | None) -> Value:
    """The indices of the boxes that stay, by falling score: int64 [any]."""
    found = op.add(
        "NonMaxSuppression",
        boxes.cast(np.float32).unsqueeze(0),
        scores.cast(np.float32).unsqueeze(0, 1),
        most.cast(np.int64).reshape(-1),
        overlap.cast(np.float32).reshape(-1),
        None if score is None else score.cast(np.float32).reshape(-1),
    )
    return op.slice(found, [2], [3], [1]).squeeze(1)


@converts("NonMaxSuppression")
def nms_v1(op: Op, boxes: Value, scores: Value, most: Value) -> Any:
    overlap = op.constant(np.float32(op.real("iou_threshold", 0.5)))
    return _selected(op, boxes, scores, most, overlap, None).cast(np.int32)


@converts("NonMaxSuppressionV2")
def nms_v2(op: Op, boxes: Value, scores: Value, most: Value, overlap: Value) -> Any:
    return _selected(op, boxes, scores, most, overlap, None).cast(np.int32)


@converts("NonMaxSuppressionV3")
def nms_v3(op: Op, boxes: Value, scores: Value, most: Value, overlap: Value, score: Value) -> Any:
    return _selected(op, boxes, scores, most, overlap, score).cast(np.int32)


@converts("NonMaxSuppressionV4", "NonMaxSuppressionV5")
def nms_padded(
    op: Op, boxes: Value, scores: Value, most: Value, overlap: Value, score: Value, *sigma: Value
) -> Any:
    if sigma and op.known(sigma[0], "soft_nms_sigma").item():
        raise Unsupported("its soft_nms_sigma is not 0")
    chosen = _selected(op, boxes, scores, most, overlap, score)
    count = op.add("Shape", chosen).squeeze(0).cast(np.int32)
    kept = op.add("Gather", scores, chosen, axis=0)
    if op.flag("pad_to_max_output_size"):
        (number,) = op.known_ints(most, "max_output_size")
        chosen, kept = (_filled(op, rows, number) for rows in (chosen, kept))
    indices = chosen.cast(np.int32)
    return (indices, kept, count) if sigma else (indices, count)


def _filled(op: Op, rows: Value, number: int) -> Value:
    zeros = op.constant(np.zeros(number, rows.dtype))
    return op.slice(op.add("Concat", rows, zeros, axis=0), [0], [number], [0])


@converts("CombinedNonMaxSuppression")
def combined_nms(
    op: Op, boxes: Value, scores: Value, per_class: Value, total: Value, overlap: Value, score: Value
) -> Any:
    batch, count, kinds, _ = boxes.shape
    classes = scores.shape[2]
    (each,), (most,) = (
        op.known_ints(per_class, "max_output_size_per_class"),
        op.known_ints(total, "max_total_size"),
    )
    if op.flag("pad_per_class"):
        most = min(most, each * classes)
    by_class = scores.transpose(0, 2, 1)
    marks = _marked(op, boxes, by_class, op.ints(each), overlap, score)
    ranked = marks.reshape(batch, classes * count)
    kept = min(most, classes * count)
    values, places = op.several("TopK", 2, ranked, op.ints(kept), axis=1, largest=1, sorted=1)
    there = op.add("Greater", values, op.constant(np.float32(-np.inf)))
    kind = op.add("Div", places, op.constant(np.int64(count)))
    box = op.add("Mod", places, op.constant(np.int64(count)))
    place = box if kinds == 1 else op.add("Add", op.add("Mul", box, op.constant(np.int64(kinds))), kind)
    flat = boxes.reshape(batch, count * kinds, 4)
    rows = op.add("GatherND", flat, place.unsqueeze(2), batch_dims=1)
    if op.flag("clip_boxes", True):
        rows = op.add("Clip", rows, op.constant(np.float32(0)), op.constant(np.float32(1)))
    zero = op.constant(np.float32(0))
    found = [
        op.add("Where", there.unsqueeze(2), rows, zero),
        op.add("Where", there, values, zero),
        op.add("Where", there, kind.cast(np.float32), zero),
    ]
    if kept < most:
        found = [_behind(op, value, most - kept) for value in found]
    valid = op.add("ReduceSum", there.cast(np.int32), op.ints(1), keepdims=0)
    return (*found, valid)


def _marked(op: Op, boxes: Value, scores: Value, each: Value, overlap: Value, score: Value) -> Value:
    """`scores` [batch, classes, boxes] of the boxes that stay, and minus infinity for the others."""
    batch, count, kinds, _ = boxes.shape
    classes = scores.shape[1]
    if kinds == 1:
        groups, own = boxes.reshape(batch, count, 4), scores
    else:
        groups = boxes.transpose(0, 2, 1, 3).reshape(batch * kinds, count, 4)
        own = scores.reshape(batch * classes, 1, count)
    limits = [value.cast(np.float32).reshape(-1) for value in (overlap, score)]
    chosen = op.add("NonMaxSuppression", groups, own, each, *limits)
    nothing = op.add("Expand", op.constant(np.float32(-np.inf)), op.ints(*own.shape))
    kept = op.add("ScatterND", nothing, chosen, op.add("GatherND", own, chosen))
    return kept.reshape(batch, classes, count)


def _behind(op: Op, x: Value, number: int) -> Value:
    """Zeros behind the rows of each image."""
    amounts = [0] * (2 * x.rank)
    amounts[x.rank + 1] = number
    return op.add("Pad", x, op.ints(*amounts))
