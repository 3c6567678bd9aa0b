"""`python -I keras_build.py FOLDER NAME SIZE LOW HIGH FORM...`: an architecture of keras.applications, saved.

Runs in the toolchain tensorflow. Weights are random; the statistics of batch normalisations are those of
random images, moved a little, so that neither values nor differences vanish or overflow over the layers.
FOLDER gets a file or folder for every form, see FORMS, and `answer.npz`: an image and what Keras makes of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

INPUT = "image"
CALIBRATED = 8
"""Images that statistics are taken of."""
REPRESENTATIVE = 16
"""Images that the scales of a quantised model are taken of."""
SPREAD = 3.0
"""Standard deviation of what the last softmax gets."""
COARSE = 5
"""Pixels in a row of the images before they are enlarged: they differ as a whole, not by noise alone."""


def images(count: int, size: int, seed: int, low: float, high: float) -> Any:
    """Random images, float32 [count, size, size, 3], within [low, high]."""
    random = np.random.default_rng(seed)
    coarse = tf.image.resize(random.uniform(low, high, (count, COARSE, COARSE, 3)), (size, size)).numpy()
    fine = random.uniform(low, high, (count, size, size, 3))
    return (0.7 * coarse + 0.3 * fine).astype(np.float32)


def build(name: str, size: int, sample: Any) -> Any:
    """The architecture with random weights under which the values of all layers are of the order of 1."""
    keras.utils.set_random_seed(len(name) + size)
    image = keras.Input((size, size, 3), name=INPUT)
    model = getattr(keras.applications, name)(weights=None, input_tensor=image)
    random = np.random.default_rng(2)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if norms:
        normalise(model, norms, sample, random)
    else:
        for layer in model.layers:
            if len(getattr(layer, "weights", ())) > 0:
                deviation = np.sqrt(2 / np.prod(layer.kernel.shape[:-1]))
                layer.kernel.assign(random.normal(0, deviation, layer.kernel.shape))
                layer.bias.assign(random.normal(0, 0.1, layer.bias.shape))
    last = [layer for layer in model.layers if getattr(layer, "kernel", None) is not None][-1]
    features = keras.Model(model.inputs, last.input)(sample).numpy().reshape(len(sample), -1)
    scores = features @ last.kernel.numpy().reshape(features.shape[-1], -1)
    last.kernel.assign(last.kernel * (SPREAD / scores.std()))
    return model


def normalise(model: Any, norms: list[Any], sample: Any, random: Any) -> None:
    """Statistics of `sample` for all batch normalisations, none of them quite right."""
    for layer in norms:
        layer.momentum = 0.0
        if layer.gamma is not None:
            layer.gamma.assign(random.uniform(0.6, 1.4, layer.gamma.shape))
        layer.beta.assign(random.normal(0, 0.3, layer.beta.shape))
    model(sample, training=True)
    for layer in norms:
        layer.momentum = 0.99
        deviation = np.sqrt(layer.moving_variance.numpy())
        layer.moving_mean.assign_add(deviation * random.normal(0, 0.1, deviation.shape))
        layer.moving_variance.assign(layer.moving_variance * random.uniform(0.8, 1.25, deviation.shape))


def frozen(model: Any, folder: Path) -> None:
    spec = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name=INPUT)
    function = tf.function(lambda image: model(image, training=False)).get_concrete_function(spec)
    graph = convert_variables_to_constants_v2(function).graph.as_graph_def()
    (folder / "model.pb").write_bytes(graph.SerializeToString())


def exported(model: Any, folder: Path) -> Path:
    """The SavedModel, which TFLite's converter reads too."""
    path = folder / "savedmodel"
    if not path.exists():
        model.export(path, verbose=False)
    return path


def float32(model: Any, folder: Path) -> None:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(exported(model, folder)))
    (folder / "float32.tflite").write_bytes(converter.convert())


def int8(model: Any, folder: Path, sample: Any) -> None:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(exported(model, folder)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in sample)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "int8.tflite").write_bytes(converter.convert())


def main(folder: Path, name: str, size: int, low: float, high: float, forms: list[str]) -> None:
    """Saves every one of `forms`."""
    model = build(name, size, images(CALIBRATED, size, 1, low, high))
    sample = images(REPRESENTATIVE, size, 3, low, high)
    savers: dict[str, Callable[[], object]] = {
        "frozen": lambda: frozen(model, folder),
        "savedmodel": lambda: exported(model, folder),
        "h5": lambda: model.save(folder / "model.h5"),
        "keras": lambda: model.save(folder / "model.keras"),
        "float32": lambda: float32(model, folder),
        "int8": lambda: int8(model, folder, sample),
    }
    for form in forms:
        savers[form]()
    image = images(1, size, 4, low, high)
    np.savez(folder / "answer.npz", image=image, scores=model(image, training=False).numpy())


if __name__ == "__main__":
    folder, name, size, low, high, *forms = sys.argv[1:]
    main(Path(folder), name, int(size), float(low), float(high), forms)
