"""Real models on every kind of processor.

Networks take longer: small ones are compiled here for x86-64 only, and one of each framework for ARM;
`make corpus` takes all everywhere.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.compare import MODELS, TARGETS, compare

SMALL = 2_000_000
SMALL_ONNX = 3_200_000
"""Bytes of a network that is compiled here."""
ON_ARM = (
    "darknet-digits-cls",
    "keras-dgaintel",
    "mxnet-digits-lenet",
    "onnx-silero-vad-openvino",
    "pytorch-mtcnn-pnet",
    "tensorflow-quickspacer-1",
    "tflite-fer",
)
SLOW = ("tensorflow-deepbrain",)
"""Convolutions of 128x128x128, whose reference takes minutes."""
TREES = ("XGBOOST", "SKLEARN")
CASES = [
    pytest.param(identity, target, id=f"{identity}-{name}")
    for identity, model in MODELS.items()
    for name, target in TARGETS.items()
    if identity not in SLOW
    if model["framework"] in TREES
    or (identity in ON_ARM and name in ("aarch64", "armv7"))
    or (target == "LINUX/X86_64" and model["size"] < (SMALL_ONNX if model["framework"] == "ONNX" else SMALL))
]


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.parametrize(("identity", "target"), CASES)
def test_model_agrees(corpus: Path, identity: str, target: str) -> None:
    if not (corpus / identity / "model.tar.gz").exists():
        pytest.skip("not here: `make corpus-fetch` tells why")
    outcome = compare(corpus, identity, target)
    assert outcome.agrees, outcome.text
    if not outcome.executed:
        pytest.skip(outcome.text)
