"""Models of one operator each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.compiler.frontends.tflite.build import Builder, T, c, one

RNG = np.random.default_rng(7)
Options = tuple[str, Mapping[str, Any]]

F, I, B = T(), T(dtype="int32"), T(dtype="bool")


def w(*shape: int, low: float = -1, high: float = 1) -> T:
    """Constant weights."""
    return c(RNG.uniform(low, high, shape).astype(np.float32))


def x(*shape: int, **more: Any) -> T:
    """An input."""
    return T(shape, **more)


def q(*shape: int, scale: float = 0.05, zero: int = 3, dtype: str = "int8") -> T:
    """A quantised input or output."""
    return T(shape, dtype, scale=scale, zero=zero)


def qw(*shape: int, scale: Any = 0.01, axis: int = 0) -> T:
    """Quantised weights."""
    return c(RNG.integers(-127, 128, shape).astype(np.int8), scale=scale, axis=axis)


def qb(size: int, scale: Any) -> T:
    """A quantised bias."""
    return c(RNG.integers(-2000, 2000, size).astype(np.int32), scale=scale)


CASES: dict[str, Builder] = {}


def case(name: str, *arguments: Any, **more: Any) -> None:
    """Adds a model."""
    assert name not in CASES, name
    CASES[name] = one(name.split()[0], *arguments, **more)


def conv(**more: Any) -> Options:
    return "Conv2DOptions", {"strideW": 1, "strideH": 1, **more}


def depthwise(**more: Any) -> Options:
    return "DepthwiseConv2DOptions", {"strideW": 1, "strideH": 1, "depthMultiplier": 1, **more}


def pool(**more: Any) -> Options:
    return "Pool2DOptions", {"strideW": 2, "strideH": 2, "filterWidth": 3, "filterHeight": 2, **more}


IMAGE = x(2, 7, 6, 4)
SCALES = np.array([0.01, 0.02, 0.005, 0.013], np.float32)

for _activation in range(4):
    case(f"CONV_2D activation {_activation}", [IMAGE, w(4, 3, 3, 4), w(4)], [F],
         conv(fusedActivationFunction=_activation))  # fmt: skip
case("CONV_2D same stride", [IMAGE, w(5, 3, 2, 4), w(5)], [F], conv(strideW=2, strideH=3))
case(
    "CONV_2D valid dilated",
    [IMAGE, w(5, 3, 2, 4), w(5)],
    [F],
    conv(padding=1, dilationWFactor=2, dilationHFactor=2),
)
case("CONV_2D same dilated", [IMAGE, w(5, 3, 3, 4), w(5)], [F], conv(dilationWFactor=2, dilationHFactor=2))
case("CONV_2D grouped", [IMAGE, w(6, 3, 3, 2), w(6)], [F], conv())
case(
    "CONV_2D int8",
    [q(1, 6, 5, 3), qw(4, 3, 3, 3, scale=SCALES), qb(4, SCALES * np.float32(0.05))],
    [q(scale=0.1, zero=-5)],
    conv(strideW=2, strideH=2),
)
case(
    "CONV_2D int8 relu6",
    [q(1, 6, 5, 3), qw(4, 3, 3, 3, scale=SCALES), qb(4, SCALES * np.float32(0.05))],
    [q(scale=0.03, zero=-128)],
    conv(fusedActivationFunction=3),
)
case(
    "CONV_2D uint8",
    [
        q(1, 6, 5, 3, dtype="uint8", zero=120),
        c(RNG.integers(0, 256, (4, 3, 3, 3)).astype(np.uint8), scale=0.02, zero=130),
        qb(4, 0.001),
    ],
    [q(scale=0.1, zero=111, dtype="uint8")],
    conv(padding=1),
)
case(
    "CONV_2D int16",
    [
        q(1, 6, 5, 3, dtype="int16", zero=0, scale=0.001),
        qw(4, 3, 3, 3, scale=SCALES),
        c(RNG.integers(-2000, 2000, 4), "int64", scale=SCALES * np.float32(0.001)),
    ],
    [q(scale=0.002, zero=0, dtype="int16")],
    conv(),
)
case("DEPTHWISE_CONV_2D", [IMAGE, w(1, 3, 3, 4), w(4)], [F], depthwise())
case(
    "DEPTHWISE_CONV_2D multiplied",
    [IMAGE, w(1, 2, 3, 8), w(8)],
    [F],
    depthwise(depthMultiplier=2, strideW=2, strideH=2, padding=1),
)
case(
    "DEPTHWISE_CONV_2D dilated",
    [IMAGE, w(1, 3, 3, 4), w(4)],
    [F],
    depthwise(dilationWFactor=2, dilationHFactor=2),
)
case(
    "DEPTHWISE_CONV_2D int8",
    [q(1, 6, 5, 4), qw(1, 3, 3, 4, scale=SCALES, axis=3), qb(4, SCALES * np.float32(0.05))],
    [q(scale=0.06)],
    depthwise(fusedActivationFunction=1),
)
case(
    "CONV_3D",
    [x(1, 4, 5, 6, 2), w(2, 3, 2, 2, 3), w(3)],
    [F],
    ("Conv3DOptions", {"strideD": 1, "strideW": 2, "strideH": 1}),
)
for _padding in (0, 1):
    case(
        f"TRANSPOSE_CONV {_padding}",
        [c([1, 7, 8, 3]) if not _padding else c([1, 9, 8, 3]), w(3, 3, 2, 4), x(1, 4, 4, 4)],
        [F],
        ("TransposeConvOptions", {"padding": _padding, "strideW": 2, "strideH": 2}),
    )
case(
    "TRANSPOSE_CONV bias",
    [c([2, 8, 8, 3]), w(3, 5, 4, 4), x(2, 4, 4, 4), w(3)],
    [F],
    ("TransposeConvOptions", {"strideW": 2, "strideH": 2, "fusedActivationFunction": 1}),
    version=3,
)
case(
    "TRANSPOSE_CONV gaps",
    [c([1, 8, 8, 3]), w(3, 1, 1, 4), x(1, 4, 4, 4)],
    [F],
    ("TransposeConvOptions", {"strideW": 2, "strideH": 2}),
)
case(
    "TRANSPOSE_CONV int8",
    [c([1, 8, 8, 3]), qw(3, 3, 3, 4, scale=SCALES[:3]), q(1, 4, 4, 4)],
    [q(scale=0.1)],
    ("TransposeConvOptions", {"strideW": 2, "strideH": 2}),
)
case(
    "CONV_3D_TRANSPOSE",
    [c([1, 8, 8, 6, 3]), w(3, 3, 3, 3, 2), x(1, 4, 4, 3, 2)],
    [F],
    ("Conv3DOptions", {"strideD": 2, "strideW": 2, "strideH": 2}),
)
for _kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"):
    case(f"{_kind} same", [IMAGE], [F], pool())
    case(f"{_kind} valid", [IMAGE], [F], pool(padding=1, fusedActivationFunction=3))
case("AVERAGE_POOL_2D int8", [q(1, 6, 5, 3)], [q()], pool())
case("AVERAGE_POOL_2D uint8", [q(1, 6, 5, 3, dtype="uint8")], [q(dtype="uint8")], pool(padding=1))
case("MAX_POOL_2D int8", [q(1, 6, 5, 3)], [q()], pool())
case("MAX_POOL_2D int8 relu", [q(1, 6, 5, 3)], [q()], pool(fusedActivationFunction=1))

case("FULLY_CONNECTED", [x(3, 5), w(4, 5), w(4)], [F], ("FullyConnectedOptions", {}))
case(
    "FULLY_CONNECTED flattened",
    [x(2, 2, 5), w(4, 10), None],
    [F],
    ("FullyConnectedOptions", {"fusedActivationFunction": 1}),
)
case(
    "FULLY_CONNECTED kept",
    [x(2, 3, 5), w(4, 5), w(4)],
    [F],
    ("FullyConnectedOptions", {"keepNumDims": True}),
    version=5,
)
case("FULLY_CONNECTED computed weights", [x(3, 5), x(4, 5), w(4)], [F], ("FullyConnectedOptions", {}))
case(
    "FULLY_CONNECTED int8",
    [q(3, 5), qw(4, 5), qb(4, 0.0005)],
    [q(scale=0.03)],
    ("FullyConnectedOptions", {"fusedActivationFunction": 1}),
    version=4,
)
case(
    "FULLY_CONNECTED int8 channels",
    [q(3, 5), qw(4, 5, scale=SCALES), qb(4, SCALES * np.float32(0.05))],
    [q(scale=0.03)],
    ("FullyConnectedOptions", {}),
    version=10,
)
case(
    "FULLY_CONNECTED int16",
    [q(3, 5, dtype="int16", zero=0), qw(4, 5), c(RNG.integers(-2000, 2000, 4), "int64", scale=0.0005)],
    [q(scale=0.03, dtype="int16", zero=0)],
    ("FullyConnectedOptions", {}),
    version=7,
)
case("BATCH_MATMUL", [x(2, 3, 4), x(2, 4, 5)], [F], ("BatchMatMulOptions", {}))
case(
    "BATCH_MATMUL turned", [x(1, 4, 3), x(2, 5, 4)], [F], ("BatchMatMulOptions", {"adjX": True, "adjY": True})
)
case(
    "BATCH_MATMUL int8",
    [q(2, 3, 4), q(2, 5, 4, scale=0.02)],
    [q(scale=0.2)],
    ("BatchMatMulOptions", {"adjY": True}),
    version=2,
)
case("EMBEDDING_LOOKUP", [T((4,), "int32", low=0, high=5), w(6, 3)], [F])

for _kind, _options in {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "DIV": "DivOptions",
}.items():
    case(_kind, [x(2, 3, 4), x(3, 1, low=1, high=3)], [F], (_options, {}))
    case(f"{_kind} relu", [x(2, 3, 4), w(4, low=1, high=3)], [F], (_options, {"fusedActivationFunction": 1}))
    case(
        f"{_kind} int32",
        [x(2, 3, dtype="int32", low=-50, high=50), x(3, dtype="int32", low=3, high=9)],
        [I],
        (_options, {}),
    )
for _kind, _options in {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}.items():
    case(
        f"{_kind} int8",
        [q(2, 3, 4), q(2, 3, 4, scale=0.03, zero=-7)],
        [q(scale=0.07, zero=9)],
        (_options, {"fusedActivationFunction": 1}),
        version=2,
    )
    case(
        f"{_kind} int16",
        [q(2, 3, 4, scale=0.001, zero=0, dtype="int16"), q(2, 3, 4, scale=0.0005, zero=0, dtype="int16")],
        [q(scale=0.002, zero=0, dtype="int16")],
        (_options, {"potScaleInt16": False} if _kind != "MUL" else {}),
        version=2,
    )
case(
    "DIV uint8",
    [
        q(2, 3, dtype="uint8", zero=100),
        T((3,), "uint8", scale=0.1, zero=0, value=np.array([20, 40, 90], np.uint8)),
    ],
    [q(dtype="uint8", scale=0.1, zero=128)],
    ("DivOptions", {}),
    version=2,
)
for _kind in ("MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"):
    case(_kind, [x(2, 3), x(3)], [F])
    case(f"{_kind} int32", [x(2, 3, dtype="int32", low=-9, high=9), x(3, dtype="int32", low=-9, high=9)], [I])
case("MAXIMUM int8", [q(2, 3), q(2, 3)], [q()], version=2)
case("POW", [x(2, 3, low=0.5), x(3)], [F])
for _kind in ("FLOOR_DIV", "FLOOR_MOD"):
    case(_kind, [x(4, 5), x(5)], [F])
    case(f"{_kind} int32", [x(40, 5, dtype="int32", low=-9, high=9), c([3, -4, 2, -1, 5])], [I])
case("ADD_N", [x(2, 3), x(2, 3), x(2, 3)], [F])
case("ATAN2", [x(4, 5), x(4, 5)], [F])
for _kind in (
    "ABS",
    "NEG",
    "EXP",
    "SIN",
    "COS",
    "CEIL",
    "FLOOR",
    "SQUARE",
    "SIGN",
    "LOGISTIC",
    "TANH",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "RELU_0_TO_1",
    "ELU",
    "HARD_SWISH",
):
    case(_kind, [x(3, 5, low=-8, high=8)], [F])
for _kind in ("LOG", "SQRT", "RSQRT"):
    case(_kind, [x(3, 5, low=0.1, high=8)], [F])
case("ROUND", [x(3, 50, low=-8, high=8)], [F])
for _kind in ("ABS", "NEG", "RELU", "RELU6", "ELU", "RSQRT", "EXP"):
    if _kind not in ("RSQRT", "NEG"):
        case(
            f"{_kind} int8",
            [q(3, 50, scale=0.02)],
            [q(scale=0.03, zero=-10)],
            version=1 if _kind == "ELU" else 2,
        )
case("HARD_SWISH int8", [q(3, 80, scale=0.05)], [q(scale=0.05, zero=-100)])
case("LOGISTIC int8", [q(3, 80)], [q(scale=1 / 256, zero=-128)])
case(
    "LOGISTIC int16",
    [q(3, 80, dtype="int16", zero=0, scale=0.0003)],
    [q(scale=1 / 32768, zero=0, dtype="int16")],
)
case("TANH int8", [q(3, 80)], [q(scale=1 / 128, zero=0)])
case("TANH uint8", [q(3, 80, dtype="uint8", zero=120)], [q(scale=1 / 128, zero=128, dtype="uint8")])
case("LEAKY_RELU", [x(3, 5)], [F], ("LeakyReluOptions", {"alpha": 0.2}))
case("LEAKY_RELU int8", [q(3, 80)], [q(scale=0.04)], ("LeakyReluOptions", {"alpha": 0.2}))
case("PRELU", [x(2, 4, 5, 3), w(1, 1, 3)], [F])
case("PRELU int8", [q(2, 4, 5, 3), qw(1, 1, 3)], [q(scale=0.04)])
for _exact in (True, False):
    case(f"GELU approximate {_exact}", [x(3, 50)], [F], ("GeluOptions", {"approximate": _exact}))
case("GELU int8", [q(3, 80)], [q(scale=0.04)], ("GeluOptions", {}))
case("SOFTMAX", [x(2, 3, 9)], [F], ("SoftmaxOptions", {"beta": 1.0}))
case("SOFTMAX beta", [x(2, 9)], [F], ("SoftmaxOptions", {"beta": 0.5}))
case("SOFTMAX int8", [q(4, 30)], [q(scale=1 / 256, zero=-128)], ("SoftmaxOptions", {"beta": 1.0}), version=2)
case(
    "SOFTMAX uint8",
    [q(4, 30, dtype="uint8")],
    [q(scale=1 / 256, zero=0, dtype="uint8")],
    ("SoftmaxOptions", {"beta": 1.0}),
)
case("LOG_SOFTMAX", [x(2, 9)], [F])
case("LOG_SOFTMAX int8", [q(4, 30)], [q(scale=16 / 256, zero=127)], version=2)
case("L2_NORMALIZATION", [x(3, 9)], [F], ("L2NormOptions", {}))
case("L2_NORMALIZATION int8", [q(3, 9, zero=0)], [q(scale=1 / 128, zero=0)], ("L2NormOptions", {}))
case(
    "LOCAL_RESPONSE_NORMALIZATION",
    [x(1, 3, 3, 9)],
    [F],
    ("LocalResponseNormalizationOptions", {"radius": 2, "bias": 1.0, "alpha": 0.3, "beta": 0.5}),
)
for _kind in ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"):
    case(_kind, [x(3, 20, dtype="int32"), x(20, dtype="int32")], [B])
    case(f"{_kind} int8", [q(3, 20), q(3, 20)], [B], version=2)
case("EQUAL bool", [x(3, 4, dtype="bool"), x(3, 4, dtype="bool")], [B])
for _kind in ("LOGICAL_AND", "LOGICAL_OR"):
    case(_kind, [x(3, 4, dtype="bool"), x(4, dtype="bool")], [B])
case("LOGICAL_NOT", [x(3, 4, dtype="bool")], [B])
case("BITWISE_XOR", [x(3, 4, dtype="int32", low=-99, high=99), x(3, 4, dtype="int32", low=-99, high=99)], [I])
case("RIGHT_SHIFT", [x(3, 4, dtype="int32", low=-99, high=99), x(3, 4, dtype="int32", low=0, high=5)], [I])
case("SELECT", [x(3, dtype="bool"), x(3, 4), x(3, 4)], [F])
case("SELECT scalar", [x(dtype="bool"), x(3, 4), x(3, 4)], [F])
case("SELECT_V2", [x(3, 1, dtype="bool"), x(3, 4), x(4)], [F])
case("BUCKETIZE", [x(3, 9)], [I], ("BucketizeOptions", {"boundaries": [-1.0, 0.0, 0.5]}))
case("CAST", [x(3, 9, low=-9, high=9)], [I], ("CastOptions", {"inDataType": 0, "outDataType": 2}))
case("CAST bool", [x(3, 9, dtype="int32")], [B], ("CastOptions", {"inDataType": 2, "outDataType": 6}))
case("QUANTIZE", [x(3, 40)], [q(scale=0.02)])
case("QUANTIZE int8 uint8", [q(3, 40)], [q(dtype="uint8", scale=0.06, zero=120)])
case("QUANTIZE int16", [x(3, 40)], [q(dtype="int16", scale=0.0002, zero=0)])
case("DEQUANTIZE", [q(3, 40)], [F])
case("DEQUANTIZE int16", [q(3, 40, dtype="int16", zero=0)], [F], version=3)
case("BITCAST", [x(3, 4)], [I], ("BitcastOptions", {}))
case("FAKE_QUANT", [x(3, 40)], [F], ("FakeQuantOptions", {"min": -1.1, "max": 1.3, "numBits": 8}))

for _kind in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"):
    case(_kind, [x(2, 3, 4), c([1])], [F], ("ReducerOptions", {}))
    case(f"{_kind} kept", [x(2, 3, 4), c([0, -1])], [F], ("ReducerOptions", {"keepDims": True}))
    case(
        f"{_kind} int32", [x(2, 3, 4, dtype="int32", low=1, high=3), c([0, 1])], [I], ("ReducerOptions", {})
    ) if _kind != "MEAN" else None
case(
    "MEAN int8",
    [q(1, 6, 5, 4), c([1, 2])],
    [q(scale=0.03)],
    ("ReducerOptions", {"keepDims": True}),
    version=2,
)
case("SUM int8", [q(1, 6, 5, 4), c([1, 2])], [q(scale=0.3)], ("ReducerOptions", {}), version=2)
case("REDUCE_MAX int8", [q(1, 6, 5, 4), c([1, 2])], [q()], ("ReducerOptions", {}), version=2)
for _kind in ("REDUCE_ANY", "REDUCE_ALL"):
    case(_kind, [x(4, 3, 2, dtype="bool"), c([2])], [B], ("ReducerOptions", {}))
case("ARG_MAX", [x(3, 9), c(1)], [I], ("ArgMaxOptions", {"outputType": 2}))
case("ARG_MAX int8", [q(3, 9), c(-1)], [T(dtype="int64")], ("ArgMaxOptions", {"outputType": 4}))
case("ARG_MIN", [x(3, 9), c(0)], [I], ("ArgMinOptions", {"outputType": 2}))
case("TOPK_V2", [x(3, 9), c(4)], [F, I], ("TopKV2Options", {}))
case("CUMSUM", [x(3, 9), c(1)], [F], ("CumsumOptions", {"exclusive": True, "reverse": True}))
case("UNIQUE", [x(12, dtype="int32")], [I, I], ("UniqueOptions", {"idxOutType": 2}))
case("SEGMENT_SUM", [x(5, 2), c([0, 0, 1, 1, 2])], [F])
for _kind in ("SUM", "PROD", "MAX", "MIN"):
    case(f"UNSORTED_SEGMENT_{_kind}", [x(5, 2), c([3, 0, 0, -1, 3]), c(4)], [F])

case("TRANSPOSE", [x(2, 3, 4), c([2, 0, 1])], [F])
case("TRANSPOSE int8", [q(2, 3, 4), c([2, 0, 1])], [q()], version=2)
case("CONCATENATION", [x(2, 3), x(2, 4)], [F], ("ConcatenationOptions", {"axis": -1}))
case("CONCATENATION int8", [q(2, 3), q(2, 4)], [q()], ("ConcatenationOptions", {"axis": 1}), version=2)
case(
    "CONCATENATION uint8 scales",
    [q(2, 3, dtype="uint8"), q(2, 4, dtype="uint8", scale=0.02)],
    [q(dtype="uint8")],
    ("ConcatenationOptions", {"axis": 1}),
)
case("PACK", [x(2, 3), x(2, 3)], [F], ("PackOptions", {"valuesCount": 2, "axis": 1}))
case("UNPACK", [x(2, 3)], [F, F, F], ("UnpackOptions", {"num": 3, "axis": -1}))
case("SPLIT", [c(1), x(2, 6)], [F, F], ("SplitOptions", {"numSplits": 2}))
case("SPLIT_V", [x(2, 6), c([1, 2, -1]), c(1)], [F, F, F], ("SplitVOptions", {"numSplits": 3}))
case("TILE", [x(2, 3), c([2, 3])], [F])
case("BROADCAST_TO", [x(1, 3), c([4, 2, 3])], [F], version=2)
case("BROADCAST_ARGS", [c([1, 3]), x(2, dtype="int32", low=1, high=1)], [I])
case("REVERSE_V2", [x(2, 3, 4), c([1, 2])], [F])
case(
    "REVERSE_SEQUENCE",
    [x(3, 4, 2), c([1, 4, 2])],
    [F],
    ("ReverseSequenceOptions", {"seqDim": 1, "batchDim": 0}),
)
case(
    "REVERSE_SEQUENCE turned",
    [x(2, 3, 4), c([1, 3])],
    [F],
    ("ReverseSequenceOptions", {"seqDim": 1, "batchDim": 0}),
)
case("PAD", [x(2, 3), c([[1, 0], [2, 1]])], [F], ("PadOptions", {}))
case("PAD int8", [q(2, 3), c([[1, 0], [2, 1]])], [q()], ("PadOptions", {}), version=2)
case("PADV2", [x(2, 3), c([[1, 0], [2, 1]]), c(1.5)], [F], ("PadV2Options", {}))
for _mode in (0, 1):
    case(f"MIRROR_PAD {_mode}", [x(3, 4), c([[1, 2], [2, 1]])], [F], ("MirrorPadOptions", {"mode": _mode}))
case("RESHAPE", [x(2, 6), c([3, -1])], [F], ("ReshapeOptions", {"newShape": [3, -1]}))
case("SQUEEZE", [x(1, 3, 1, 2)], [F], ("SqueezeOptions", {"squeezeDims": [-2]}))
case("SQUEEZE all", [x(1, 3, 1, 2)], [F], ("SqueezeOptions", {}))
case("EXPAND_DIMS", [x(2, 3), c(1)], [F], ("ExpandDimsOptions", {}))
case("SHAPE", [x(2, 3)], [I], ("ShapeOptions", {"outType": 2}))
case("RANK", [x(2, 3)], [I], ("RankOptions", {}))
case("FILL", [c([2, 3]), x()], [F], ("FillOptions", {}))
case("ZEROS_LIKE", [x(2, 3)], [F], ("ZerosLikeOptions", {}))
case("RANGE", [c(1), c(9), c(2)], [I], ("RangeOptions", {}))
case("MATRIX_DIAG", [x(2, 3)], [F], ("MatrixDiagOptions", {}))
case("MATRIX_SET_DIAG", [x(2, 3, 4), x(2, 3)], [F], ("MatrixSetDiagOptions", {}))
case("SLICE", [x(3, 4, 5), c([1, 0, 2]), c([1, -1, 3])], [F], ("SliceOptions", {}))
case(
    "DYNAMIC_UPDATE_SLICE",
    [x(4, 5), x(2, 3), T((2,), "int32", low=-1, high=4)],
    [F],
    ("DynamicUpdateSliceOptions", {}),
)


def strided(
    name: str, begin: Sequence[int], end: Sequence[int], strides: Sequence[int], **masks: Any
) -> None:
    case(
        f"STRIDED_SLICE {name}",
        [x(4, 5, 6), c(begin), c(end), c(strides)],
        [F],
        ("StridedSliceOptions", masks),
    )


strided("plain", [1, 0, 2], [3, 5, -1], [1, 2, 3])
strided("masks", [1, 1, 1], [3, 3, 3], [1, 1, 1], beginMask=2, endMask=4)
strided("backwards", [-1, 3, 0], [0, 0, 0], [-2, -1, -1], endMask=2, beginMask=4)
strided("one element", [1, 0, -1], [2, 5, 0], [1, 1, 1], shrinkAxisMask=5)
strided("ellipsis", [1, 0, 2], [3, 0, 4], [1, 1, 1], ellipsisMask=2)
strided("new axis", [0, 0, 1], [0, 3, 3], [1, 1, 1], newAxisMask=1)
case("GATHER", [x(3, 4), c([[2, 0], [1, 1]])], [F], ("GatherOptions", {"axis": 0}))
case("GATHER axis", [x(3, 4, 5), T((2, 2), "int32", low=0, high=3)], [F], ("GatherOptions", {"axis": 1}))
case(
    "GATHER batches",
    [x(3, 2, 4, 5), T((3, 6), "int32", low=0, high=3)],
    [F],
    ("GatherOptions", {"axis": 2, "batchDims": 1}),
    version=5,
)
case("GATHER_ND", [x(3, 4, 5), c([[2, 0], [1, 3]])], [F], ("GatherNdOptions", {}))
case("SCATTER_ND", [c([[1], [3], [1]]), x(3, 2), c([5, 2])], [F], ("ScatterNdOptions", {}))
case("SPARSE_TO_DENSE", [c([[0, 1], [2, 2]]), c([3, 4]), x(2), x()], [F], ("SparseToDenseOptions", {}))
case("SPARSE_TO_DENSE scalar", [c([1, 3]), c([5]), x(), c(-1.0)], [F], ("SparseToDenseOptions", {}))
case("WHERE", [x(3, 4, dtype="bool")], [T(dtype="int64")], ("WhereOptions", {}))
case(
    "ONE_HOT",
    [x(2, 3, dtype="int32", low=-1, high=4), c(4), c(2.0), c(-1.0)],
    [F],
    ("OneHotOptions", {"axis": -1}),
)
case(
    "ONE_HOT axis",
    [x(2, 3, dtype="int32", low=0, high=3), c(4), c(1.0), c(0.0)],
    [F],
    ("OneHotOptions", {"axis": 0}),
)
case("SPACE_TO_DEPTH", [x(1, 4, 6, 3)], [F], ("SpaceToDepthOptions", {"blockSize": 2}))
case("DEPTH_TO_SPACE", [x(1, 2, 3, 12)], [F], ("DepthToSpaceOptions", {"blockSize": 2}))
case("SPACE_TO_BATCH_ND", [x(1, 4, 5, 2), c([2, 3]), c([[0, 2], [1, 0]])], [F], ("SpaceToBatchNDOptions", {}))
case("BATCH_TO_SPACE_ND", [x(6, 3, 2, 2), c([2, 3]), c([[1, 1], [2, 0]])], [F], ("BatchToSpaceNDOptions", {}))
case(
    "SPACE_TO_BATCH_ND int8",
    [q(1, 4, 5, 2), c([2, 3]), c([[0, 2], [1, 0]])],
    [q()],
    ("SpaceToBatchNDOptions", {}),
    version=2,
)
for _corners, _half in ((False, False), (True, False), (False, True)):
    for _kind, _options in {
        "RESIZE_BILINEAR": "ResizeBilinearOptions",
        "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    }.items():
        for _size in ([9, 3], [10, 12]):
            case(
                f"{_kind} {_size} {_corners} {_half}",
                [x(1, 5, 6, 2), c(_size)],
                [F],
                (_options, {"alignCorners": _corners, "halfPixelCenters": _half}),
                version=3,
            )
case(
    "RESIZE_BILINEAR int8",
    [q(1, 5, 6, 2), c([8, 9])],
    [q()],
    ("ResizeBilinearOptions", {"halfPixelCenters": True}),
    version=3,
)
