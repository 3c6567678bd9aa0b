"""Makes torchvision and its detectors run beside the CPU build of PyTorch; imported before torchvision.

Its wheel on PyPI has its C++ library for the GPU build only, and without the library it does not import.
What its detectors take of the library is defined here in Python.
"""

from __future__ import annotations

import sys
from types import ModuleType

import torch

LIBRARY = torch.library.Library("torchvision", "DEF")
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define(
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor"
)
sys.modules["torchvision._meta_registrations"] = ModuleType("torchvision._meta_registrations")

import torchvision.extension
from torchvision.ops import box_iou
from torchvision.ops.roi_align import _roi_align

torchvision.extension._has_ops = lambda: True


def nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    order = scores.argsort(descending=True, stable=True)
    overlap = box_iou(boxes, boxes) > threshold
    kept: list[int] = []
    for index in order.tolist():
        if not overlap[index, kept].any():
            kept.append(index)
    return torch.tensor(kept, dtype=torch.int64)


LIBRARY.impl("nms", nms, "CPU")
LIBRARY.impl("roi_align", _roi_align, "CPU")
