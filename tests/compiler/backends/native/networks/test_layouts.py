from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from tests.onnx_suite.cases import difference
from tests.onnx_suite.graphs import answers, parsed, reference

Array = np.ndarray[Any, Any]

LOOP = """a (float[1,8,6,5] x, float[3,8,6,5] added) => (float[1,8,6,5] y, float[3,1,8,6,5] s) {
  n = Constant<value_int=3>() one = Constant<value_int=1>() go = Cast<to=9>(one)
  start = Conv<pads=[1,1,1,1]>(x, w)
  y, s = Loop (n, go, start) <body = b (int64 i, bool c, float[1,8,6,5] p)
      => (bool go_on, float[1,8,6,5] q, float[1,8,6,5] each) {
    go_on = Identity(c)
    first = Conv<pads=[1,1,1,1]>(p, w) second = Relu(first) third = Conv(second, v)
    row = Gather<axis=0>(added, i) zero = Constant<value_ints=[0]>() rows = Unsqueeze(row, zero)
    q = Add(third, rows) each = Tanh(q) }> }"""


@pytest.fixture
def weights() -> dict[str, Array]:
    random = np.random.default_rng(5)
    return {
        "w": (random.standard_normal((8, 8, 3, 3)) / 9).astype(np.float32),
        "v": (random.standard_normal((8, 8, 1, 1)) / 3).astype(np.float32),
    }


def test_convolutions_in_a_loop_have_images_of_their_own(tmp_path: Path, weights: dict[str, Array]) -> None:
    random = np.random.default_rng(6)
    given = {
        "x": random.standard_normal((1, 8, 6, 5)).astype(np.float32),
        "added": random.standard_normal((3, 8, 6, 5)).astype(np.float32),
    }
    model = parsed(LOOP)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    assert not difference(answers(tmp_path, model, given), reference(model, given), 1e-4, 1e-5)
