from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx.reference.ops.op_rotary_embedding import rotary_embedding

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]

BATCH, HEADS, LENGTH, FEATURES = 2, 3, 4, 8


def tables(positions: int, angles: int) -> tuple[Array, Array]:
    turns = np.random.default_rng(5).uniform(0, 6, (positions, angles))
    return np.cos(turns).astype(np.float32), np.sin(turns).astype(np.float32)


def test_every_arrangement(nodes: Nodes) -> None:
    rng = np.random.default_rng(4)
    places = rng.integers(0, 10, (BATCH, LENGTH))
    by_head = rng.normal(size=(BATCH, HEADS, LENGTH, FEATURES)).astype(np.float32)
    in_one = rng.normal(size=(BATCH, LENGTH, HEADS * FEATURES)).astype(np.float32)
    for turned in (0, 4):
        cosines, sines = tables(10, (turned or FEATURES) // 2)
        for interleaved in (0, 1):
            options = {"interleaved": interleaved, "rotary_embedding_dim": turned}
            for x, heads in ((by_head, {}), (in_one, {"num_heads": HEADS})):
                every: dict[str, Any] = {**options, **heads}
                wanted = rotary_embedding(x, cosines, sines, places, **every)
                nodes.add("RotaryEmbedding", x, cosines, sines, places, expected=wanted, **every)
                c, s = cosines[places], sines[places]
                nodes.add("RotaryEmbedding", x, c, s, expected=wanted, **every)
    nodes.run()


def test_positions_outside_the_tables_count_as_the_nearest_inside(nodes: Nodes) -> None:
    x = np.ones((1, 1, 2, 4), np.float32)
    cosines, sines = tables(3, 2)
    wanted = rotary_embedding(x, cosines, sines, np.array([[0, 2]]))
    nodes.add("RotaryEmbedding", x, cosines, sines, np.array([[-(2**40), 2**40]]), expected=wanted)
    nodes.run()


def test_shapes_that_do_not_fit_are_refused(nodes: Nodes) -> None:
    x, flat = np.ones((1, 1, 2, 4), np.float32), np.ones((1, 2, 6), np.float32)
    cosines, sines = tables(3, 1)
    places = np.zeros((1, 2), np.int64)
    nodes.add("RotaryEmbedding", x, cosines, sines, places, expected=x)
    nodes.add("RotaryEmbedding", flat, cosines, sines, places, expected=flat, num_heads=4)
    with pytest.raises(ClientError) as error:
        nodes.run()
    assert "2 dimensions are needed, the last of 2" in str(error.value)
    assert "num_heads 4 for a last dimension of 6" in str(error.value)
