"""Functions of tensors that models call: tf.* of Keras 2, keras.ops.* of Keras 3.

Each is found by its last name, without underscores, in small letters: both tf.math.reduce_mean and
ops.ReduceMean are "reducemean". Arguments are those of the function of either library; constants stay what
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.layers.activations import FUNCTIONS as ACTIVATIONS
from tinsmith.compiler.frontends.keras.layers.dense import explicit
from tinsmith.compiler.frontends.keras.layers.merge import pair
from tinsmith.compiler.frontends.keras.layers.registry import Result, Unsupported, Use, axis_of
from tinsmith.compiler.frontends.keras.layers.shapes import resized
from tinsmith.compiler.frontends.keras.tensor import Tensor

Function = Callable[..., Result]

FUNCTIONS: dict[str, Function] = {}

_UNARY = {
    "abs": "Abs", "absolute": "Abs", "ceil": "Ceil", "floor": "Floor", "exp": "Exp", "log": "Log",
    "sqrt": "Sqrt", "negative": "Neg", "neg": "Neg", "sign": "Sign", "sin": "Sin", "cos": "Cos",
    "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan", "asin": "Asin", "acos": "Acos",
    "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "arcsinh": "Asinh", "arccosh": "Acosh",
    "arctanh": "Atanh", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "erf": "Erf",
    "reciprocal": "Reciprocal", "round": "Round", "logicalnot": "Not", "isnan": "IsNaN", "isinf": "IsInf",
    "identity": "Identity", "stopgradient": "Identity",
}  # fmt: skip
_BINARY = {
    "add": "Add", "addv2": "Add", "subtract": "Sub", "sub": "Sub", "multiply": "Mul", "mul": "Mul",
    "maximum": "Max", "minimum": "Min", "pow": "Pow", "power": "Pow", "greater": "Greater", "less": "Less",
    "greaterequal": "GreaterOrEqual", "lessequal": "LessOrEqual", "equal": "Equal", "logicaland": "And",
    "logicalor": "Or", "logicalxor": "Xor", "biasadd": "Add",
}  # fmt: skip
_REDUCE = {
    "mean": "ReduceMean", "reducemean": "ReduceMean", "sum": "ReduceSum", "reducesum": "ReduceSum",
    "max": "ReduceMax", "reducemax": "ReduceMax", "amax": "ReduceMax", "min": "ReduceMin",
    "amin": "ReduceMin",    "reducemin": "ReduceMin", "prod": "ReduceProd", "reduceprod": "ReduceProd",
    "reducelogsumexp": "ReduceLogSumExp", "logsumexp": "ReduceLogSumExp",
}  # fmt: skip
_NUMPY: dict[str, Callable[..., Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Max": np.maximum, "Min": np.minimum,
    "Pow": np.power,
}  # fmt: skip


def function(*names: str) -> Callable[[Function], Function]:
    """Registers a function under `names`."""

    def register(found: Function) -> Function:
        FUNCTIONS.update(dict.fromkeys(names, found))
        return found

    return register


def key_of(name: str) -> str:
    """How `FUNCTIONS` calls tf.math.reduce_mean, or the class ReduceMean of keras.ops."""
    return name.rsplit(".", 1)[-1].replace("_", "").lower()


def _unary(operator: str) -> Function:
    def convert(use: Use, x: Any, **_: Any) -> Tensor:
        return use.add(operator, as_tensor(use, x))

    return convert


def _binary(operator: str) -> Function:
    def convert(use: Use, *values: Any, **keywords: Any) -> Any:
        first, second = _two(values, keywords)
        if not isinstance(first, Tensor) and not isinstance(second, Tensor):
            return _NUMPY[operator](first, second)
        return pair(use, operator, first, second)

    return convert


def _two(values: Sequence[Any], keywords: dict[str, Any]) -> tuple[Any, Any]:
    names = ("x", "y", "x1", "x2", "a", "b", "value", "bias")
    found = [*values, *(keywords[name] for name in names if name in keywords)]
    if len(found) != 2:
        raise ValueError(f"{len(found)} arguments, expected 2")
    return found[0], found[1]


def _reduction(operator: str) -> Function:
    def convert(use: Use, x: Tensor, axis: Any = None, keepdims: bool = False, **_: Any) -> Tensor:
        axes = range(x.rank) if axis is None else [axis] if isinstance(axis, int) else axis
        return use.add(
            operator, x, np.array([axis_of(a, x.rank) for a in axes], np.int64), keepdims=int(keepdims)
        )

    return convert


def _activation(name: str) -> Function:
    return lambda use, x, **_: ACTIVATIONS[name](use, x)


for _name, _operator in _UNARY.items():
    FUNCTIONS[_name] = _unary(_operator)
for _name, _operator in _BINARY.items():
    FUNCTIONS[_name] = _binary(_operator)
for _name, _operator in _REDUCE.items():
    FUNCTIONS[_name] = _reduction(_operator)
for _name in ACTIVATIONS:
    if _name not in ("softmax", "log_softmax", "leaky_relu", "gelu", "relu", "elu", "identity"):
        FUNCTIONS[_name.replace("_", "")] = _activation(_name)


def as_tensor(use: Use, value: Any) -> Tensor:
    """`value` as a tensor; numbers are of the type that the layer computes in."""
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    return use.constant(array.astype(np.int32 if array.dtype.kind in "iu" else use.dtype))


def numbers(value: Any) -> list[int]:
    """Whole numbers: sizes and axes, of which some were computed from the shapes of tensors."""
    if isinstance(value, Tensor):
        if value.constant is None:
            raise Unsupported("a size is computed from the content of a tensor")
        value = value.constant
    items = np.asarray(value).reshape(-1).tolist() if isinstance(value, np.ndarray) else value
    items = items if isinstance(items, list | tuple) else [items]
    flat = [item.constant if isinstance(item, Tensor) else item for item in items]
    return [int(np.asarray(item).reshape(())) for item in flat]


@function("square")
def _square(use: Use, x: Tensor, **_: Any) -> Tensor:
    return use.add("Mul", x, x)


@function("rsqrt")
def _rsqrt(use: Use, x: Tensor, **_: Any) -> Tensor:
    return use.add("Reciprocal", use.add("Sqrt", x))


@function("log1p")
def _log1p(use: Use, x: Tensor, **_: Any) -> Tensor:
    return use.add("Log", use.add("Add", x, 1.0))


@function("expm1")
def _expm1(use: Use, x: Tensor, **_: Any) -> Tensor:
    return use.add("Sub", use.add("Exp", x), 1.0)


@function("truediv", "truedivide", "divide", "div", "realdiv", "dividenonan", "divnonan")
def _divide(use: Use, *values: Any, **keywords: Any) -> Any:
    first, second = _two(values, keywords)
    if not isinstance(first, Tensor) and not isinstance(second, Tensor):
        return np.divide(first, second)
    first, second = (
        value.cast(use.dtype) if isinstance(value, Tensor) and value.dtype.kind in "iu" else value
        for value in (first, second)
    )
    return pair(use, "Div", first, second)


@function("floordiv", "floordivide")
def _floor_divide(use: Use, *values: Any, **keywords: Any) -> Any:
    first, second = _two(values, keywords)
    if not isinstance(first, Tensor) and not isinstance(second, Tensor):
        return np.floor_divide(first, second)
    return use.add("Floor", pair(use, "Div", first, second))


@function("mod", "floormod")
def _mod(use: Use, *values: Any, **keywords: Any) -> Tensor:
    first, second = _two(values, keywords)
    quotient = use.add("Floor", pair(use, "Div", first, second))
    product = pair(use, "Mul", quotient, second)
    return pair(use, "Sub", first, product)


@function("squareddifference")
def _squared_difference(use: Use, *values: Any, **keywords: Any) -> Tensor:
    difference = pair(use, "Sub", *_two(values, keywords))
    return use.add("Mul", difference, difference)


@function("notequal")
def _not_equal(use: Use, *values: Any, **keywords: Any) -> Tensor:
    return use.add("Not", pair(use, "Equal", *_two(values, keywords)))


@function("addn")
def _add_all(use: Use, inputs: list[Tensor], **_: Any) -> Tensor:
    return use.add("Sum", *inputs)


@function("var", "variance", "reducevariance", "std", "reducestd")
def _spread(use: Use, x: Tensor, axis: Any = None, keepdims: bool = False, **_: Any) -> Tensor:
    mean = FUNCTIONS["mean"](use, x, axis=axis, keepdims=True)
    centred = use.add("Sub", x, mean)
    result: Tensor = FUNCTIONS["mean"](use, use.add("Mul", centred, centred), axis=axis, keepdims=keepdims)
    name = use.layer.kind if use.layer.kind != "TFOpLambda" else str(use.get("function"))
    return use.add("Sqrt", result) if key_of(name).endswith("std") else result


@function("any", "reduceany", "all", "reduceall")
def _any(use: Use, x: Tensor, axis: Any = None, keepdims: bool = False, **_: Any) -> Tensor:
    name = use.layer.kind if use.layer.kind != "TFOpLambda" else str(use.get("function"))
    reduce = FUNCTIONS["max" if key_of(name).endswith("any") else "min"]
    found: Tensor = reduce(use, x.cast(np.int32), axis=axis, keepdims=keepdims)
    return found.cast(np.bool_)


@function("argmax", "argmin")
def _arg(
    use: Use, x: Tensor, axis: int | None = None, keepdims: bool = False, dimension: Any = None, **_: Any
) -> Tensor:
    operator = "ArgMax" if key_of(str(use.get("function", use.layer.kind))) == "argmax" else "ArgMin"
    axis = dimension if axis is None else axis
    flat = x.reshape(-1) if axis is None and use.layer.kind != "TFOpLambda" else x
    return use.add(operator, flat, axis=axis or 0, keepdims=int(keepdims))


@function("relu")
def _relu(
    use: Use,
    x: Tensor,
    max_value: Any = None,
    negative_slope: float = 0,
    threshold: float = 0,
    alpha: float = 0,
    **_: Any,
) -> Tensor:
    if negative_slope or threshold or alpha:
        raise Unsupported("relu with a slope or a threshold as a function; use the layer ReLU")
    return use.add("Relu", x) if max_value is None else use.add("Clip", x, 0.0, float(max_value))


@function("leakyrelu")
def _leaky(use: Use, x: Tensor, alpha: float | None = None, negative_slope: float = 0.2, **_: Any) -> Tensor:
    return use.add("LeakyRelu", x, alpha=float(negative_slope if alpha is None else alpha))


@function("elu")
def _elu(use: Use, x: Tensor, alpha: float = 1.0, **_: Any) -> Tensor:
    return use.add("Elu", x, alpha=float(alpha))


@function("gelu")
def _gelu(use: Use, x: Tensor, approximate: bool = False, **_: Any) -> Tensor:
    return use.add("Gelu", x, approximate="tanh" if approximate else "none")


@function("softmax", "logsoftmax")
def _softmax(use: Use, x: Tensor, axis: int | None = -1, **_: Any) -> Tensor:
    name = key_of(str(use.get("function", use.layer.kind)))
    return use.add("LogSoftmax" if name == "logsoftmax" else "Softmax", x, axis=-1 if axis is None else axis)


@function("l2normalize")
def _normalise(use: Use, x: Tensor, axis: Any = None, epsilon: float = 1e-12, **_: Any) -> Tensor:
    square = FUNCTIONS["sum"](use, use.add("Mul", x, x), axis=axis, keepdims=True)
    return use.add("Div", x, use.add("Sqrt", use.add("Max", square, float(epsilon))))


@function("norm")
def _norm(use: Use, x: Tensor, ord: Any = None, axis: Any = None, keepdims: bool = False, **_: Any) -> Tensor:
    if ord not in (None, "euclidean", 2):
        raise Unsupported(f"the norm {ord!r}")
    total: Tensor = FUNCTIONS["sum"](use, use.add("Mul", x, x), axis=axis, keepdims=keepdims)
    return use.add("Sqrt", total)


@function("clip", "clipbyvalue")
def _clip(use: Use, x: Tensor, *bounds: float, **keywords: Any) -> Tensor:
    names = ("x_min", "x_max", "clip_value_min", "clip_value_max", "min_value", "max_value")
    found = [*bounds, *(keywords[name] for name in names if name in keywords)]
    low, high = (np.asarray(bound, x.dtype) for bound in found)
    return use.add("Clip", x, low, high)


@function("cast")
def _cast(use: Use, x: Any, dtype: Any = None, **_: Any) -> Tensor:
    return as_tensor(use, x).cast(np.dtype("bool" if dtype == "bool" else str(dtype)))


@function("where", "select", "where2")
def _where(use: Use, condition: Tensor, *values: Any, **keywords: Any) -> Tensor:
    first, second = _two(values, keywords)
    dtype = next((v.dtype for v in (first, second) if isinstance(v, Tensor)), use.dtype)
    first, second = (v if isinstance(v, Tensor) else np.asarray(v, dtype) for v in (first, second))
    return use.add("Where", condition, first, second)


@function("matmul", "batchmatmul")
def _matmul(
    use: Use, *values: Any, transpose_a: bool = False, transpose_b: bool = False, **keywords: Any
) -> Tensor:
    first, second = (as_tensor(use, value) for value in _two(values, keywords))
    swapped = [
        x.transpose(*range(x.rank - 2), x.rank - 1, x.rank - 2) if turned else x
        for x, turned in ((first, transpose_a), (second, transpose_b))
    ]
    return use.add("MatMul", *swapped)


@function("einsum")
def _einsum(use: Use, *operands: Any, **keywords: Any) -> Tensor:
    equation = keywords.get("subscripts", keywords.get("equation"))
    if isinstance(operands[0], str):
        equation, operands = operands[0], operands[1:]
    tensors = [as_tensor(use, operand) for operand in operands]
    if "..." in str(equation) and len(tensors) > 2:
        raise ValueError(f"the equation {equation!r}")
    return use.add("Einsum", *tensors, equation=explicit(str(equation), tensors[0].rank))


@function("resize")
def _resize(use: Use, x: Tensor, size: Any = None, method: Any = None, **keywords: Any) -> Tensor:
    method = keywords.get("interpolation") or method or "bilinear"
    first = keywords.get("data_format") == "channels_first"
    if (
        keywords.get("preserve_aspect_ratio")
        or keywords.get("crop_to_aspect_ratio")
        or keywords.get("pad_to_aspect_ratio")
    ):
        raise Unsupported("an aspect ratio that is kept is not compiled")
    height, width = numbers(size)
    target = [*x.shape[:2], height, width] if first else [x.shape[0], height, width, x.shape[3]]
    return resized(use, x, target, str(method).lower(), antialias=bool(keywords.get("antialias")))


@function("resizenearestneighbor", "resizebilinear")
def _old_resize(
    use: Use,
    x: Tensor,
    size: Any = None,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    **_: Any,
) -> Tensor:
    if align_corners:
        raise Unsupported("align_corners is not compiled")
    height, width = numbers(size)
    method = "nearest" if "nearest" in str(use.get("function")).lower() else "bilinear"
    target = [x.shape[0], height, width, x.shape[3]]
    return resized(use, x, target, method, half_pixel=half_pixel_centers)


@function("depthtospace", "spacetodepth")
def _blocks(use: Use, x: Tensor, block_size: int, data_format: str = "NHWC", **_: Any) -> Tensor:
    first = data_format in ("NCHW", "channels_first")
    image = x if first else x.transpose(0, 3, 1, 2)
    name = (
        "DepthToSpace"
        if key_of(str(use.get("function", use.layer.kind))) == "depthtospace"
        else "SpaceToDepth"
    )
    options: dict[str, Any] = {"mode": "DCR"} if name == "DepthToSpace" else {}
    result = use.add(name, image, blocksize=int(block_size), **options)
    return result if first else result.transpose(0, 2, 3, 1)
