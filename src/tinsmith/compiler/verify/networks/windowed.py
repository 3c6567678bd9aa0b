"""Convolution and pooling for ONNX's reference evaluator, whose own take minutes for a real network.

A convolution is a product of matrices: the weights, and the elements that each place of the kernel meets.
Pooling goes over the positions in the kernel, and at each over the whole tensor at once. What they leave to
the evaluator's own code is rare.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.ops import op_average_pool, op_conv, op_conv_transpose, op_max_pool

Array = NDArray[Any]

MAX_COLUMNS = 4 << 20
"""Elements of the larger matrix of a convolution; longer ones are made piece by piece."""


@dataclass(frozen=True)
class Window:
    """How a kernel goes over a tensor; all by axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    out: tuple[int, ...]
    """Places of the kernel."""
    beyond: tuple[int, ...]
    """Elements that the last place needs behind the padding, where places are rounded up."""

    def padded(self, x: Array, value: float = 0) -> Array:
        """`x` as far as the kernel reaches."""
        margins = [(low, high + more) for (low, high), more in zip(self.pads, self.beyond, strict=True)]
        if not any(map(any, margins)):
            return x
        return np.pad(x, [(0, 0), (0, 0), *margins], constant_values=value)

    def parts(self, padded: Array) -> Iterator[Array]:
        """Per position in the kernel, the elements that it meets: (N, C, *out)."""
        for position in itertools.product(*map(range, self.kernel)):
            yield padded[(slice(None), slice(None), *self.slices(position))]

    def slices(self, position: Sequence[int]) -> list[slice]:
        """Where a position in the kernel lies at all places."""
        found = []
        for at, dilation, stride, size in zip(position, self.dilations, self.strides, self.out, strict=True):
            start = at * dilation
            found.append(slice(start, start + stride * (size - 1) + 1, stride) if size else slice(0, 0))
        return found

    def patches(self, padded: Array) -> Array:
        """A view: (N, C, *kernel, *out)."""
        rank = len(self.kernel)
        steps = padded.strides[2:]
        return np.lib.stride_tricks.as_strided(
            padded,
            (*padded.shape[:2], *self.kernel, *self.out),
            (
                *padded.strides[:2],
                *(steps[axis] * self.dilations[axis] for axis in range(rank)),
                *(steps[axis] * self.strides[axis] for axis in range(rank)),
            ),
            writeable=False,
        )


class Conv(op_conv.Conv):  # type: ignore[misc,unused-ignore]
    """Of any rank, with groups, dilations, strides and padding."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self,
        X: Array,
        W: Array,
        B: Array | None = None,
        auto_pad=None,
        dilations=None,
        group=None,
        kernel_shape=None,
        pads=None,
        strides=None,
    ) -> tuple[Array]:
        window = make_window(X.shape[2:], W.shape[2:], auto_pad, dilations, pads, strides)
        answer = convolve(X, W, window, group or 1)
        if B is not None:
            answer += B.reshape(-1, *[1] * len(window.out))
        return (answer,)


def convolve(x: Array, w: Array, window: Window, groups: int) -> Array:
    """`x` (N, C, ...) with `w` (M, C / groups, ...)."""
    batch, inside, outside = x.shape[0], x.shape[1] // groups, w.shape[0]
    weights = np.ascontiguousarray(w.reshape(groups, outside // groups, -1))
    patches = window.patches(np.ascontiguousarray(window.padded(x)))
    answer = np.empty((batch, outside, *window.out), x.dtype)
    first = 2 + len(window.kernel)
    row = patches.size // max(window.out[0], 1)
    rows = max(1, MAX_COLUMNS // max(row, 1))
    for start in range(0, window.out[0], rows):
        piece = patches[(slice(None),) * first + (slice(start, start + rows),)]
        columns = piece.reshape(batch, groups, inside * math.prod(window.kernel), -1)
        answer[:, :, start : start + rows] = (weights @ columns).reshape(batch, outside, *piece.shape[first:])
    return answer


class ConvTranspose(op_conv_transpose.ConvTranspose):  # type: ignore[misc,unused-ignore]
    """Of any rank, unless the output is larger than all that the kernel reaches."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self,
        X: Array,
        W: Array,
        B: Array | None = None,
        auto_pad=None,
        dilations=None,
        group=None,
        kernel_shape=None,
        output_padding=None,
        output_shape=None,
        pads=None,
        strides=None,
    ) -> Any:
        rank, groups = X.ndim - 2, group or 1
        steps, gaps = list(strides or [1] * rank), list(dilations or [1] * rank)
        whole = [
            step * (size - 1) + gap * (length - 1) + 1 + extra
            for step, size, gap, length, extra in zip(
                steps, X.shape[2:], gaps, W.shape[2:], output_padding or [0] * rank, strict=False
            )
        ]
        margins = _margins_of_transposed(X.shape[2:], steps, whole, auto_pad, output_shape, pads)
        if min(map(min, margins)) < 0:
            theirs: Any = super()._run
            return theirs(
                X, W, B, auto_pad, dilations, group, kernel_shape, output_padding, output_shape, pads, strides
            )
        outside = W.shape[1]
        matrix = np.ascontiguousarray(np.moveaxis(W.reshape(groups, -1, math.prod(W.shape[1:])), 1, 2))
        found = matrix @ X.reshape(X.shape[0], groups, X.shape[1] // groups, -1)
        parts = found.reshape(X.shape[0], groups * outside, *W.shape[2:], *X.shape[2:])
        window = Window(W.shape[2:], tuple(steps), tuple(gaps), ((0, 0),) * rank, X.shape[2:], (0,) * rank)
        answer = np.zeros((X.shape[0], groups * outside, *whole), X.dtype)
        for position in itertools.product(*map(range, W.shape[2:])):
            here: Any = (..., *window.slices(position))
            place: Any = (slice(None), slice(None), *position)
            answer[here] += parts[place]
        kept = (slice(low, size - high) for (low, high), size in zip(margins, whole, strict=True))
        inner: Any = (..., *kept)
        answer = answer[inner]
        return (answer if B is None else answer + B.reshape(-1, *[1] * rank),)


class MaxPool(op_max_pool.MaxPool):  # type: ignore[misc,unused-ignore]
    """Of floats, without indices; else the evaluator's own."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self,
        x: Array,
        auto_pad=None,
        ceil_mode=None,
        dilations=None,
        kernel_shape=None,
        pads=None,
        storage_order=None,
        strides=None,
    ) -> tuple[Array, ...]:
        if len(self.onnx_node.output) > 1 or x.dtype.kind != "f":
            theirs: Any = super()._run
            own: tuple[Array, ...] = theirs(
                x, auto_pad, ceil_mode, dilations, kernel_shape, pads, storage_order, strides
            )
            return own
        window = make_window(x.shape[2:], kernel_shape, auto_pad, dilations, pads, strides, bool(ceil_mode))
        result = np.full((*x.shape[:2], *window.out), -np.inf, x.dtype)
        for part in window.parts(window.padded(x, -np.inf)):
            np.maximum(result, part, out=result)
        return (result,)


class AveragePool(op_average_pool.AveragePool_19):  # type: ignore[misc,unused-ignore]
    """Means over what lies in the tensor, or in its padding too."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self,
        x: Array,
        auto_pad=None,
        ceil_mode=None,
        dilations=None,
        kernel_shape=None,
        pads=None,
        strides=None,
        count_include_pad=None,
    ) -> tuple[Array]:
        window = make_window(x.shape[2:], kernel_shape, auto_pad, dilations, pads, strides, bool(ceil_mode))
        total = np.zeros((*x.shape[:2], *window.out), x.dtype)
        for part in window.parts(window.padded(x)):
            total += part
        ones = np.ones((1, 1, *x.shape[2:]), x.dtype)
        if count_include_pad:
            ones = np.pad(ones, [(0, 0), (0, 0), *window.pads], constant_values=1)
            ones = np.pad(ones, [(0, 0), (0, 0), *((0, more) for more in window.beyond)])
        else:
            ones = window.padded(ones)
        return ((total / sum(window.parts(ones))).astype(x.dtype),)


def make_window(
    size: Sequence[int],
    kernel: Sequence[int],
    auto_pad: str | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    upwards: bool = False,
) -> Window:
    """From the attributes of a node; `upwards`: a last place may be partly outside."""
    rank = len(size)
    steps, gaps = list(strides or [1] * rank), list(dilations or [1] * rank)
    reach = [gap * (length - 1) + 1 for gap, length in zip(gaps, kernel, strict=True)]
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        both = [_same(*axis) for axis in zip(size, steps, reach, strict=True)]
        halves = [(total // 2, total - total // 2) for total in both]
        margins = [pair if auto_pad == "SAME_UPPER" else pair[::-1] for pair in halves]
    elif auto_pad == "VALID" or not pads:
        margins = [(0, 0)] * rank
    else:
        margins = list(zip(pads[:rank], pads[rank:], strict=True))
    out, beyond = [], []
    for length, (low, high), needed, step in zip(size, margins, reach, steps, strict=True):
        room = low + length + high - needed
        places = (-(-room // step) if upwards else room // step) + 1
        if upwards and (places - 1) * step >= length + low:
            places -= 1  # a place that is all behind the tensor
        out.append(places)
        beyond.append(max(0, (places - 1) * step - room))
    return Window(tuple(kernel), tuple(steps), tuple(gaps), tuple(margins), tuple(out), tuple(beyond))


def _same(size: int, stride: int, reach: int) -> int:
    """The padding that gives ceil(size / stride) results."""
    return max(0, (-(-size // stride) - 1) * stride + reach - size)


def _margins_of_transposed(
    size: Sequence[int],
    strides: Sequence[int],
    whole: Sequence[int],
    auto_pad: str | None,
    output_shape: Sequence[int] | None,
    pads: Sequence[int] | None,
) -> list[tuple[int, int]]:
    """What is cut off from the `whole` on both sides, by axis."""
    rank = len(size)
    same = auto_pad in ("SAME_UPPER", "SAME_LOWER")
    if output_shape is None and not same:
        cut = [0] * 2 * rank if auto_pad == "VALID" or not pads else pads
        return list(zip(cut[:rank], cut[rank:], strict=True))
    wanted = output_shape or [length * stride for length, stride in zip(size, strides, strict=True)]
    totals = [length - goal for length, goal in zip(whole, wanted[-rank:], strict=True)]
    halves = [(total // 2, total - total // 2) for total in totals]
    return halves if auto_pad == "SAME_UPPER" else [pair[::-1] for pair in halves]
