from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(5)
IMAGE = RANDOM.normal(size=(2, 2, 4, 5)).astype(np.float32)
GRID = RANDOM.uniform(-1.6, 1.6, size=(2, 3, 4, 2)).astype(np.float32)
VOLUME = RANDOM.normal(size=(1, 2, 3, 4, 3)).astype(np.float32)
POINTS = RANDOM.uniform(-1.4, 1.4, size=(1, 2, 3, 2, 3)).astype(np.float32)
PADDINGS = ["zeros", "border", "reflection"]


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def test_grid_sample(nodes: Nodes) -> None:
    for mode, padding, align in product(("nearest", "linear", "cubic"), PADDINGS, (0, 1)):
        options: dict[str, Any] = {"mode": mode, "padding_mode": padding, "align_corners": align}
        nodes.add("GridSample", IMAGE, GRID, tolerance=2e-5, **options)
        nodes.add("GridSample", VOLUME, POINTS, tolerance=1e-4, **options)
    nodes.run()


def test_grid_sample_at_the_edges(nodes: Nodes) -> None:
    edges = np.array([-1, 1, -1.0001, 1.0001, 0, 0.5, -5, 5], np.float32)
    grid = np.stack(np.meshgrid(edges, edges), -1)[None]
    for padding, align in product(PADDINGS, (0, 1)):
        nodes.add("GridSample", IMAGE[:1], grid, padding_mode=padding, align_corners=align, tolerance=1e-4)
    one = IMAGE[:1, :, :1, :1]
    for padding in PADDINGS:
        nodes.add("GridSample", one, grid, padding_mode=padding, tolerance=1e-4)
    nodes.run()


def test_coordinates_without_a_place(nodes: Nodes) -> None:
    """They read no foreign memory; what comes out for NaN is NaN or padding."""
    grid = np.array([np.inf, -np.inf, 3e38, -3e38], np.float32)[:, None].repeat(2, 1)[None, None]
    nothing = np.zeros((1, 2, 1, 4), np.float32)
    nodes.add("GridSample", IMAGE[:1], grid, mode="nearest", expected=nothing, folds=False)
    corners = IMAGE[:1, :, [[-1, 0, -1, 0]], [[-1, 0, -1, 0]]]
    nodes.add("GridSample", IMAGE[:1], grid, mode="nearest", padding_mode="border", expected=corners)
    nodes.run()


def test_names_before_version_twenty(nodes: Nodes) -> None:
    nodes.opset = 16
    for mode in ("bilinear", "bicubic", "nearest"):
        new = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
        reference = Nodes(nodes.folder)
        reference.add("GridSample", IMAGE, GRID, mode=new)
        expected = reference._checks[0].expected
        nodes.add("GridSample", IMAGE, GRID, mode=mode, tolerance=2e-5, expected=expected)
    nodes.run()


def test_affine_grid(nodes: Nodes) -> None:
    theta = RANDOM.normal(size=(2, 2, 3)).astype(np.float32)
    deep = RANDOM.normal(size=(1, 3, 4)).astype(np.float32)
    for align in (0, 1):
        for constant in ([1], []):
            options: dict[str, Any] = {"constant": constant, "declared": not constant, "tolerance": 1e-5}
            nodes.add("AffineGrid", theta, ints(2, 3, 4, 5), align_corners=align, **options)
            nodes.add("AffineGrid", deep, ints(1, 3, 2, 4, 5), align_corners=align, **options)
    nodes.run()


@pytest.mark.parametrize("ratio", [0, 1, 3])
def test_roi_align(nodes: Nodes, ratio: int) -> None:
    image = RANDOM.normal(size=(2, 3, 9, 11)).astype(np.float32)
    boxes = np.array(
        [[0, 0, 8, 6], [3, 2, 3.5, 12], [-5, -3, 30, 20], [7, 7, 2, 2], [1, 1, 1, 1]], np.float32
    )
    places = ints(0, 1, 1, 0, 1)
    for mode, half in product(("avg", "max"), ("half_pixel", "output_half_pixel")):
        nodes.add(
            "RoiAlign", image, boxes, places, mode=mode, coordinate_transformation_mode=half, tolerance=1e-5,
            output_height=2, output_width=3, sampling_ratio=ratio, spatial_scale=0.75, folds=ratio > 0,
        )  # fmt: skip
    nodes.run()


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("GridSample", [IMAGE, POINTS], {}, "a grid of shape"),
        ("GridSample", [IMAGE, GRID], {"mode": "area"}, "mode area"),
        ("GridSample", [IMAGE[:, :, :0], GRID], {}, "an empty image"),
        ("AffineGrid", [GRID[0], ints(3, 1, 4, 5)], {}, "theta of shape"),
        ("RoiAlign", [IMAGE, GRID[0, 0], ints(0, 0, 0, 0)], {}, "rois of shape"),
    ],
)
def test_impossible_samples(
    nodes: Nodes, op: str, inputs: list[Array], attributes: dict[str, Any], message: str
) -> None:
    nodes.add(op, *inputs, constant=[1] if op == "AffineGrid" else [], expected=IMAGE, **attributes)
    with pytest.raises(ClientError, match=message):
        nodes.run()
