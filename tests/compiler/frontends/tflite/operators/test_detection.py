"""Non-maximum suppression beside LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

from tests.compiler.frontends.tflite.build import Builder, T, c, evaluate, litert, one, read_bytes
from tests.compiler.frontends.tflite.cases import x
from tinsmith.errors import ClientError

COUNT, CLASSES = 30, 4
OPTIONS: dict[str, Any] = {
    "max_detections": 6,
    "max_classes_per_detection": 1,
    "detections_per_class": 3,
    "num_classes": CLASSES,
    "nms_score_threshold": 0.3,
    "nms_iou_threshold": 0.5,
    "use_regular_nms": False,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def boxes(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    corner = rng.uniform(0, 1, (COUNT, 2))
    return np.concatenate([corner, corner + rng.uniform(0.2, 0.6, (COUNT, 2))], 1).astype(np.float32)


def suppression(version: int, most: int, threshold: float) -> Builder:
    inputs = [x(COUNT, 4), x(COUNT), c(most), c(0.4), c(threshold)] + ([c(0.0)] if version == 5 else [])
    outputs = [T((most,), "int32"), *([T((most,))] if version == 5 else []), T((), "int32")]
    return one(
        f"NON_MAX_SUPPRESSION_V{version}", inputs, outputs, (f"NonMaxSuppressionV{version}Options", {})
    )


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize(("most", "threshold"), [(4, 0.1), (20, 0.1), (5, 2.0)])
def test_suppression(version: int, most: int, threshold: float, tmp_path: Path) -> None:
    content = suppression(version, most, threshold).bytes()
    rng = np.random.default_rng(3)
    feeds = [boxes(rng), rng.uniform(0, 1, COUNT).astype(np.float32)]
    network = read_bytes(tmp_path, content)
    found = evaluate(network, dict(zip((spec.name for spec in network.inputs), feeds, strict=True)))
    wanted = litert(content, feeds)
    count = int(wanted[-1])
    assert int(found[-1]) == count
    for got, want in zip(found[:-1], wanted[:-1], strict=True):  # behind the count, the kernel leaves rubbish
        np.testing.assert_array_equal(got[:count], want[:count])
        assert not got[count:].any()


def detection(**changes: Any) -> Builder:
    rng = np.random.default_rng(5)
    anchors = np.concatenate([rng.uniform(0.2, 0.8, (COUNT, 2)), rng.uniform(0.2, 0.5, (COUNT, 2))], 1)
    inputs = [x(1, COUNT, 4), x(1, COUNT, CLASSES + 1, low=0, high=1), c(anchors.astype(np.float32))]
    most = {**OPTIONS, **changes}["max_detections"]
    outputs = [T((1, most, 4)), T((1, most)), T((1, most)), T((1,))]
    custom = bytes(flexbuffers.Dumps({**OPTIONS, **changes}))
    return one("TFLite_Detection_PostProcess", inputs, outputs, custom=custom)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use_regular_nms": True},
        {"max_detections": 40},
        {"nms_score_threshold": 0.99},
        {"use_regular_nms": True, "max_detections": 40},
    ],
)
def test_postprocess(changes: dict[str, Any], tmp_path: Path) -> None:
    content = detection(**changes).bytes()
    rng = np.random.default_rng(3)
    feeds = [rng.uniform(-3, 3, (1, COUNT, 4)).astype(np.float32)]
    feeds += [rng.uniform(0, 1, (1, COUNT, CLASSES + 1)).astype(np.float32)]
    network = read_bytes(tmp_path, content)
    found = evaluate(network, dict(zip((spec.name for spec in network.inputs), feeds, strict=True)))
    wanted = litert(content, feeds)
    count = int(wanted[3][0])
    assert found[3] == wanted[3]
    for got, want in zip(found[:3], wanted[:3], strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got[0, :count], want[0, :count], rtol=1e-5, atol=1e-6)


def test_damaged_options(tmp_path: Path) -> None:
    builder = detection()
    builder.parts[0].operators[0].customOptions = [1, 2, 3]
    with pytest.raises(ClientError, match=r"TFLite_Detection_PostProcess.*: its options are damaged"):
        read_bytes(tmp_path, builder.bytes())
    builder.parts[0].operators[0].customOptions = list(flexbuffers.Dumps({"num_classes": 2}))
    with pytest.raises(ClientError, match="its options lack max_detections, nms_iou_threshold"):
        read_bytes(tmp_path, builder.bytes())


def test_soft_suppression_is_refused(tmp_path: Path) -> None:
    inputs = [x(COUNT, 4), x(COUNT), c(3), c(0.4), c(0.1), c(0.5)]
    outputs = [T((3,), "int32"), T((3,)), T((), "int32")]
    content = one("NON_MAX_SUPPRESSION_V5", inputs, outputs, ("NonMaxSuppressionV5Options", {})).bytes()
    with pytest.raises(ClientError, match="soft suppression"):
        read_bytes(tmp_path, content)
