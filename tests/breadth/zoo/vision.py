"""Torchvision's models, with random weights: name -> module and inputs."""

from __future__ import annotations

from typing import Any

import torch
import torchvision

from zoo.calibration import calibrated

Tensors = tuple[torch.Tensor, ...]

SIZES = {
    "resnet18": 64,
    "resnet50": 64,
    "resnext50_32x4d": 64,
    "wide_resnet50_2": 64,
    "vgg11_bn": 64,
    "alexnet": 96,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "mobilenet_v3_large": 64,
    "densenet121": 64,
    "inception_v3": 96,
    "googlenet": 64,
    "squeezenet1_1": 64,
    "shufflenet_v2_x1_0": 64,
    "mnasnet0_5": 64,
    "regnet_y_400mf": 64,
    "regnet_x_400mf": 64,
    "efficientnet_b0": 64,
    "efficientnet_v2_s": 64,
    "convnext_tiny": 64,
    "vit_b_16": 64,
    "swin_t": 64,
    "swin_v2_t": 64,
    "maxvit_t": 224,
}
"""Of classifiers: the height and width of their picture."""
SEGMENTATION = {"lraspp_mobilenet_v3_large": 96, "deeplabv3_mobilenet_v3_large": 96, "fcn_resnet50": 64}
DETECTION = {"ssdlite320_mobilenet_v3_large": 320, "fasterrcnn_mobilenet_v3_large_320_fpn": 320}
VIDEO = ("r3d_18", "mc3_18", "r2plus1d_18")


def classifier(name: str) -> tuple[torch.nn.Module, Tensors]:
    more: dict[str, Any] = {"image_size": SIZES[name]} if name.startswith("vit") else {}
    if name in ("googlenet", "inception_v3"):
        more = {"init_weights": False}
    module = torchvision.models.get_model(name, weights=None, **more)
    if name.startswith("vit"):
        torch.nn.init.normal_(module.heads.head.weight, std=0.05)  # zeros until it is trained
    return calibrated(module, torch.rand(1, 3, SIZES[name], SIZES[name]))


def dense(name: str, size: int) -> tuple[torch.nn.Module, Tensors]:
    """Segmentation: outputs of the size of the picture, in a dictionary."""
    module = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=5)
    return calibrated(module, torch.rand(1, 3, size, size))


def detector(name: str) -> tuple[torch.nn.Module, tuple[list[torch.Tensor]]]:
    module = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=5)
    size = DETECTION[name]
    return module.eval(), ([torch.rand(3, size, size)],)


def video(name: str) -> tuple[torch.nn.Module, Tensors]:
    return calibrated(torchvision.models.get_model(name, weights=None), torch.rand(1, 3, 8, 32, 32))
