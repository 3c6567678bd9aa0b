"""Contractions of bytes with constant weights of signed bytes, for contract_integer.h.

All sums are exact in int32. Numbers of the output follow in float32 or in integers: `Finish` says how.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels.activation import IDENTITY, Activation, literal
from tinsmith.compiler.backends.native.networks.kernels.contraction import ITEM_FLOPS
from tinsmith.compiler.backends.native.networks.kernels.pack import PANEL, SLICE, padded
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan, define, fields_of
from tinsmith.compiler.backends.native.networks.kernels.planes import NO_HALO, Plane
from tinsmith.compiler.backends.native.networks.kernels.window import STEP, Window, check_convolution
from tinsmith.compiler.ir import dtypes

GROUP = 4
"""Elements that are multiplied at once: TS_GROUP of contract_integer_dot.h."""

WIDEST_STRIP = 32
"""Columns of the widest register tile, TS_STRIP, on any processor."""

NEAR_BYTES = 24_000
"""Packed pixels of a block stay in a first-level cache while weights stream through, as long as there are
LEAST_PIXELS of them."""

LEAST_PIXELS, MOST_PIXELS = 12, 96

WINOGRAD_BYTES = 128_000
LEAST_TILES, MOST_TILES = 16, 48
"""As NEAR_BYTES for transformed tiles and a second-level cache: filters are transformed for each block."""

LEAST_ITEMS = 16
"""Work items that a layer with few pixels is cut into, by columns, so that every thread gets some."""

NUMBERS = {
    "int32": "TS_SUMS_INT32",
    "float32": "TS_NUMBERS_FLOAT",
    "uint8": "TS_NUMBERS_UINT8",
    "int8": "TS_NUMBERS_INT8",
}


@dataclass(frozen=True)
class Source:
    """How the bytes of the left side are meant."""

    signed: bool
    zero: int
    """The byte that stands for 0; what lies around an image."""


@dataclass(frozen=True)
class Finish:
    """activation(sum * scale + shift) as `dtype`; the sums are those of (x - zero) * w, and `start`.

    Bytes are round(value) + `zero`, halves to even, held within their type. As int32, the sum itself. With
    `fixed`, bytes are those of round(round(sum * mantissa / 2^31) / 2^right) + `zero`: the first halves are
    rounded up, the second ones away from zero.
    """

    dtype: str
    start: NDArray[np.int32] | None = None
    scale: NDArray[np.float32] | None = None
    shift: NDArray[np.float32] | None = None
    """Like `start` and `scale` one per output channel."""
    zero: int = 0
    activation: Activation = IDENTITY
    bounds: tuple[float, float] = (-math.inf, math.inf)
    """Of bytes, before they are rounded."""
    fixed: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None
    """Mantissas and shifts to the right, one per output channel."""

    def store(self, source: Source) -> str:
        """The initialiser of a struct ts_integer_store."""
        constants: dict[str, int | bool | str] = {"number": NUMBERS[self.dtype], "zero": self.zero}
        constants["start"] = self.start is not None or source.zero != 0
        constants["shift"] = self.shift is not None
        constants["fixed"] = self.fixed is not None
        if self.dtype in ("int8", "uint8"):
            low, high = (limit - self.zero for limit in dtypes.limits(self.dtype))
            constants["low"], constants["high"] = (
                literal(min(max(bound, low), high)) for bound in self.bounds
            )
        return f"{{{fields_of(constants)}}}"

    @property
    def types(self) -> dict[str, str]:
        """What the pointers of a kernel point to."""
        y = "uint8_t *" if self.dtype in ("uint8", "int8") else "float *"
        return {"x": "const uint8_t *", "bias": "const int32_t *", "y": y, "scratch": "unsigned char *"}

    def terms(self, source: Source, weights: NDArray[np.int8], groups: int) -> NDArray[np.int32]:
        """[groups, TS_TERMS, padded columns]: starts, sums of weights, and scales and shifts (as
        their bits) or mantissas and shifts to the right."""
        sums = weights.reshape(len(weights), -1).sum(axis=1, dtype=np.int64)
        columns = len(sums) // groups
        start = (0 if self.start is None else self.start.astype(np.int64)) - source.zero * sums
        numbers = self.fixed or (_bits(self.scale, sums), _bits(self.shift, sums))
        rows = [start.astype(np.int32), sums.astype(np.int32), *numbers]
        wide = np.zeros((groups, len(rows), padded(columns)), np.int32)
        for number, row in enumerate(rows):
            wide[:, number, :columns] = row.reshape(groups, columns)
        return wide


def _bits(values: NDArray[np.float32] | None, like: NDArray[Any]) -> NDArray[np.int32]:
    if values is None:
        return np.zeros(like.shape, np.int32)
    return np.ascontiguousarray(values, np.float32).view(np.int32)


def plan_integer_gemm(
    rows: int, weights: NDArray[np.int8], source: Source, finish: Finish, *, node: str = ""
) -> Plan:
    """y[rows, N] from x[rows, K] and weights[K, N]; rows adjoin."""
    depth, columns = weights.shape
    x, y = Plane(1, 1, rows, depth), Plane(1, 1, rows, columns)
    kernel = np.ascontiguousarray(weights.T)[:, :, None, None]
    return plan_integer_convolution(x, y, kernel, source, finish, node=node)


def plan_integer_convolution(
    x: Plane,
    y: Plane,
    weights: NDArray[np.int8],
    source: Source,
    finish: Finish,
    *,
    window: Window = STEP,
    groups: int = 1,
    node: str = "",
) -> Plan:
    """ONNX Conv of `x` with weights [out channels, in channels / groups, height, width] into `y`.

    `x` needs no halo: what lies around it is known.
    """
    check_convolution(x, y, weights, window, groups, None, needed=NO_HALO)
    out_channels, depth, high, wide = weights.shape
    columns = out_channels // groups
    packed = -(-high * wide * depth // GROUP) * GROUP
    windows = windows_of(source, window, (high, wide)) | {"deep": depth, "packed": packed}
    constants: dict[str, Any] = {
        **_pixels(x, y, window, (high, wide), windows),
        "columns": columns,
        "groups": groups,
        "x_group": depth,
        "y_group": columns,
    }
    tiles = 0 if groups > 1 else winograd_tiles((y.height, y.width), weights, window)
    constants |= _blocks(constants, packed, tiles)
    name, source_text, headers = define(
        "integer",
        "ts_integer_contraction",
        "ts_integer_contract",
        "contract_integer.h",
        {**constants, "windows": f"{{{fields_of(windows)}}}", "store": finish.store(source)},
        {"x": x.start, "w": 0, "bias": 0, "y": y.start, "scratch": 0},
        finish.activation,
        node,
        finish.types | {"w": "const int8_t *"},
    )
    by_group = weights.reshape(groups, columns, depth, high, wide).transpose(0, 3, 4, 2, 1)
    pixels = constants["block_pixels"]
    return Plan(
        function=name,
        source=source_text,
        headers=headers,
        weights=pack_groups(by_group.reshape(groups, high * wide * depth, columns)),
        bias=finish.terms(source, weights, groups),
        items=constants["images"] * groups * constants["blocks"] * constants["slices"],
        flops=2 * y.images * y.height * y.width * weights.size,
        scratch_bytes=max(
            -(-pixels * packed * 2 // 64) * 64 + pixels * WIDEST_STRIP * 4,
            _winograd_bytes(-(-tiles // constants["blocks"]), depth) if tiles else 0,
        ),
    )


def winograd_tiles(size: tuple[int, int], weights: NDArray[np.int8], window: Window) -> int:
    """Tiles of 2 x 2 pixels of an output of `size`; 0 where Winograd's does not pay or may overflow.

    Its input transform adds four bytes, so that products are below 1020 times the transformed weights.
    """
    columns, depth, high, wide = weights.shape
    steps = (*window.strides, *window.dilations)
    if (high, wide) != (3, 3) or steps != (1, 1, 1, 1) or depth % 32 or columns < PANEL or min(size) < 4:
        return 0
    transform = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]])
    whole = np.einsum("ih,jw,ochw->ocij", transform, transform, weights.astype(np.int64))
    if 1020 * np.abs(whole).sum(axis=1).max() >= 2**31:
        return 0
    return -(-size[0] // 2) * -(-size[1] // 2)


def _winograd_bytes(tiles: int, depth: int) -> int:
    """A pixel, then 16 positions of inputs and filters with a gap behind each, and of sums."""
    return -(-depth // 64) * 64 + 16 * (tiles * depth * 2 + depth * PANEL * 2 + tiles * PANEL * 4 + 2 * 64)


def windows_of(source: Source, window: Window, kernel: tuple[int, int]) -> dict[str, Any]:
    """Fields that struct ts_windows and struct ts_integer_depthwise share."""
    return {
        "outside": source.zero,
        "is_signed": source.signed,
        "high": kernel[0],
        "wide": kernel[1],
        "high_stride": window.strides[0],
        "wide_stride": window.strides[1],
        "high_dilation": window.dilations[0],
        "wide_dilation": window.dilations[1],
        "top": window.pads.top,
        "left": window.pads.left,
    }


def pack_groups(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """[..., K, N] to [..., panels, K / GROUP, PANEL, GROUP], zeros beyond K and N."""
    *outer, depth, columns = weights.shape
    wide = np.zeros((*outer, -(-depth // GROUP) * GROUP, padded(columns)), np.int8)
    wide[..., :depth, :columns] = weights
    split = wide.reshape(*outer, -1, GROUP, padded(columns) // PANEL, PANEL)
    return np.ascontiguousarray(np.moveaxis(split, (-2, -4, -1, -3), (-4, -3, -2, -1)))


def _pixels(
    x: Plane, y: Plane, window: Window, kernel: tuple[int, int], windows: dict[str, Any]
) -> dict[str, Any]:
    """The output's pixels, in one row where they adjoin; sets the sizes of the input in `windows`."""
    images, height, width, rows = y.images, y.height, y.width, (x.height, x.width)
    single = kernel == (1, 1) and window.strides == (1, 1) and window.pads == NO_HALO
    if single and x.rows_adjoin and y.rows_adjoin:
        height, width, rows = 1, height * width, (1, x.height * x.width)
        if x.images_adjoin and y.images_adjoin:
            images, width, rows = 1, images * width, (1, x.images * rows[1])
    windows |= {"height": rows[0], "width": rows[1], "row": x.row, "pixel": x.pixel}
    return {
        "images": images,
        "height": height,
        "width": width,
        "x_image": x.image,
        "y_image": y.image,
        "y_row": y.row,
        "y_pixel": y.pixel,
    }


def _blocks(constants: dict[str, Any], packed: int, tiles: int) -> dict[str, Any]:
    """How the output is cut into work items; the same on every processor."""
    pixels, columns = constants["height"] * constants["width"], constants["columns"]
    most = min(max(NEAR_BYTES // (2 * packed), LEAST_PIXELS), MOST_PIXELS)
    blocks = -(-pixels // most)
    if tiles:
        blocks = -(-tiles // min(max(WINOGRAD_BYTES // (32 * packed // 9), LEAST_TILES), MOST_TILES))
    items = constants["images"] * constants["groups"] * blocks
    parts = min(-(-LEAST_ITEMS // items), 2 * pixels * packed * columns // ITEM_FLOPS)
    slices = -(-columns // SLICE)
    slice_width = -(-slices // max(parts, 1)) * SLICE
    return {
        "blocks": blocks,
        "block_pixels": -(-pixels // blocks),
        "slices": -(-columns // slice_width),
        "slice": slice_width,
        "winograd": tiles > 0,
    }
