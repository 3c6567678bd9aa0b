"""The sanitizers find what is planted, and nothing in a sample of the node tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.cases import as_network, sample
from tests.onnx_suite.graphs import parsed
from tests.onnx_suite.native import host
from tests.onnx_suite.sanitizers import Sanitized, is_installed
from tests.onnx_suite.suite import SANITIZERS, run, surprises
from tinsmith.errors import InternalError

SAMPLE = 96
FUNCTIONS = [
    *("Exp", "Log", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh", "Atanh", "Sigmoid", "Softplus", "Erf"),
    *("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sqrt", "Reciprocal", "Round", "Gelu", "Mish"),
]
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


def edges(kind: type[np.floating[Any]]) -> np.ndarray[Any, Any]:
    """Also no numbers, of both signs and with every kind of bits."""
    word = {np.float32: np.uint32, np.float64: np.uint64}[kind]
    infinite, sign = np.array(np.inf, kind).view(word), np.array(-0.0, kind).view(word)
    bits = [infinite | word(1), infinite | sign - word(1), infinite | infinite >> word(1)]
    odd = np.array([*bits, *(sign | number for number in bits)], word).view(kind)
    limits = np.finfo(kind)
    plain = np.array([0, 1, 0.5, 2, 700, np.inf, limits.max, limits.tiny, limits.smallest_subnormal], kind)
    return np.concatenate([odd, plain, -plain])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_functions_of_what_is_no_number(kind: type[np.floating[Any]]) -> None:
    x, name = edges(kind), {np.float32: "float", np.float64: "double"}[kind]
    assert np.isnan(x[:6]).all()
    nodes = "\n".join(f"y{number} = {function}(x)" for number, function in enumerate(FUNCTIONS))
    outputs = ", ".join(f"{name}[{x.size}] y{number}" for number in range(len(FUNCTIONS)))
    network = as_network(parsed(f"net ({name}[{x.size}] x) => ({outputs}) {{ {nodes} }}"), [x])
    for function, y in zip(FUNCTIONS, Sanitized(host()).run(network, [x]), strict=True):
        assert np.isnan(y[:6]).all(), function


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
