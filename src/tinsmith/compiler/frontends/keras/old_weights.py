"""Weights of Keras 1, of the Theano backend and of cuDNN layers, in the order and layout of Keras 2 and 3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinsmith.compiler.frontends.keras.config import Layer, Model
from tinsmith.compiler.shaping.builder import Array

_GATES = {"LSTMCell": ("i", "c", "f", "o"), "GRUCell": ("z", "r", "h")}
"""In which order Keras 1 stored the gates, each with three arrays."""
_NEW_ORDER = {"LSTMCell": ("i", "f", "c", "o"), "GRUCell": ("z", "r", "h")}
_CONVOLVED = frozenset({"Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2DCell"})
_GATES["ConvLSTM2DCell"], _NEW_ORDER["ConvLSTM2DCell"] = _GATES["LSTMCell"], _NEW_ORDER["LSTMCell"]


def old_slots(layer: Layer) -> Sequence[str] | None:
    """The weights of a recurrent layer of Keras 1: kernel, recurrent kernel and bias of each gate."""
    if layer.origin.version[0] != 1 or layer.kind not in _GATES:
        return None
    return [f"{part}_{gate}" for gate in _GATES[layer.kind] for part in ("W", "U", "b")]


def renew(model: Model) -> None:
    """Rewrites the weights of all layers of `model` that an old version or another backend laid out."""
    for layer in model.layers.values():
        _renew_layer(layer)


def _renew_layer(layer: Layer) -> None:
    if layer.model is not None:
        renew(layer.model)
    for child in layer.children.values():
        _renew_layer(child)
    weights = layer.weights
    if layer.origin.version[0] == 1:
        _renew_first(layer)
    if layer.origin.backend == "theano" and layer.kind in _CONVOLVED:
        for slot in ("kernel", "recurrent_kernel"):
            if slot in weights:
                weights[slot] = _flipped(weights[slot])
    if layer.kind.startswith("CuDNN") and "kernel" in weights:
        gates = 3 if layer.kind == "CuDNNGRUCell" else 4
        weights["kernel"] = _joined(
            [part.reshape(part.shape[1], part.shape[0]).T for part in _split(weights["kernel"], gates)]
        )
        weights["recurrent_kernel"] = _joined([part.T for part in _split(weights["recurrent_kernel"], gates)])
        halves = weights["bias"].reshape(2, -1)
        weights["bias"] = halves if gates == 3 else halves.sum(axis=0)


def _renew_first(layer: Layer) -> None:
    """Keras 1: gates apart, and kernels with the channels first where images have them first."""
    weights = layer.weights
    first = layer.config.get("data_format") == "channels_first"
    if layer.kind in _NEW_ORDER:
        order = _NEW_ORDER[layer.kind]
        for slot, part in (("kernel", "W"), ("recurrent_kernel", "U"), ("bias", "b")):
            pieces = [weights.pop(f"{part}_{gate}") for gate in order]
            if first and slot != "bias" and pieces[0].ndim == 4:
                pieces = [piece.transpose(2, 3, 1, 0) for piece in pieces]
            weights[slot] = _joined(pieces)
    elif layer.kind == "Conv1D":
        kernel = weights["kernel"]
        filters, size = layer.config["filters"], layer.config["kernel_size"][0]
        if kernel.shape[:2] != (size, 1) or kernel.shape[3] != filters:
            kernel = kernel.transpose(2, 3, 1, 0)
        weights["kernel"] = kernel[:, 0]
    elif layer.kind == "Conv2D" and first:
        weights["kernel"] = weights["kernel"].transpose(2, 3, 1, 0)
    elif layer.kind == "Conv2DTranspose":
        weights["kernel"] = weights["kernel"].transpose((2, 3, 0, 1) if first else (0, 1, 3, 2))
    elif layer.kind == "Conv3D" and first:
        weights["kernel"] = weights["kernel"].transpose(2, 3, 4, 1, 0)


def _split(array: Array, count: int) -> list[Array]:
    return np.split(array, count, axis=1)


def _joined(pieces: Sequence[Array]) -> Array:
    joined: Array = np.concatenate(pieces, axis=-1)
    return joined


def _flipped(kernel: Array) -> Array:
    """Theano turned kernels round before it multiplied."""
    return kernel[(slice(None, None, -1),) * (kernel.ndim - 2)]
