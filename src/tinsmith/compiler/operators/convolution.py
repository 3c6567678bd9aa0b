"""Convolutions: over windows, transposed, with offsets, with a state."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.loops import Contract, Conv
from tinsmith.compiler.ir.scalars import Expr, Literal, Tensor, both, call, literal, select
from tinsmith.compiler.operators.activations import logistic
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.reductions import Index, unravel, wide
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.windows import Windows, per_axis, windows


@operator("Conv")
def conv(node: Node, x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    window, groups = geometry(node, x, w)
    return with_bias(node, convolve(node, x, w, window, groups), bias)


def geometry(node: Node, x: Tensor, w: Tensor) -> tuple[Windows, int]:
    """The windows and groups of a node with input x[n, c, y..] and weights w[o, c / groups, k..]."""
    groups = node.integer("group", 1)
    kernel = node.integers("kernel_shape", ()) or w.static_shape[2:]
    if x.rank != w.rank or x.rank < 3 or not w.is_static or tuple(kernel) != w.shape[2:]:
        raise node.refuse(f"input {x.shape}, weights {w.shape}, kernel_shape {tuple(kernel)}")
    if groups < 1 or x.shape[1] != w.static_shape[1] * groups or w.static_shape[0] % groups:
        raise node.refuse(f"input {x.shape}, weights {w.shape}, {groups} groups")
    return windows(node, x.shape[2:], kernel), groups


def convolve(node: Node, x: Tensor, w: Tensor, window: Windows, groups: int) -> Tensor:
    """x[n, c, y..] with w[o, c / groups, k..], in the type of x."""
    form = Conv(window.strides, window.dilations, window.pads, groups)
    return accumulate(node, x, w, window, groups, lambda i: x[i], lambda i: w[i], form)


def accumulate(
    node: Node,
    x: Tensor,
    w: Tensor,
    window: Windows,
    groups: int,
    left: Callable[[Index], Expr],
    right: Callable[[Index], Expr],
    form: Conv | None = None,
) -> Tensor:
    """The sum of left(index into x) * right(index into w) over every window; padding counts as zero."""
    spatial = len(window.sizes)
    vars = scalars.variables((x.shape[0], w.shape[0], *window.out))
    over = scalars.variables(w.shape[1:], "r")
    index = window.index(vars[2:], over[1:])
    channel: Expr = over[0]
    if groups > 1:
        channel = vars[1].__floordiv__(w.static_shape[0] // groups) * w.static_shape[1] + over[0]
    place = (vars[0], channel, *index)
    assert len(index) == spatial
    lhs = left(place)
    out = node.tensor((x.shape[0], w.shape[0], *window.out), lhs.dtype)
    inside = window.inside(index)
    if inside is not None:
        lhs = select(inside, lhs, literal(0, lhs.dtype))
    rhs = right((vars[1], *over))
    operands = (x, w) if form is not None else ()
    return node.add(Contract(out, vars, over, lhs, rhs, form, operands, origin=node.origin))


def with_bias(node: Node, x: Tensor, bias: Tensor | None) -> Tensor:
    """bias[c] added to x[n, c, ..]"""
    return x if bias is None else node.map(x.shape, lambda *i: x[i] + bias[i[1]])


@dataclass(frozen=True)
class _Transposed:
    """Input z spreads over a window whose element k lies at z * stride + k * dilation - begin."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    out: tuple[int, ...]
    groups: int


@operator("ConvTranspose")
def conv_transpose(node: Node, x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    form = _transposed(node, x, w)
    if all(dilation == 1 for dilation in form.dilations):
        return with_bias(node, _by_phases(node, x, w, form), bias)
    return with_bias(node, _gathered(node, x, w, form), bias)


def _transposed(node: Node, x: Tensor, w: Tensor) -> _Transposed:
    rank, groups = x.rank - 2, node.integer("group", 1)
    if x.rank != w.rank or rank < 1 or not (x.is_static and w.is_static) or x.shape[1] != w.shape[0]:
        raise node.refuse(f"input {x.shape}, weights {w.shape}")
    if groups < 1 or w.static_shape[0] % groups:
        raise node.refuse(f"{w.shape[0]} channels in {groups} groups")
    strides, dilations = per_axis(node, "strides", rank), per_axis(node, "dilations", rank)
    extra = node.integers("output_padding", ()) or (0,) * rank
    pads = node.integers("pads", ()) or (0,) * (2 * rank)
    sizes, kernel = x.static_shape[2:], w.static_shape[2:]
    full = [
        stride * (size - 1) + (k - 1) * dilation + 1 + more
        for size, k, stride, dilation, more in zip(sizes, kernel, strides, dilations, extra, strict=True)
    ]
    auto = node.text("auto_pad", "NOTSET")
    wanted = node.integers("output_shape", ())[-rank:]
    if not wanted and auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = tuple(size * stride for size, stride in zip(sizes, strides, strict=True))
    if wanted:
        total = [max(whole - out, 0) for whole, out in zip(full, wanted, strict=True)]
        begins = tuple(pad // 2 if auto == "SAME_UPPER" else pad - pad // 2 for pad in total)
        return _Transposed(strides, dilations, begins, tuple(wanted), groups)
    if auto == "VALID":
        pads = (0,) * (2 * rank)
    out = [size - begin - end for size, begin, end in zip(full, pads[:rank], pads[rank:], strict=True)]
    if min(out) < 0 or len(pads) != 2 * rank:
        raise node.refuse(f"pads {pads} of {tuple(full)} elements")
    return _Transposed(strides, dilations, tuple(pads[:rank]), tuple(out), groups)


def _by_phases(node: Node, x: Tensor, w: Tensor, form: _Transposed) -> Tensor:
    """A convolution with a channel for every place between two strides; its planes are then interleaved."""
    sizes, kernel = x.static_shape[2:], w.static_shape[2:]
    taps = [-(-k // stride) for k, stride in zip(kernel, form.strides, strict=True)]
    begins = tuple(tap - 1 for tap in taps)
    reach = [
        (out - 1 + begin) // stride + 1
        for out, begin, stride in zip(form.out, form.begins, form.strides, strict=True)
    ]
    ends = tuple(max(places - size, 0) for places, size in zip(reach, sizes, strict=True))
    out = tuple(size + end for size, end in zip(sizes, ends, strict=True))
    ones = (1,) * len(sizes)
    window = Windows(sizes, tuple(taps), ones, ones, begins, ends, out)
    planes = convolve(node, x, _phase_weights(node, w, form, taps), window, form.groups)
    phases = math.prod(form.strides)

    def value(*i: Expr) -> Expr:
        phase: Expr = Literal(0, scalars.INDEX)
        places = []
        for y, begin, stride in zip(i[2:], form.begins, form.strides, strict=True):
            phase = phase * stride + (y + begin) % stride if stride > 1 else phase
            places.append((y + begin).__floordiv__(stride))
        return planes[(i[0], i[1] * phases + phase, *places)]

    return node.map((x.shape[0], w.static_shape[1] * form.groups, *form.out), value)


def _phase_weights(node: Node, w: Tensor, form: _Transposed, taps: Sequence[int]) -> Tensor:
    """v[o * phases + phase, c, j..] = w[c, o, phase + stride * (taps - 1 - j)], zero where there is none."""
    groups, (inputs, outputs), kernel = form.groups, w.static_shape[:2], w.static_shape[2:]
    phases = math.prod(form.strides)
    shape = (groups * outputs * phases, inputs // groups, *taps)

    def place(o: Expr, c: Expr, *j: Expr) -> tuple[Index, Index]:
        number = o.__floordiv__(phases)
        group = number.__floordiv__(outputs)
        parts = unravel(o % phases, form.strides)
        k = tuple(
            part + (tap - 1 - step) * stride
            for part, tap, step, stride in zip(parts, taps, j, form.strides, strict=True)
        )
        return (group * (inputs // groups) + c, number % outputs, *k), k

    def value(*i: Expr) -> Expr:
        index, k = place(*i)
        inside = both([part < size for part, size in zip(k, kernel, strict=True)])
        assert inside is not None
        return select(inside, w[index], literal(0, w.dtype))

    if w.value is None:
        return node.map(shape, value)
    padded = np.zeros(
        (inputs, outputs, *(t * s for t, s in zip(taps, form.strides, strict=True))), w.value.dtype
    )
    padded[tuple(map(slice, w.static_shape))] = w.value
    split = padded.reshape(
        groups, inputs // groups, outputs, *itertools.chain(*zip(taps, form.strides, strict=True))
    )
    rank = len(kernel)
    order = (0, 2, *(4 + 2 * axis for axis in range(rank)), 1, *(3 + 2 * axis for axis in range(rank)))
    turned = np.flip(split.transpose(order), tuple(range(3 + rank, 3 + 2 * rank)))
    return node.constant(np.ascontiguousarray(turned.reshape(shape)), w.dtype)


def _gathered(node: Node, x: Tensor, w: Tensor, form: _Transposed) -> Tensor:
    """Every output looks for the inputs that reach it."""
    per_group, outputs = w.static_shape[0] // form.groups, w.static_shape[1]
    shape = (x.shape[0], outputs * form.groups, *form.out)
    vars = scalars.variables(shape)
    over = scalars.variables((per_group, *w.shape[2:]), "r")
    group = vars[1].__floordiv__(outputs)
    channel = group * per_group + over[0]
    tests: list[Expr] = []
    places: list[Expr] = []
    for axis, (y, k) in enumerate(zip(vars[2:], over[1:], strict=True)):
        reached = y + form.begins[axis] - k * form.dilations[axis]
        place = reached.__floordiv__(form.strides[axis])
        tests += [reached >= 0, place < x.static_shape[2 + axis]]
        tests += [(reached % form.strides[axis]).equals(0)] if form.strides[axis] > 1 else []
        places.append(place)
    inside = both(tests)
    assert inside is not None
    lhs = select(inside, x[(vars[0], channel, *places)], literal(0, x.dtype))
    rhs = w[(channel, vars[1] % outputs, *over[1:])]
    return node.add(Contract(node.tensor(shape, x.dtype), vars, over, lhs, rhs, origin=node.origin))


@operator("DeformConv")
def deform_conv(
    node: Node,
    x: Tensor,
    w: Tensor,
    offset: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    window, groups = geometry(node, x, w)
    parts, taps, rank = node.integer("offset_group", 1), math.prod(window.kernel), len(window.kernel)
    channels = int(x.static_shape[1])
    expected = (x.shape[0], parts * taps * rank, *window.out)
    if channels % parts or offset.shape != expected:
        raise node.refuse(f"offset of shape {offset.shape}, expected {expected}")
    dtype = wide(x.dtype)

    def sample(n: Expr, c: Expr, k: Expr, *y: Expr) -> Expr:
        tap = c.__floordiv__(channels // parts) * taps + k
        fixed = window.index(y, unravel(k, window.kernel))
        places = [
            part.cast(dtype) + offset[(n, tap * rank + axis, *y)].cast(dtype)
            for axis, part in enumerate(fixed)
        ]
        value = _interpolated(x, (n, c), places, dtype)
        return (value if mask is None else value * mask[(n, tap, *y)].cast(dtype)).cast(x.dtype)

    columns = node.map((x.shape[0], channels, taps, *window.out), sample)
    vars = scalars.variables((x.shape[0], w.shape[0], *window.out))
    over = scalars.variables((w.shape[1], taps), "r")
    channel = vars[1].__floordiv__(w.static_shape[0] // groups) * w.static_shape[1] + over[0]
    lhs = columns[(vars[0], channel, over[1], *vars[2:])]
    rhs = w[(vars[1], over[0], *unravel(over[1], window.kernel))]
    out = node.tensor((x.shape[0], w.shape[0], *window.out), x.dtype)
    return with_bias(node, node.add(Contract(out, vars, over, lhs, rhs, origin=node.origin)), bias)


def _interpolated(x: Tensor, lead: Index, places: Sequence[Expr], dtype: str) -> Expr:
    """x at places between its elements, linearly; zero outside."""
    sizes = x.static_shape[len(lead) :]
    held = [
        call("min", call("max", place, literal(-1, dtype)), literal(size, dtype))
        for place, size in zip(places, sizes, strict=True)
    ]
    lows = [call("floor", place) for place in held]
    total = None
    for corner in itertools.product((0, 1), repeat=len(sizes)):
        index = [low.as_index + step for low, step in zip(lows, corner, strict=True)]
        tests = [(part >= 0) & (part < size) for part, size in zip(index, sizes, strict=True)]
        inside = both(tests)
        assert inside is not None
        value = x[(*lead, *index)].cast(dtype)
        for place, low, step in zip(held, lows, corner, strict=True):
            part = place - low
            value = value * (part if step else literal(1, dtype) - part)
        value = select(inside, value, literal(0, dtype))
        total = value if total is None else total + value
    assert total is not None
    return total


@operator("CausalConvWithState")
def causal_conv_with_state(
    node: Node, x: Tensor, w: Tensor, bias: Tensor | None = None, past: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Every channel by itself, over this element and those before; the state is what the next call needs."""
    activation = node.text("activation", "none")
    if activation not in ("none", "silu", "swish"):
        raise node.refuse(f"activation {activation}")
    if x.rank != 3 or w.rank != 3 or not x.is_static or w.shape[:2] != (x.shape[1], 1):
        raise node.refuse(f"input {x.shape}, weights {w.shape}")
    batch, channels, length = x.static_shape
    before = w.static_shape[2] - 1

    def extended(n: Expr, c: Expr, t: Expr) -> Expr:
        old = literal(0, x.dtype) if past is None else past[(n, c, t)]
        return select(t < before, old, x[(n, c, t - before)])

    whole = node.map((batch, channels, before + length), extended) if before else x
    window = Windows((before + length,), (before + 1,), (1,), (1,), (0,), (0,), (length,))
    y = with_bias(node, convolve(node, whole, w, window, channels), bias)
    if activation != "none":
        plain, dtype = y, wide(x.dtype)

        def swish(*i: Expr) -> Expr:
            value = plain[i].cast(dtype)
            return (value * logistic(value)).cast(x.dtype)

        y = node.map(plain.shape, swish)
    state = node.map((batch, channels, before), lambda n, c, t: whole[(n, c, t + length)])
    return y, state if node.wants(1) else None
