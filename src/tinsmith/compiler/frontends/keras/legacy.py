"""Configs of Keras 1 and early Keras 2 in the words of later versions."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

_CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "TimeDistributedDense": "Dense",
    "MaxPool1D": "MaxPooling1D",
    "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D",
    "AvgPool1D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "LSTMV1": "LSTM",
    "LSTMV2": "LSTM",
    "GRUV1": "GRU",
    "GRUV2": "GRU",
    "LSTMCellV2": "LSTMCell",
    "GRUCellV2": "GRUCell",
    "DenseFeaturesV2": "DenseFeatures",
    "Graph": "Functional",
    "Model": "Functional",
    "Network": "Functional",
}
"""Other names of classes."""

_DEEP = {
    "nb_filter": "filters",
    "subsample": "strides",
    "subsample_length": "strides",
    "border_mode": "padding",
    "bias": "use_bias",
    "atrous_rate": "dilation_rate",
    "pool_length": "pool_size",
    "stride": "strides",
    "p": "rate",
    "sigma": "stddev",
    "inner_activation": "recurrent_activation",
    "length": "size",
}
_KERNELS = {
    "Conv1D": ("filter_length",),
    "Conv2D": ("nb_row", "nb_col"),
    "SeparableConv2D": ("nb_row", "nb_col"),
    "Conv2DTranspose": ("nb_row", "nb_col"),
    "Conv3D": ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
    "ConvLSTM2D": ("nb_row", "nb_col"),
}
_ORDERINGS = {"th": "channels_first", "tf": "channels_last"}
_MERGES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "min": "Minimum",
    "concat": "Concatenate",
    "dot": "Dot",
    "cos": "Dot",
}


def class_name(name: str) -> str:
    """The name that a class has in current versions."""
    return _CLASSES.get(name, name)


def modernise(name: str, config: Config, version: tuple[int, int]) -> tuple[str, Config]:
    """The class and the config of a layer that `version` wrote, as Keras 2 would have written them."""
    kind = class_name(name)
    if version[0] != 1:
        return kind, config
    config = {_new_key(kind, key, config): value for key, value in config.items()}
    if kind in _KERNELS and "kernel_size" not in config:
        config["kernel_size"] = [config[part] for part in _KERNELS[kind]]
    ordering = config.pop("dim_ordering", None)
    if ordering in _ORDERINGS:
        config["data_format"] = _ORDERINGS[ordering]
    if kind == "Merge":
        kind, config = _merge(config)
    if kind in ("LSTM", "GRU", "SimpleRNN", "ConvLSTM2D"):
        config.setdefault("recurrent_activation", "hard_sigmoid")
    if kind == "BatchNormalization":
        config.setdefault("center", True)
    return kind, config


def _new_key(kind: str, key: str, config: Config) -> str:
    if key == "output_dim":
        return "output_dim" if kind == "Embedding" else "units"
    if key == "length" and kind != "UpSampling1D":
        return key
    if key == "size" and kind != "UpSampling1D":
        return key
    return key if _DEEP.get(key, key) in config else _DEEP.get(key, key)


def _merge(config: Config) -> tuple[str, Config]:
    """Keras 1 had one layer for all ways to merge; functions as modes stay a Merge, which is refused."""
    mode = config.get("mode")
    if mode not in _MERGES or config.get("layers"):
        return "Merge", config
    axis = config.get("concat_axis", -1)
    if mode in ("dot", "cos"):
        axes = config.get("dot_axes", -1)
        return "Dot", {**config, "axes": axes, "normalize": mode == "cos"}
    return _MERGES[mode], {**config, "axis": axis}
