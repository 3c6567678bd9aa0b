# mypy: ignore-errors
"""Convolutions, pooling, normalisation, resizing."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from forms.registry import case, real

raw = tf.raw_ops


def convolutions():
    x, w = real(2, 9, 8, 4), real(3, 3, 4, 6)
    for padding in ("SAME", "VALID"):
        for stride in (1, 2, 3):
            case(f"Conv2D {padding} {stride}", lambda x, p=padding, s=stride: tf.nn.conv2d(x, w, s, p), x)
            case(
                f"Depthwise {padding} {stride}",
                lambda x, p=padding, s=stride: tf.nn.depthwise_conv2d(x, w[..., :2], [1, s, s, 1], p),
                x,
            )
            out = (
                [2, 9 * stride, 8 * stride, 5]
                if padding == "SAME"
                else [2, 8 * stride + 4, 7 * stride + 3, 5]
            )
            case(
                f"Transposed {padding} {stride}",
                lambda x, p=padding, s=stride, o=out: tf.nn.conv2d_transpose(
                    x, np.ones((3, 3, 5, 4), "f") * w[:, :, :1, :1], o, s, p
                ),
                x,
            ) if padding == "SAME" or stride > 1 else None
        case(f"MaxPool {padding}", lambda x, p=padding: tf.nn.max_pool2d(x, 3, 2, p), x)
        case(f"AvgPool {padding}", lambda x, p=padding: tf.nn.avg_pool2d(x, 3, 2, p), x)
    case("Conv2D dilated", lambda x: tf.nn.conv2d(x, w, 1, "SAME", dilations=2), x)
    case("Conv2D explicit", lambda x: tf.nn.conv2d(x, w, 2, [[0, 0], [1, 2], [0, 3], [0, 0]]), x)
    case("Conv2D groups", lambda x: tf.nn.conv2d(x, w[:, :, :2], 1, "SAME"), x)
    case("Conv1D atrous", lambda x: tf.nn.convolution(x, w[0], padding="SAME", dilations=[2]), real(2, 11, 4))
    case(
        "Conv3D", lambda x: tf.nn.conv3d(x, real(2, 3, 3, 2, 3), [1, 1, 2, 2, 1], "SAME"), real(1, 4, 5, 6, 2)
    )
    case("MaxPool3D", lambda x: tf.nn.max_pool3d(x, 2, 2, "SAME"), real(1, 4, 5, 6, 2))
    case("AvgPool3D", lambda x: tf.nn.avg_pool3d(x, 2, 2, "SAME"), real(1, 4, 5, 6, 2))
    case("BiasAdd", lambda x: tf.nn.bias_add(x, real(4)), x)
    for version in (1, 3):
        operator = raw.FusedBatchNorm if version == 1 else raw.FusedBatchNormV3
        statistics = {"scale": real(4), "offset": real(4), "mean": real(4), "variance": real(4, low=0.5)}
        case(
            f"FusedBatchNorm {version}",
            lambda x, o=operator, s=statistics: o(x=x, epsilon=1e-3, is_training=False, **s).y,
            x,
        )
    case(
        "FusedBatchNorm training",
        lambda x: tf.compat.v1.nn.fused_batch_norm(x, real(4), real(4), is_training=True)[0],
        x,
    )
    case("LRN", lambda x: tf.nn.lrn(x, 2, 1.5, 0.3, 0.75), x)
    case("Softmax", lambda x: tf.nn.softmax(x), x)
    case("LogSoftmax", lambda x: tf.nn.log_softmax(x), x)


def images():
    x = real(1, 5, 6, 2)
    for half, align in ((False, False), (True, False), (False, True)):
        for name in ("Bilinear", "NearestNeighbor", "Bicubic"):
            for size in ([10, 9], [3, 4]):
                operator = getattr(raw, f"Resize{name}")
                case(
                    f"Resize{name} {half} {align} {size[0]}",
                    lambda x, o=operator, s=size, h=half, a=align: o(
                        images=x, size=s, half_pixel_centers=h, align_corners=a
                    ),
                    x,
                )
    boxes = np.array([[0.1, 0.2, 0.8, 0.9], [-0.2, 0, 1.1, 1], [0.5, 0.5, 0.2, 0.1]], np.float32)
    for method in ("bilinear", "nearest"):
        case(
            f"CropAndResize {method}",
            lambda x, b, m=method: tf.image.crop_and_resize(x, b, [0, 1, 0], [3, 4], m, 0.25),
            real(2, 5, 6, 2),
            boxes,
        )
    case(
        "CropAndResize 1",
        lambda x, b: tf.image.crop_and_resize(x, b, [0, 1, 0], [1, 1]),
        real(2, 5, 6, 2),
        boxes,
    )
