"""Matrix products and convolutions with constant weights, for contract_matrix.h."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels.activation import IDENTITY, Activation
from tinsmith.compiler.backends.native.networks.kernels.pack import SLICE, pack_panels, pad_bias
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan, define
from tinsmith.compiler.backends.native.networks.kernels.planes import NO_HALO, Plane
from tinsmith.compiler.backends.native.networks.kernels.schedule import (
    DEFAULT,
    Schedule,
    Schedules,
    merged,
    tile,
)
from tinsmith.compiler.backends.native.networks.kernels.window import STEP, Window, check_convolution

ITEM_FLOPS = 2**19
"""A work item this large is worth handing to a thread, some 10 microseconds; smaller ones only cost."""

TALLEST = 14
"""Pixels of the tallest tile."""

NEAR_BYTES = 600_000
"""Weights of a layer up to this size stay in a second-level cache while pixels stream through."""

DEPTH = 512
"""Rows of a panel of weights that one pass adds, if the product is deep: 32 columns of it fill 64 KB."""


def plan_gemm(
    rows: int,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None = None,
    *,
    x_row: int | None = None,
    y_row: int | None = None,
    residual_row: int | None = None,
    activation: Activation = IDENTITY,
    node: str = "",
    schedules: Schedules = (DEFAULT,),
) -> Plan:
    """y[rows, N] = activation(x[rows, K] @ weights[K, N] + bias[N] + residual[rows, N]).

    `x_row`, `y_row`: floats from row to row (None: rows adjoin); `residual_row` None: there is no residual.
    """
    depth, columns = weights.shape
    x = Plane(1, 1, rows, depth, buffer_channels=x_row)
    y = Plane(1, 1, rows, columns, buffer_channels=y_row)
    residual = None if residual_row is None else Plane(1, 1, rows, columns, buffer_channels=residual_row)
    kernel = np.ascontiguousarray(weights.T)[:, :, None, None]
    plan = plan_convolution(
        x, y, kernel, bias, residual=residual, activation=activation, node=node, schedules=schedules
    )
    return replace(plan, halo=NO_HALO)


def plan_convolution(
    x: Plane,
    y: Plane,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None = None,
    *,
    window: Window = STEP,
    groups: int = 1,
    residual: Plane | None = None,
    activation: Activation = IDENTITY,
    node: str = "",
    schedules: Schedules = (DEFAULT,),
) -> Plan:
    """ONNX Conv of `x` with weights [out channels, in channels / groups, height, width] into `y`.

    y = activation(conv(x) + bias + residual). `x` must have a halo of at least `window.pads`.
    """
    check_convolution(x, y, weights, window, groups, residual)
    out_channels, depth, high, wide = weights.shape
    columns = out_channels // groups
    taps = [_taps(x, depth, (high, wide), window, schedule.passes) for schedule in schedules]
    constants: dict[str, Any] = {
        **_pixels(x, y, residual, window, (high, wide)),
        **merged(taps),
        "columns": columns,
        "bias": True,
        "groups": groups,
        "x_group": depth,
        "y_group": columns,
        "residual": residual is not None,
        "residual_group": columns if residual else 0,
    }
    constants |= _items(constants, depth * high * wide, schedules)
    constants |= tile(schedules, ("vectors", "rows"))
    start = x.start - window.pads.top * x.row - window.pads.left * x.pixel
    offsets = {"x": start, "w": 0, "bias": 0, "residual": residual.start if residual else 0, "y": y.start}
    name, source, headers = define(
        "conv" if high * wide > 1 else "gemm",
        "ts_contraction",
        "ts_contract",
        "contract_matrix.h",
        constants,
        offsets,
        activation,
        node,
    )
    by_group = weights.reshape(groups, columns, depth, high, wide).transpose(0, 3, 4, 2, 1)
    return Plan(
        function=name,
        source=source,
        headers=headers,
        weights=pack_panels(by_group.reshape(groups, high * wide * depth, columns)),
        bias=pad_bias(bias, groups, columns),
        items=constants["images"] * groups * constants["blocks"] * constants["slices"],
        flops=2 * y.images * y.height * y.width * weights.size,
        halo=window.pads,
    )


def _pixels(
    x: Plane, y: Plane, residual: Plane | None, window: Window, kernel: tuple[int, int]
) -> dict[str, Any]:
    """The output's pixels; in one row, where they adjoin in every tensor."""
    planes = [y, *([residual] if residual else [])]
    images, height, width = y.images, y.height, y.width
    single = kernel == (1, 1) and window.strides == (1, 1) and window.pads == NO_HALO
    if single and all(plane.rows_adjoin for plane in (x, *planes)):
        height, width = 1, height * width
        if all(plane.images_adjoin for plane in (x, *planes)):
            images, width = 1, images * width
    return {
        "images": images,
        "height": height,
        "width": width,
        "x_image": x.image,
        "x_row": x.row * window.strides[0],
        "x_pixel": x.pixel * window.strides[1],
        "y_image": y.image,
        "y_row": y.row,
        "y_pixel": y.pixel,
        "residual_image": residual.image if residual else 0,
        "residual_row": residual.row if residual else 0,
        "residual_pixel": residual.pixel if residual else 0,
    }


def _taps(x: Plane, depth: int, kernel: tuple[int, int], window: Window, passes: int) -> dict[str, int]:
    """The sum: adjoining taps are one, and a deep sum is cut into `passes`; 0: as suits the cache."""
    high, wide = kernel
    high_step, wide_step = x.row * window.dilations[0], x.pixel * window.dilations[1]
    high_block = high
    if wide_step == depth or wide == 1:
        wide, depth, wide_step = 1, wide * depth, 0
    if high * wide == 1:
        part = depth // passes if passes else _divisor(depth, DEPTH)
        high, depth, high_step, high_block = depth // part, part, part, 1
    elif passes or high * wide * depth > 4 * DEPTH:
        high_block = high // (passes or high)
    return {
        "high": high,
        "wide": wide,
        "deep": depth,
        "high_step": high_step,
        "wide_step": wide_step,
        "high_block": high_block,
    }


def _divisor(depth: int, most: int) -> int:
    """The largest divisor of `depth` up to `most`; `depth` itself where that is below half of `most`."""
    if depth <= most:
        return depth
    best = next(part for part in range(most, 0, -1) if depth % part == 0)
    return best if 2 * best >= most else depth


def _items(constants: dict[str, Any], depth: int, schedules: Schedules) -> dict[str, Any]:
    """How the output is cut into work items, which is the same on every processor, and their order.

    Blocks of a slice are small, because neighbours are done as one. Where slices of a block follow each other
    instead, fewer than two tiles of pixels would waste registers.
    """
    pixels = constants["height"] * constants["width"]
    slices = -(-constants["columns"] // SLICE)
    flops = 2 * depth * pixels * min(constants["columns"], SLICE)
    slice_major = (
        slices == 1 or depth * constants["columns"] * 4 > NEAR_BYTES or constants["columns"] > pixels
    )
    least = TALLEST if slice_major else 2 * TALLEST
    blocks = max(1, min(pixels // least, flops // ITEM_FLOPS))
    return {
        "slices": slices,
        "blocks": max(blocks, min(pixels // TALLEST, blocks * schedules[0].split)),
        **merged([{"slice_major": _slice_major(schedule, slice_major)} for schedule in schedules]),
    }


def _slice_major(schedule: Schedule, default: bool) -> bool:
    return schedule.order == "slices" if schedule.order else default
