# mypy: ignore-errors
"""Matrices, reductions, slices, and what only moves elements."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from forms.registry import case, real, whole

raw = tf.raw_ops


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
