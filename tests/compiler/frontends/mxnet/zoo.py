"""Networks of the zoos of MXNet and GluonCV, with weights by rule: see record_zoo.py. Needs numpy only."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "zoo"
NETWORKS = {
    "resnet18_v1": 64,
    "resnet18_v2": 64,
    "mobilenet0_25": 64,
    "mobilenet_v2_0_25": 64,
    "mobilenetv3_small": 64,
    "squeezenet1_1": 224,
    "densenet121": 224,
    "inceptionv3": 299,
    "ssd_512_mobilenet1.0_voc": 128,
    "yolo3_mobilenet1.0_voc": 96,
    "fcn_resnet50_voc": 48,
    "psp_resnet101_voc": 48,
    "deeplab_resnet101_voc": 48,
}
"""By name, with the height and width of the picture."""


def picture(size: int) -> NDArray[np.float32]:
    """[1, 3, size, size]"""
    return np.random.default_rng(size).normal(size=(1, 3, size, size)).astype(np.float32)


def weight(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """The parameter `name`: of He's scale, variances and factors about 1, means and summands about 0."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith(("gamma", "var")):
        return random.uniform(0.7, 1.3, shape).astype(np.float32)
    if len(shape) == 1:
        return random.uniform(-0.2, 0.2, shape).astype(np.float32)
    scale = np.sqrt(2 / np.prod(shape[1:]))
    found: NDArray[Any] = (random.normal(size=shape) * scale).astype(np.float32)
    return found
