"""Every operator as a graph that TensorFlow made, against what TensorFlow answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.tensorflow.graphs import read_folder
from tests.compiler.frontends.tensorflow.recorded import evaluated, names, recorded

LOOSE = {"ResizeBicubic": 5e-3}
"""TensorFlow looks its weights up in a table of 1024 steps."""


@pytest.mark.parametrize("name", names())
def test_operator(name: str, tmp_path: Path) -> None:
    graph, inputs, outputs = recorded(name)
    (tmp_path / "graph.pb").write_bytes(graph)
    model, _ = read_folder(tmp_path, output_names=list(outputs))
    results = evaluated(model, inputs)
    tolerance = LOOSE.get(name.split(maxsplit=1)[0], 2e-5)
    assert results.keys() == {key.removesuffix(":0") for key in outputs}
    for key, want in outputs.items():
        found = results[key.removesuffix(":0")]
        assert found.dtype == want.dtype
        assert found.shape == want.shape
        np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance)
