"""PyTorch's architectures: torchvision's, those of transformers, and a YOLOv5, with random weights; traced,
scripted and exported, and answered by PyTorch itself.

They are made in an environment of their own, .cache/breadth/pytorch-*: what zoo/requirements.lock lists, on
top of the toolchain `pytorch`, which it leaves as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from tests.breadth.runner import Built, Entry, Unbuilt
from tinsmith.compiler import toolchains
from tinsmith.errors import ClientError

ZOO = Path(__file__).parent / "zoo"
LOCK = ZOO / "requirements.lock"
CACHE = Path(__file__).parents[2] / ".cache" / "breadth"
UNBUILT = 3

CLASSIFIERS = (
    *("resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "densenet121"),
    *("inception_v3", "googlenet", "squeezenet1_1", "shufflenet_v2_x1_0", "mnasnet0_5", "regnet_y_400mf"),
    *("efficientnet_b0", "convnext_tiny", "vit_b_16", "swin_t"),
)
SEGMENTATION = ("lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large")
LANGUAGE = (
    *("bert", "bert_one_input", "bert_classifier", "bert_masked_words", "bert_answers", "distilbert"),
    *("roberta", "roberta_tags", "electra", "albert", "mpnet", "deberta_v2", "gpt2", "t5_encoder", "vit"),
    *("deit", "clip_vision", "whisper_encoder", "wav2vec2"),
)
EXPORTED_LANGUAGE = ("bert", "distilbert", "roberta", "gpt2", "t5_encoder", "vit")
"""An exported program takes a minute each, most of it in PyTorch."""
VISION_TOLERANCE, LANGUAGE_TOLERANCE = 5e-4, 1e-4
"""Of the largest number. Deep networks without training amplify PyTorch's own rounding, too."""


@cache
def python() -> Path:
    """The interpreter of the environment, which is made where it is missing. Raises Unbuilt without the
    toolchain."""
    try:
        toolchain = toolchains.find("pytorch")
    except ClientError as error:
        raise Unbuilt(str(error)) from None
    packages = next((toolchain.python.parents[1] / "lib").glob("python3.*/site-packages"))
    key = hashlib.sha256(LOCK.read_bytes() + str(packages).encode()).hexdigest()[:12]
    home = CACHE / f"pytorch-{key}"
    if not home.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        making = Path(mkdtemp(dir=CACHE))
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(making)], check=True)
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*uv, "--python", str(making / "bin" / "python"), "-r", str(LOCK)], check=True)
        (next((making / "lib").glob("python3.*/site-packages")) / "toolchain.pth").write_text(f"{packages}\n")
        if not _moved(making, home):
            return python()
    return home / "bin" / "python"


def _moved(making: Path, home: Path) -> bool:
    """False where another process was faster."""
    try:
        os.rename(making, home)
    except OSError:
        return home.exists()
    return True


def build(name: str, form: str, folder: Path) -> Built:
    """Raises Unbuilt where PyTorch does not save the model in this form."""
    here = folder / form
    if not (here / "model.json").exists():
        here.mkdir(exist_ok=True)
        command = [str(python()), "-I", "-B", str(ZOO / "build.py"), str(here), name, form]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
        if done.returncode == UNBUILT:
            raise Unbuilt(done.stderr.strip().splitlines()[-1])
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
    model = next(here.glob("model.pt*"))
    with tarfile.open(here / "model.tar", "w") as tar:
        tar.add(model, model.name)
    said: dict[str, Any] = json.loads((here / "model.json").read_text())
    with np.load(here / "model.npz") as arrays:
        inputs = {each: arrays[f"in{number}"] for number, each in enumerate(said["inputs"])}
        expected = [arrays[f"out{number}"] for number in range(said["outputs"])]
    shapes = {each: list(array.shape) for each, array in inputs.items()}
    dtypes = {each: array.dtype.name for each, array in inputs.items()}
    library = name.partition("/")[0]
    tolerance = LANGUAGE_TOLERANCE if library == "transformers" else VISION_TOLERANCE
    config, options = json.dumps(shapes), json.dumps({"dtype": dtypes})
    if name.endswith(("/resnet18", "/bert_classifier")):
        config, options = json.dumps([*shapes.values()]), json.dumps({"dtype": [*dtypes.values()]})
    if (name, form) == ("transformers/bert", "traced"):
        return Built(here / "model.tar", None, inputs, expected, tolerance)
    return Built(here / "model.tar", config, inputs, expected, tolerance, compiler_options=options)


def _entries(library: str, names: tuple[str, ...], *forms: str) -> list[Entry]:
    return [
        Entry("PYTORCH", name, form, partial(build, f"{library}/{name}", form))
        for name in names
        for form in forms
    ]


ENTRIES = [
    *_entries("torchvision", CLASSIFIERS, "traced", "scripted", "exported"),
    *_entries("torchvision", SEGMENTATION, "traced", "scripted", "exported"),
    *_entries("torchvision", ("r3d_18",), "traced"),
    *(
        entry
        for name in LANGUAGE
        for entry in _entries(
            "transformers", (name,), "traced", *(["exported"] if name in EXPORTED_LANGUAGE else [])
        )
    ),
    *_entries("yolov5", ("yolov5s",), "traced", "scripted", "exported"),
]
