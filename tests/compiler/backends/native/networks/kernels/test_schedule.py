from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.backends.native.networks.kernels.contraction import plan_convolution
from tinsmith.compiler.backends.native.networks.kernels.depthwise import plan_depthwise
from tinsmith.compiler.backends.native.networks.kernels.planes import Halo, Plane
from tinsmith.compiler.backends.native.networks.kernels.product import Stack, plan_product
from tinsmith.compiler.backends.native.networks.kernels.schedule import (
    DEFAULT,
    VECTOR_FLOATS,
    Geometry,
    Schedule,
    candidates,
    merged,
    options,
    problems,
    several,
    tile,
    usual_vectors,
)
from tinsmith.compiler.backends.native.networks.kernels.winograd import plan_winograd, winograd_halo

GEMM = Geometry("gemm", (1, 197), 192, 576)
CONV = Geometry("conv", (28, 28), 128, 256, (3, 3), winograd=True)
DEPTHWISE = Geometry("depthwise", (14, 14), 1, 1, (3, 3), groups=384)
PRODUCT = Geometry("product", (1, 128), 32, 128, groups=12)
PAD = Halo(1, 1, 1, 1)

BY_SET = (Schedule(vectors=2, passes=2), Schedule(vectors=4, order="blocks"), Schedule(rows=5, passes=4))
"""For vectors of 16, 32 and 64 bytes."""


def test_a_geometry_reads_as_what_it_is() -> None:
    assert str(GEMM) == "gemm 192>576, rows 197"
    assert str(PRODUCT) == "product 32>128, rows 128, groups 12"
    wide = replace(CONV, strides=(2, 1), dilations=(1, 2), images=8)
    assert str(wide) == "conv 128>256, size 28x28, kernel 3x3, stride 2x1, dilation 1x2, images 8"
    assert str(DEPTHWISE) == "depthwise 1>1, size 14x14, kernel 3x3, groups 384"


@pytest.mark.parametrize("instruction_set", VECTOR_FLOATS)
@pytest.mark.parametrize("geometry", [GEMM, CONV, DEPTHWISE, PRODUCT], ids=str)
def test_candidates_are_legal_and_differ_in_one_choice(geometry: Geometry, instruction_set: str) -> None:
    found = candidates(geometry, instruction_set)
    assert len(set(found)) == len(found) > 1
    assert all(problems(schedule, geometry, instruction_set) == [] for schedule in found)
    assert all(len(schedule.record()) == 1 for schedule in found)
    usual = usual_vectors(geometry, instruction_set)
    assert usual == 0 or usual not in {schedule.vectors for schedule in found}
    again = candidates(geometry, instruction_set, found[0])
    assert found[0] not in again


def test_only_what_the_layer_has_is_open() -> None:
    assert options(GEMM, "avx2")["algorithm"] == ()
    assert options(replace(GEMM, columns=64), "avx2")["order"] == ()
    assert 3 not in options(GEMM, "avx2")["vectors"]  # no slice is a multiple of three vectors
    assert options(DEPTHWISE, "avx2")["vectors"] == ()
    assert options(PRODUCT, "avx2")["passes"] == ()
    assert options(CONV, "avx2")["passes"] == (1, 3)
    assert problems(Schedule(vectors=3, order="blocks"), GEMM, "avx2") == ["vectors 3 is none of 1, 2, 4"]
    assert problems(Schedule(order="blocks"), PRODUCT, "avx2") == ["order 'blocks' is none of its choices"]


def test_what_a_library_shares_is_left_to_the_cost_model() -> None:
    direct = Schedule(algorithm="direct", split=2)
    assert several((DEFAULT, direct, DEFAULT)) == (DEFAULT,)
    code = several((DEFAULT, replace(direct, rows=4), DEFAULT))
    assert code == (DEFAULT, Schedule(rows=4), DEFAULT)
    assert direct.shared == direct


def test_constants_differ_only_where_the_schedules_do() -> None:
    assert tile((DEFAULT,), ("vectors", "rows")) == {"tile_vectors": 0, "tile_rows": 0}
    assert tile(BY_SET, ("vectors",)) == {"tile_vectors": "TS_BY_VECTOR(2, 4, 0)"}
    assert merged([{"a": True}, {"a": False}, {"a": True}]) == {"a": "TS_BY_VECTOR(true, false, true)"}


def test_the_default_is_the_code_without_a_schedule() -> None:
    x, y = Plane(1, 40, 40, 32), Plane(1, 40, 40, 200)
    weights = np.zeros((200, 32, 1, 1), np.float32)
    usual = plan_convolution(x, y, weights)
    assert plan_convolution(x, y, weights, schedules=(DEFAULT,)).source == usual.source
    other = plan_convolution(x, y, weights, schedules=(Schedule(split=2),))
    assert other.items > usual.items
    assert "TS_BY_VECTOR" in plan_convolution(x, y, weights, schedules=BY_SET).source


ONE_CHOICE = [
    *(Schedule(vectors=vectors) for vectors in (1, 2, 4)),
    *(Schedule(rows=2), Schedule(vectors=2, rows=3), Schedule(order="slices"), Schedule(order="blocks")),
    *(Schedule(passes=1), Schedule(passes=3), Schedule(split=4), Schedule(vectors=4, passes=3)),
]


@pytest.mark.parametrize("target", ["sse2", "avx2", "avx512"], indirect=True)
def test_every_choice_computes_the_same(
    check_layers: Callable[[Sequence[Any]], None], convolution: Callable[..., Any]
) -> None:
    single = {"size": (9, 23), "channels": (48, 200), "kernel": (1, 1)}
    square = {"size": (13, 11), "channels": (24, 150), "kernel": (3, 3), "pads": PAD, "residual": True}
    layers = []
    for seed, schedules in enumerate([BY_SET, *((schedule,) for schedule in ONE_CHOICE)]):
        layers.append(convolution(plan_convolution, seed, **single, schedules=schedules))
        if schedules != BY_SET:  # whose passes do not divide three rows
            layers.append(convolution(plan_convolution, seed, **square, schedules=schedules))
    for rows in (2, 5, 10):
        own = {**square, "channels": (40, 40), "groups": 40, "schedules": (Schedule(rows=rows),)}
        layers.append(convolution(plan_depthwise, rows, **own))
    halo = winograd_halo((13, 11), PAD)
    for schedule in (Schedule(vectors=4), Schedule(rows=3), Schedule(split=2)):
        own = {**square, "channels": (24, 40), "halo": halo, "tolerance": 6e-6, "schedules": (schedule,)}
        layers.append(convolution(plan_winograd, 7, **own))
    check_layers(layers)


@pytest.mark.parametrize("target", ["sse2", "avx2", "avx512"], indirect=True)
def test_products_of_every_tile(check_layers: Callable[[Sequence[Any]], None], layer_of: Any) -> None:
    draw = np.random.default_rng(1)
    x, w = (draw.normal(size=shape).astype(np.float32) for shape in ((33, 40), (40, 131)))
    y, nothing = np.zeros((33, 131), np.float32), np.zeros(0, np.float32)
    plans = [
        plan_product((1, 1), 33, 40, 131, Stack(40), Stack(131), Stack(131), schedules=schedules)
        for schedules in [(Schedule(vectors=1),), (Schedule(vectors=4, rows=2),), BY_SET]
    ]
    expected = x.astype(np.float64) @ w
    check_layers([layer_of(plan, x, nothing, y, expected, 7.5, w) for plan in plans])
