"""Convolutions of bytes, every channel by itself, for contract_integer_depthwise.h."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels.integer import Finish, Source, windows_of
from tinsmith.compiler.backends.native.networks.kernels.pack import PANEL, padded
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan, define
from tinsmith.compiler.backends.native.networks.kernels.planes import NO_HALO, Plane
from tinsmith.compiler.backends.native.networks.kernels.window import STEP, Window, check_convolution

EXACT = 2**24
"""Whole numbers below it, and all sums of them below it, are exact in float32."""

BAND_BYTES, MOST_ROWS = 48_000, 8
"""Of the input rows that are copied for a band of output rows, and of output rows in a band."""


def sums_are_exact(weights: NDArray[np.int8], source: Source, start: NDArray[Any] | None = None) -> bool:
    """Whether floats hold every sum of bytes times `weights`, [channels, 1, height, width], and `start`."""
    magnitudes = np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(axis=1)
    most = (128 if source.signed else 255) + abs(source.zero)
    largest = most * magnitudes + (0 if start is None else np.abs(start.astype(np.int64)))
    return bool(largest.max() < EXACT)


def plan_integer_depthwise(
    x: Plane,
    y: Plane,
    weights: NDArray[np.int8],
    source: Source,
    finish: Finish,
    *,
    window: Window = STEP,
    node: str = "",
) -> Plan:
    """ONNX Conv with as many groups as input and output channels; `weights` is [channels, 1, height, width].

    Only where `sums_are_exact`; `x` needs no halo.
    """
    check_convolution(x, y, weights, window, x.channels, None, needed=NO_HALO)
    channels, _, high, wide = weights.shape
    copied = (y.width - 1) * window.strides[1] + (wide - 1) * window.dilations[1] + 1
    reach = (high - 1) * window.dilations[0] + 1
    band = ((BAND_BYTES // (copied * channels)) - reach) // window.strides[0] + 1
    band = min(max(band, 1), MOST_ROWS, y.height)
    bands = -(-y.height // band)
    constants: dict[str, Any] = {
        **windows_of(source, window, (high, wide)),
        "store": finish.store(source),
        "height": y.height,
        "width": y.width,
        "channels": channels,
        "x_height": x.height,
        "x_width": x.width,
        "x_row": x.row,
        "x_pixel": x.pixel,
        "y_row": y.row,
        "y_pixel": y.pixel,
        "images": y.images,
        "x_image": x.image,
        "y_image": y.image,
        "bands": bands,
        "band": band,
        "copied": copied,
    }
    name, source_text, headers = define(
        "integer_depthwise",
        "ts_integer_depthwise",
        "ts_integer_convolve_depthwise",
        "contract_integer_depthwise.h",
        constants,
        {"x": x.start, "w": 0, "bias": 0, "y": y.start, "scratch": 0},
        finish.activation,
        node,
        finish.types,
    )
    return Plan(
        function=name,
        source=source_text,
        headers=headers,
        weights=_pack(weights),
        bias=finish.terms(source, weights, 1),
        items=y.images * bands,
        flops=2 * y.images * y.height * y.width * weights.size,
        scratch_bytes=((band - 1) * window.strides[0] + reach) * copied * channels,
    )


def _pack(weights: NDArray[np.int8]) -> NDArray[np.float32]:
    """[C, 1, height, width] to [panels, height * width, PANEL], channels beyond C zero."""
    channels = len(weights)
    wide = np.zeros((padded(channels), weights[0].size), np.float32)
    wide[:channels] = weights.reshape(channels, -1)
    return np.ascontiguousarray(wide.reshape(-1, PANEL, weights[0].size).transpose(0, 2, 1))
