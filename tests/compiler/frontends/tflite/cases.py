"""Models of one operator each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.compiler.frontends.tflite.build import Builder, T, c, one

RNG = np.random.default_rng(7)
Options = tuple[str, Mapping[str, Any]]

FLOAT, INT, BOOL = T(), T(dtype="int32"), T(dtype="bool")


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
    CASES[name] = one(name.split(maxsplit=1)[0], *arguments, **more)


def conv(**more: Any) -> Options:
    return "Conv2DOptions", {"strideW": 1, "strideH": 1, **more}


def depthwise(**more: Any) -> Options:
    return "DepthwiseConv2DOptions", {"strideW": 1, "strideH": 1, "depthMultiplier": 1, **more}


def pool(**more: Any) -> Options:
    return "Pool2DOptions", {"strideW": 2, "strideH": 2, "filterWidth": 3, "filterHeight": 2, **more}


IMAGE = x(2, 7, 6, 4)
SCALES = np.array([0.01, 0.02, 0.005, 0.013], np.float32)

for _activation in range(4):
    case(f"CONV_2D activation {_activation}", [IMAGE, w(4, 3, 3, 4), w(4)], [FLOAT],
         conv(fusedActivationFunction=_activation))  # fmt: skip
case("CONV_2D same stride", [IMAGE, w(5, 3, 2, 4), w(5)], [FLOAT], conv(strideW=2, strideH=3))
case(
    "CONV_2D valid dilated",
    [IMAGE, w(5, 3, 2, 4), w(5)],
    [FLOAT],
    conv(padding=1, dilationWFactor=2, dilationHFactor=2),
)
case(
    "CONV_2D same dilated", [IMAGE, w(5, 3, 3, 4), w(5)], [FLOAT], conv(dilationWFactor=2, dilationHFactor=2)
)
case("CONV_2D grouped", [IMAGE, w(6, 3, 3, 2), w(6)], [FLOAT], conv())
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
case("DEPTHWISE_CONV_2D", [IMAGE, w(1, 3, 3, 4), w(4)], [FLOAT], depthwise())
case(
    "DEPTHWISE_CONV_2D multiplied",
    [IMAGE, w(1, 2, 3, 8), w(8)],
    [FLOAT],
    depthwise(depthMultiplier=2, strideW=2, strideH=2, padding=1),
)
case(
    "DEPTHWISE_CONV_2D dilated",
    [IMAGE, w(1, 3, 3, 4), w(4)],
    [FLOAT],
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
    [FLOAT],
    ("Conv3DOptions", {"strideD": 1, "strideW": 2, "strideH": 1}),
)
for _padding in (0, 1):
    case(
        f"TRANSPOSE_CONV {_padding}",
        [c([1, 7, 8, 3]) if not _padding else c([1, 9, 8, 3]), w(3, 3, 2, 4), x(1, 4, 4, 4)],
        [FLOAT],
        ("TransposeConvOptions", {"padding": _padding, "strideW": 2, "strideH": 2}),
    )
case(
    "TRANSPOSE_CONV bias",
    [c([2, 8, 8, 3]), w(3, 5, 4, 4), x(2, 4, 4, 4), w(3)],
    [FLOAT],
    ("TransposeConvOptions", {"strideW": 2, "strideH": 2, "fusedActivationFunction": 1}),
    version=3,
)
case(
    "TRANSPOSE_CONV gaps",
    [c([1, 8, 8, 3]), w(3, 1, 1, 4), x(1, 4, 4, 4)],
    [FLOAT],
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
    [FLOAT],
    ("Conv3DOptions", {"strideD": 2, "strideW": 2, "strideH": 2}),
)
for _kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"):
    case(f"{_kind} same", [IMAGE], [FLOAT], pool())
    case(f"{_kind} valid", [IMAGE], [FLOAT], pool(padding=1, fusedActivationFunction=3))
case("AVERAGE_POOL_2D int8", [q(1, 6, 5, 3)], [q()], pool())
case("AVERAGE_POOL_2D uint8", [q(1, 6, 5, 3, dtype="uint8")], [q(dtype="uint8")], pool(padding=1))
case("MAX_POOL_2D int8", [q(1, 6, 5, 3)], [q()], pool())
case("MAX_POOL_2D int8 relu", [q(1, 6, 5, 3)], [q()], pool(fusedActivationFunction=1))

case("FULLY_CONNECTED", [x(3, 5), w(4, 5), w(4)], [FLOAT], ("FullyConnectedOptions", {}))
case(
    "FULLY_CONNECTED flattened",
    [x(2, 2, 5), w(4, 10), None],
    [FLOAT],
    ("FullyConnectedOptions", {"fusedActivationFunction": 1}),
)
case(
    "FULLY_CONNECTED kept",
    [x(2, 3, 5), w(4, 5), w(4)],
    [FLOAT],
    ("FullyConnectedOptions", {"keepNumDims": True}),
    version=5,
)
case("FULLY_CONNECTED computed weights", [x(3, 5), x(4, 5), w(4)], [FLOAT], ("FullyConnectedOptions", {}))
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
case("BATCH_MATMUL", [x(2, 3, 4), x(2, 4, 5)], [FLOAT], ("BatchMatMulOptions", {}))
case(
    "BATCH_MATMUL turned",
    [x(1, 4, 3), x(2, 5, 4)],
    [FLOAT],
    ("BatchMatMulOptions", {"adjX": True, "adjY": True}),
)
case(
    "BATCH_MATMUL int8",
    [q(2, 3, 4), q(2, 5, 4, scale=0.02)],
    [q(scale=0.2)],
    ("BatchMatMulOptions", {"adjY": True}),
    version=2,
)
case("EMBEDDING_LOOKUP", [T((4,), "int32", low=0, high=5), w(6, 3)], [FLOAT])

for _kind, _options in {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "DIV": "DivOptions",
}.items():
    case(_kind, [x(2, 3, 4), x(3, 1, low=1, high=3)], [FLOAT], (_options, {}))
    case(
        f"{_kind} relu",
        [x(2, 3, 4), w(4, low=1, high=3)],
        [FLOAT],
        (_options, {"fusedActivationFunction": 1}),
    )
    case(
        f"{_kind} int32",
        [x(2, 3, dtype="int32", low=-50, high=50), x(3, dtype="int32", low=3, high=9)],
        [INT],
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
    case(_kind, [x(2, 3), x(3)], [FLOAT])
    case(
        f"{_kind} int32", [x(2, 3, dtype="int32", low=-9, high=9), x(3, dtype="int32", low=-9, high=9)], [INT]
    )
case("MAXIMUM int8", [q(2, 3), q(2, 3)], [q()], version=2)
case("POW", [x(2, 3, low=0.5), x(3)], [FLOAT])
for _kind in ("FLOOR_DIV", "FLOOR_MOD"):
    case(_kind, [x(4, 5), x(5)], [FLOAT])
    case(f"{_kind} int32", [x(40, 5, dtype="int32", low=-9, high=9), c([3, -4, 2, -1, 5])], [INT])
case("ADD_N", [x(2, 3), x(2, 3), x(2, 3)], [FLOAT])
case("ATAN2", [x(4, 5), x(4, 5)], [FLOAT])
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
    case(_kind, [x(3, 5, low=-8, high=8)], [FLOAT])
for _kind in ("LOG", "SQRT", "RSQRT"):
    case(_kind, [x(3, 5, low=0.1, high=8)], [FLOAT])
case("ROUND", [x(3, 50, low=-8, high=8)], [FLOAT])
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
case("LEAKY_RELU", [x(3, 5)], [FLOAT], ("LeakyReluOptions", {"alpha": 0.2}))
case("LEAKY_RELU int8", [q(3, 80)], [q(scale=0.04)], ("LeakyReluOptions", {"alpha": 0.2}))
case("PRELU", [x(2, 4, 5, 3), w(1, 1, 3)], [FLOAT])
case("PRELU int8", [q(2, 4, 5, 3), qw(1, 1, 3)], [q(scale=0.04)])
for _exact in (True, False):
    case(f"GELU approximate {_exact}", [x(3, 50)], [FLOAT], ("GeluOptions", {"approximate": _exact}))
case("GELU int8", [q(3, 80)], [q(scale=0.04)], ("GeluOptions", {}))
case("SOFTMAX", [x(2, 3, 9)], [FLOAT], ("SoftmaxOptions", {"beta": 1.0}))
case("SOFTMAX beta", [x(2, 9)], [FLOAT], ("SoftmaxOptions", {"beta": 0.5}))
case("SOFTMAX int8", [q(4, 30)], [q(scale=1 / 256, zero=-128)], ("SoftmaxOptions", {"beta": 1.0}), version=2)
case(
    "SOFTMAX uint8",
    [q(4, 30, dtype="uint8")],
    [q(scale=1 / 256, zero=0, dtype="uint8")],
    ("SoftmaxOptions", {"beta": 1.0}),
)
case("LOG_SOFTMAX", [x(2, 9)], [FLOAT])
case("LOG_SOFTMAX int8", [q(4, 30)], [q(scale=16 / 256, zero=127)], version=2)
case("L2_NORMALIZATION", [x(3, 9)], [FLOAT], ("L2NormOptions", {}))
case("L2_NORMALIZATION int8", [q(3, 9, zero=0)], [q(scale=1 / 128, zero=0)], ("L2NormOptions", {}))
case(
    "LOCAL_RESPONSE_NORMALIZATION",
    [x(1, 3, 3, 9)],
    [FLOAT],
    ("LocalResponseNormalizationOptions", {"radius": 2, "bias": 1.0, "alpha": 0.3, "beta": 0.5}),
)
for _kind in ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"):
    case(_kind, [x(3, 20, dtype="int32"), x(20, dtype="int32")], [BOOL])
    case(f"{_kind} int8", [q(3, 20), q(3, 20)], [BOOL], version=2)
case("EQUAL bool", [x(3, 4, dtype="bool"), x(3, 4, dtype="bool")], [BOOL])
for _kind in ("LOGICAL_AND", "LOGICAL_OR"):
    case(_kind, [x(3, 4, dtype="bool"), x(4, dtype="bool")], [BOOL])
case("LOGICAL_NOT", [x(3, 4, dtype="bool")], [BOOL])
case(
    "BITWISE_XOR", [x(3, 4, dtype="int32", low=-99, high=99), x(3, 4, dtype="int32", low=-99, high=99)], [INT]
)
case("RIGHT_SHIFT", [x(3, 4, dtype="int32", low=-99, high=99), x(3, 4, dtype="int32", low=0, high=5)], [INT])
case("SELECT", [x(3, dtype="bool"), x(3, 4), x(3, 4)], [FLOAT])
case("SELECT scalar", [x(dtype="bool"), x(3, 4), x(3, 4)], [FLOAT])
case("SELECT_V2", [x(3, 1, dtype="bool"), x(3, 4), x(4)], [FLOAT])
case("BUCKETIZE", [x(3, 9)], [INT], ("BucketizeOptions", {"boundaries": [-1.0, 0.0, 0.5]}))
case("CAST", [x(3, 9, low=-9, high=9)], [INT], ("CastOptions", {"inDataType": 0, "outDataType": 2}))
case("CAST bool", [x(3, 9, dtype="int32")], [BOOL], ("CastOptions", {"inDataType": 2, "outDataType": 6}))
case("QUANTIZE", [x(3, 40)], [q(scale=0.02)])
case("QUANTIZE int8 uint8", [q(3, 40)], [q(dtype="uint8", scale=0.06, zero=120)])
case("QUANTIZE int16", [x(3, 40)], [q(dtype="int16", scale=0.0002, zero=0)])
case("DEQUANTIZE", [q(3, 40)], [FLOAT])
case("DEQUANTIZE int16", [q(3, 40, dtype="int16", zero=0)], [FLOAT], version=3)
case("BITCAST", [x(3, 4)], [INT], ("BitcastOptions", {}))
case("FAKE_QUANT", [x(3, 40)], [FLOAT], ("FakeQuantOptions", {"min": -1.1, "max": 1.3, "numBits": 8}))

for _kind in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"):
    case(_kind, [x(2, 3, 4), c([1])], [FLOAT], ("ReducerOptions", {}))
    case(f"{_kind} kept", [x(2, 3, 4), c([0, -1])], [FLOAT], ("ReducerOptions", {"keepDims": True}))
    case(
        f"{_kind} int32", [x(2, 3, 4, dtype="int32", low=1, high=3), c([0, 1])], [INT], ("ReducerOptions", {})
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
    case(_kind, [x(4, 3, 2, dtype="bool"), c([2])], [BOOL], ("ReducerOptions", {}))
case("ARG_MAX", [x(3, 9), c(1)], [INT], ("ArgMaxOptions", {"outputType": 2}))
case("ARG_MAX int8", [q(3, 9), c(-1)], [T(dtype="int64")], ("ArgMaxOptions", {"outputType": 4}))
case("ARG_MIN", [x(3, 9), c(0)], [INT], ("ArgMinOptions", {"outputType": 2}))
case("TOPK_V2", [x(3, 9), c(4)], [FLOAT, INT], ("TopKV2Options", {}))
case("CUMSUM", [x(3, 9), c(1)], [FLOAT], ("CumsumOptions", {"exclusive": True, "reverse": True}))
case("UNIQUE", [x(12, dtype="int32")], [INT, INT], ("UniqueOptions", {"idxOutType": 2}))
case("SEGMENT_SUM", [x(5, 2), c([0, 0, 1, 1, 2])], [FLOAT])
for _kind in ("SUM", "PROD", "MAX", "MIN"):
    case(f"UNSORTED_SEGMENT_{_kind}", [x(5, 2), c([3, 0, 0, -1, 3]), c(4)], [FLOAT])
