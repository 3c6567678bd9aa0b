"""Operators that put elements elsewhere by a fixed rule."""

from __future__ import annotations

from collections.abc import Sequence

from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.scalars import INDEX, Dim, Expr, Literal, Tensor, binary, call, select
from tinsmith.compiler.operators.node import Node, element
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.sizes import total, traced
from tinsmith.compiler.operators.steering import (
    clamped,
    declared_shape,
    entries,
    number_of,
    per_axis,
    static_shape,
    zero,
)


@operator("Transpose")
def transpose(node: Node, x: Tensor) -> Tensor:
    perm = node.integers("perm", tuple(reversed(range(x.rank))))
    if sorted(perm) != list(range(x.rank)):
        raise node.refuse(f"perm {perm} of {x.rank} dimensions")
    return permuted(node, x, perm)


def permuted(node: Node, x: Tensor, perm: Sequence[int]) -> Tensor:
    """Axis k of the result is axis perm[k] of `x`; no elements move where only axes of length 1 do."""
    shape = [x.shape[axis] for axis in perm]
    long = [axis for axis in perm if x.shape[axis] != 1]
    if long == sorted(long):
        return node.view(x, shape)
    return node.map(shape, lambda *i: x[tuple(i[perm.index(axis)] for axis in range(x.rank))])


@operator("Concat")
def concat(node: Node, *tensors: Tensor) -> Tensor:
    axis = node.axis(tensors[0].rank)
    shape = tensors[0].shape
    for tensor in tensors:
        if tensor.rank != len(shape) or _without(tensor.shape, axis) != _without(shape, axis):
            raise node.refuse(f"shapes {shape} and {tensor.shape} do not fit together along axis {axis}")
    tensors = tuple(tensor for tensor in tensors if tensor.shape[axis] != 0) or tensors[:1]
    return tensors[0] if len(tensors) == 1 else joined(node, tensors, axis)


def joined(node: Node, tensors: Sequence[Tensor], axis: int) -> Tensor:
    """One tensor after the other along `axis`, which is long in all of them."""
    ends = [total(tensors[:number], axis) for number in range(len(tensors) + 1)]
    shape = list(tensors[0].shape)
    shape[axis] = node.measure(ends[-1], sum(tensor.static_shape[axis] for tensor in tensors))

    def value(*i: Expr) -> Expr:
        def part(number: int) -> Expr:
            here = i[axis] - ends[number]
            return tensors[number][(*i[:axis], here, *i[axis + 1 :])]

        result = part(len(tensors) - 1)
        for number in reversed(range(len(tensors) - 1)):
            result = select(i[axis] < ends[number + 1], part(number), result)
        return result

    return node.map(shape, value)


def _without(shape: Sequence[Dim], axis: int) -> tuple[Dim, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


@operator("Split")
def split(node: Node, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = node.axis(x.rank, default=0)
    extent = x.shape[axis]
    if not isinstance(extent, int):
        raise node.refuse(f"axis {axis} has a size that is known only at run time")
    lengths = _split_lengths(node, extent, axis)
    if sum(lengths) != extent or min(lengths, default=0) < 0 or len(lengths) != len(node.outputs):
        raise node.refuse(f"axis {axis} of length {extent} into {len(node.outputs)} parts of {lengths}")
    return tuple(_part(node, x, axis, sum(lengths[:number]), length) for number, length in enumerate(lengths))


def _split_lengths(node: Node, extent: int, axis: int) -> tuple[int, ...]:
    if node.has("split"):
        return node.integers("split")
    if node.input(1) is not None:
        if node.known(1) is not None:
            return node.known_ints(1, "split")
        return tuple(declared_shape(node, "split", output)[axis] for output in range(len(node.outputs)))
    count = node.integer("num_outputs", len(node.outputs))
    if count < 1 or (extent % count and not node.has("num_outputs")):
        raise node.refuse(f"axis {axis} of length {extent} into {count} equal parts")
    length = -(-extent // count)
    return tuple(max(min(length, extent - length * number), 0) for number in range(count))


def _part(node: Node, x: Tensor, axis: int, start: int, length: int) -> Tensor:
    if length == x.shape[axis]:
        return x
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    return node.map(shape, lambda *i: x[(*i[:axis], i[axis] + start, *i[axis + 1 :])])


@operator("Slice")
def slice_(node: Node, x: Tensor, *_: Tensor | None) -> Tensor:
    if node.has("starts"):
        given: list[list[Expr] | None] = [
            [Literal(number, INDEX) for number in node.integers(name)] if node.has(name) else None
            for name in ("starts", "ends", "axes")
        ]
        starts, ends, axes, steps = *given, None
    else:
        starts, ends, axes, steps = (
            entries(node, position, what)
            for position, what in enumerate(("starts", "ends", "axes", "steps"), 1)
        )
    if starts is None or ends is None:
        raise node.refuse("starts or ends are missing")
    one = Literal(1, INDEX)
    everything = [scalars.size(dim) for dim in x.shape]
    begins = per_axis(node, starts, axes, [Literal(0, INDEX)] * x.rank)
    finishes = per_axis(node, ends, axes, everything)
    strides = per_axis(node, steps or [one] * len(starts), axes, [one] * x.rank)
    if all(number_of(part) is not None for part in (*starts, *ends, *(axes or ()), *(steps or ()))):
        sliced = _sliced(node, x, begins, finishes, strides)
        return _traced_slice(node, x, begins, finishes, strides) if sliced is None else sliced
    if node.declared[0] is not None and x.is_static:
        return _sliced_at_run(node, x, begins, strides)
    return _traced_slice(node, x, begins, finishes, strides)


def _sliced(
    node: Node, x: Tensor, begins: Sequence[Expr], ends: Sequence[Expr], strides: Sequence[Expr]
) -> Tensor | None:
    """None where it takes part of an axis whose size is known only at run time."""
    ranges: list[range | None] = []
    for dim, start, end, step in zip(x.shape, begins, ends, strides, strict=True):
        first, last, stride = number_of(start), number_of(end), number_of(step)
        assert first is not None
        assert stride is not None
        if stride == 0:
            raise node.refuse("step 0")
        if isinstance(dim, int):
            assert last is not None
            # Python reads an end below 0 from the end; the least index means "to the front" in both.
            ranges.append(range(*slice(first, last, stride).indices(dim)))
        elif (first, stride) == (0, 1) and (last is None or last >= dim.most):
            ranges.append(None)
        else:
            return None
    shape = [dim if part is None else len(part) for dim, part in zip(x.shape, ranges, strict=True)]
    if all(part is None or part == range(dim) for dim, part in zip(x.shape, ranges, strict=True)):  # type: ignore[arg-type]
        return x

    def place(index: Expr, part: range | None) -> Expr:
        return index if part is None else index * part.step + part.start

    return node.map(shape, lambda *i: x[tuple(map(place, i, ranges))])


def _traced_slice(
    node: Node, x: Tensor, begins: Sequence[Expr], ends: Sequence[Expr], strides: Sequence[Expr]
) -> Tensor:
    """What is left of each axis is a run-time size."""
    parts = [_traced_part(node, *part) for part in zip(x.shape, begins, ends, strides, strict=True)]
    shape = [length for length, _, _ in parts]

    def value(*i: Expr) -> Expr:
        return x[tuple(first + index * step for index, (_, first, step) in zip(i, parts, strict=True))]

    return node.map(shape, value)


def _traced_part(node: Node, dim: Dim, start: Expr, end: Expr, step: Expr) -> tuple[Dim, Expr, int]:
    """Length, first index and step along one axis."""
    extent, (first, last, stride) = scalars.size(dim), (traced(node, part) for part in (start, end, step))
    by = number_of(stride)
    if not by:
        raise node.refuse("a step that is 0 or known only at run time")
    if last is extent and number_of(first) == 0 and by == 1:
        return dim, first, by
    low, high = (Literal(0, INDEX), extent) if by > 0 else (Literal(-1, INDEX), extent - 1)

    def within(index: Expr) -> Expr:
        number = number_of(index)
        if number is None:
            index = select(index < 0, index + extent, index)
        elif number < 0:
            index = index + extent
        return binary("max", low, binary("min", high, index))

    distance = within(last) - within(first)
    length = (distance + (by - 1) if by > 0 else Literal(-by - 1, INDEX) - distance) // abs(by)
    most = dim if isinstance(dim, int) else dim.most
    return node.measure(length, most), within(first), by


def _sliced_at_run(node: Node, x: Tensor, begins: Sequence[Expr], strides: Sequence[Expr]) -> Tensor:
    target = declared_shape(node, "starts, ends, axes or steps")
    shape = static_shape(node, x)
    if len(target) != len(shape):
        raise node.refuse(f"a tensor of shape {shape} does not become {target}")

    def place(index: Expr, dim: int, start: Expr, step: Expr) -> Expr:
        first = select(start < 0, start + dim, start)
        # Backwards from the last element at most; forwards from beyond the end nothing is left to read.
        return clamped(
            call("max", Literal(0, INDEX), call("min", Literal(dim - 1, INDEX), first)) + index * step, dim
        )

    return node.map(target, lambda *i: x[tuple(map(place, i, shape, begins, strides))])


@operator("DepthToSpace")
def depth_to_space(node: Node, x: Tensor) -> Tensor:
    n, c, h, w = static_shape(node, x)
    block = node.integer("blocksize")
    mode = node.text("mode", "DCR")
    if block < 1 or c % block**2 or mode not in ("DCR", "CRD"):
        raise node.refuse(f"{c} channels, block size {block}, mode {mode}")
    depth = c // block**2
    if mode == "DCR":
        apart, perm = (n, block, block, depth, h, w), (0, 3, 4, 1, 5, 2)
    else:
        apart, perm = (n, depth, block, block, h, w), (0, 1, 4, 2, 5, 3)
    moved = permuted(node, node.view(x, apart), perm)
    return node.view(moved, (n, depth, h * block, w * block))


@operator("SpaceToDepth")
def space_to_depth(node: Node, x: Tensor) -> Tensor:
    n, c, h, w = static_shape(node, x)
    block = node.integer("blocksize")
    mode = node.text("mode", "DCR")
    if block < 1 or h % block or w % block or mode not in ("DCR", "CRD"):
        raise node.refuse(f"{h} x {w} elements, block size {block}, mode {mode}")
    apart = (n, c, h // block, block, w // block, block)
    perm = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    moved = permuted(node, node.view(x, apart), perm)
    return node.view(moved, (n, c * block**2, h // block, w // block))


@operator("ReverseSequence")
def reverse_sequence(node: Node, x: Tensor, lengths: Tensor) -> Tensor:
    batch = node.axis(x.rank, "batch_axis", 1)
    time = node.axis(x.rank, "time_axis", 0)
    if batch == time or lengths.shape != (x.shape[batch],):
        raise node.refuse(f"{lengths.shape} lengths for axes {batch} and {time} of shape {x.shape}")

    def value(*i: Expr) -> Expr:
        length = lengths[i[batch]].as_index
        here = select(i[time] < length, length - 1 - i[time], i[time])
        return x[(*i[:time], clamped(here, x.shape[time]), *i[time + 1 :])]

    return node.map(x.shape, value)


@operator("Trilu")
def trilu(node: Node, x: Tensor, k: Tensor | None = None) -> Tensor:
    upper = bool(node.integer("upper", 1))
    if x.rank < 2:
        raise node.refuse(f"shape {x.shape}, expected two dimensions or more")
    shift = Literal(0, INDEX) if k is None else element(k).as_index
    if k is not None and k.value is not None:
        shift = Literal(int(k.value.ravel()[0]), INDEX)

    def value(*i: Expr) -> Expr:
        row, column = i[-2], i[-1]
        kept = column >= row + shift if upper else column <= row + shift
        return select(kept, x[i], zero(x.dtype))

    return node.map(x.shape, value)
