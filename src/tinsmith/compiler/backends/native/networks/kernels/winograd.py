"""3x3 convolutions by Winograd's F(4x4, 3x3), for contract_winograd.h.

A quarter of the multiplications, four times the weights, and rounding errors two to three times those of the
direct sum. Each output is a combination of a 6x6 patch of the input, so an infinity or NaN spreads over the
whole patch; and the halo must be zero also where it is there only to fill up patches.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels.activation import IDENTITY, Activation
from tinsmith.compiler.backends.native.networks.kernels.pack import NOTE, PANEL, pack_panels, pad_bias, padded
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan, define
from tinsmith.compiler.backends.native.networks.kernels.planes import Halo, Plane
from tinsmith.compiler.backends.native.networks.kernels.schedule import DEFAULT, Schedules, tile
from tinsmith.compiler.backends.native.networks.kernels.window import Window, check_convolution

PATCH = 36
"""Combinations of a patch."""

NEAR, FAR = 0.625, 1.5
"""The polynomials are evaluated at 0, +-NEAR, +-FAR and infinity. Against +-1 and +-2, which spare some
multiplications, these points make the largest errors a third as large."""

PART = 64
"""Most columns of a work item."""

ITEMS = 8
"""As many work items keep several threads busy; each thread transforms the patches of its items."""

SCRATCH = 768 * 1024
"""Bytes of patches and sums that stay in a second-level cache."""

LEAST_PATCHES = 14
"""Rows of the tallest register tile."""

LEAST_CHANNELS = 8
"""With fewer, the products are too small to pay for the transforms."""

GAIN = 0.75
"""Largest cost, as a share of the direct sum's, that is worth four times the weights."""


def winograd_halo(size: tuple[int, int], pads: Halo) -> Halo:
    """What the input needs around it for an output of height and width `size`: `pads`, and whole patches."""
    height, width = size
    return Halo(pads.top, pads.left, pads.bottom + -height % 4, pads.right + -width % 4)


def winograd_fits(kernel: tuple[int, int], window: Window, groups: int, channels: tuple[int, int]) -> bool:
    """Whether the layer has this form, and enough channels to be tried."""
    plain = window.strides == (1, 1) and window.dilations == (1, 1) and groups == 1
    return plain and kernel == (3, 3) and min(channels) >= LEAST_CHANNELS


def winograd_pays(
    size: tuple[int, int], channels: tuple[int, int], kernel: tuple[int, int], window: Window, groups: int
) -> bool:
    """Whether the layer has this form and is cheaper so; by the multiplications and what the transforms add.

    `size`: height and width of the output; `channels`: in and out. A transform costs about 110 additions per
    patch and input channel, 90 per output channel.
    """
    if not winograd_fits(kernel, window, groups, channels):
        return False
    patches = -(-size[0] // 4) * -(-size[1] // 4)
    depth, columns = channels
    cost = patches * (PATCH * depth * columns + 110 * depth + 90 * columns)
    return patches >= LEAST_PATCHES and cost < GAIN * 9 * size[0] * size[1] * depth * columns


def plan_winograd(
    x: Plane,
    y: Plane,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None = None,
    *,
    window: Window,
    residual: Plane | None = None,
    activation: Activation = IDENTITY,
    node: str = "",
    schedules: Schedules = (DEFAULT,),
) -> Plan:
    """ONNX Conv of `x` with weights [out channels, in channels, 3, 3], step and dilation 1.

    y = activation(conv(x) + bias + residual). `x` must have the halo that `winograd_halo` gives.
    """
    halo = winograd_halo((y.height, y.width), window.pads)
    check_convolution(x, y, weights, window, 1, residual, needed=halo)
    columns, depth, *_ = weights.shape
    patches, part = _item(y, depth, columns, schedules[0].split or 1)
    constants: dict[str, int | bool | str] = {
        "height": y.height,
        "width": y.width,
        "x_row": x.row,
        "x_pixel": x.pixel,
        "deep": depth,
        "columns": columns,
        "y_row": y.row,
        "y_pixel": y.pixel,
        "residual": residual is not None,
        "residual_row": residual.row if residual else 0,
        "residual_pixel": residual.pixel if residual else 0,
        "images": y.images,
        "x_image": x.image,
        "y_image": y.image,
        "residual_image": residual.image if residual else 0,
        "patches": patches,
        "part": part,
        **tile(schedules, ("vectors", "rows")),
    }
    start = x.start - window.pads.top * x.row - window.pads.left * x.pixel
    residual_start = residual.start if residual else 0
    name, source, headers = define(
        "winograd",
        "ts_winograd",
        "ts_convolve_winograd",
        "contract_winograd.h",
        constants,
        {"x": start, "w": 0, "bias": 0, "residual": residual_start, "y": y.start, "scratch": 0},
        activation,
        node,
    )
    blocks = -(-_patches(y) // patches)
    return Plan(
        function=name,
        source=source,
        headers=headers,
        weights=pack_panels(transform_kernel(weights)),
        bias=pad_bias(bias, 1, columns),
        items=y.images * blocks * -(-columns // part),
        flops=2 * y.images * y.height * y.width * weights.size,
        halo=halo,
        scratch_bytes=4 * (NOTE + PATCH * (patches * (depth + part) + 2 * PANEL)),
    )


def transform_kernel(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """[out, in, 3, 3] to [36, in, out], computed in double precision."""
    side = np.array([*(_at_point(point) for point in (0, NEAR, -NEAR, FAR, -FAR)), [0, 0, 1]])
    taps = weights.transpose(2, 3, 1, 0).reshape(9, -1).astype(np.float64)
    combined: NDArray[np.float64] = np.kron(side, side) @ taps
    return combined.reshape(PATCH, weights.shape[1], weights.shape[0]).astype(np.float32)


def _at_point(point: float) -> list[float]:
    """What the weights of a side become: their polynomial at `point`, by its distance from the others."""
    others = [other for other in (0, NEAR, -NEAR, FAR, -FAR) if other != point]
    distance = math.prod(point - other for other in others)
    return [power / distance for power in (1, point, point * point)]


def _patches(y: Plane) -> int:
    """Of an image."""
    return -(-y.height // 4) * -(-y.width // 4)


def _item(y: Plane, depth: int, columns: int, split: int) -> tuple[int, int]:
    """Patches and columns of a work item; `split`: with so many times as many blocks of patches."""
    parts = -(-columns // PART)
    patches, most = _patches(y), max(1, _patches(y) // LEAST_PATCHES)
    room = SCRATCH // (4 * PATCH * (depth + padded(-(-columns // parts))))
    blocks = min(most, max(-(-patches // max(room, 1)), ITEMS // (y.images * parts)))
    if blocks > 1 and y.images * blocks * parts % 2:
        blocks = min(most, blocks + 1)
    if y.images * blocks * parts < ITEMS:
        parts = min(2 * parts, max(1, padded(columns) // (2 * PANEL)))
    return -(-patches // (split * blocks)), padded(-(-columns // parts))
