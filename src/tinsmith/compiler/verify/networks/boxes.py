"""NonMaxSuppression for ONNX's reference evaluator, whose own takes no scalars, fails where inputs are left
out, and goes box by box."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.ops import op_non_max_suppression

Array = NDArray[Any]


class NonMaxSuppression(op_non_max_suppression.NonMaxSuppression):  # type: ignore[misc,unused-ignore]
    """By classes: the best box that is left, of equal ones the first, removes what overlaps it too much."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self,
        boxes: Array,
        scores: Array,
        max_output_boxes_per_class=None,
        iou_threshold=None,
        score_threshold=None,
        center_point_box=None,
    ) -> tuple[Array]:
        most, overlap = int(_scalar(max_output_boxes_per_class, 0)), _scalar(iou_threshold, 0)
        found = [
            (batch, kind, place)
            for batch in range(scores.shape[0])
            for kind in range(scores.shape[1])
            for place in _kept(
                _corners(boxes[batch], bool(center_point_box)),
                scores[batch, kind],
                most,
                overlap,
                _scalar(score_threshold, None),
            )
        ]
        return (np.array(found, np.int64).reshape(-1, 3),)


def _scalar(value: Array | None, default: Any) -> Any:
    return default if value is None or not np.size(value) else np.reshape(value, -1)[0]


def _corners(boxes: Array, centred: bool) -> Array:
    """Low and high, twice: [4, boxes]."""
    a, b, c, d = boxes.T
    if centred:
        return np.stack([a - c / 2, a + c / 2, b - d / 2, b + d / 2])
    return np.stack([np.minimum(a, c), np.maximum(a, c), np.minimum(b, d), np.maximum(b, d)])


def _kept(corners: Array, scores: Array, most: int, overlap: Any, least: Any) -> list[int]:
    order = np.argsort(-scores, kind="stable")
    left = order if least is None else order[scores[order] > least]
    area = (corners[1] - corners[0]) * (corners[3] - corners[2])
    kept: list[int] = []
    while left.size and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(int(best))
        mine, others = corners[:, best, None], corners[:, left]
        sides = np.minimum(mine[1::2], others[1::2]) - np.maximum(mine[::2], others[::2])
        common = np.where((sides > 0).all(axis=0), sides[0] * sides[1], 0)
        union = area[best] + area[left] - common
        comparable = (common > 0) & (area[best] > 0) & (area[left] > 0) & (union > 0)
        left = left[~(comparable & (common / np.where(comparable, union, 1) > overlap))]
    return kept
