"""Pooling of images."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.tflite import fixed
from tinsmith.compiler.frontends.tflite.layer import FROM_PLANES, TO_PLANES, Arranged, Codes, Layer, scalar
from tinsmith.compiler.frontends.tflite.operators.convolution import auto_pad
from tinsmith.compiler.frontends.tflite.registry import operator

_SAME, _OPTION_BYTES = 1, 20
_AWAY = np.array(1 + 2.0**-20, np.float32)
"""Times the mean of some bytes: halves, though the division rounded, are then rounded away from zero."""


def _window(layer: Layer) -> dict[str, list[int] | str]:
    sizes = [layer.integer(name) for name in ("filter_height", "filter_width", "stride_h", "stride_w")]
    if min(sizes) < 1:
        raise layer.refuse(f"its window and strides are {sizes}")
    return {"kernel_shape": sizes[:2], "strides": sizes[2:], "auto_pad": auto_pad(layer)}


@operator("MAX_POOL_2D", moves=True)
def max_pool_2d(layer: Layer) -> Arranged:
    x = layer.arranged(0)
    return Arranged(layer.emit("MaxPool", x, **_window(layer)))


@operator("AVERAGE_POOL_2D")
def average_pool_2d(layer: Layer) -> Arranged | Codes:
    """Of bytes: the mean of their codes, halves away from zero."""
    window = _window(layer)
    if fixed.computes(layer, 0) and fixed.same_scale(layer):
        x = layer.cast(layer.stored(0).transpose(*TO_PLANES), "float32")
        mean = layer.emit("AveragePool", x, **window)
        whole = layer.cast(layer.emit("Round", layer.emit("Mul", mean, _AWAY)), "float64")
        return fixed.held(layer, whole, FROM_PLANES)
    x = layer.arranged(0)
    return Arranged(layer.emit("AveragePool", x, **window))


@operator("L2_POOL_2D")
def l2_pool_2d(layer: Layer) -> Arranged:
    x = layer.arranged(0)
    mean = layer.emit("AveragePool", layer.emit("Mul", x, x), **_window(layer))
    return Arranged(layer.emit("Sqrt", mean))


@operator("MaxPoolingWithArgmax2D", custom=True)
def max_pooling_with_argmax_2d(layer: Layer) -> tuple[Arranged, Arranged]:
    """MediaPipe's own: the largest of a window, and which of its elements that is, by rows, as a float."""
    width, height, stride_w, stride_h, padding = _options(layer)
    x = layer.arranged(0)
    pad = "SAME_UPPER" if padding == _SAME else "VALID"
    out, place = layer.emit_all(
        "MaxPool",
        x,
        outputs=2,
        kernel_shape=[height, width],
        strides=[stride_h, stride_w],
        auto_pad=pad,
    )
    _, rows, columns, _ = layer.static_shape(0)
    over = [_before(size, k, s) if padding == _SAME else 0
            for size, k, s in ((rows, height, stride_h), (columns, width, stride_w))]  # fmt: skip
    # ONNX counts through the whole tensor of all images and channels.
    within = layer.emit("Mod", place, np.array(rows * columns))
    row = layer.emit("Add", layer.emit("Div", within, np.array(columns)), np.array(over[0]))
    column = layer.emit("Add", layer.emit("Mod", within, np.array(columns)), np.array(over[1]))
    starts = [_starts(layer, 2, size, k, s, pad) for size, k, s in ((rows, height, stride_h),)]
    starts += [_starts(layer, 3, size, k, s, pad) for size, k, s in ((columns, width, stride_w),)]
    row = layer.emit("Sub", row, starts[0])
    column = layer.emit("Sub", column, starts[1])
    index = layer.emit("Add", layer.emit("Mul", row, np.array(width)), column)
    return Arranged(out), Arranged(layer.cast(index, "float32"))


@operator("MaxUnpooling2D", custom=True)
def max_unpooling_2d(layer: Layer) -> Arranged:
    """MediaPipe's own: puts elements back where the pooling found them; its windows do not overlap."""
    width, height, stride_w, stride_h, _ = _options(layer)
    _, rows, columns, _ = layer.static_shape(0)
    if (stride_h, stride_w) != (height, width):
        raise layer.refuse(f"windows of {height} x {width} with strides {stride_h} x {stride_w}")
    x, index = (layer.arranged(i) for i in (0, 1))
    x, index = (layer.emit("Unsqueeze", value, np.array([3, 5])) for value in (x, index))
    cells = np.arange(height * width, dtype=np.float32).reshape(1, 1, 1, height, 1, width)
    out = layer.emit("Where", layer.emit("Equal", index, cells), x, scalar(0))
    channels = layer.shape(0)[-1]
    out = out.reshape(-1, channels, rows * height, columns * width)
    return Arranged(out, FROM_PLANES)


def _options(layer: Layer) -> tuple[int, int, int, int, int]:
    """Width and height of the window, strides, padding."""
    data = layer.operator.custom_options[:_OPTION_BYTES]
    if len(data) < _OPTION_BYTES:
        raise layer.refuse(f"its options have {len(data)} bytes, expected {_OPTION_BYTES}")
    padding, stride_w, stride_h, width, height = (int(number) for number in np.frombuffer(data, "<i4"))
    if min(stride_w, stride_h, width, height) < 1:
        raise layer.refuse(f"its window is {height} x {width}, its strides {stride_h} x {stride_w}")
    return width, height, stride_w, stride_h, padding


def _before(size: int, kernel: int, stride: int) -> int:
    steps = -(-size // stride)
    return max(0, (steps - 1) * stride + kernel - size) // 2


def _starts(
    layer: Layer, axis: int, size: int, kernel: int, stride: int, pad: str
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Where the windows along `axis` start, as an array of four dimensions."""
    layer.bounded(size)
    count = -(-size // stride) if pad == "SAME_UPPER" else (size - kernel) // stride + 1
    if count < 1:
        raise layer.refuse(f"a window of {kernel} for {size} elements")
    return (np.arange(count) * stride).reshape([-1 if dim == axis else 1 for dim in range(4)])
