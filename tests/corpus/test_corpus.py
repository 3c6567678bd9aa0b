"""Real models on every kind of processor.

All models but the large ones run here on x86-64, trees in turn on two of the other kinds too, and one network
of each framework on ARM; `make corpus` takes all everywhere.
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
"""Convolutions of 128x128x128: two minutes of a processor, half of them the reference's."""
TREES = ("XGBOOST", "SKLEARN")
HOST = "x86_64, all variants"


def is_here(identity: str, target: str) -> bool:
    """Whether the suite compiles this model for this kind of processor."""
    model = MODELS[identity]
    is_tree = model["framework"] in TREES
    if target == HOST:
        small = SMALL_ONNX if model["framework"] == "ONNX" else SMALL
        return is_tree or (model["size"] < small and identity not in SLOW)
    if is_tree:
        return (list(MODELS).index(identity) + list(TARGETS).index(target)) % 3 == 0
    return identity in ON_ARM and target in ("aarch64", "armv7")


CASES = [
    pytest.param(identity, target, id=f"{identity}-{name}")
    for identity in MODELS
    for name, target in TARGETS.items()
    if is_here(identity, name)
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
