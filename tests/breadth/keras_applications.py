"""Architectures of keras.applications in the six forms that Keras and TensorFlow save them in."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.breadth.runner import Array, Built, Entry, Unbuilt
from tinsmith.spec.toolchains import TOOLCHAINS

SCRIPT = Path(__file__).with_name("keras_build.py")
INPUT = "image"
UNIT, BYTES = (-1.0, 1.0), (0.0, 255.0)
FLOAT, QUANTISED = 1e-3, 1.0
"""Largest differences, see `Built.tolerance`. Rounding over hundreds of layers came to 1.1e-4 at most."""


@dataclass(frozen=True)
class Architecture:
    """One function of keras.applications."""

    name: str
    size: int = 96
    """Height and width of its images."""
    range: tuple[float, float] = UNIT
    """Of its pixels."""


ARCHITECTURES = (
    Architecture("MobileNet", 224),
    Architecture("MobileNetV2"),
    Architecture("MobileNetV3Small", range=BYTES),
    Architecture("MobileNetV3Large", range=BYTES),
    Architecture("EfficientNetB0", range=BYTES),
    Architecture("NASNetMobile"),
    Architecture("DenseNet121"),
    Architecture("ResNet50", 224),
    Architecture("InceptionV3"),
    Architecture("Xception"),
    Architecture("VGG16"),
)
FORMS = {
    "frozen": ("TENSORFLOW", "model.pb"),
    "savedmodel": ("TENSORFLOW", "savedmodel"),
    "h5": ("KERAS", "model.h5"),
    "keras": ("KERAS", "model.keras"),
    "float32": ("TFLITE", "float32.tflite"),
    "int8": ("TFLITE", "int8.tflite"),
}
"""Framework and what is in the tarball."""


def build(architecture: Architecture, form: str, folder: Path) -> Built:
    """One form; the others are made at the same time, for starting TensorFlow takes longer than saving."""
    save(architecture, tuple(FORMS), folder)
    return built(architecture, form, folder)


def save(architecture: Architecture, forms: Sequence[str], folder: Path) -> None:
    """Files of `forms` and Keras's answer in `folder`, unless they are there. Raises Unbuilt."""
    if (folder / "answer.npz").exists():
        return
    toolchain = TOOLCHAINS["tensorflow"]
    if toolchain.installed() is None:
        raise Unbuilt("run `tinsmith toolchain install tensorflow`")
    numbers = map(str, (architecture.size, *architecture.range))
    command = [str(toolchain.python), "-I", "-B", str(SCRIPT), str(folder), architecture.name, *numbers]
    done = subprocess.run([*command, *forms], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unbuilt(done.stderr[-500:])


def built(architecture: Architecture, form: str, folder: Path) -> Built:
    """What a customer would hand in of a form that `save` made."""
    framework, file = FORMS[form]
    tarball = folder / f"{form}.tar.gz"
    with tarfile.open(tarball, "w:gz", compresslevel=1) as tar:
        tar.add(folder / file, file)
    with np.load(folder / "answer.npz") as answer:
        image, scores = answer["image"], answer["scores"]
    size = architecture.size
    shape = [1, 3, size, size] if framework == "KERAS" else [1, size, size, 3]
    config = json.dumps({INPUT: shape})
    if framework != "TFLITE":
        return Built(tarball, config, {INPUT: image}, [scores], FLOAT)
    name, image, scores = lite_answer(folder / file, image)
    return Built(tarball, config, {name: image}, [scores], QUANTISED if form == "int8" else FLOAT)


def lite_answer(path: Path, image: Array) -> tuple[str, Array, Array]:
    """Name and content of the input, and what LiteRT's reference kernels make of it."""
    interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    given, found = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(given["index"], image := quantised(image, given))
    interpreter.invoke()
    return given["name"], image, interpreter.get_tensor(found["index"])


def quantised(image: Array, details: dict[str, Any]) -> Array:
    """`image` in the steps of the input; as it is where that is of floats."""
    scale, zero = details["quantization"]
    if not scale:
        return image
    limits = np.iinfo(details["dtype"])
    return np.asarray(np.clip(np.rint(image / scale) + zero, limits.min, limits.max), details["dtype"])


ENTRIES = [
    Entry(framework, architecture.name, form, partial(build, architecture, form))
    for architecture in ARCHITECTURES
    for form, (framework, _) in FORMS.items()
]
