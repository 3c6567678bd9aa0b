"""Layers that stand for one function of tensors: TFOpLambda of Keras 2, operations of Keras 3."""

from __future__ import annotations

from typing import Any

from tinsmith.compiler.frontends.keras.config import Layer
from tinsmith.compiler.frontends.keras.layers import movements
from tinsmith.compiler.frontends.keras.layers.functions import FUNCTIONS, key_of
from tinsmith.compiler.frontends.keras.layers.registry import RULES, Result, Rule, Use, layer, no_weights
from tinsmith.compiler.frontends.keras.tensor import Tensor

LAMBDAS = frozenset({"TFOpLambda", "SlicingOpLambda"})
DATA_DEPENDENT = frozenset(
    {"booleanmask", "nonzero", "unique", "nonmaxsuppression", "combinednonmaxsuppression"}
)
"""Functions whose results have sizes that depend on values."""


@layer("TFOpLambda", "SlicingOpLambda", casts=False)
def _lambda(use: Use, *arguments: Any, **keywords: Any) -> Result:
    """A function of tf.*, by its name."""
    found = dict(keywords)
    if not arguments:
        names = (
            "x",
            "input",
            "inputs",
            "input_tensor",
            "value",
            "values",
            "tensor",
            "images",
            "a",
            "features",
            "logits",
        )
        first = next((name for name in names if name in found), None)
        if first is None:
            raise ValueError("a call without arguments")
        arguments = (found.pop(first),)
    return without_mask(FUNCTIONS[key_of(use.get("function"))](use, *arguments, **found))


def without_mask(result: Result) -> Result:
    """Functions pass no mask on, where layers of the same name do."""
    if isinstance(result, list):
        return [without_mask(item) for item in result]
    return result.masked(None) if isinstance(result, Tensor) else result


@layer("Reshape", casts=False)
def _reshape(use: Use, x: Tensor, **_: Any) -> Tensor:
    """The layer says the shape without the batch; the function of Keras 3 says it whole."""
    target = use.get("target_shape")
    if target is not None:
        return x.reshape(x.shape[0], *(-1 if size is None else int(size) for size in target))
    result: Tensor = FUNCTIONS["reshape"](use, x, newshape=use.get("newshape"))
    return result


def _operation(kind: str) -> Rule:
    """The class `kind` of keras.ops: what is no tensor is in its config."""

    def convert(use: Use, *arguments: Any, **keywords: Any) -> Result:
        fields = {
            key: value for key, value in use.layer.config.items() if key not in ("name", "dtype", "trainable")
        }
        return without_mask(FUNCTIONS[key_of(kind)](use, *arguments, **{**fields, **keywords}))

    return Rule(convert, no_weights, casts=False)


_OPERATIONS = (
    *(
        "Abs",
        "Absolute",
        "Ceil",
        "Floor",
        "Exp",
        "Log",
        "Sqrt",
        "Negative",
        "Sign",
        "Sin",
        "Cos",
        "Tan",
        "Arcsin",
    ),
    *(
        "Arccos",
        "Arctan",
        "Sinh",
        "Cosh",
        "Arcsinh",
        "Arccosh",
        "Arctanh",
        "Erf",
        "Reciprocal",
        "Round",
        "Isnan",
    ),
    *(
        "LogicalNot",
        "LogicalAnd",
        "LogicalOr",
        "Greater",
        "GreaterEqual",
        "Less",
        "LessEqual",
        "Equal",
        "NotEqual",
    ),
    *(
        "Power",
        "Square",
        "Rsqrt",
        "Log1p",
        "Expm1",
        "Divide",
        "TrueDivide",
        "FloorDivide",
        "Mod",
        "Mean",
        "Sum",
        "Max",
    ),
    *(
        "Min",
        "Amax",
        "Amin",
        "Prod",
        "Logsumexp",
        "Var",
        "Std",
        "Any",
        "All",
        "Argmax",
        "Argmin",
        "Relu",
        "Relu6",
    ),
    *(
        "LeakyRelu",
        "Elu",
        "Gelu",
        "Sigmoid",
        "Silu",
        "Tanh",
        "Softplus",
        "Softsign",
        "HardSigmoid",
        "HardSilu",
    ),
    *(
        "HardTanh",
        "Selu",
        "Celu",
        "Mish",
        "LogSigmoid",
        "LogSoftmax",
        "Norm",
        "Clip",
        "Cast",
        "Where",
        "Matmul",
    ),
    *(
        "Einsum",
        "Resize",
        "Transpose",
        "Swapaxes",
        "Moveaxis",
        "ExpandDims",
        "Squeeze",
        "BroadcastTo",
        "Tile",
    ),
    *(
        "Repeat",
        "Stack",
        "Unstack",
        "Split",
        "Pad",
        "Take",
        "OneHot",
        "ZerosLike",
        "OnesLike",
        "Flip",
        "Cumsum",
    ),
    *("Slice", "GetItem", "DepthToSpace", "SpaceToDepth", "Normalize"),
)
for _kind in _OPERATIONS:
    if key_of(_kind) in FUNCTIONS and _kind not in RULES:
        RULES[_kind] = _operation(_kind)


def unknown_function(layer: Layer) -> str | None:
    """The function that a TFOpLambda stands for, unless it is known."""
    name = str(layer.get("function", "")) if layer.kind in LAMBDAS else ""
    return None if not name or key_of(name) in FUNCTIONS else name


__all__ = ["DATA_DEPENDENT", "LAMBDAS", "movements", "unknown_function"]
