"""Checkpoints: read, and refused when damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.tensorflow.graphs import DATA
from tinsmith.compiler.frontends.tensorflow.bundle import Bundle
from tinsmith.errors import ClientError

KERNEL = "kernel/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(DATA / "second" / "variables", tmp_path / "variables")
    return tmp_path


def open_bundle(folder: Path) -> Bundle:
    return Bundle(folder / "variables" / "variables.index", folder)


def test_tensors(folder: Path) -> None:
    bundle = open_bundle(folder)
    kernel = bundle.tensor(KERNEL)
    assert kernel.shape == (3, 3, 2, 4)
    assert kernel.dtype == np.float32
    assert np.isfinite(kernel).all()
    assert bundle.files == {"variables/variables.index", "variables/variables.data-00000-of-00001"}
    assert len(bundle.text("_CHECKPOINTABLE_OBJECT_GRAPH")) > 100
    assert bundle.text(KERNEL) == b""


def test_a_tensor_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"variables\.index has no tensor 'other'"):
        open_bundle(folder).tensor("other")


def test_a_shard_that_is_missing(folder: Path) -> None:
    (folder / "variables" / "variables.data-00000-of-00001").unlink()
    with pytest.raises(ValueError, match=r"the file variables\.data-00000-of-00001, which is missing"):
        open_bundle(folder).tensor(KERNEL)


def test_a_shard_that_was_cut(folder: Path) -> None:
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"\0" * 30)
    with pytest.raises(ValueError, match="which has 30"):
        open_bundle(folder).tensor(KERNEL)


@pytest.mark.parametrize("size", [0, 10, 48, 200])
def test_an_index_that_was_cut(folder: Path, size: int) -> None:
    index = folder / "variables" / "variables.index"
    index.write_bytes(index.read_bytes()[:size])
    with pytest.raises(ClientError, match="no checkpoint index of TensorFlow, or one that was cut"):
        open_bundle(folder)


def test_every_byte_of_an_index_may_be_wrong(folder: Path) -> None:
    index = folder / "variables" / "variables.index"
    content = index.read_bytes()
    for place in range(len(content)):
        index.write_bytes(content[:place] + bytes([content[place] ^ 0xA5]) + content[place + 1 :])
        try:
            bundle = open_bundle(folder)
        except ClientError:
            continue
        for key in bundle.entries:
            try:
                bundle.tensor(key)
            except ValueError:
                continue
