"""Small model files, made by hand of a config and weights, so that tests can break them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Layers = list[dict[str, Any]]


def dense(units: int, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": name, "units": units, "activation": "relu", **config}}


def image_layers(
    data_format: str = "channels_last", shape: tuple[int | None, ...] = (None, 8, 8, 3)
) -> Layers:
    """A convolution behind an input of `shape`."""
    convolution = {
        "class_name": "Conv2D",
        "config": {
            "name": "conv",
            "batch_input_shape": list(shape),
            "filters": 2,
            "kernel_size": [3, 3],
            "strides": [1, 1],
            "padding": "same",
            "data_format": data_format,
            "activation": "linear",
        },
    }
    return [convolution]


IMAGE_WEIGHTS = {"conv": [np.ones((3, 3, 3, 2), np.float32), np.zeros(2, np.float32)]}


def sequential(layers: Layers) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}


def functional(layers: Layers, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    ends = {
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [[name, 0, 0] for name in outputs],
    }
    return {"class_name": "Functional", "config": {"name": "model", "layers": layers, **ends}}


def save(
    path: Path, config: Any, weights: dict[str, list[Any]] | None = None, version: str = "2.11.0"
) -> None:
    """An .h5 file as Keras 2 writes it."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = version, "tensorflow"
        if config is not None:
            file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        fill(file.create_group("model_weights") if config is not None else file, weights or {})


def fill(stored: h5py.Group, weights: dict[str, list[Any]]) -> None:
    stored.attrs["layer_names"] = [name.encode() for name in weights]
    for name, arrays in weights.items():
        group = stored.create_group(name)
        names = [f"{name}/weight{index}:0" for index in range(len(arrays))]
        group.attrs["weight_names"] = [each.encode() for each in names]
        for each, array in zip(names, arrays, strict=True):
            group[each] = array


def archive(path: Path, members: dict[str, bytes]) -> None:
    """A .keras file of these members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as target:
        for name, data in members.items():
            target.writestr(name, data)
    path.write_bytes(content.getvalue())
