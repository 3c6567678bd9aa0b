"""Operators that write elements at indices that a tensor holds.

An update whose index of a run lies outside is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.scalars import INDEX, Expr, Literal, Tensor, select
from tinsmith.compiler.operators.node import Node, wrapped
from tinsmith.compiler.operators.pad import framed
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.steering import (
    all_of,
    clamped,
    declared_shape,
    entries,
    inside,
    number_of,
    static_shape,
    zero,
)

COMBINE = {"none": "set", "add": "add", "mul": "mul", "min": "min", "max": "max"}


@operator("Scatter", "ScatterElements")
def scatter_elements(node: Node, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    axis = node.axis(x.rank, default=0)
    if indices.rank != x.rank or indices.shape != updates.shape:
        raise node.refuse(f"indices {indices.shape} and updates {updates.shape} for shape {x.shape}")

    def place(i: Sequence[Expr]) -> tuple[Expr, ...]:
        return (*i[:axis], wrapped(indices[tuple(i)].as_index, x.shape[axis]), *i[axis + 1 :])

    return node.scatter(
        x.shape,
        lambda *i: x[i],
        indices.shape,
        lambda *i: (place(i), updates[i]),
        _combine(node),
        lambda *i: _within(place(i), x),
    )


def _combine(node: Node) -> str:
    reduction = node.text("reduction", "none")
    if reduction not in COMBINE:
        raise node.refuse(f"reduction {reduction}")
    return COMBINE[reduction]


def _within(place: Sequence[Expr], x: Tensor) -> Expr:
    """The place is in `x`; loop indices that are not longer than their axis always are."""
    return all_of(
        [
            inside(part, dim)
            for part, dim in zip(place, x.shape, strict=True)
            if not (isinstance(part, scalars.Var) and part.extent == dim)
        ]
    )


@operator("ScatterND")
def scatter_nd(node: Node, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    depth = indices.shape[-1] if indices.rank else None
    if not isinstance(depth, int) or depth > x.rank:
        raise node.refuse(f"indices of shape {indices.shape} into shape {x.shape}")
    if updates.shape != (*indices.shape[:-1], *x.shape[depth:]):
        raise node.refuse(f"updates of shape {updates.shape} for indices {indices.shape} into {x.shape}")
    lead = indices.rank - 1

    def place(i: Sequence[Expr]) -> tuple[Expr, ...]:
        return (
            *(wrapped(indices[(*i[:lead], k)].as_index, x.shape[k]) for k in range(depth)),
            *i[lead:],
        )

    return node.scatter(
        x.shape,
        lambda *i: x[i],
        updates.shape,
        lambda *i: (place(i), updates[i]),
        _combine(node),
        lambda *i: _within(place(i), x),
    )


@operator("TensorScatter")
def tensor_scatter(node: Node, past: Tensor, update: Tensor, starts: Tensor | None = None) -> Tensor:
    axis = node.axis(past.rank, default=-2)
    mode = node.text("mode", "linear")
    extent, length = past.shape[axis], update.shape[axis]
    if mode not in ("linear", "circular") or axis == 0 or not isinstance(extent, int):
        raise node.refuse(f"mode {mode}, axis {axis} of shape {past.shape}")
    if (*update.shape[:axis], extent, *update.shape[axis + 1 :]) != past.shape:
        raise node.refuse(f"an update of shape {update.shape} in a cache of shape {past.shape}")

    def value(*i: Expr) -> Expr:
        start: Expr = Literal(0, INDEX) if starts is None else starts[i[0]].as_index
        here = i[axis] - start
        if mode == "circular":
            here = here % extent
        new = update[(*i[:axis], here, *i[axis + 1 :])]
        return select(inside(here, length), new, past[i])

    return node.map(past.shape, value)


@operator("MaxUnpool")
def max_unpool(node: Node, x: Tensor, indices: Tensor, output_shape: Tensor | None = None) -> Tensor:
    kernel = node.integers("kernel_shape")
    shape, dims = static_shape(node, x), len(kernel)
    if indices.shape != x.shape or len(shape) != dims + 2:
        raise node.refuse(f"indices {indices.shape} and kernel {kernel} for shape {x.shape}")
    strides, pads = node.integers("strides", (1,) * dims), node.integers("pads", (0,) * (2 * dims))
    pooled = tuple(
        (shape[axis + 2] - 1) * strides[axis] - pads[axis] - pads[dims + axis] + kernel[axis]
        for axis in range(dims)
    )
    whole = (*shape[:2], *pooled)
    count = math.prod(whole)
    source, places = node.view(x, (math.prod(shape),)), node.view(indices, (math.prod(shape),))

    def place(index: Expr) -> Expr:
        return places[index].as_index

    spread = node.scatter(
        (count,),
        lambda _: zero(x.dtype),
        source.shape,
        lambda i: ((place(i),), source[i]),
        guard=lambda i: inside(place(i), count),
    )
    target = whole
    if output_shape is not None:
        known = output_shape.value
        target = declared_shape(node, "output_shape") if known is None else node.known_ints(2, "output_shape")
        if len(target) != len(whole):
            raise node.refuse(f"output_shape {target}, expected {len(whole)} dimensions")
    return framed(node, node.view(spread, whole), target, [Literal(0, INDEX)] * len(whole), zero(x.dtype))


@operator("Col2Im")
def col2im(node: Node, x: Tensor, image: Tensor, block: Tensor) -> Tensor:
    n, rows, columns = static_shape(node, x)
    dims = math.prod(static_shape(node, image))
    image_shape = (
        declared_shape(node, "image_shape")[2:] if image.value is None else node.known_ints(1, "image_shape")
    )
    channels = declared_shape(node, "block_shape")[1] if block.value is None else rows // math.prod(
        node.known_ints(2, "block_shape")
    )  # fmt: skip
    taps = rows // channels if channels else 0
    kernel = entries(node, 2, "block_shape") or []
    strides, dilations = node.integers("strides", (1,) * dims), node.integers("dilations", (1,) * dims)
    pads = node.integers("pads", (0,) * (2 * dims))
    if channels * taps != rows or len(kernel) != dims or len(image_shape) != dims:
        raise node.refuse(f"shape {x.shape} with {dims} dimensions of an image")
    blocks = [
        (Literal(image_shape[d] + pads[d] + pads[dims + d] - 1, INDEX) - (kernel[d] - 1) * dilations[d])
        // strides[d] + 1
        for d in range(dims)
    ]  # fmt: skip
    split_tap = all(number_of(part) is not None for part in kernel)
    over = [int(number_of(part) or 0) for part in kernel] if split_tap else [taps]

    def value(*i: Expr) -> Expr:
        batch, channel, place, parts = i[0], i[1], i[2 : 2 + dims], list(i[2 + dims :])
        tap: Expr = parts[-1] if not split_tap else _row_major(parts, kernel)
        if not split_tap:
            parts = _digits(tap, kernel)
        shifted = [place[d] + pads[d] - parts[d] * dilations[d] for d in range(dims)]
        steps = [shifted[d] // strides[d] for d in range(dims)]
        hits = [(shifted[d] % strides[d]).equals(0) for d in range(dims) if strides[d] > 1]
        fits = [(steps[d] >= 0) & (steps[d] < blocks[d]) for d in range(dims)]
        column = clamped(_row_major(steps, blocks), columns)
        return select(all_of([*hits, *fits]), x[batch, channel * taps + tap, column], zero(x.dtype))

    return node.reduce((n, channels, *image_shape), over, "sum", value)


def _row_major(index: Sequence[Expr], shape: Sequence[Expr]) -> Expr:
    place: Expr = Literal(0, INDEX)
    for part, extent in zip(index, shape, strict=True):
        place = place * extent + part
    return place


def _digits(number: Expr, shape: Sequence[Expr]) -> list[Expr]:
    """The index of element `number` of a row-major array."""
    found: list[Expr] = []
    for extent in reversed(shape):
        found.append(number % extent)
        number = number // extent
    return found[::-1]
