"""Convolutions of every channel by itself, for contract_depthwise.h."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels.activation import IDENTITY, Activation
from tinsmith.compiler.backends.native.networks.kernels.pack import PANEL, pad_bias, padded
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan, define
from tinsmith.compiler.backends.native.networks.kernels.planes import Plane
from tinsmith.compiler.backends.native.networks.kernels.schedule import DEFAULT, Schedules, tile
from tinsmith.compiler.backends.native.networks.kernels.window import STEP, Window, check_convolution

ITEMS = 32
"""As many work items keep several threads busy."""

LEAST_PANELS = 4
"""Channels of a work item, in panels."""


def plan_depthwise(
    x: Plane,
    y: Plane,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None = None,
    *,
    window: Window = STEP,
    residual: Plane | None = None,
    activation: Activation = IDENTITY,
    node: str = "",
    schedules: Schedules = (DEFAULT,),
) -> Plan:
    """ONNX Conv with as many groups as input and output channels; `weights` is [channels, 1, height, width].

    y = activation(conv(x) + bias + residual). `x` must have a halo of at least `window.pads`.
    """
    check_convolution(x, y, weights, window, x.channels, residual)
    channels, _, high, wide = weights.shape
    constants: dict[str, int | bool | str] = {
        "height": y.height,
        "width": y.width,
        "channels": channels,
        "x_row": x.row * window.strides[0],
        "x_pixel": x.pixel,
        "stride": window.strides[1],
        "high": high,
        "wide": wide,
        "high_step": x.row * window.dilations[0],
        "wide_step": x.pixel * window.dilations[1],
        "y_row": y.row,
        "y_pixel": y.pixel,
        "residual": residual is not None,
        "residual_row": residual.row if residual else 0,
        "residual_pixel": residual.pixel if residual else 0,
        "images": y.images,
        "x_image": x.image,
        "y_image": y.image,
        "residual_image": residual.image if residual else 0,
        **tile(schedules, ("rows",)),
    }
    parts = max(1, min(padded(channels) // PANEL // LEAST_PANELS, -(-ITEMS // (y.images * y.height))))
    constants["parts"] = parts
    start = x.start - window.pads.top * x.row - window.pads.left * x.pixel
    name, source, headers = define(
        "depthwise",
        "ts_depthwise",
        "ts_convolve_depthwise",
        "contract_depthwise.h",
        constants,
        {"x": start, "w": 0, "bias": 0, "residual": residual.start if residual else 0, "y": y.start},
        activation,
        node,
    )
    return Plan(
        function=name,
        source=source,
        headers=headers,
        weights=_pack(weights),
        bias=pad_bias(bias, 1, channels),
        items=y.images * y.height * parts,
        flops=2 * y.images * y.height * y.width * weights.size,
        halo=window.pads,
    )


def _pack(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """[C, 1, height, width] to [panels, height * width, PANEL], channels beyond C zero."""
    channels = len(weights)
    wide = np.zeros((padded(channels), weights[0].size), np.float32)
    wide[:channels] = weights.reshape(channels, -1)
    return np.ascontiguousarray(wide.reshape(-1, PANEL, weights[0].size).transpose(0, 2, 1))
