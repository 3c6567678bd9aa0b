"""Operators that read images at coordinates which a run computes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import INDEX, Dim, Expr, Literal, Tensor, call, literal, select
from tinsmith.compiler.operators.filters import Filter
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.pad import mirrored, reflected
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.steering import all_of, clamped, declared_shape, inside, static_shape, zero

MODES = {
    "nearest": "nearest",
    "linear": "linear", "bilinear": "linear",
    "cubic": "cubic", "bicubic": "cubic",
}  # fmt: skip
"""Of GridSample, by the names of all versions."""
MOST_TERMS = 16
"""Of a sum that is written out."""


@operator("GridSample")
def grid_sample(node: Node, x: Tensor, grid: Tensor) -> Tensor:
    shape, points = static_shape(node, x), static_shape(node, grid)
    dims = len(shape) - 2
    mode, padding = node.text("mode", "linear"), node.text("padding_mode", "zeros")
    if mode not in MODES or padding not in ("zeros", "border", "reflection"):
        raise node.refuse(f"mode {mode}, padding_mode {padding}")
    if dims < 1 or len(points) != dims + 2 or points[-1] != dims or points[0] != shape[0]:
        raise node.refuse(f"a grid of shape {points} for an image of shape {shape}")
    if 0 in shape and 0 not in points:
        raise node.refuse("an empty image")
    sampler = _Sampler(node, grid, shape[2:], MODES[mode], padding, bool(node.integer("align_corners", 0)))
    tables = [sampler.table(axis) for axis in range(dims)]
    target = (*shape[:2], *points[1:-1])
    if sampler.mode == "nearest":
        origin = [Literal(0, INDEX)] * dims
        return node.map(target, lambda *i: _sample(x, i, tables, origin, sampler, weighted=False))
    work = x if dtypes.is_float(x.dtype) else node.cast(x, sampler.dtype)
    taps = sampler.taps
    if taps**dims > MOST_TERMS:
        total = node.reduce(
            target,
            (taps,) * dims,
            "sum",
            lambda *i: _sample(work, i[: len(target)], tables, i[len(target) :], sampler, weighted=True),
        )
    else:
        total = node.map(target, lambda *i: _written_out(work, i, tables, sampler))
    return node.cast(total, x.dtype)


@dataclass(frozen=True)
class _Table:
    """Per point and tap along one axis: the place (-1: none) and the weight."""

    places: Tensor
    weights: Tensor | None


@dataclass(frozen=True)
class _Sampler:
    node: Node
    grid: Tensor
    lengths: tuple[int, ...]
    mode: str
    padding: str
    align: bool

    @property
    def taps(self) -> int:
        return {"nearest": 1, "linear": 2, "cubic": 4}[self.mode]

    @property
    def dtype(self) -> str:
        """Of coordinates and weights."""
        return "float64" if self.grid.dtype == "float64" else "float32"

    def table(self, axis: int) -> _Table:
        """Of an axis of the image; a grid names the last axis first."""
        points = self.grid.static_shape[:-1]
        length = self.lengths[axis]
        component = len(self.lengths) - 1 - axis
        sources = self.node.map(points, lambda *i: self._source(self.grid[(*i, component)], length))
        shape = (*points, self.taps)
        places = self.node.map(shape, lambda *i: self._place(sources[i[:-1]], i[-1], length).cast("int32"))
        if self.mode == "nearest":
            return _Table(places, None)
        return _Table(places, self.node.map(shape, lambda *i: self._weight(sources[i[:-1]], i[-1])))

    def _source(self, value: Expr, length: int) -> Expr:
        """The coordinate in elements, brought back to the image where padding wants that."""
        number = value.cast(self.dtype)
        source = (number + 1) / 2.0 * (length - 1) if self.align else ((number + 1) * length - 1) / 2.0
        if self.mode == "nearest":
            source = call("round", source)
        least, most = (0.0, length - 1.0) if self.align else (-0.5, length - 0.5)
        if self.padding == "border":
            edge = call("min", call("max", source, literal(0, self.dtype)), literal(length - 1, self.dtype))
            return select((source < least) | (source > most), edge, source)
        if self.padding == "reflection":
            return select((source < least) | (source > most), self._folded(source, least, most), source)
        return source

    def _folded(self, source: Expr, least: float, most: float) -> Expr:
        """`source` reflected at both borders until it lies between them."""
        span = most - least
        if span == 0:
            return literal(least, self.dtype)
        beyond = call("abs", source - least)
        rest = beyond - call("floor", beyond / (2 * span)) * (2 * span)
        return select(rest > span, literal(2 * span, self.dtype) - rest, rest) + least

    def _first(self, source: Expr) -> Expr:
        """The place of the first tap, as a number; far outside, some place outside."""
        first = source if self.mode == "nearest" else call("floor", source)
        return first - 1 if self.mode == "cubic" else first

    def _place(self, source: Expr, tap: Expr, length: int) -> Expr:
        near = call("max", self._first(source), literal(-8, self.dtype))
        near = call("min", near, literal(length + 8, self.dtype))
        place = near.cast("int64").as_index + tap
        if self.padding == "border":
            return clamped(place, length)
        if self.padding == "reflection":
            return reflected(place, length) if self.align else mirrored(place, length)
        return select(inside(place, length), place, Literal(-1, INDEX))

    def _weight(self, source: Expr, tap: Expr) -> Expr:
        distance = self._first(source) - source + tap.cast(self.dtype)
        return Filter("", self.mode).weight(distance)


def _sample(
    x: Tensor,
    i: Sequence[Expr],
    tables: Sequence[_Table],
    taps: Sequence[Expr],
    sampler: _Sampler,
    weighted: bool,
) -> Expr:
    """One element, times its weight."""
    point = (i[0], *i[2:])
    places = [table.places[(*point, tap)].as_index for table, tap in zip(tables, taps, strict=True)]
    value = x[(i[0], i[1], *places)]
    if sampler.padding == "zeros":
        value = select(all_of([place >= 0 for place in places]), value, zero(x.dtype))
    if not weighted:
        return value
    value = value.cast(sampler.dtype)
    for table, tap in zip(tables, taps, strict=True):
        assert table.weights is not None
        value = value * table.weights[(*point, tap)]
    return value


def _written_out(x: Tensor, i: Sequence[Expr], tables: Sequence[_Table], sampler: _Sampler) -> Expr:
    terms = [
        _sample(x, i, tables, [Literal(tap, INDEX) for tap in taps], sampler, weighted=True)
        for taps in product(range(sampler.taps), repeat=len(tables))
    ]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


@operator("AffineGrid")
def affine_grid(node: Node, theta: Tensor, size: Tensor) -> Tensor:
    n, dims, columns = static_shape(node, theta)
    lengths = declared_shape(node, "size")[1:-1] if size.value is None else node.known_ints(1, "size")[2:]
    if dims not in (2, 3) or columns != dims + 1 or len(lengths) != dims:
        raise node.refuse(f"theta of shape {theta.shape} for an image of {len(lengths)} dimensions")
    align = bool(node.integer("align_corners", 0))
    dtype = "float64" if theta.dtype == "float64" else "float32"

    def coordinate(index: Expr, length: int) -> Expr:
        if align and length == 1:
            return literal(0, dtype)
        place = index.cast(dtype)
        return place * (2 / (length - 1)) - 1 if align else (place * 2 + 1) / float(length) - 1

    def value(*i: Expr) -> Expr:
        own = [theta[i[0], i[-1], column].cast(dtype) for column in range(columns)]
        total = own[-1]
        # The last axis of an image is the first of its coordinates.
        for k, (index, length) in enumerate(zip(reversed(i[1:-1]), reversed(lengths), strict=True)):
            total = total + own[k] * coordinate(index, length)
        return total.cast(theta.dtype)

    return node.map((n, *lengths, dims), value)


@operator("RoiAlign")
def roi_align(node: Node, x: Tensor, rois: Tensor, batches: Tensor) -> Tensor:
    images, channels, height, width = static_shape(node, x)
    bins = (node.integer("output_height", 1), node.integer("output_width", 1))
    mode = node.text("mode", "avg")
    if rois.rank != 2 or rois.shape[1] != 4 or batches.shape != rois.shape[:1] or mode not in ("avg", "max"):
        raise node.refuse(f"rois of shape {rois.shape}, batch indices {batches.shape}, mode {mode}")
    if min(bins) < 1 or 0 in x.shape:
        raise node.refuse(f"{bins[0]} x {bins[1]} bins of an image of shape {x.shape}")
    half = node.text(
        "coordinate_transformation_mode", "half_pixel" if node.version >= 16 else "output_half_pixel"
    )
    regions = _Regions(
        node,
        rois,
        bins,
        node.number("spatial_scale", 1.0),
        half == "half_pixel",
        node.integer("sampling_ratio", 0),
    )
    rows, columns = regions.axis(0, height), regions.axis(1, width)
    count = rois.shape[0]

    def term(*i: Expr) -> Expr:
        roi, channel, row, column, down, right = i
        image = clamped(batches[roi].as_index, images)
        y, x_ = rows.sample(roi, row, down), columns.sample(roi, column, right)

        def corner(at_y: tuple[Expr, Expr], at_x: tuple[Expr, Expr]) -> Expr:
            return at_y[1] * at_x[1] * x[image, channel, at_y[0], at_x[0]].cast(regions.dtype)

        corners = [corner(a, b) for a, b in product(y.ends, x_.ends)]
        combined = corners[0]
        for other in corners[1:]:
            combined = combined + other if mode == "avg" else call("max", combined, other)
        fits = all_of([y.fits, x_.fits])
        used = all_of([y.used, x_.used])
        nothing = zero(regions.dtype)
        if mode == "avg":
            return select(used & fits, combined, nothing)
        # A sample outside counts as 0; one that is not taken as nothing.
        return select(used, select(fits, combined, nothing), literal(-math.inf, regions.dtype))

    total = node.reduce(
        (count, channels, *bins), (rows.most, columns.most), "sum" if mode == "avg" else "max", term
    )

    def result(*i: Expr) -> Expr:
        samples = call("max", rows.counts[i[0]] * columns.counts[i[0]], literal(1, "int64"))
        value = total[i] / samples.cast(regions.dtype) if mode == "avg" else total[i]
        if mode == "max":
            value = select(value.equals(-math.inf), zero(value.dtype), value)
        return value.cast(x.dtype)

    return node.map((count, channels, *bins), result)


@dataclass(frozen=True)
class _Sample:
    """One coordinate: the elements around it with their weights; in the image; one that the bin has."""

    ends: tuple[tuple[Expr, Expr], tuple[Expr, Expr]]
    fits: Expr
    used: Expr


@dataclass(frozen=True)
class _Regions:
    """Boxes of RoiAlign, in rows (x1, y1, x2, y2)."""

    node: Node
    rois: Tensor
    bins: tuple[int, int]
    scale: float
    half_pixel: bool
    ratio: int

    @property
    def dtype(self) -> str:
        return "float64" if self.rois.dtype == "float64" else "float32"

    def axis(self, axis: int, length: int) -> _Bins:
        """Axis 0 are rows, axis 1 columns."""
        node, count = self.node, self.rois.shape[0]
        starts = node.map((count,), lambda roi: self._edge(roi, 1 - axis))
        sizes = node.map((count,), lambda roi: self._size(roi, axis, starts))
        if self.ratio > 0:
            counts = node.map((count,), lambda roi: literal(self.ratio, "int64"))
            return _Bins(starts, sizes, counts, self.ratio, length)
        counts = node.map(
            (count,), lambda roi: call("max", call("ceil", sizes[roi]).cast("int64"), literal(0, "int64"))
        )
        greatest = node.reduce((), (count,), "max", lambda roi: counts[roi])
        most = call("max", greatest[()].as_index, Literal(0, INDEX))
        return _Bins(starts, sizes, counts, node.measure(most, MOST_SAMPLES), length)

    def _edge(self, roi: Expr, column: int) -> Expr:
        return self.rois[roi, column].cast(self.dtype) * self.scale - (0.5 if self.half_pixel else 0.0)

    def _size(self, roi: Expr, axis: int, starts: Tensor) -> Expr:
        """Of a bin."""
        size = self._edge(roi, 3 - axis) - starts[roi]
        if not self.half_pixel:
            size = call("max", size, literal(1, self.dtype))
        return size / float(self.bins[axis])


MOST_SAMPLES = 2**20
"""Per bin and axis; no box is so large."""


@dataclass(frozen=True)
class _Bins:
    """The bins of all boxes along one axis of an image."""

    starts: Tensor
    sizes: Tensor
    counts: Tensor
    """Samples per bin."""
    most: Dim
    length: int

    def sample(self, roi: Expr, number: Expr, step: Expr) -> _Sample:
        """Sample `step` of bin `number` of a box."""
        dtype, size, count = self.sizes.dtype, self.sizes[roi], self.counts[roi]
        part = (step.cast(dtype) + 0.5) * size / count.cast(dtype)
        source = self.starts[roi] + number.cast(dtype) * size + part
        fits = (source >= -1.0) & (source <= float(self.length))
        source = call("min", call("max", source, literal(0, dtype)), literal(self.length - 1, dtype))
        low = clamped(source.cast("int64").as_index, self.length)
        high = clamped(low + 1, self.length)
        right = source - low.cast(dtype)
        left = literal(1, dtype) - right
        return _Sample(((low, left), (high, right)), fits, step < count.as_index)
