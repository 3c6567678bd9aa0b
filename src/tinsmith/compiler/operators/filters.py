"""Where the elements of a resized axis come from, and with what weights.

Coordinates and weights follow the definition of ONNX Resize. They are constants where the scale is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinsmith.compiler.ir.evaluate import evaluate
from tinsmith.compiler.ir.scalars import INDEX, Expr, Literal, Load, Tensor, call, literal, select, walk
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.steering import clamped, inside

DOUBLE = "float64"
"""The type of coordinates and scales."""


@dataclass(frozen=True)
class Axis:
    """One axis to resize."""

    number: int
    before: int
    after: int
    scale: Expr
    roi: tuple[Expr, Expr] | None

    @property
    def least_scale(self) -> float:
        """What the scale is, or is not below."""
        return (
            float(self.scale.value) if isinstance(self.scale, Literal) else self.after / max(self.before, 1)
        )

    @property
    def stays(self) -> bool:
        """Nothing changes along it."""
        return self.before == self.after and self.roi is None and self.least_scale == 1.0


@dataclass(frozen=True)
class Filter:
    """How to resize: the attributes of Resize."""

    coordinates: str
    mode: str
    nearest: str = "round_prefer_floor"
    cubic_a: float = -0.75
    antialias: bool = False
    exclude_outside: bool = False
    extrapolation: float = 0.0

    @property
    def crops(self) -> bool:
        """A region of the image is what is resized."""
        return self.coordinates == "tf_crop_and_resize"

    @property
    def reach(self) -> int:
        """Elements on either side that count, where the image does not shrink."""
        return 2 if self.mode == "cubic" else 1

    def weight(self, distance: Expr) -> Expr:
        """Of an element at `distance` from the coordinate."""
        far, dtype = call("abs", distance), distance.dtype
        if self.mode == "linear":
            return call("max", literal(1, dtype) - far, literal(0, dtype))
        a = self.cubic_a
        near = (far * (a + 2) - (a + 3)) * far * far + 1
        wide = ((far * a - 5 * a) * far + 8 * a) * far - 4 * a
        return select(far <= 1, near, select(far < 2, wide, literal(0, dtype)))


class Tabulated:
    """The elements that each element of a resized axis is made of."""

    def __init__(self, node: Node, axis: Axis, filter: Filter) -> None:
        self.axis, self.taps = axis, 1
        self._filter = filter
        self._source = _tabulate(node, (axis.after,), lambda i: coordinates[filter.coordinates](i, axis))
        if filter.mode == "nearest":
            self._places = _tabulate(node, (1, axis.after), lambda _, i: self._rounded(i))
            return
        shrinks = filter.antialias
        narrow = min(axis.least_scale, 1.0) if shrinks else 1.0
        self._first = math.floor(-filter.reach / narrow) + 1
        self.taps = 2 - 2 * self._first
        self._scale = call("min", axis.scale, literal(1, DOUBLE)) if shrinks else literal(1, DOUBLE)
        shape = (self.taps, axis.after)
        self._places = _tabulate(node, shape, lambda tap, i: self._whole(i, tap).cast("int64"))
        self._weights = _tabulate(node, shape, lambda tap, i: self._raw(i, tap))
        if shrinks or filter.exclude_outside:
            self._weights = _normalised(node, self._weights)
        single = _tabulate(node, shape, lambda tap, i: self._weights[tap, i].cast("float32"))
        self._by_type = {DOUBLE: self._weights, "float32": single}

    def nearest(self, i: Expr) -> Expr:
        """The place of the one element."""
        places = self._places.value
        if places is not None and places.size:
            first, number = int(places[0, 0]), np.arange(self.axis.after)
            step = int(places[0, 1]) - first if places.size > 1 else 0
            if np.array_equal(places[0], first + step * number):
                return i * step + first
            count = max(self.axis.after // self.axis.before, 1)
            if np.array_equal(places[0], number // count):
                return i // count
        return self.place(i, Literal(0, INDEX))

    def place(self, i: Expr, tap: Expr) -> Expr:
        """The place of element `tap`."""
        return self._places[tap, i].as_index

    def weight(self, i: Expr, tap: Expr, dtype: str) -> Expr:
        """Its weight."""
        return self._by_type[dtype][tap, i]

    def outside(self, i: Expr, value: Expr) -> Expr:
        """`value`; where a crop reaches beyond the image, the extrapolation value."""
        if not self._filter.crops:
            return value
        source = self._source[i]
        beyond = (source < 0) | (source > self.axis.before - 1)
        return select(beyond, literal(self._filter.extrapolation, value.dtype), value)

    def _rounded(self, i: Expr) -> Expr:
        source = self._source[i]
        whole = {
            "floor": lambda: call("floor", source),
            "ceil": lambda: call("ceil", source),
            "round_prefer_floor": lambda: call("ceil", source - 0.5),
            "round_prefer_ceil": lambda: call("floor", source + 0.5),
        }[self._filter.nearest]()
        return clamped(whole.cast("int64").as_index, self.axis.before).cast("int64")

    def _left(self, i: Expr) -> Expr:
        """The element left of the coordinate, not at it, as a number."""
        return call("ceil", self._source[i]) - 1

    def _unclamped(self, i: Expr, tap: Expr) -> Expr:
        return self._left(i).cast("int64").as_index + tap + self._first

    def _whole(self, i: Expr, tap: Expr) -> Expr:
        return clamped(self._unclamped(i, tap), self.axis.before)

    def _raw(self, i: Expr, tap: Expr) -> Expr:
        distance = (tap + self._first).cast(DOUBLE) - (self._source[i] - self._left(i))
        weight = self._filter.weight(distance * self._scale)
        if not self._filter.exclude_outside:
            return weight
        return select(inside(self._unclamped(i, tap), self.axis.before), weight, literal(0, DOUBLE))


def _normalised(node: Node, weights: Tensor) -> Tensor:
    taps, after = weights.static_shape
    if weights.value is not None:
        total = weights.value.sum(axis=0)
        return node.constant(weights.value / np.where(total == 0, 1, total))
    sums = node.reduce((after,), (taps,), "sum", lambda i, tap: weights[tap, i])
    return node.map(
        (taps, after),
        lambda tap, i: weights[tap, i] / select(sums[i].equals(0), literal(1, DOUBLE), sums[i]),
    )


def _tabulate(node: Node, shape: tuple[int, ...], value: Callable[..., Expr]) -> Tensor:
    """The values for all indices; a constant where they are known."""
    made = node.map(shape, value)
    stage = node.stages[-1]
    loads = [part for part in walk([stage.value]) if isinstance(part, Load)]  # type: ignore[attr-defined]
    if any(load.tensor.value is None for load in loads):
        return made
    node.stages.pop()
    known: dict[Tensor, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    evaluate([stage], known)
    return node.constant(known[made], made.dtype)


def _half_pixel(i: Expr, axis: Axis) -> Expr:
    return (i.cast(DOUBLE) + 0.5) / axis.scale - 0.5


def _symmetric(i: Expr, axis: Axis) -> Expr:
    width = axis.scale * float(axis.before)
    margin = (literal(1, DOUBLE) - literal(axis.after, DOUBLE) / width) * (axis.before / 2)
    return margin + _half_pixel(i, axis)


def _pytorch_half_pixel(i: Expr, axis: Axis) -> Expr:
    return literal(0, DOUBLE) if axis.after == 1 else _half_pixel(i, axis)


def _asymmetric(i: Expr, axis: Axis) -> Expr:
    return i.cast(DOUBLE) / axis.scale


def _align_corners(i: Expr, axis: Axis) -> Expr:
    width = axis.scale * float(axis.before)
    return select(width.equals(1), literal(0, DOUBLE), i.cast(DOUBLE) * float(axis.before - 1) / (width - 1))


def _crop(i: Expr, axis: Axis) -> Expr:
    assert axis.roi is not None
    (start, end), last = axis.roi, float(axis.before - 1)
    if axis.after == 1:
        return (start + end) * (last / 2)
    width = axis.scale * float(axis.before)
    return start * last + i.cast(DOUBLE) * (end - start) * last / (width - 1)


coordinates: dict[str, Callable[[Expr, Axis], Expr]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "asymmetric": _asymmetric,
    "align_corners": _align_corners,
    "tf_crop_and_resize": _crop,
    "tf_half_pixel_for_nn": lambda i, axis: (i.cast(DOUBLE) + 0.5) / axis.scale,
}
"""The coordinate in the image before, by coordinate_transformation_mode."""
