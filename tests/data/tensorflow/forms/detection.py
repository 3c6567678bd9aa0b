# mypy: ignore-errors
# ruff: noqa: B905
"""Boxes that suppress one another."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from forms.registry import case, real, rng

raw = tf.raw_ops


def detection():
    corners = rng.uniform(0, 1, (12, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.uniform(0.2, 0.5, (12, 2)).astype(np.float32)], 1)
    scores = real(12, low=0, high=1)
    case(
        "NonMaxSuppressionV2",
        lambda b, s: raw.NonMaxSuppressionV2(boxes=b, scores=s, max_output_size=5, iou_threshold=0.3),
        boxes,
        scores,
    )
    case(
        "NonMaxSuppressionV3",
        lambda b, s: raw.NonMaxSuppressionV3(
            boxes=b, scores=s, max_output_size=5, iou_threshold=0.3, score_threshold=0.4
        ),
        boxes,
        scores,
    )
    case(
        "NonMaxSuppressionV4",
        lambda b, s: raw.NonMaxSuppressionV4(
            boxes=b,
            scores=s,
            max_output_size=9,
            iou_threshold=0.3,
            score_threshold=0.4,
            pad_to_max_output_size=True,
        ),
        boxes,
        scores,
    )
    case(
        "NonMaxSuppressionV5",
        lambda b, s: raw.NonMaxSuppressionV5(
            boxes=b,
            scores=s,
            max_output_size=9,
            iou_threshold=0.3,
            score_threshold=0.4,
            soft_nms_sigma=0.0,
            pad_to_max_output_size=True,
        ),
        boxes,
        scores,
    )
    _detectors(boxes)


def _detectors(boxes):
    places = np.concatenate([rng.uniform(0, 0.8, (20, 2)), rng.uniform(0.1, 0.4, (20, 2))], 1).astype(
        np.float32
    )
    for kind, lowered in (("functions", False), ("frames", True)):
        data = (real(2, 20, 4), real(2, 20, 4))
        case(f"detector {kind}", detector(places, 3, 8), *data, lowered=lowered)
    many = np.stack([boxes, boxes[::-1] * 0.9])[:, :, None]
    for kinds in (1, 3):
        case(
            f"CombinedNonMaxSuppression {kinds}",
            lambda b, s, k=kinds: tf.image.combined_non_max_suppression(
                tf.tile(b, [1, 1, k, 1]) * tf.constant([1.0, 0.9, 0.8][:k])[:, None], s, 4, 10, 0.4, 0.3
            ),
            many,
            real(2, 12, 3, low=0, high=1),
        )


def detector(anchors, classes, most):
    """The last part of an SSD: boxes decoded, suppressed per class, the best kept, padded to `most`."""

    def one(arguments):
        boxes, scores = arguments
        found = []
        for kind in range(classes):
            kept = tf.image.non_max_suppression(boxes, scores[:, kind], most, 0.5, 0.3)
            own = tf.fill([tf.shape(kept)[0]], float(kind))
            found.append((tf.gather(boxes, kept), tf.gather(scores[:, kind], kept), own))
        boxes, scores, kinds = (tf.concat(parts, 0) for parts in zip(*found))
        count = tf.minimum(tf.shape(scores)[0], most)
        best = tf.math.top_k(scores, count)
        rest = most - tf.shape(best.values)[0]
        padded = tf.pad(tf.gather(boxes, best.indices), [[0, rest], [0, 0]])
        kinds = tf.pad(tf.gather(kinds, best.indices), [[0, rest]])
        scores = tf.ensure_shape(tf.pad(best.values, [[0, rest]]), [most])
        return tf.ensure_shape(padded, [most, 4]), scores, tf.ensure_shape(kinds, [most]), count

    def decode(location, logits):
        centres = anchors[:, :2] + location[..., :2] * 0.1 * anchors[:, 2:]
        sizes = anchors[:, 2:] * tf.exp(location[..., 2:] * 0.2)
        boxes = tf.concat([centres - sizes / 2, centres + sizes / 2], -1)
        types = (tf.float32, tf.float32, tf.float32, tf.int32)
        return tf.map_fn(one, (boxes, tf.sigmoid(logits)[..., 1:]), fn_output_signature=types)

    return decode
