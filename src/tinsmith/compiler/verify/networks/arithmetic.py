"""Operators for ONNX's reference evaluator: its own convolution and maximum pooling take minutes for a real
network, and its own batch normalisation errs.

Convolution and pooling go over the positions in the kernel, and at each over the whole tensor at once. What
they leave to the evaluator's own code is rare.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun
from onnx.reference.ops import op_batch_normalization, op_conv, op_max_pool

Array = NDArray[Any]


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
        window = _window(X.shape[2:], W.shape[2:], auto_pad, dilations, pads, strides)
        padded = np.pad(X, [(0, 0), (0, 0), *window.pads])
        groups = group or 1
        weights = W.reshape(groups, W.shape[0] // groups, *W.shape[1:])
        result = np.zeros((X.shape[0], groups, weights.shape[1], math.prod(window.out)), X.dtype)
        for position, part in window.parts(padded):
            place: Any = (..., *position)
            taps = weights[place]
            columns = part.reshape(X.shape[0], groups, X.shape[1] // groups, -1)
            result += taps * columns if taps.shape[1:] == (1, 1) else taps @ columns
        answer = result.reshape(X.shape[0], W.shape[0], *window.out)
        if B is not None:
            answer += B.reshape(-1, *[1] * len(window.out))
        return (answer,)


class BatchNormalization(op_batch_normalization.BatchNormalization_14):  # type: ignore[misc,unused-ignore]
    """The evaluator's own takes the statistics of the batch for opsets 7 to 13; a saved model means the given
    ones, unless it asks for training (opset 14)."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self, x, scale, bias, mean, var, epsilon=None, momentum=None, training_mode=None, spatial=None
    ) -> Any:
        if training_mode:
            return super()._run(  # type: ignore[no-untyped-call,unused-ignore]
                x, scale, bias, mean, var, epsilon=epsilon, momentum=momentum, training_mode=training_mode
            )
        if spatial == 0:
            raise NotImplementedError("BatchNormalization with statistics for every place")
        axes = (-1, *[1] * (x.ndim - 2))
        factor = scale / np.sqrt(var + (1e-5 if epsilon is None else epsilon))
        return (((x - mean.reshape(axes)) * factor.reshape(axes) + bias.reshape(axes)).astype(x.dtype),)


class Impossible(OpRun):  # type: ignore[misc,unused-ignore]
    """A branch that cannot work with the shapes of the inputs."""

    op_domain = "tinsmith"

    def _run(self, *_: Any, reason: str = "") -> Any:
        raise ValueError(f"this branch cannot run: {reason}")


class MaxPool(op_max_pool.MaxPool):  # type: ignore[misc,unused-ignore]
    """Of floats, without indices and with whole windows only; else the evaluator's own."""

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
        if ceil_mode or len(self.onnx_node.output) > 1 or x.dtype.kind != "f":
            theirs: Any = super()._run
            own: tuple[Array, ...] = theirs(
                x, auto_pad, ceil_mode, dilations, kernel_shape, pads, storage_order, strides
            )
            return own
        window = _window(x.shape[2:], kernel_shape, auto_pad, dilations, pads, strides)
        padded = np.pad(x, [(0, 0), (0, 0), *window.pads], constant_values=-np.inf)
        result = np.full((*x.shape[:2], *window.out), -np.inf, x.dtype)
        for _, part in window.parts(padded):
            np.maximum(result, part, out=result)
        return (result,)


OPERATORS = (BatchNormalization, Conv, Impossible, MaxPool)


class Window:
    """Where a kernel lies on a tensor."""

    def __init__(
        self,
        kernel: Sequence[int],
        out: Sequence[int],
        pads: Sequence[tuple[int, int]],
        strides: Sequence[int],
        dilations: Sequence[int],
    ) -> None:
        self.out = tuple(out)
        self.pads = tuple(pads)
        self._kernel, self._strides, self._dilations = kernel, strides, dilations

    def parts(self, padded: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
        """Per position in the kernel, the elements that it meets."""
        for position in itertools.product(*map(range, self._kernel)):
            starts = [at * dilation for at, dilation in zip(position, self._dilations, strict=True)]
            slices = [
                slice(start, start + stride * (size - 1) + 1, stride) if size else slice(0, 0)
                for start, stride, size in zip(starts, self._strides, self.out, strict=True)
            ]
            yield position, padded[(slice(None), slice(None), *slices)]


def _window(
    size: Sequence[int],
    kernel: Sequence[int],
    auto_pad: str | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> Window:
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
    out = [
        (length + sum(margin) - needed) // step + 1
        for length, margin, needed, step in zip(size, margins, reach, steps, strict=True)
    ]
    return Window(kernel, out, margins, steps, gaps)


def _same(size: int, stride: int, reach: int) -> int:
    """The padding that gives ceil(size / stride) results."""
    return max(0, (-(-size // stride) - 1) * stride + reach - size)
