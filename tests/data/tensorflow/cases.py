# mypy: ignore-errors
# ruff: noqa: B008, B905, E501
"""One graph per operator and form, with what TensorFlow itself answers; run where TensorFlow is installed.

    python tests/data/tensorflow/cases.py tests/data/tensorflow/operators.npz [CASE ...]

With cases named, only these are made anew and the others of the file kept, except for those that are no more.
For each case NAME the file has `NAME/graph` (a GraphDef), `NAME/in/INPUT` and `NAME/out/OUTPUT`.
"""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

raw = tf.raw_ops
rng = np.random.default_rng(7)
CASES = {}


def real(*shape, low=-2.0, high=2.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def whole(*shape, low=-9, high=9, dtype=np.int32):
    return rng.integers(low, high, shape).astype(dtype)


def case(name, function, *inputs, lowered=False):
    assert name not in CASES, name
    CASES[name] = (function, inputs, lowered)


def elementwise():
    for name in [
        "Abs",
        "Acos",
        "Asin",
        "Atan",
        "Ceil",
        "Cos",
        "Cosh",
        "Erf",
        "Erfc",
        "Expm1",
        "Floor",
        "Neg",
        "Rint",
        "Round",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Tan",
        "Tanh",
        "Exp",
        "Square",
        "Softplus",
        "Softsign",
        "Relu",
        "Relu6",
        "Elu",
        "Selu",
        "Reciprocal",
        "IsNan",
        "IsFinite",
        "IsInf",
        "Asinh",
    ]:
        operator = getattr(raw, name)
        field = {"Relu": "features", "Relu6": "features", "Elu": "features", "Selu": "features"}.get(
            name, "x"
        )
        field = "features" if name in ("Softplus", "Softsign") else field
        data = real(3, 5, low=-0.95, high=0.95) if name in ("Acos", "Asin") else real(3, 5, low=-7, high=7)
        case(name, lambda x, o=operator, f=field: o(**{f: x}), data)
    for name in ["Sqrt", "Rsqrt", "Log", "Log1p", "Acosh"]:
        case(name, lambda x, o=getattr(raw, name): o(x=x), real(3, 5, low=1.1, high=9))
    case("LeakyRelu", lambda x: raw.LeakyRelu(features=x, alpha=0.3), real(3, 5))
    for name in [
        "Add",
        "AddV2",
        "Sub",
        "Mul",
        "RealDiv",
        "Maximum",
        "Minimum",
        "SquaredDifference",
        "FloorDiv",
        "FloorMod",
        "Pow",
        "Atan2",
        "DivNoNan",
        "Xlogy",
        "Xdivy",
        "Less",
        "LessEqual",
        "Greater",
        "GreaterEqual",
        "Equal",
        "NotEqual",
    ]:
        low = 0.1 if name in ("Pow", "Xlogy") else -3
        a, b = real(2, 1, 4, low=low, high=3), real(3, 1, low=low, high=3)
        case(name, lambda x, y, o=getattr(raw, name): o(x=x, y=y), a, b)
    case("DivNoNan zero", lambda x, y: raw.DivNoNan(x=x, y=y), real(4), np.array([0, 1, 0, 2], np.float32))
    odd = np.array([-3, -2, 2, 3], np.int32)
    for name in ["FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod"]:
        numbers = whole(5, 1, low=-12, high=12)
        case(f"{name} int32", lambda x, y, o=getattr(raw, name): o(x=x, y=y), numbers, odd)
    case("AddN", lambda x, y: raw.AddN(inputs=[x, y, x]), real(3, 2), real(3, 2))
    case("Cast", lambda x: raw.Cast(x=x, DstT=tf.int32), real(4, 4, low=-5, high=5))
    case("Cast bool", lambda x: raw.Cast(x=x, DstT=tf.float32), np.array([True, False]))
    truth, other = np.array([[True], [False]]), np.array([True, False, True])
    case("LogicalAnd", lambda x, y: raw.LogicalAnd(x=x, y=y), truth, other)
    case("LogicalOr", lambda x, y: raw.LogicalOr(x=x, y=y), truth, other)
    case("LogicalNot", lambda x: raw.LogicalNot(x=x), other)
    case("Select rows", lambda c, x, y: raw.Select(condition=c, x=x, y=y), other, real(3, 2), real(3, 2))
    case("SelectV2", lambda c, x, y: raw.SelectV2(condition=c, t=x, e=y), other, real(2, 3), real(2, 1))
    case("ClipByValue", lambda x: raw.ClipByValue(t=x, clip_value_min=-0.5, clip_value_max=1.0), real(5))
    case("gelu", lambda x: tf.nn.gelu(x), real(5))
    case("gelu tanh", lambda x: tf.nn.gelu(x, approximate=True), real(5))
    case("swish", lambda x: tf.nn.silu(x), real(5))
    case("ZerosLike", lambda x: x + tf.zeros_like(x), real(2, 2))


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


def matrices():
    case(
        "MatMul",
        lambda a, b: raw.MatMul(a=a, b=b, transpose_a=True, transpose_b=True),
        real(3, 2),
        real(4, 3),
    )
    case("BatchMatMul", lambda a, b: raw.BatchMatMulV2(x=a, y=b, adj_y=True), real(2, 1, 3, 4), real(3, 5, 4))
    case("Einsum", lambda a, b: tf.einsum("BFNH,BTNH->BNFT", a, b), real(2, 3, 2, 4), real(2, 5, 2, 4))
    case("Einsum dots", lambda a, b: tf.einsum("...x,xyz->...yz", a, b), real(2, 3, 4), real(4, 2, 3))
    case("MatrixBandPart", lambda a: tf.linalg.band_part(a, 1, 0), real(2, 4, 4))
    case("MatrixDiag", lambda a: tf.linalg.diag(a), real(2, 3))


def reductions():
    x = real(2, 3, 4)
    for name in ["Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm"]:
        operator = getattr(raw, name)
        case(name, lambda x, o=operator: o(input=x, axis=[-1, 0]), x)
        case(f"{name} keep", lambda x, o=operator: o(input=x, axis=1, keep_dims=True), x)
    case("Sum none", lambda x: raw.Sum(input=x, axis=np.zeros(0, np.int32)), x)
    case("All", lambda x: raw.All(input=x, axis=[1]), real(3, 4) > -1)
    case("Any", lambda x: raw.Any(input=x, axis=[1]), real(3, 4) > 1.5)
    case("ArgMax", lambda x: raw.ArgMax(input=x, dimension=1), x)
    case("ArgMin int32", lambda x: raw.ArgMin(input=x, dimension=-1, output_type=tf.int32), x)
    case("Cumsum", lambda x: tf.cumsum(x, axis=1, exclusive=True, reverse=True), x)
    case("Cumprod", lambda x: tf.math.cumprod(x, axis=-1), x)
    case("L2Loss", lambda x: tf.nn.l2_loss(x), x)
    case("logsumexp", lambda x: tf.reduce_logsumexp(x, axis=1), x)
    case("moments", lambda x: tf.nn.moments(x, [0, 1])[1], x)
    case("l2_normalize", lambda x: tf.nn.l2_normalize(x, -1), x)


def slices():
    x = real(4, 5, 6)
    case("StridedSlice plain", lambda x: x[1:3, ::2, -2:], x)
    case("StridedSlice shrink", lambda x: x[1, :, -1], x)
    case("StridedSlice backwards", lambda x: x[::-1, 3:0:-2], x)
    case("StridedSlice new", lambda x: x[:, tf.newaxis, 1, ..., tf.newaxis], x)
    case("StridedSlice ellipsis", lambda x: x[..., 2:4], x)
    case("StridedSlice ellipsis middle", lambda x: x[1, ..., tf.newaxis, 2], x)
    case("StridedSlice computed", lambda x, i: x[i, :, :], x, np.int32(2))
    case("Slice", lambda x: tf.slice(x, [1, 0, 2], [2, -1, 3]), x)
    case("Gather", lambda x: tf.gather(x, [[2, 0], [1, 1]], axis=1), x)
    case("Gather batch", lambda x, i: tf.gather(x, i, axis=1, batch_dims=1), x, whole(4, 2, low=0, high=5))
    case("GatherNd", lambda x: tf.gather_nd(x, [[0, 1], [3, 2]]), x)
    case("GatherNd batch", lambda x, i: tf.gather_nd(x, i, batch_dims=1), x, whole(4, 2, 1, low=0, high=5))
    case("ScatterNd", lambda u: tf.scatter_nd([[1], [3], [1]], u, [5, 2]), real(3, 2))
    case(
        "TensorScatterUpdate",
        lambda x, u: tf.tensor_scatter_nd_update(x, [[1], [3]], u),
        real(5, 2),
        real(2, 2),
    )
    case("TensorScatterMax", lambda x, u: tf.tensor_scatter_nd_max(x, [[1], [3]], u), real(5, 2), real(2, 2))
    case("Split", lambda x: tf.split(x, 2, axis=2), x)
    case("SplitV", lambda x: tf.split(x, [1, -1, 2], axis=1), x)
    case("Unpack", lambda x: tf.unstack(x, axis=1), x)
    case("Pack", lambda x, y: tf.stack([x, y, x], axis=1), real(2, 3), real(2, 3))
    case("ConcatV2", lambda x, y: tf.concat([x, y], axis=-1), real(2, 3), real(2, 2))
    case("Tile", lambda x: tf.tile(x, [2, 1, 3]), real(2, 2, 2))
    case("UnsortedSegmentSum", lambda x: tf.math.unsorted_segment_sum(x, [0, 2, 0, 1], 3), x)


def movement():
    x = real(2, 4, 6, 3)
    case("Transpose", lambda x: tf.transpose(x, [0, 3, 1, 2]), x)
    case("Reshape", lambda x: tf.reshape(x, [tf.shape(x)[0], -1]), x)
    case("ExpandDims", lambda x: tf.expand_dims(x, -2), x)
    case("Squeeze", lambda x: tf.squeeze(x), real(1, 3, 1))
    case("Squeeze axis", lambda x: tf.squeeze(x, [0]), real(1, 3, 1))
    case("Pad", lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), x)
    case("PadV2", lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], constant_values=3.5), x)
    case("MirrorPad reflect", lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [0, 0]], "REFLECT"), x)
    case("MirrorPad symmetric", lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [0, 0]], "SYMMETRIC"), x)
    case("ReverseV2", lambda x: tf.reverse(x, [1, -1]), x)
    case("ReverseSequence", lambda x: tf.reverse_sequence(x, [1, 3], seq_axis=1, batch_axis=0), x)
    case("ReverseSequence time", lambda x: tf.reverse_sequence(x, [1, 3, 4], seq_axis=1, batch_axis=3), x)
    case("Roll", lambda x: tf.roll(x, [1, -2], [1, 2]), x)
    case("SpaceToDepth", lambda x: tf.nn.space_to_depth(x, 2), x)
    case("DepthToSpace", lambda x: tf.nn.depth_to_space(x, 2), real(2, 2, 3, 8))
    case("SpaceToBatchND", lambda x: tf.space_to_batch_nd(x, [2, 3], [[1, 1], [0, 3]]), x)
    case("BatchToSpaceND", lambda x: tf.batch_to_space(x, [2, 3], [[1, 0], [0, 2]]), real(12, 2, 3, 3))
    case("BroadcastTo", lambda x: tf.broadcast_to(x, [3, 2, 4]), real(2, 1))
    case("Fill", lambda x: x + tf.fill(tf.shape(x), 2.0), real(2, 3))
    case("Range", lambda x: x + tf.range(0.0, 3.0, 0.5), real(6))
    case("linspace", lambda x: x + tf.linspace(0.0, 1.0, 6), real(6))
    case(
        "OneHot", lambda x: tf.one_hot(x, 5, on_value=2.0, off_value=-1.0), np.array([0, 4, -1, 7], np.int32)
    )
    case("OneHot axis", lambda x: tf.one_hot(x, 3, axis=1), whole(2, 4, low=0, high=3))
    case("Where", lambda x: tf.where(x), np.array([[True, False], [True, True]]))
    case("boolean_mask", lambda x: tf.boolean_mask(x, x > 0), real(9))
    case("Unique", lambda x: tf.unique(x), np.array([3, 1, 3, 2, 1], np.int32))
    case("TopKV2", lambda x: tf.math.top_k(x, 3), real(2, 7))
    case(
        "Bincount",
        lambda x: raw.Bincount(arr=x, size=6, weights=np.zeros(0, np.float32)),
        np.array([1, 1, 3, 5], np.int32),
    )
    case("searchsorted", lambda x: tf.searchsorted(tf.constant([1.0, 2.0, 3.0]), x), real(5, low=0, high=4))
    case("in_top_k", lambda x: tf.math.in_top_k([1, 0], x, 2), real(2, 4))


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


def detection():
    corners = rng.uniform(0, 1, (12, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.uniform(0.2, 0.5, (12, 2)).astype(np.float32)], 1)
    scores = real(12, low=0, high=1)
    case(
        "NonMaxSuppressionV2",
        lambda b, s: raw.NonMaxSuppressionV2(boxes=b, scores=s, max_output_size=5, iou_threshold=0.3),
        boxes,
        scores,
    )
    case(
        "NonMaxSuppressionV3",
        lambda b, s: raw.NonMaxSuppressionV3(
            boxes=b, scores=s, max_output_size=5, iou_threshold=0.3, score_threshold=0.4
        ),
        boxes,
        scores,
    )
    case(
        "NonMaxSuppressionV4",
        lambda b, s: raw.NonMaxSuppressionV4(
            boxes=b,
            scores=s,
            max_output_size=9,
            iou_threshold=0.3,
            score_threshold=0.4,
            pad_to_max_output_size=True,
        ),
        boxes,
        scores,
    )
    case(
        "NonMaxSuppressionV5",
        lambda b, s: raw.NonMaxSuppressionV5(
            boxes=b,
            scores=s,
            max_output_size=9,
            iou_threshold=0.3,
            score_threshold=0.4,
            soft_nms_sigma=0.0,
            pad_to_max_output_size=True,
        ),
        boxes,
        scores,
    )
    places = np.concatenate([rng.uniform(0, 0.8, (20, 2)), rng.uniform(0.1, 0.4, (20, 2))], 1).astype(
        np.float32
    )
    for kind, lowered in (("functions", False), ("frames", True)):
        data = (real(2, 20, 4), real(2, 20, 4))
        case(f"detector {kind}", detector(places, 3, 8), *data, lowered=lowered)
    many = np.stack([boxes, boxes[::-1] * 0.9])[:, :, None]
    for kinds in (1, 3):
        case(
            f"CombinedNonMaxSuppression {kinds}",
            lambda b, s, k=kinds: tf.image.combined_non_max_suppression(
                tf.tile(b, [1, 1, k, 1]) * tf.constant([1.0, 0.9, 0.8][:k])[:, None], s, 4, 10, 0.4, 0.3
            ),
            many,
            real(2, 12, 3, low=0, high=1),
        )


def detector(anchors, classes, most):
    """The last part of an SSD: boxes decoded, suppressed per class, the best of all kept, padded to `most`."""

    def one(arguments):
        boxes, scores = arguments
        found = []
        for kind in range(classes):
            kept = tf.image.non_max_suppression(boxes, scores[:, kind], most, 0.5, 0.3)
            own = tf.fill([tf.shape(kept)[0]], float(kind))
            found.append((tf.gather(boxes, kept), tf.gather(scores[:, kind], kept), own))
        boxes, scores, kinds = (tf.concat(parts, 0) for parts in zip(*found))
        count = tf.minimum(tf.shape(scores)[0], most)
        best = tf.math.top_k(scores, count)
        rest = most - tf.shape(best.values)[0]
        padded = tf.pad(tf.gather(boxes, best.indices), [[0, rest], [0, 0]])
        kinds = tf.pad(tf.gather(kinds, best.indices), [[0, rest]])
        scores = tf.ensure_shape(tf.pad(best.values, [[0, rest]]), [most])
        return tf.ensure_shape(padded, [most, 4]), scores, tf.ensure_shape(kinds, [most]), count

    def decode(location, logits):
        centres = anchors[:, :2] + location[..., :2] * 0.1 * anchors[:, 2:]
        sizes = anchors[:, 2:] * tf.exp(location[..., 2:] * 0.2)
        boxes = tf.concat([centres - sizes / 2, centres + sizes / 2], -1)
        types = (tf.float32, tf.float32, tf.float32, tf.int32)
        return tf.map_fn(one, (boxes, tf.sigmoid(logits)[..., 1:]), fn_output_signature=types)

    return decode


def quantisation():
    x = real(3, 4, low=-8, high=8)
    case("FakeQuantArgs", lambda x: tf.quantization.fake_quant_with_min_max_args(x, -3, 5), x)
    case("FakeQuantVars", lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -3.3, 5.1, 8, True), x)
    case(
        "FakeQuantChannels",
        lambda x: tf.quantization.fake_quant_with_min_max_vars_per_channel(
            x, [-1.0, -2, -3, 0], [1.0, 5, 3, 4]
        ),
        x,
    )
    case(
        "QuantizeAndDequantize",
        lambda x: raw.QuantizeAndDequantizeV2(input=x, input_min=-4.0, input_max=3.0, range_given=True),
        x,
    )


def control():
    def loop(x):
        return tf.while_loop(
            lambda i, s: i < 4, lambda i, s: (i + 1, s * 1.5 + tf.cast(i, tf.float32)), [0, x]
        )[1]

    def until(x):
        return tf.while_loop(lambda s: tf.reduce_sum(s) < 50.0, lambda s: s * 1.5, [x])[0]

    def history(x):
        array = tf.TensorArray(tf.float32, 5)
        _, state, array = tf.while_loop(
            lambda i, s, a: i < 4, lambda i, s, a: (i + 1, s * 0.5, a.write(i, s + 1.0)), [0, x, array]
        )
        return array.stack(), state

    def backwards(x):
        array = tf.TensorArray(tf.float32, 4).unstack(x)
        out = tf.TensorArray(tf.float32, 4)
        _, _, out = tf.while_loop(
            lambda i, s, o: i >= 0, lambda i, s, o: (i - 1, s + array.read(i), o.write(i, s)), [3, x[0], out]
        )
        return out.stack()

    def branch(x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0)

    def nested(x):
        def inner(i, s):
            return i + 1, tf.while_loop(lambda j, t: j < i, lambda j, t: (j + 1, t + 1.0), [0, s])[1]

        return tf.while_loop(lambda i, s: i < 3, inner, [0, x])[1]

    x = real(3, low=0.5)
    for kind, lowered in (("functions", False), ("frames", True)):
        case(f"loop {kind}", loop, x, lowered=lowered)
        case(f"until {kind}", until, x, lowered=lowered)
        case(f"history {kind}", history, x, lowered=lowered)
        case(f"backwards {kind}", backwards, real(4, 3), lowered=lowered)
        case(f"branch {kind}", branch, x, lowered=lowered)
        case(f"other branch {kind}", branch, -x, lowered=lowered)
        case(f"nested {kind}", nested, x, lowered=lowered)


def layers():
    import keras

    for name, layer in (
        ("LSTM", keras.layers.LSTM(3, return_sequences=True, bias_initializer="glorot_normal")),
        ("GRU", keras.layers.GRU(3, bias_initializer="ones")),
        ("RNN", keras.layers.SimpleRNN(3, go_backwards=True)),
        ("Bidirectional", keras.layers.Bidirectional(keras.layers.LSTM(2, return_sequences=True))),
    ):
        data = real(2, 5, 4)
        layer(data)
        for kind, lowered in (("functions", False), ("frames", True)):
            case(f"{name} {kind}", lambda x, layer=layer: layer(x), data, lowered=lowered)
    attention = keras.layers.MultiHeadAttention(2, 3)
    attention(real(1, 4, 6), real(1, 4, 6))
    case("attention", lambda x: attention(x, x), real(1, 4, 6))
    normal = keras.layers.LayerNormalization()
    normal(real(2, 4))
    case("LayerNormalization", lambda x: normal(x), real(2, 4))
    separable = keras.layers.SeparableConv2D(5, 3, padding="same")
    separable(real(1, 6, 6, 3))
    case("SeparableConv2D", lambda x: separable(x), real(1, 6, 6, 3))


def recorded(function, inputs, lowered):
    names = [f"x{number}" for number in range(len(inputs))]
    specs = [
        tf.TensorSpec(np.shape(data), np.asarray(data).dtype, name)
        for name, data in zip(names, inputs, strict=False)
    ]
    concrete = tf.function(lambda *tensors: function(*tensors)).get_concrete_function(*specs)
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=lowered)
    results = frozen(*(tf.constant(data) for data in inputs))
    graph = frozen.graph.as_graph_def()
    for node in [*graph.node, *(node for function in graph.library.function for node in function.node_def)]:
        for key in [key for key in node.attr if key.startswith("_") or key == "config_proto"]:
            del node.attr[key]
    outputs = {tensor.name: result.numpy() for tensor, result in zip(frozen.outputs, results, strict=True)}
    return graph.SerializeToString(), dict(zip(names, inputs, strict=False)), outputs


def main(path, *chosen):
    for make in (
        elementwise,
        convolutions,
        matrices,
        reductions,
        slices,
        movement,
        images,
        detection,
        quantisation,
        control,
        layers,
    ):
        make()
    arrays = {}
    if chosen:
        with np.load(path) as before:
            arrays = {key: before[key] for key in before.files if key.split("/")[0] in CASES}
    for name in chosen or CASES:
        function, inputs, lowered = CASES[name]
        graph, given, outputs = recorded(function, inputs, lowered)
        arrays[f"{name}/graph"] = np.frombuffer(graph, np.uint8)
        arrays.update({f"{name}/in/{key}": np.asarray(value) for key, value in given.items()})
        arrays.update({f"{name}/out/{key}": value for key, value in outputs.items()})
    np.savez_compressed(path, version=np.array(tf.__version__), **arrays)
    print(f"{len(CASES)} cases by TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
