from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.backends.native.networks.kernels import winograd
from tinsmith.compiler.backends.native.networks.kernels.planes import Halo, Plane
from tinsmith.compiler.backends.native.networks.kernels.window import Window
from tinsmith.compiler.backends.native.networks.kernels.winograd import (
    plan_winograd,
    winograd_halo,
    winograd_pays,
)

PAD = Halo(1, 1, 1, 1)
LAYERS: dict[str, dict[str, Any]] = {
    "whole patches": {"size": (8, 12), "channels": (16, 32), "pads": PAD},
    "parts of patches": {"size": (9, 14), "channels": (19, 21), "pads": PAD, "images": 2},
    "parts of columns": {"size": (6, 5), "channels": (8, 300), "pads": Halo(0, 2, 1, 0)},
    "several blocks": {"size": (17, 37), "channels": (20, 24), "pads": PAD},
    "one pixel": {"size": (1, 1), "channels": (1, 1), "pads": PAD},
}


def test_winograd(
    check_layers: Callable[[Sequence[Any]], None], convolution: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "SCRATCH", 0)
    layers = []
    for seed, shape in enumerate(LAYERS.values()):
        size, pads = shape["size"], shape["pads"]
        out = Window(pads=pads).output(size, (3, 3))
        more = shape | {"kernel": (3, 3), "halo": winograd_halo(out, pads), "residual": seed % 2 == 0}
        more["tolerance"] = 6e-6
        layers.append(convolution(plan_winograd, seed, **more))
    check_layers(layers)


@pytest.mark.parametrize(
    ("size", "channels", "kernel", "window", "groups", "pays"),
    [
        ((56, 56), (64, 64), (3, 3), Window(pads=PAD), 1, True),
        ((14, 14), (256, 256), (3, 3), Window(pads=PAD), 1, True),
        ((7, 7), (512, 512), (3, 3), Window(pads=PAD), 1, False),
        ((56, 56), (3, 64), (3, 3), Window(pads=PAD), 1, False),
        ((56, 56), (64, 64), (3, 3), Window((2, 2), pads=PAD), 1, False),
        ((56, 56), (64, 64), (3, 3), Window(dilations=(2, 2), pads=PAD), 1, False),
        ((56, 56), (64, 64), (3, 3), Window(pads=PAD), 2, False),
        ((56, 56), (64, 64), (5, 5), Window(pads=PAD), 1, False),
    ],
)
def test_pays(
    size: tuple[int, int],
    channels: tuple[int, int],
    kernel: tuple[int, int],
    window: Window,
    groups: int,
    pays: bool,
) -> None:
    assert winograd_pays(size, channels, kernel, window, groups) is pays


@pytest.mark.parametrize(
    ("size", "channels"),
    [((56, 56), 64), ((28, 28), 128), ((14, 14), 256), ((104, 104), 64), ((13, 13), 512)],
)
def test_items_are_even_and_enough_for_several_threads(size: tuple[int, int], channels: int) -> None:
    x = Plane(1, *size, channels, winograd_halo(size, PAD))
    weights = np.zeros((channels, channels, 3, 3), np.float32)
    plan = plan_winograd(x, Plane(1, *size, channels), weights, window=Window(pads=PAD))
    assert plan.items >= 8
    assert plan.items % 2 == 0
