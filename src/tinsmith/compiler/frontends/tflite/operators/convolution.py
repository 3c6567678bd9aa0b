"""Convolutions: TFLite has channels last in images and in most weights, ONNX has them first."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tflite import fixed
from tinsmith.compiler.frontends.tflite.layer import FROM_PLANES, TO_PLANES, Arrange, Arranged, Codes, Layer
from tinsmith.compiler.frontends.tflite.registry import operator

SAME = 0
_TO_VOLUMES, _FROM_VOLUMES = (0, 4, 1, 2, 3), (0, 2, 3, 4, 1)
_MEDIAPIPE_SAME = 1
"""MediaPipe's options have the numbers of the runtime, where 0 is no padding that is known."""


def auto_pad(layer: Layer) -> str:
    """SAME rounds the size of the output up, and has the odd row of padding at the end."""
    return "SAME_UPPER" if layer.integer("padding") == SAME else "VALID"


def padding(layer: Layer, kernel: list[int], axes: str = "hw") -> dict[str, Any]:
    """The same as an attribute of Conv: as numbers where the sizes of the image are known."""
    sizes = layer.shape(0)[1:-1]
    if layer.integer("padding") != SAME or min(sizes, default=-1) < 0:
        return {"auto_pad": auto_pad(layer)}
    strides, dilations = _spatial(layer, "stride", axes), _spatial(layer, "dilation", axes)
    totals = [
        max(0, (-(-size // stride) - 1) * stride + (k - 1) * dilation + 1 - size)
        for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    return {"pads": [total // 2 for total in totals] + [total - total // 2 for total in totals]}


def _spatial(layer: Layer, name: str, axes: str = "hw") -> list[int]:
    sizes = [layer.integer(f"{name}_{axis}") for axis in axes]
    if min(sizes) < 1:
        raise layer.refuse(f"its {name} is {sizes}")
    return sizes


def _weights_shape(layer: Layer, rank: int, index: int = 1) -> tuple[int, ...]:
    shape = layer.constant(index).shape
    if len(shape) != rank or 0 in shape:
        raise layer.refuse(f"its weights have the shape {list(shape)}, expected {rank} dimensions")
    return shape


@operator("CONV_2D")
def conv_2d(layer: Layer) -> Arranged | Codes:
    """Weights [out, height, width, in / groups]."""
    _, height, width, channels = _weights_shape(layer, 4)
    groups = max(1, layer.shape(0)[-1] // channels)
    return _conv(layer, lambda w: w.transpose(0, 3, 1, 2), [height, width], groups)


@operator("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(layer: Layer) -> Arranged | Codes:
    """Weights [1, height, width, out]: each input channel has as many of the outputs, side by side."""
    _, height, width, outputs = _weights_shape(layer, 4)
    groups = layer.shape(0)[-1]
    if groups < 1 or outputs % groups:
        raise layer.refuse(f"{outputs} output channels for {groups} input channels")
    return _conv(layer, lambda w: w.transpose(3, 0, 1, 2), [height, width], groups)


def _conv(layer: Layer, arrange: Arrange, kernel: list[int], groups: int) -> Arranged | Codes:
    """`arrange` gives the weights as ONNX has them."""
    attributes = {
        "kernel_shape": kernel,
        "strides": _spatial(layer, "stride"),
        "dilations": _spatial(layer, "dilation"),
        "group": groups,
        **padding(layer, kernel),
    }
    if fixed.sums_bytes(layer):
        return fixed.convolved(layer, arrange, FROM_PLANES, **attributes)
    bias = layer.bias(2)
    factors = layer.arranged(0), layer.weights(1, arrange, axis=0)
    return Arranged(layer.emit("Conv", *factors, *([] if bias is None else [bias]), **attributes))


@operator("CONV_3D")
def conv_3d(layer: Layer) -> Arranged:
    """Weights [depth, height, width, in / groups, out]."""
    *kernel, channels, _ = _weights_shape(layer, 5)
    x = layer.arranged(0, _TO_VOLUMES)
    bias = layer.bias(2)
    out = layer.emit(
        "Conv",
        x,
        layer.weights(1, lambda w: w.transpose(4, 3, 0, 1, 2), axis=0),
        *([] if bias is None else [bias]),
        kernel_shape=list(kernel),
        strides=_spatial(layer, "stride", "dhw"),
        dilations=_spatial(layer, "dilation", "dhw"),
        group=max(1, layer.shape(0)[-1] // channels),
        **padding(layer, list(kernel), "dhw"),
    )
    return Arranged(out, _FROM_VOLUMES)


@operator("TRANSPOSE_CONV")
def transpose_conv(layer: Layer) -> Arranged:
    """Inputs: the shape of the output, weights [out, height, width, in], the image, a bias."""
    return _transposed(layer, "hw", lambda w: w.transpose(3, 0, 1, 2), TO_PLANES)


@operator("CONV_3D_TRANSPOSE")
def conv_3d_transpose(layer: Layer) -> Arranged:
    """The same with weights [depth, height, width, out, in]."""
    return _transposed(layer, "dhw", lambda w: w.transpose(4, 3, 0, 1, 2), _TO_VOLUMES)


@operator("Convolution2DTransposeBias", custom=True)
def convolution_2d_transpose_bias(layer: Layer) -> Arranged:
    """MediaPipe's own: the image, weights [out, height, width, in], a bias; options are three integers."""
    numbers = np.frombuffer(layer.operator.custom_options[:12], "<i4")
    if numbers.size < 3 or min(numbers[1:]) < 1:
        raise layer.refuse(f"its options are {numbers.tolist()}, expected a padding and two strides")
    padding, stride_w, stride_h = map(int, numbers)
    _, height, width, _ = _weights_shape(layer, 4)
    bias = layer.bias(2)
    out = layer.emit(
        "ConvTranspose",
        layer.arranged(0),
        layer.weights(1, lambda w: w.transpose(3, 0, 1, 2), axis=1),
        *([] if bias is None else [bias]),
        kernel_shape=[height, width],
        strides=[stride_h, stride_w],
        auto_pad="SAME_UPPER" if padding == _MEDIAPIPE_SAME else "VALID",
    )
    return Arranged(out)


def _transposed(layer: Layer, axes: str, arrange: Arrange, order: tuple[int, ...]) -> Arranged:
    shape, weights, image, bias = range(4)
    kernel = list(arrange(layer.constant(weights)).shape[2:])
    strides = _spatial(layer, "stride", axes)
    dilations = _spatial(layer, "dilation", axes) if axes == "dhw" else [1] * len(axes)
    begins, ends, more = [], [], []
    for size, k, stride, dilation in zip(
        _output_sizes(layer, shape), kernel, strides, dilations, strict=True
    ):
        reach = (k - 1) * dilation + 1
        same = layer.integer("padding") == SAME
        steps = (-(-size // stride) if same else (size - reach) // stride + 1) - 1
        over = steps * stride + reach - size
        begins.append(max(over, 0) // 2)
        ends.append(max(over, 0) - max(over, 0) // 2)
        more.append(max(-over, 0))
    added = layer.bias(bias, weights, image)
    out = layer.emit(
        "ConvTranspose",
        layer.arranged(image, order),
        layer.weights(weights, arrange, axis=1, image=image),
        *([] if added is None else [added]),
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=begins + ends,
        output_padding=more,
    )
    return Arranged(out, (0, *range(2, len(order)), 1))


def _output_sizes(layer: Layer, shape: int) -> list[int]:
    """Rows and columns of the output: what input `shape` says, else what the file says of the output."""
    known = layer.known(shape)
    sizes = list(layer.output().shape or ()) if known is None else [int(size) for size in known.reshape(-1)]
    if len(sizes) < 3 or min(sizes[1:-1]) < 1:
        raise layer.refuse(f"its output has the shape {sizes}, expected known sizes")
    return sizes[1:-1]
