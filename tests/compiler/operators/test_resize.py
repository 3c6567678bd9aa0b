from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]
IMAGE = np.random.default_rng(1).normal(size=(1, 2, 5, 7)).astype(np.float32)
COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners"]
SCALES = [(2.0, 3.0), (0.6, 0.7), (2.3, 0.45), (1.0, 1.4)]


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def test_nearest(nodes: Nodes) -> None:
    for mode, (down, right) in product(COORDINATES, SCALES):
        for nearest in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
            nodes.add(
                "Resize", IMAGE, None, floats(1, 1, down, right), constant=[2], mode="nearest",
                coordinate_transformation_mode=mode, nearest_mode=nearest,
            )  # fmt: skip
    nodes.run()


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_interpolation(nodes: Nodes, mode: str) -> None:
    for coordinates, (down, right) in product(COORDINATES, SCALES):
        nodes.add(
            "Resize", IMAGE, None, floats(1, 1, down, right), constant=[2], mode=mode, tolerance=1e-5,
            coordinate_transformation_mode=coordinates,
        )  # fmt: skip
    for antialias, exclude in ((0, 1), (1, 0), (1, 1)):
        for sizes in ((3, 3), (2, 11), (5, 1)):
            nodes.add(
                "Resize", IMAGE, None, None, ints(1, 2, *sizes), constant=[3], mode=mode, tolerance=1e-5,
                antialias=antialias, exclude_outside=exclude, cubic_coeff_a=-0.5,
            )  # fmt: skip
    nodes.run()


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_scales_of_the_run(nodes: Nodes, mode: str) -> None:
    for antialias, (down, right) in product((0, 1), SCALES):
        if mode == "nearest" and antialias:
            continue
        scales = floats(1, 1, down, right)
        options: dict[str, Any] = {"mode": mode, "antialias": antialias, "tolerance": 1e-5}
        nodes.add("Resize", IMAGE, None, scales, declared=True, **options)
        after = [int(size * scale) for size, scale in zip(IMAGE.shape, scales, strict=True)]
        nodes.add("Resize", IMAGE, None, None, ints(*after), declared=True, **options)
    nodes.run()


def test_regions(nodes: Nodes) -> None:
    for roi in (floats(0.4, 0.6, 0.6, 0.8), floats(-0.2, 0.1, 1.3, 0.9), floats(0, 0, 1, 1)):
        for mode, run in product(("linear", "cubic", "nearest"), (False, True)):
            nodes.add(
                "Resize", IMAGE, roi, None, ints(3, 4), constant=[] if run else [1, 3], declared=run,
                axes=[2, 3], mode=mode, coordinate_transformation_mode="tf_crop_and_resize",
                extrapolation_value=10.0, tolerance=1e-4,
            )  # fmt: skip
    nodes.run()


def test_axes_and_policies(nodes: Nodes) -> None:
    for policy in ("stretch", "not_larger", "not_smaller"):
        for constant in ([3], []):
            nodes.add(
                "Resize", IMAGE, None, None, ints(9, 4), constant=constant, declared=not constant,
                axes=[3, 2], mode="linear", keep_aspect_ratio_policy=policy, tolerance=1e-5,
            )  # fmt: skip
    nodes.add("Resize", IMAGE[0, 0], None, floats(2, 2), constant=[2], mode="cubic", tolerance=1e-5)
    nodes.run()


def test_types(nodes: Nodes) -> None:
    pixels = (np.arange(35) * 7 % 256).reshape(1, 1, 5, 7)
    for dtype in (np.uint8, np.int8, np.int32, np.float64, np.float16):
        x = (pixels - 128 if np.dtype(dtype).kind == "i" else pixels).astype(dtype)
        tolerance = 2e-3 if dtype is np.float16 else 1e-5
        for mode in ("nearest", "linear", "cubic"):
            nodes.add("Resize", x, None, floats(1, 1, 2, 1.5), constant=[2], mode=mode, tolerance=tolerance)
    nodes.add(
        "Resize",
        pixels > 100,
        None,
        floats(1, 1, 2, 2),
        constant=[2],
        expected=(pixels > 100).repeat(2, 2).repeat(2, 3),
    )
    nodes.run()


def test_before_version_eleven(nodes: Nodes) -> None:
    nodes.opset = 9
    doubled = IMAGE.repeat(2, 2).repeat(3, 3)
    nodes.add("Upsample", IMAGE, floats(1, 1, 2, 3), constant=[1], expected=doubled, mode="nearest")
    nodes.run()


def test_before_version_nine(nodes: Nodes) -> None:
    nodes.opset = 8
    doubled = IMAGE.repeat(2, 2).repeat(3, 3)
    nodes.add("Upsample", IMAGE, expected=doubled, mode="nearest", scales=[1.0, 1.0, 2.0, 3.0])
    nodes.run()


def test_version_ten(nodes: Nodes) -> None:
    nodes.opset = 10
    x = np.array([[[[1, 2], [3, 4]]]], np.float32)
    rows = np.array([[1, 1.5, 2, 2], [2, 2.5, 3, 3], [3, 3.5, 4, 4], [3, 3.5, 4, 4]], np.float32)
    nodes.add("Resize", x, floats(1, 1, 2, 2), constant=[1], expected=rows[None, None], mode="linear")
    nodes.run()


@pytest.mark.parametrize(
    ("inputs", "attributes", "message"),
    [
        ([IMAGE, None, floats(1, 1, 2, 2), ints(1, 2, 3, 4)], {}, "expected scales or sizes"),
        ([IMAGE, None, floats(2, 2)], {}, r"\(2,\) scales or sizes for 4 axes"),
        ([IMAGE, None, floats(1, 1, 2, 2)], {"mode": "area"}, "mode area"),
        ([IMAGE, None, floats(1, 1, 2, 2)], {"coordinate_transformation_mode": "x"}, "transformation_mode x"),
        ([IMAGE[:, :, :0], None, None, ints(1, 2, 3, 7)], {}, "an empty image"),
    ],
)
def test_impossible_sizes(
    nodes: Nodes, inputs: list[Array | None], attributes: dict[str, Any], message: str
) -> None:
    constant = [place for place, value in enumerate(inputs) if place and value is not None]
    nodes.add("Resize", *inputs, constant=constant, expected=IMAGE, **attributes)
    with pytest.raises(ClientError, match=message):
        nodes.run()
