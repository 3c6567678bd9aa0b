from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels.activation import IDENTITY, RELU, clip
from tinsmith.compiler.backends.native.networks.kernels.integer import (
    Finish,
    Source,
    pack_groups,
    plan_integer_convolution,
    plan_integer_gemm,
    winograd_tiles,
)
from tinsmith.compiler.backends.native.networks.kernels.integer_depthwise import (
    plan_integer_depthwise,
)
from tinsmith.compiler.backends.native.networks.kernels.planes import NO_HALO, Halo, Plane, pixels
from tinsmith.compiler.backends.native.networks.kernels.window import Window
from tinsmith.errors import InternalError

Array = NDArray[Any]
Layers = list[tuple[Any, Array, Array]]
Run = Callable[[Sequence[Any]], list[Array]]
Convolve = Callable[[Array, Array, Window, int], Array]

UNSIGNED, SIGNED = Source(False, 131), Source(True, -7)


def draw(seed: int, source: Source, *shape: int) -> Array:
    """A third of the bytes are the least or the greatest."""
    low, high = (-128, 127) if source.signed else (0, 255)
    random = np.random.default_rng(seed)
    some = random.integers(low, high + 1, shape)
    ends = random.choice([low, high], shape)
    return np.where(random.random(shape) < 0.3, ends, some).astype(np.int8 if source.signed else np.uint8)


def finished(sums: Array, finish: Finish, channel: int) -> Array:
    """What `Finish` says, by numpy."""
    shape = [1] * sums.ndim
    shape[channel] = -1

    def of(values: Array | None, default: float) -> Array:
        return np.array(default) if values is None else values.reshape(shape)

    total = (sums + of(finish.start, 0)).astype(np.int32)
    if finish.dtype == "int32":
        return total
    value = total.astype(np.float32) * of(finish.scale, 1).astype(np.float32)
    value = value + of(finish.shift, 0).astype(np.float32)
    if finish.activation is RELU:
        value = np.maximum(value, 0)
    elif finish.activation is not IDENTITY:
        value = np.clip(value, np.float32(-3), np.float32(60))
    if finish.dtype == "float32":
        return value
    limits = np.iinfo(finish.dtype)
    return np.asarray(np.clip(np.rint(value) + finish.zero, limits.min, limits.max), finish.dtype)


def finish_of(seed: int, columns: int, depth: int) -> Finish:
    """Every kind in turn."""
    random = np.random.default_rng(seed)
    start = random.integers(-1000, 1000, columns).astype(np.int32) if seed % 2 else None
    if seed % 4 == 0:
        return Finish("int32", start)
    scale = random.uniform(0.5, 2, columns).astype(np.float32) / np.float32(80 * depth**0.5)
    shift = random.uniform(-9, 9, columns).astype(np.float32) if seed % 3 == 0 else None
    dtype, zero = [("float32", 0), ("uint8", 17), ("int8", -20)][seed % 4 - 1]
    return Finish(dtype, start, scale, shift, zero, [IDENTITY, RELU, clip(-3, 60)][seed % 3])


GEMMS = [
    (1, 1, 1),
    (1, 64, 100),
    (1, 515, 33),
    (2, 40, 17),
    (3, 7, 5),
    (5, 100, 47),
    (13, 9, 16),
    (29, 33, 31),
]
GEMMS += [(61, 17, 66), (200, 30, 129), (6, 2000, 70), (40, 64, 20), (7, 4, 64), (97, 5, 3)]


def gemms() -> tuple[Layers, list[Array]]:
    layers, expected = [], []
    for seed, (rows, depth, columns) in enumerate(GEMMS):
        for source in (UNSIGNED, SIGNED):
            x, w = draw(seed, source, rows, depth), draw(seed + 50, SIGNED, depth, columns)
            finish = finish_of(seed + source.signed, columns, depth)
            plan = plan_integer_gemm(rows, w, source, finish, node="node */ \\")
            sums = (x.astype(np.int64) - source.zero) @ w.astype(np.int64)
            answer = finished(sums, finish, 1)
            layers.append((plan, x, np.zeros(answer.shape, answer.dtype)))
            expected.append(answer)
    return layers, expected


def test_gemm(run_bytes: Run) -> None:
    layers, expected = gemms()
    for (plan, _, _), found, wanted in zip(layers, run_bytes(layers), expected, strict=True):
        np.testing.assert_array_equal(found, wanted, plan.source)


PAD = Halo(1, 1, 1, 1)
DENSE: dict[str, dict[str, Any]] = {
    "3x3": {"size": (9, 15), "channels": (20, 40), "kernel": (3, 3), "pads": PAD},
    "narrow image": {"size": (7, 7), "channels": (33, 17), "kernel": (3, 3), "pads": PAD, "images": 2},
    "first layer": {
        "size": (31, 18),
        "channels": (3, 24),
        "kernel": (7, 7),
        "pads": Halo(3, 3, 2, 3),
        "strides": (2, 2),
    },
    "dilated": {
        "size": (12, 11),
        "channels": (8, 16),
        "kernel": (3, 2),
        "pads": Halo(2, 3, 0, 1),
        "dilations": (2, 3),
        "strides": (1, 2),
    },
    "groups": {"size": (10, 9), "channels": (24, 48), "kernel": (3, 3), "pads": PAD, "groups": 3},
    "groups of one": {"size": (5, 6), "channels": (6, 6), "kernel": (2, 2), "groups": 6, "images": 2},
    "1x1, stride": {"size": (9, 8), "channels": (10, 35), "kernel": (1, 1), "strides": (2, 2), "images": 2},
    "1x1, adjoining": {"size": (5, 4), "channels": (12, 32), "kernel": (1, 1), "images": 3, "close": True},
    "wider than the image": {"size": (2, 3), "channels": (5, 9), "kernel": (3, 9), "pads": Halo(1, 4, 1, 4)},
    "deep": {"size": (6, 7), "channels": (256, 20), "kernel": (3, 3), "pads": PAD},
    "many tiles": {
        "size": (17, 22),
        "channels": (32, 70),
        "kernel": (3, 3),
        "pads": Halo(2, 1, 1, 0),
        "images": 2,
    },
    "without padding": {"size": (12, 9), "channels": (64, 33), "kernel": (3, 3), "close": True},
}
DEPTHWISE: dict[str, dict[str, Any]] = {
    "3x3": {"size": (11, 9), "channels": (37, 37), "kernel": (3, 3), "pads": PAD, "images": 2},
    "3x3, stride": {
        "size": (12, 16),
        "channels": (48, 48),
        "kernel": (3, 3),
        "pads": PAD,
        "strides": (2, 2),
        "close": True,
    },
    "5x5": {"size": (19, 30), "channels": (8, 8), "kernel": (5, 5), "pads": Halo(2, 2, 2, 2)},
    "wide": {"size": (3, 40), "channels": (5, 5), "kernel": (1, 9), "pads": Halo(0, 4, 0, 4)},
    "dilated": {
        "size": (12, 11),
        "channels": (16, 16),
        "kernel": (3, 2),
        "dilations": (2, 3),
        "strides": (1, 2),
    },
}


def convolution(
    convolve: Convolve,
    seed: int,
    source: Source,
    planner: Callable[..., Any],
    size: tuple[int, int],
    channels: tuple[int, int],
    kernel: tuple[int, int],
    pads: Halo = NO_HALO,
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
    groups: int = 1,
    images: int = 1,
    close: bool = False,
) -> tuple[Any, Array, Array, Array]:
    """Plan, x, y before and after. `close`: nothing lies around or between the pixels."""
    window, (into, out) = Window(strides, dilations, pads), channels
    x = Plane(images, *size, into) if close else Plane(images, *size, into, Halo(1, 0, 0, 2), into + 3)
    shape = (images, *window.output(size, kernel))
    y = Plane(*shape, out) if close else Plane(*shape, out, Halo(1, 0, 2, 3), out + 5, first_channel=4)
    data, w = draw(seed, source, images, *size, into), draw(seed + 1, SIGNED, out, into // groups, *kernel)
    finish = finish_of(seed, out, w[0].size)
    options = {"groups": groups} if planner is plan_integer_convolution else {}
    plan = planner(x, y, w, source, finish, window=window, **options)
    sums = convolve(data.astype(np.int64) - source.zero, w, window, groups)
    answer = finished(sums, finish, 3)
    buffer, before = np.zeros(x.floats, data.dtype), np.full(y.floats, 77, answer.dtype)
    pixels(x, buffer)[...] = data
    after = before.copy()
    pixels(y, after)[...] = answer
    return plan, buffer, before, after


def test_convolution(run_bytes: Run, convolve: Convolve) -> None:
    depthwise = [
        {**shape, "groups": shape["channels"][0], "planner": plan_integer_depthwise}
        for shape in DEPTHWISE.values()
    ]
    dense = [{**shape, "planner": plan_integer_convolution} for shape in DENSE.values()]
    cases = [
        convolution(convolve, 3 * seed + source.signed, source, **shape)
        for seed, shape in enumerate(dense + depthwise)
        for source in (UNSIGNED, SIGNED)
    ]
    found = run_bytes([case[:3] for case in cases])
    for (plan, _, _, expected), y in zip(cases, found, strict=True):
        np.testing.assert_array_equal(y, expected, plan.source)


def test_packed_weights() -> None:
    w = np.arange(5 * 18).reshape(5, 18).astype(np.int8)
    packed = pack_groups(w)
    assert packed.shape == (2, 2, 16, 4)
    assert packed[0, 0, 3].tolist() == [3, 21, 39, 57]
    assert packed[1, 1, 1].tolist() == [89, 0, 0, 0]
    assert not packed[1, :, 2:].any()


def test_where_winograd_pays() -> None:
    w = np.ones((16, 32, 3, 3), np.int8)
    assert winograd_tiles((7, 8), w, Window()) == 16
    assert winograd_tiles((7, 8), w, Window(strides=(2, 2))) == 0
    assert winograd_tiles((7, 8), w[:, :24], Window()) == 0
    assert winograd_tiles((3, 8), w, Window()) == 0
    assert winograd_tiles((7, 8), w[:, :, :, :2], Window()) == 0
    deep = np.full((16, 2048, 3, 3), 127, np.int8)
    assert winograd_tiles((7, 8), deep, Window()) == 0
    assert winograd_tiles((7, 8), deep[:, :1024], Window()) == 16


def test_refused() -> None:
    w = draw(0, SIGNED, 8, 4, 3, 3)
    with pytest.raises(InternalError) as caught:
        plan_integer_convolution(Plane(1, 9, 9, 5), Plane(1, 9, 9, 8), w, UNSIGNED, Finish("int32"))
    assert "weights (8, 4, 3, 3)" in str(caught.value)
