"""The sanitizers find what is planted, and nothing in a sample of the node tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.onnx_suite.cases import as_network, sample
from tests.onnx_suite.graphs import parsed
from tests.onnx_suite.native import host
from tests.onnx_suite.sanitizers import Sanitized, is_installed
from tests.onnx_suite.suite import SANITIZERS, run, surprises
from tinsmith.errors import InternalError

SAMPLE = 96
GRAPH = """net (float[4, 6] x) => (float[4, 6] y) {
    axes = Constant <value_ints = [1]> ()
    sums = ReduceSum (x, axes)
    y = Sub (x, sums)
}"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="run `make system` for the sanitizers"),
]


def test_a_sample_of_the_node_tests() -> None:
    assert surprises(run(sample(SAMPLE), SANITIZERS)) == []


@pytest.mark.parametrize(
    ("sound", "planted", "report"),
    [
        ("TS_INPUT(float, 0)", "TS_INPUT(float, 0) + 1", "heap-buffer-overflow"),
        ("TS_OUTPUT(float, 0)", "TS_OUTPUT(float, 0) + 1", "heap-buffer-overflow"),
        ("TS_ARENA(float, 0)", "TS_ARENA(float, 4)", "use-after-poison"),
        ("(void)run;", "(void)(INT32_MAX + (run != NULL));", "signed integer overflow"),
    ],
)
def test_what_is_planted_is_found(sound: str, planted: str, report: str, tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    network = as_network(parsed(GRAPH), [x])
    machine = Sanitized(host())
    program = machine.emit(network, tmp_path)
    (answer,) = machine.execute(program, network, [x])
    np.testing.assert_allclose(answer, x - x.sum(axis=1, keepdims=True))
    source = tmp_path / "network.c"
    assert sound in source.read_text()
    source.write_text(source.read_text().replace(sound, planted))
    with pytest.raises(InternalError, match=report):
        machine.execute(program, network, [x])
