"""Symbols of one operator each, that MXNet itself has computed: see record.py. Needs numpy only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECORDED = Path(__file__).parent / "recorded.npz"

Spec = Sequence[Any]
"""A shape, with a kind and an element type behind it: see `array`."""


@dataclass(frozen=True)
class Case:
    """One operator. Its inputs are `data`, then `params`, in this order."""

    op: str
    attributes: Mapping[str, Any]
    data: Sequence[Spec]
    params: Sequence[Spec] = ()
    outputs: int = 1
    states: int = 0
    """How many of `params` are states of the operator, which MXNet saves apart."""
    extra: Sequence[str] = field(default=())
    """Inputs without a value: labels."""


def array(spec: Spec, seed: int) -> NDArray[Any]:
    """The numbers of an input; the same for the same seed."""
    random = np.random.default_rng(seed)
    shape = tuple(size for size in spec if isinstance(size, int))
    words = [word for word in spec if isinstance(word, str)]
    dtype = next((word for word in words if word in ("float16", "float64", "int32", "int64")), "float32")
    kind = next((word for word in words if word != dtype), "normal")
    values: NDArray[Any] = random.normal(size=shape)
    if kind == "above":
        values = random.uniform(1.1, 3, shape)
    elif kind == "positive":
        values = random.uniform(0.2, 2, shape)
    elif kind == "unit":
        values = random.uniform(-0.9, 0.9, shape)
    elif kind.startswith("int"):
        values = random.integers(0, int(kind[3:]), shape)
    elif kind == "coarse":
        values = random.integers(-3, 4, shape) * 0.5
    elif kind == "boxes":
        low = random.uniform(0, 0.6, (*shape[:-1], 2))
        values = np.concatenate([low, low + random.uniform(0.1, 0.4, low.shape)], -1)
    elif kind == "detections":  # class, score, corners
        boxes = array([*shape[:-1], 4, "boxes"], seed)
        marks = random.integers(0, 3, (*shape[:-1], 1)), random.uniform(0, 1, (*shape[:-1], 1))
        values = np.concatenate([*marks, boxes], -1)
    elif kind == "chances":
        values = random.uniform(0, 1, shape)
        values = values / values.sum(1, keepdims=True)
    elif kind == "regions":  # picture, corners
        corners = array([shape[0], 4, "boxes"], seed) * 8
        values = np.concatenate([random.integers(0, 2, (shape[0], 1)), corners], -1)
    return values.astype(dtype)


def names(case: Case) -> list[str]:
    """Of the inputs."""
    data = ["data", *(f"data{index}" for index in range(1, len(case.data)))][: len(case.data)]
    return [*data, *(f"p{index}" for index in range(len(case.params))), *case.extra]


def arrays(name: str, case: Case) -> dict[str, NDArray[Any]]:
    """All inputs by name."""
    specs = [*case.data, *case.params]
    return {
        key: array(spec, len(name) * 10 + index)
        for index, (key, spec) in enumerate(zip(names(case), specs, strict=False))
    }


def symbol(case: Case) -> str:
    """The symbol as JSON."""
    variables = [{"op": "null", "name": name, "inputs": []} for name in names(case)]
    attributes = {key: str(value) for key, value in case.attributes.items()}
    inputs = [[index, 0, 0] for index in range(len(variables))]
    node = {"op": case.op, "name": "layer", "attrs": attributes, "inputs": inputs}
    return json.dumps(
        {
            "nodes": [*variables, node],
            "arg_nodes": list(range(len(variables))),
            "heads": [[len(variables), index, 0] for index in range(case.outputs)],
            "attrs": {"mxnet_version": ["int", 10901]},
        }
    )


IMAGE = (2, 4, 7, 6)
SMALL = (2, 3, 4)
CASES: dict[str, Case] = {}


def add(
    op: str, attributes: Mapping[str, Any], *data: Spec, params: Sequence[Spec] = (), **more: Any
) -> None:
    """Notes a case under a name of its own."""
    words = ",".join(f"{key}={value}" for key, value in attributes.items())
    name = f"{op} {words}".strip()
    while name in CASES:
        name += "'"
    CASES[name] = Case(op, attributes, data, params, **more)


for _op in [
    "relu",
    "sigmoid",
    "tanh",
    "exp",
    "abs",
    "sign",
    "ceil",
    "floor",
    "negative",
    "erf",
    "softsign",
    "sin",
    "cos",
    "tan",
    "arctan",
    "sinh",
    "cosh",
    "arcsinh",
    "square",
    "cbrt",
    "expm1",
    "round",
    "rint",
    "fix",
    "trunc",
    "degrees",
    "radians",
    "logical_not",
    "hard_sigmoid",
    "smooth_l1",
    "_copy",
    "BlockGrad",
    "MakeLoss",
    "zeros_like",
    "ones_like",
    "shape_array",
    "size_array",
    "Flatten",
    "_contrib_div_sqrt_dim",
]:
    add(_op, {}, (*SMALL, "coarse") if _op in ("round", "rint", "fix", "trunc", "logical_not") else SMALL)
for _op in ["log", "sqrt", "rsqrt", "rcbrt", "reciprocal", "log2", "log10", "log1p"]:
    add(_op, {}, (*SMALL, "positive"))
for _op in ["arcsin", "arccos", "arctanh"]:
    add(_op, {}, (*SMALL, "unit"))
add("arccosh", {}, (*SMALL, "above"))
add("_identity_with_attr_like_rhs", {}, SMALL, SMALL)
add("amp_multicast", {"num_outputs": 2}, SMALL, (*SMALL, "float16"), outputs=2)
add("smooth_l1", {"scalar": 2.0}, SMALL)
add("_contrib_quadratic", {"a": 1.5, "b": -2, "c": 0.25}, SMALL)
add("clip", {"a_min": -0.5, "a_max": 0.75}, SMALL)
add("Cast", {"dtype": "int32"}, (*SMALL, "coarse"))
add("Cast", {"dtype": "float16"}, SMALL)
for _kind in ["relu", "sigmoid", "tanh", "softrelu", "softsign"]:
    add("Activation", {"act_type": _kind}, SMALL)
for _kind in ["leaky", "elu", "selu", "gelu", "rrelu"]:
    add("LeakyReLU", {"act_type": _kind}, IMAGE)
add("LeakyReLU", {"act_type": "leaky", "slope": 0.1}, IMAGE)
add("LeakyReLU", {"act_type": "prelu"}, IMAGE, params=[(4,)])
add("LeakyReLU", {"act_type": "prelu"}, IMAGE, params=[(1,)])

for _op in ["elemwise_add", "elemwise_sub", "elemwise_mul", "elemwise_div", "_maximum", "_minimum", "_hypot"]:
    add(_op, {}, SMALL, SMALL)
for _op in [
    "broadcast_add",
    "broadcast_sub",
    "broadcast_mul",
    "broadcast_div",
    "broadcast_maximum",
    "broadcast_minimum",
    "broadcast_hypot",
    "broadcast_mod",
]:
    add(_op, {}, SMALL, (1, 3, 1))
for _op in [
    "equal",
    "not_equal",
    "greater",
    "greater_equal",
    "lesser",
    "lesser_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
]:
    add(f"broadcast_{_op}", {}, (*SMALL, "coarse"), (1, 3, 1, "coarse"))
    if "logical" not in _op:
        add(f"_{_op}_scalar", {"scalar": "0.5"}, (*SMALL, "coarse"))
    else:
        add(f"_{_op}_scalar", {"scalar": "0"}, (*SMALL, "coarse"))
add("broadcast_power", {}, (*SMALL, "positive"), (1, 3, 1))
for _op in ["plus", "minus", "rminus", "mul", "div", "maximum", "minimum", "mod"]:
    add(f"_{_op}_scalar", {"scalar": "1.5"}, SMALL)
for _op in ["rdiv", "power", "rpower", "rmod"]:
    add(f"_{_op}_scalar", {"scalar": "1.5"}, (*SMALL, "positive"))
add("add_n", {"num_args": 3}, SMALL, SMALL, SMALL)

add("Convolution", {"kernel": (3, 3), "num_filter": 6}, IMAGE, params=[(6, 4, 3, 3), (6,)])
add(
    "Convolution",
    {
        "kernel": (3, 2),
        "num_filter": 6,
        "stride": (2, 1),
        "pad": (1, 0),
        "dilate": (1, 2),
        "num_group": 2,
        "no_bias": True,
    },
    IMAGE,
    params=[(6, 2, 3, 2)],
)
add("Convolution", {"kernel": "(3,)", "num_filter": 5, "pad": "(1,)"}, (2, 4, 9), params=[(5, 4, 3), (5,)])
add("Convolution", {"kernel": (2, 2, 2), "num_filter": 3}, (1, 2, 4, 5, 3), params=[(3, 2, 2, 2, 2), (3,)])
add(
    "Deconvolution",
    {"kernel": (4, 4), "num_filter": 6, "stride": (2, 2), "pad": (1, 1)},
    IMAGE,
    params=[(4, 6, 4, 4)],
)
add(
    "Deconvolution",
    {"kernel": (3, 3), "num_filter": 6, "stride": (2, 2), "adj": (1, 1), "num_group": 2, "no_bias": False},
    IMAGE,
    params=[(4, 3, 3, 3), (6,)],
)
add(
    "Deconvolution",
    {"kernel": (4, 4), "num_filter": 2, "stride": (2, 2), "target_shape": (13, 12)},
    IMAGE,
    params=[(4, 2, 4, 4)],
)
add("FullyConnected", {"num_hidden": 5}, IMAGE, params=[(5, 168), (5,)])
add("FullyConnected", {"num_hidden": 5, "flatten": False, "no_bias": True}, SMALL, params=[(5, 4)])
add("FullyConnected", {"num_hidden": 5, "flatten": False}, SMALL, params=[(5, 4), (5,)])
add("Embedding", {"input_dim": 6, "output_dim": 3}, (2, 5, "int6"), params=[(6, 3)])

for _kind in ("max", "avg", "sum"):
    for _rest in (
        {"kernel": (2, 2), "stride": (2, 2)},
        {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)},
        {"kernel": (3, 2), "stride": (2, 2), "pad": (1, 0), "pooling_convention": "full"},
        {"global_pool": True},
    ):
        add("Pooling", {"pool_type": _kind, **_rest}, IMAGE)
add("Pooling", {"pool_type": "avg", "kernel": (3, 3), "pad": (1, 1), "count_include_pad": False}, IMAGE)
add(
    "Pooling",
    {
        "pool_type": "avg",
        "kernel": (3, 3),
        "stride": (2, 2),
        "pad": (1, 1),
        "count_include_pad": False,
        "pooling_convention": "full",
    },
    IMAGE,
)
add("Pooling", {"pool_type": "lp", "p_value": 2, "kernel": (2, 2)}, IMAGE)
add("Pooling", {"pool_type": "max", "kernel": "(3,)"}, (2, 3, 9))
add("_contrib_AdaptiveAvgPooling2D", {"output_size": 1}, IMAGE)
add("_contrib_AdaptiveAvgPooling2D", {"output_size": (3, 4)}, IMAGE)
add("_contrib_AdaptiveAvgPooling2D", {"output_size": 3}, (1, 2, 6, 9))

_NORM = [(4,), (4,), (4,), (4, "positive")]
add("BatchNorm", {}, IMAGE, params=_NORM, states=2)
add("BatchNorm", {"fix_gamma": False, "eps": 1e-5, "use_global_stats": True}, IMAGE, params=_NORM, states=2)
add("BatchNorm", {"fix_gamma": False, "axis": -1}, (2, 3, 5, 4), params=_NORM, states=2)
add("LayerNorm", {}, SMALL, params=[(4,), (4,)])
add("LayerNorm", {"axis": 1, "eps": 1e-3}, SMALL, params=[(3,), (3,)])
add("InstanceNorm", {}, IMAGE, params=[(4,), (4,)])
add("GroupNorm", {"num_groups": 2}, IMAGE, params=[(2,), (2,)])
for _mode in ("instance", "channel", "spatial"):
    add("L2Normalization", {"mode": _mode}, IMAGE)
add("LRN", {"nsize": 3, "alpha": 0.1, "knorm": 1.5}, IMAGE)

add("softmax", {}, SMALL)
add("softmax", {"axis": 1, "temperature": 2.5}, SMALL)
add("softmax", {"axis": 1, "use_length": True}, SMALL, (2, 4, "int3", "int32"))
add("log_softmax", {"axis": 1}, SMALL)
add("softmin", {}, SMALL)
add("SoftmaxActivation", {}, (3, 5))
add("SoftmaxActivation", {"mode": "channel"}, IMAGE)
add("SoftmaxOutput", {}, (2, 5), extra=["layer_label"])
add("SoftmaxOutput", {"multi_output": True}, IMAGE, extra=["layer_label"])
add("SoftmaxOutput", {"preserve_shape": True}, SMALL, extra=["layer_label"])
for _op in ["LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "SVMOutput"]:
    add(_op, {}, (2, 5), extra=["layer_label"])

for _shape in ("(0,-1)", "(-2,1)", "(-3,0)", "(-4,1,2,-2)", "(0,-4,-1,3,0)", "(4,-1,2)"):
    add("Reshape", {"shape": _shape}, SMALL)
add("Reshape", {"shape": "(-1,0)", "reverse": True}, SMALL)
add("Reshape", {"shape": "(0,-3)", "reverse": True}, SMALL)
add("reshape_like", {}, SMALL, (4, 6))
add("expand_dims", {"axis": 1}, SMALL)
add("expand_dims", {"axis": -1}, SMALL)
add("squeeze", {}, (2, 1, 3, 1))
add("squeeze", {"axis": "(1,)"}, (2, 1, 3, 1))
add("Concat", {"dim": 2, "num_args": 2}, SMALL, SMALL)
add("stack", {"axis": 1, "num_args": 2}, SMALL, SMALL)
add("SliceChannel", {"num_outputs": 3, "axis": 1}, SMALL, outputs=3)
add("SliceChannel", {"num_outputs": 2, "axis": 0, "squeeze_axis": True}, SMALL, outputs=2)
add("_split_v2", {"indices": "(0,1)", "axis": 1, "squeeze_axis": False, "sections": 0}, SMALL, outputs=2)
add("broadcast_to", {"shape": (2, 0, 4)}, (1, 3, 1))
add("broadcast_axis", {"axis": (0, 2), "size": (2, 5)}, (1, 3, 1))
add("broadcast_like", {}, (1, 3, 1), SMALL)
add("broadcast_like", {"lhs_axes": "(0,)", "rhs_axes": "(2,)"}, (1, 3, 1), SMALL)
add("transpose", {}, SMALL)
add("transpose", {"axes": (1, 0, 2)}, SMALL)
add("SwapAxis", {"dim1": 0, "dim2": 2}, SMALL)
add("slice", {"begin": "(0,None,1)", "end": "(None,2,4)"}, SMALL)
add("slice", {"begin": "(None,-1)", "end": "(None,None)", "step": "(-1,-2)"}, SMALL)
add("slice_axis", {"axis": 2, "begin": 1, "end": None}, SMALL)
add("slice_axis", {"axis": -1, "begin": -3, "end": -1}, SMALL)
add("slice_like", {"axes": "(1,-1)"}, SMALL, (5, 2, 2))
add("slice_like", {}, SMALL, (1, 2, 2))
add("Crop", {"num_args": 1, "h_w": (3, 4), "center_crop": True}, IMAGE)
add("Crop", {"num_args": 2, "offset": (1, 2)}, IMAGE, (1, 1, 4, 3))
for _mode in ("constant", "edge", "reflect"):
    add(
        "Pad",
        {
            "mode": _mode,
            "pad_width": "(0,0,0,0,1,2,2,1)",
            "constant_value": 1.5 if _mode == "constant" else 0,
        },
        IMAGE,
    )
add("tile", {"reps": (2, 1, 3)}, SMALL)
add("tile", {"reps": "(2,)"}, SMALL)
add("repeat", {"repeats": 2, "axis": 1}, SMALL)
add("repeat", {"repeats": 3}, SMALL)
add("reverse", {"axis": "(0,2)"}, SMALL)
add("depth_to_space", {"block_size": 2}, (1, 8, 2, 3))
add("space_to_depth", {"block_size": 2}, (1, 2, 4, 6))
add("where", {}, (*SMALL, "int2"), SMALL, SMALL)
add("where", {}, (2, "int2"), SMALL, SMALL)

add("nanprod", {"axis": 1}, SMALL)
for _op in ["sum", "mean", "max", "min", "prod", "nansum", "norm"]:
    add(_op, {"axis": "(0,2)"} if _op != "norm" else {"axis": 1}, SMALL)
    add(_op, {}, SMALL)
    add(_op, {"axis": 1, "keepdims": True}, SMALL)
add("sum", {"axis": 1, "exclude": True}, SMALL)
add("norm", {"ord": 1, "axis": 2}, SMALL)
for _op in ("argmax", "argmin"):
    add(_op, {"axis": 1}, SMALL)
    add(_op, {}, SMALL)
    add(_op, {"axis": -1, "keepdims": True}, SMALL)
add("argmax_channel", {}, (3, 5))

add("take", {}, (5, 3), (2, 2, "int5"))
add("take", {"axis": 1, "mode": "wrap"}, (2, 3), (4, "int9"))
add("batch_take", {}, (3, 4), (3, "int4", "int32"))
add("pick", {}, (3, 4), (3, "int4"))
add("pick", {"axis": 1, "keepdims": True}, SMALL, (2, 4, "int3"))
add("gather_nd", {}, SMALL, (2, 5, "int2"))
add("one_hot", {"depth": 4}, (2, 3, "int6"))
add("one_hot", {"depth": 3, "on_value": 2, "off_value": -1}, (4, "int3"))
for _kind in ["indices", "value", "mask"]:
    add("topk", {"k": 2, "ret_typ": _kind}, SMALL)
add("topk", {"k": 2, "ret_typ": "both", "axis": 1, "is_ascend": True}, SMALL, outputs=2)
add("sort", {"axis": 1}, SMALL)
add("sort", {"is_ascend": False}, SMALL)
add("argsort", {}, SMALL)

add("_zeros", {"shape": (2, 3)})
add("_ones", {"shape": (2, 3), "dtype": "int32"})
add("_full", {"shape": (2,), "value": 1.5})
add("_arange", {"start": 1, "stop": 6, "step": 2, "repeat": 2})
add("_arange", {"start": 4})
add("_contrib_arange_like", {"axis": 1, "start": 2}, SMALL)
add("_contrib_MultiBoxPrior", {"sizes": (0.3, 0.5), "ratios": (1, 2, 0.5)}, (1, 3, 4, 5))
add(
    "_contrib_MultiBoxPrior",
    {"sizes": (0.4,), "ratios": (2, 1), "clip": True, "steps": (0.2, 0.3), "offsets": (0.4, 0.6)},
    (1, 3, 2, 3),
)

add("dot", {}, (3, 4), (4, 5))
add("dot", {"transpose_a": True, "transpose_b": True}, (4, 3), (5, 4))
add("dot", {}, (4,), (4,))
add("dot", {}, SMALL, (4, 5))
add("dot", {"transpose_b": True}, SMALL, (5, 4))
add("batch_dot", {}, (2, 3, 4), (2, 4, 5))
add("batch_dot", {"transpose_a": True, "transpose_b": True}, (2, 4, 3), (2, 5, 4))
add("_linalg_gemm", {"alpha": 0.5, "beta": 2}, (2, 3, 4), (2, 4, 5), (2, 3, 5))
add("_linalg_gemm2", {"alpha": 0.5, "transpose_b": True}, (2, 3, 4), (2, 5, 4))

add("UpSampling", {"scale": 2, "sample_type": "nearest", "num_args": 1}, IMAGE)
add("UpSampling", {"scale": 2, "sample_type": "nearest", "num_args": 2}, (1, 2, 4, 6), (1, 3, 2, 3))
add(
    "UpSampling",
    {"scale": 2, "sample_type": "nearest", "num_args": 2, "multi_input_mode": "sum"},
    (1, 2, 4, 6),
    (1, 2, 2, 3),
)
add(
    "UpSampling",
    {"scale": 2, "sample_type": "bilinear", "num_args": 2, "num_filter": 4},
    IMAGE,
    params=[(4, 1, 4, 4)],
)
add("_contrib_BilinearResize2D", {"height": 10, "width": 4}, IMAGE)
add("_contrib_BilinearResize2D", {"height": 10, "width": 4, "align_corners": False}, IMAGE)
add("_contrib_BilinearResize2D", {"scale_height": 2, "scale_width": 1.5, "mode": "odd_scale"}, IMAGE)
add("_contrib_BilinearResize2D", {"mode": "like"}, IMAGE, (1, 1, 5, 9))

add("SequenceMask", {"use_sequence_length": True, "value": -1}, (5, 3, 2), (3, "int5"))
add("SequenceMask", {"use_sequence_length": True, "axis": 1}, (3, 5, 2), (3, "int5"))
add("SequenceLast", {}, (5, 3, 2))
add("SequenceReverse", {}, (5, 3, 2))

for _mode, _gates in (("rnn_relu", 1), ("rnn_tanh", 1), ("lstm", 4), ("gru", 3)):
    _count = _gates * 4 * (3 + 4 + 2)
    _states = [(1, 2, 4)] * (2 if _mode == "lstm" else 1)
    _data: list[Spec] = [(5, 2, 3)]
    add("RNN", {"mode": _mode, "state_size": 4, "num_layers": 1}, *_data, params=[(_count,), *_states])
_deep = 2 * 4 * (4 * (3 + 4) + 4 * (8 + 4) + 2 * 2 * 4)
add(
    "RNN",
    {"mode": "lstm", "state_size": 4, "num_layers": 2, "bidirectional": True, "state_outputs": True},
    (5, 2, 3),
    params=[(_deep, "unit"), (4, 2, 4), (4, 2, 4)],
    outputs=3,
)

add("_contrib_interleaved_matmul_selfatt_qk", {"heads": 2}, (3, 2, 24))
add("_contrib_interleaved_matmul_selfatt_valatt", {"heads": 2}, (3, 2, 24), (4, 3, 3))
add("_contrib_interleaved_matmul_encdec_qk", {"heads": 2}, (3, 2, 8), (5, 2, 16))
add("_contrib_interleaved_matmul_encdec_valatt", {"heads": 2}, (5, 2, 16), (4, 3, 5))

_NMS = {"overlap_thresh": 0.3, "valid_thresh": 0.1, "coord_start": 2, "score_index": 1, "id_index": 0}
add("_contrib_box_nms", _NMS, (2, 20, 6, "detections"))
add("_contrib_box_nms", {**_NMS, "force_suppress": True, "topk": 10}, (2, 20, 6, "detections"))
add("_contrib_box_nms", {**_NMS, "id_index": -1, "out_format": "center"}, (20, 6, "detections"))
add(
    "_contrib_box_nms",
    {**_NMS, "background_id": 0, "in_format": "center", "out_format": "center"},
    (1, 20, 6, "detections"),
)
add(
    "_contrib_MultiBoxDetection",
    {"nms_threshold": 0.3, "threshold": 0.3},
    (2, 4, 15, "chances"),
    (2, 60),
    params=[(1, 15, 4, "boxes")],
)
add(
    "_contrib_MultiBoxDetection",
    {"nms_threshold": 0.4, "force_suppress": True, "clip": False, "variances": (0.2, 0.2, 0.1, 0.1)},
    (1, 3, 12, "chances"),
    (1, 48),
    params=[(1, 12, 4, "boxes")],
)
add("_contrib_box_iou", {"format": "corner"}, (4, 4, "boxes"), (5, 4, "boxes"))
add(
    "_contrib_box_decode",
    {"std0": 0.1, "std1": 0.1, "std2": 0.2, "std3": 0.2, "format": "corner"},
    (2, 6, 4),
    (1, 6, 4, "boxes"),
)
add(
    "_contrib_ROIAlign",
    {"pooled_size": (3, 3), "spatial_scale": 0.8, "sample_ratio": 2},
    (2, 3, 8, 8),
    (4, 5, "regions"),
)
