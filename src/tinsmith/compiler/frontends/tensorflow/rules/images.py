"""Images scaled, and parts of them cut out."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Value

_INTEGER = (np.uint8, np.int8, np.int16, np.uint16, np.int32)


@converts("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic")
def resize(op: Op, x: Value, size: Value) -> Any:
    height, width = op.known_ints(size, "size")
    batch, rows, columns, channels = x.shape
    if op.type != "ResizeNearestNeighbor":
        x = x.cast(np.float32)
    if (rows, columns) == (height, width):
        return x
    images = x.transpose(0, 3, 1, 2)
    target = op.ints(batch, channels, height, width)
    return op.add("Resize", images, None, None, target, **_mode(op)).transpose(0, 2, 3, 1)


def _mode(op: Op) -> dict[str, Any]:
    """How places of the result are found in the original."""
    half, align = op.flag("half_pixel_centers"), op.flag("align_corners")
    place = "half_pixel" if half else "align_corners" if align else "asymmetric"
    if op.type == "ResizeNearestNeighbor":
        rounding = "round_prefer_ceil" if half or align else "floor"
        return {"mode": "nearest", "nearest_mode": rounding, "coordinate_transformation_mode": place}
    if op.type == "ResizeBilinear":
        return {"mode": "linear", "coordinate_transformation_mode": place}
    return {
        "mode": "cubic",
        "coordinate_transformation_mode": place,
        "cubic_coeff_a": -0.5 if half else -0.75,
        "exclude_outside": int(half),
    }


@converts("CropAndResize")
def crop_and_resize(op: Op, images: Value, boxes: Value, owners: Value, crop_size: Value) -> Any:
    if op.text("method", "bilinear") not in ("bilinear", "nearest"):
        raise Unsupported(f"its method is {op.text('method')}, expected bilinear or nearest")
    batch, height, width, channels = images.shape
    crop = op.known_ints(crop_size, "crop_size")
    images = images.cast(np.float32)
    rows = _places(op, boxes, (0, 2), height, crop[0])
    columns = _places(op, boxes, (1, 3), width, crop[1])
    first = op.add("Mul", owners.cast(np.int64), op.constant(np.int64(height * width)))
    flat = images.reshape(batch * height * width, channels)
    rows, columns = rows.unsqueeze(2), columns.unsqueeze(1)
    base = first.reshape(-1, 1, 1)
    crops = _sampled(op, flat, base, rows, columns, (height, width))
    inside = op.add("And", _inside(op, rows, height), _inside(op, columns, width))
    outside = op.constant(np.float32(op.real("extrapolation_value")))
    return op.add("Where", inside.unsqueeze(3), crops, outside)


def _places(op: Op, boxes: Value, corners: tuple[int, int], size: int, count: int) -> Value:
    """Where in an image of `size` the `count` rows of each crop are: [boxes, count]."""
    start, end = (op.slice(boxes, [corner], [corner + 1], [1]) for corner in corners)
    last = op.constant(np.float32(size - 1))
    if count == 1:
        middle = op.add("Mul", op.add("Add", start, end), op.constant(np.float32(0.5)))
        return op.add("Mul", middle, last)
    step = op.add("Div", op.add("Mul", op.add("Sub", end, start), last), op.constant(np.float32(count - 1)))
    steps = op.add("Mul", step, op.constant(np.arange(count, dtype=np.float32)[None]))
    return op.add("Add", op.add("Mul", start, last), steps)


def _inside(op: Op, places: Value, size: int) -> Value:
    low = op.add("GreaterOrEqual", places, op.constant(np.float32(0)))
    return op.add("And", low, op.add("LessOrEqual", places, op.constant(np.float32(size - 1))))


def _sampled(op: Op, flat: Value, base: Value, rows: Value, columns: Value, size: tuple[int, int]) -> Value:
    """What lies at `rows` and `columns`, between four pixels or at the nearest."""

    def pixel(row: Value, column: Value) -> Value:
        places = []
        for place, limit in zip((row, column), size, strict=True):
            near = op.add("Clip", place, op.constant(np.float32(0)), op.constant(np.float32(limit - 1)))
            places.append(near.cast(np.int64))
        line = op.add("Add", base, op.add("Mul", places[0], op.constant(np.int64(size[1]))))
        return op.add("Gather", flat, op.add("Add", line, places[1]), axis=0)

    if op.text("method", "bilinear") == "nearest":
        half = op.constant(np.float32(0.5))
        return pixel(*(op.add("Floor", op.add("Add", place, half)) for place in (rows, columns)))
    (top, down), (left, across) = (_split(op, place) for place in (rows, columns))
    bottom, right = op.add("Ceil", rows), op.add("Ceil", columns)
    upper = _between(op, pixel(top, left), pixel(top, right), across)
    lower = _between(op, pixel(bottom, left), pixel(bottom, right), across)
    return _between(op, upper, lower, down)


def _split(op: Op, place: Value) -> tuple[Value, Value]:
    whole = op.add("Floor", place)
    return whole, op.add("Sub", place, whole).unsqueeze(3)


def _between(op: Op, a: Value, b: Value, part: Value) -> Value:
    return op.add("Add", a, op.add("Mul", op.add("Sub", b, a), part))


@converts("RGBToHSV", "HSVToRGB", "AdjustContrastv2", "AdjustHue", "AdjustSaturation")
def colour(op: Op, x: Value, *_: Value) -> Any:
    if op.type != "AdjustContrastv2":
        raise Unsupported("colours are not turned into others")
    mean = op.add("ReduceMean", x, op.ints(x.rank - 3, x.rank - 2), keepdims=1)
    return op.add("Add", op.add("Mul", op.add("Sub", x, mean), _[0]), mean)
