from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinsmith.compiler.backends.native.networks.kernels.depthwise import plan_depthwise
from tinsmith.compiler.backends.native.networks.kernels.planes import Halo

PAD = Halo(1, 1, 1, 1)
LAYERS: dict[str, dict[str, Any]] = {
    "3x3": {"size": (9, 30), "channels": 32, "kernel": (3, 3), "pads": PAD, "close": True},
    "3x3 with stride": {"size": (8, 15), "channels": 37, "kernel": (3, 3), "pads": PAD, "strides": (2, 2)},
    "5x5": {"size": (7, 7), "channels": 21, "kernel": (5, 5), "pads": Halo(2, 2, 2, 2), "images": 2},
    "5x5 with stride": {"size": (13, 13), "channels": 24, "kernel": (5, 5), "strides": (1, 2)},
    "wide": {"size": (3, 40), "channels": 7, "kernel": (1, 17), "pads": Halo(0, 8, 0, 8)},
    "high": {"size": (20, 1), "channels": 17, "kernel": (9, 1), "pads": Halo(4, 0, 4, 0)},
    "dilated": {"size": (12, 13), "channels": 19, "kernel": (3, 3), "dilations": (2, 3), "strides": (2, 1)},
    "one pixel, one channel": {"size": (1, 1), "channels": 1, "kernel": (1, 1)},
    "7x7": {"size": (9, 11), "channels": 16, "kernel": (7, 7), "pads": Halo(3, 3, 3, 3)},
}


def test_depthwise(check_layers: Callable[[Sequence[Any]], None], convolution: Any) -> None:
    layers = []
    for seed, shape in enumerate(LAYERS.values()):
        channels = shape["channels"]
        more = shape | {"channels": (channels, channels), "groups": channels, "residual": seed % 2 == 1}
        layers.append(convolution(plan_depthwise, seed, **more))
    check_layers(layers)
