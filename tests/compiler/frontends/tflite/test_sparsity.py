"""Sparse tensors that contradict themselves; sound ones are in operators/test_quantization.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.tflite.build import T, one, read_bytes
from tests.compiler.frontends.tflite.cases import x
from tests.compiler.frontends.tflite.operators.test_quantization import sparse
from tinsmith.errors import ClientError

Change = Callable[[Any], None]


def shape(form: Any) -> None:
    form.dimMetadata[0].denseSize = 7


def order(form: Any) -> None:
    form.traversalOrder = [0, 0]


def blocks(form: Any) -> None:
    form.blockMap = [5]


def segments(form: Any) -> None:
    form.dimMetadata[1].arraySegments.values[-1] += 1


def indices(form: Any) -> None:
    form.dimMetadata[1].arrayIndices.values[0] = 200


def missing(form: Any) -> None:
    form.dimMetadata[1].arrayIndices = None
    form.dimMetadata[1].arrayIndicesType = 0


def huge(form: Any) -> None:
    form.dimMetadata[1].format = 0
    form.dimMetadata[1].denseSize = 2**30


@pytest.mark.parametrize("change", [shape, order, blocks, segments, indices, missing, huge])
def test_contradictions(change: Change, tmp_path: Path) -> None:
    matrix = np.where(np.random.default_rng(3).uniform(size=(6, 8)) < 0.4, 1, 0).astype(np.float32)
    form, stored = sparse(matrix, 1)
    change(form)
    weights = T((6, 8), value=stored, sparsity=form)
    content = one("ADD", [x(1, 8), weights], [T((6, 8))], ("AddOptions", {})).bytes()
    with pytest.raises(ClientError, match=r"model\.tflite: no TFLite model, or one .* damaged: sparsity: "):
        read_bytes(tmp_path, content)
