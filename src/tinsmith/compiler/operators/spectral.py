"""Fourier transforms and what belongs to them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import Expr, Tensor, both, call, literal, select
from tinsmith.compiler.operators.contractions import permuted, product
from tinsmith.compiler.operators.node import Node, element
from tinsmith.compiler.operators.registry import operator

DIRECT = 512
"""Lengths up to this are one product with a table; longer ones are split into two factors."""
LONGEST = 4096
"""A prime factor above this would need too large a table."""


@dataclass(frozen=True)
class _Transform:
    """Of `length` points; `length` is an expression where only a run knows it, and `most` its upper bound."""

    length: int | Expr
    most: int
    inverse: bool
    onesided: bool

    @property
    def bins(self) -> int:
        """Elements of the result."""
        return self.most // 2 + 1 if self.onesided and not self.inverse else self.most

    @property
    def used(self) -> int:
        """Elements of the input that count."""
        return self.most // 2 + 1 if self.onesided and self.inverse else self.most

    @property
    def parts(self) -> int:
        """Of a number of the result: 1 where it is real."""
        return 1 if self.onesided and self.inverse else 2


@operator("DFT")
def dft(node: Node, x: Tensor, length: Tensor | None = None, axis: Tensor | None = None) -> Tensor:
    """`axis` is an attribute before version 20."""
    if x.rank < 2 or x.shape[-1] not in (1, 2) or not x.is_static:
        raise node.refuse(f"input of shape {x.shape}")
    if node.version < 20 or axis is None:
        return _along(node, x, node.axis(x.rank, default=1) if node.version < 20 else x.rank - 2)
    if axis.value is not None:
        return _along(node, x, node.normal_axis(node.known_ints(2, "axis")[0], x.rank))
    declared = node.declared[0] if node.declared else None
    choices = [at for at in range(x.rank - 1) if declared is None or _fits(x.static_shape, declared, at)]
    results = [_along(node, x, at) for at in choices]
    if not results or any(result.shape != results[0].shape for result in results):
        raise node.refuse("input 2 (axis) is not a constant")
    chosen = element(axis)

    def value(*i: Expr) -> Expr:
        found = results[0][i]
        for at, result in zip(choices[1:], results[1:], strict=True):
            found = select(chosen.equals(at) | chosen.equals(at - x.rank), result[i], found)
        return found

    return node.map(results[0].shape, value)


def _fits(shape: tuple[int, ...], declared: tuple[int, ...], axis: int) -> bool:
    return all(a == b for at, (a, b) in enumerate(zip(shape[:-1], declared[:-1], strict=True)) if at != axis)


def _along(node: Node, x: Tensor, axis: int) -> Tensor:
    if axis == x.rank - 1:
        raise node.refuse("the axis is that of the complex parts")
    inverse, onesided = bool(node.integer("inverse", 0)), bool(node.integer("onesided", 0))
    if node.input(1) is None:
        size = x.static_shape[axis]
        points = 2 * (size - 1) if inverse and onesided else size
        return transform(node, x, axis, _Transform(points, points, inverse, onesided))
    if node.known(1) is not None:
        (points,) = node.known_ints(1, "dft_length")
        return transform(node, x, axis, _Transform(points, points, inverse, onesided))
    declared = node.declared[0] if node.declared else None
    if declared is None:
        raise node.refuse("input 1 (dft_length) is not a constant, and the shape of the output not declared")
    if onesided and not inverse:
        given = node.input(1)
        assert given is not None
        return transform(
            node, x, axis, _Transform(element(given).as_index, 2 * declared[axis] - 1, inverse, onesided)
        )
    return transform(node, x, axis, _Transform(declared[axis], declared[axis], inverse, onesided))


def transform(node: Node, x: Tensor, axis: int, of: _Transform) -> Tensor:
    """x[.., n, .., parts] along `axis`; what is missing of its length counts as zero."""
    if of.most < 1:
        raise node.refuse(f"a transform of {of.most} points")
    order = [*(at for at in range(x.rank - 1) if at != axis), axis, x.rank - 1]
    last = permuted(node, x, order)
    lead, size, parts = last.static_shape[:-2], last.static_shape[-2], last.static_shape[-1]
    used = min(size, of.used)
    if used < size:
        whole = last
        last = node.map((*lead, used, parts), lambda *i: whole[i])
    rows = math.prod(lead)
    if isinstance(of.length, int) and of.most > DIRECT and _factor(of.most) > 1:
        result = _split(node, node.view(last, (rows, used, parts)), of)
    else:
        if of.most > LONGEST:
            raise node.refuse(f"a transform of {of.most} points, a number without small factors")
        table = node.view(_table(node, of, used, parts, x.dtype), (used * parts, of.bins * of.parts))
        result = product(node, node.view(last, (rows, used * parts)), table)
    shaped = node.view(result, (*lead, of.bins, of.parts))
    return permuted(node, shaped, [order.index(at) for at in range(x.rank)])


def _table(node: Node, of: _Transform, used: int, parts: int, dtype: str) -> Tensor:
    """[n, part in, k, part out]: what part `in` of element n adds to part `out` of bin k."""
    if isinstance(of.length, int):
        return node.constant(_numbers(of, used)[:, :parts, :, : of.parts], dtype)
    points, wide_type = of.length, "float64"

    def value(n: Expr, a: Expr, k: Expr, b: Expr) -> Expr:
        turn = call("mod", n * k, points).cast(wide_type) * (2 * math.pi) / points.cast(wide_type)
        sine, cosine = call("sin", turn), call("cos", turn)
        crossed = select(a < b, -sine, sine)
        return select(n < points, select(a.equals(b), cosine, crossed), literal(0, wide_type)).cast(dtype)

    return node.map((used, parts, of.bins, of.parts), value)


def _numbers(of: _Transform, used: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    n, k = np.arange(used), np.arange(of.bins)
    turn = 2 * np.pi * (np.outer(n, k) % of.most) / of.most
    weight = np.full(used, 1 / of.most if of.inverse else 1.0)
    if of.inverse and of.onesided:
        weight[(n > 0) & (2 * n != of.most)] *= 2
    cosine, sine = weight[:, None] * np.cos(turn), weight[:, None] * np.sin(turn)
    if of.inverse:
        sine = -sine
    return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], 1)


def _factor(points: int) -> int:
    """The greatest divisor up to the square root."""
    return max(d for d in range(1, math.isqrt(points) + 1) if points % d == 0)


def _split(node: Node, x: Tensor, of: _Transform) -> Tensor:
    """x[rows, used, parts] by the transforms of two factors of the length: [rows, bins, parts]."""
    rows, used, parts = x.static_shape
    points = of.most
    mirrored = of.inverse and of.onesided

    def whole(r: Expr, n: Expr, p: Expr) -> Expr:
        """All points, complex; the second half of a one-sided spectrum mirrors the first."""
        zero = literal(0, x.dtype)
        if mirrored:
            back = n >= points // 2 + 1
            place = select(back, (n * -1) + points, n)
            value = x[(r, place, p)] if parts == 2 else select(p.equals(0), x[(r, place, 0)], zero)
            value = select(back & p.equals(1), -value, value)
            return select(place < used, value, zero)
        value = x[(r, n, p)] if parts == 2 else select(p.equals(0), x[(r, n, 0)], zero)
        return select(n < used, value, zero)

    full = x if parts == 2 and used == points and not mirrored else node.map((rows, points, 2), whole)
    result = _complex(node, full, points, of.inverse)
    if (of.bins, of.parts) == (points, 2):
        return result
    return node.map((rows, of.bins, of.parts), lambda *i: result[i])


def _complex(node: Node, x: Tensor, points: int, inverse: bool) -> Tensor:
    """x[rows, points, 2]: point b * n + c of factors (a, b) is transformed over n first, then over c."""
    rows, a = x.static_shape[0], _factor(points) if points > DIRECT else 1
    if a == 1:
        if points > LONGEST:
            raise node.refuse(f"a transform with a prime factor of {points}")
        return transform(node, x, 1, _Transform(points, points, inverse, False))
    b = points // a
    columns = permuted(node, node.view(x, (rows, a, b, 2)), (0, 2, 1, 3))
    first = node.view(_complex(node, node.view(columns, (rows * b, a, 2)), a, inverse), (rows, b, a, 2))
    turn = 2 * np.pi * np.outer(np.arange(b), np.arange(a)) / points * (-1 if inverse else 1)
    cosine, sine = node.constant(np.cos(turn), x.dtype), node.constant(np.sin(turn), x.dtype)

    def turned(r: Expr, k: Expr, c: Expr, p: Expr) -> Expr:
        real, imaginary = first[(r, c, k, 0)], first[(r, c, k, 1)]
        re = real * cosine[(c, k)] + imaginary * sine[(c, k)]
        im = imaginary * cosine[(c, k)] - real * sine[(c, k)]
        return select(p.equals(0), re, im)

    twisted = node.map((rows, a, b, 2), turned)
    second = node.view(_complex(node, node.view(twisted, (rows * a, b, 2)), b, inverse), (rows, a, b, 2))
    return node.view(permuted(node, second, (0, 2, 1, 3)), (rows, points, 2))


@operator("STFT")
def stft(
    node: Node, signal: Tensor, step: Tensor, window: Tensor | None = None, frame: Tensor | None = None
) -> Tensor:
    x = node.view(signal, (*signal.shape, 1)) if signal.rank == 2 else signal
    if x.rank != 3 or not x.is_static or x.shape[2] not in (1, 2):
        raise node.refuse(f"signal of shape {signal.shape}")
    onesided = bool(node.integer("onesided", 1))
    declared = node.declared[0] if node.declared else None
    of = _frame(node, window, frame, onesided, declared)
    if step.value is not None and isinstance(of.length, int):
        hop: int | Expr = int(step.value)
        frames = (x.static_shape[1] - of.length) // int(step.value) + 1
    elif declared is not None:
        hop, frames = element(step).as_index, declared[1]
    else:
        raise node.refuse("frame_step is not a constant, and the shape of the output is not declared")
    if frames < 0:
        raise node.refuse(f"a signal of {x.shape[1]} elements for frames of {of.most}")
    taps = of.most if window is None else min(of.most, window.static_shape[0])

    def value(b: Expr, f: Expr, n: Expr, p: Expr) -> Expr:
        place = f * hop + n
        sample = select(place < x.static_shape[1], x[(b, place, p)], literal(0, x.dtype))
        return sample if window is None else sample * window[n].cast(x.dtype)

    return transform(node, node.map((x.shape[0], frames, taps, x.shape[2]), value), 2, of)


def _frame(
    node: Node,
    window: Tensor | None,
    frame: Tensor | None,
    onesided: bool,
    declared: tuple[int, ...] | None,
) -> _Transform:
    if frame is not None and frame.value is not None:
        points = int(frame.value)
        return _Transform(points, points, False, onesided)
    if window is not None and window.is_static:
        points = window.static_shape[0]
        return _Transform(points, points, False, onesided)
    if frame is None or declared is None:
        raise node.refuse("frame_length is not a constant, and the shape of the output is not declared")
    if not onesided:
        return _Transform(declared[2], declared[2], False, onesided)
    return _Transform(element(frame).as_index, 2 * declared[2] - 1, False, onesided)


@operator("MelWeightMatrix")
def mel_weight_matrix(
    node: Node, bins: Tensor, length: Tensor, rate: Tensor, lower: Tensor, upper: Tensor
) -> Tensor:
    """Triangles of mel bands over the bins of a one-sided spectrum."""
    declared = node.declared[0] if node.declared else None
    if bins.value is not None and length.value is not None:
        shape: tuple[int, ...] = (int(length.value) // 2 + 1, int(bins.value))
    elif declared is not None and len(declared) == 2:
        shape = declared
    else:
        raise node.refuse(
            "num_mel_bins and dft_length are not constants, and the output's shape is not declared"
        )
    edges = _mel_edges(node, shape[1], length, rate, lower, upper)
    dtype = _OUTPUT.get(node.integer("output_datatype", 1))
    if dtype is None:
        raise node.refuse(f"output_datatype {node.integer('output_datatype')}")

    def value(j: Expr, i: Expr) -> Expr:
        left, centre, right = (edges[i + step].as_index for step in (0, 1, 2))
        rising = _ratio(j - left, centre - left)
        up = select((j >= left) & (j <= centre), rising, literal(0, "float64"))
        up = select(left.equals(centre), select(j.equals(centre), literal(1, "float64"), 0), up)
        falls = both([centre < right, j >= centre, j < right])
        assert falls is not None
        return select(falls, _ratio(right - j, right - centre), up).cast(dtype)

    return node.map(shape, value)


_OUTPUT = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"} | {
    number: name
    for number, name in enumerate(
        ("uint8", "int8", "uint16", "int16", "int32", "int64"), 2
    )
    if dtypes.is_integer(name)
} | {12: "uint32", 13: "uint64"}  # fmt: skip


def _ratio(a: Expr, b: Expr) -> Expr:
    return a.cast("float64") / b.cast("float64")


def _mel_edges(node: Node, bands: int, length: Tensor, rate: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """The spectrum's bin at every edge of a band."""

    def mel(frequency: Tensor) -> Expr:
        hertz = element(frequency).cast("float64")
        return call("log1p", hertz / literal(700, "float64")) * (2595 / math.log(10))

    def value(m: Expr) -> Expr:
        low, high = mel(lower), mel(upper)
        step = (high - low) / literal(bands + 2, "float64")
        place = m.cast("float64") * step + low
        hertz = call("expm1", place * (math.log(10) / 2595)) * 700
        points = element(length).cast("float64") + 1
        return call("floor", points * hertz / element(rate).cast("float64")).cast("int64")

    return node.map((bands + 2,), value)
