"""Every operator beside LiteRT's reference kernels: integers of quantised tensors within one step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx.reference import ReferenceEvaluator

from tests.compiler.frontends.tflite.build import close, evaluate, feeds_of, litert, read_bytes
from tests.compiler.frontends.tflite.moving_cases import CASES
from tinsmith.compiler.frontends.tflite.registry import find, known
from tinsmith.compiler.frontends.tflite.schema import OPERATORS

FAST = {
    *("CEIL", "ELU", "ELU int8", "ROUND", "SEGMENT_SUM"),  # there is no reference kernel
    "LOCAL_RESPONSE_NORMALIZATION",  # the reference leaves out the last channel of every window
    "SUM int8",  # the reference answers -1 whatever the input
}
"""Compared with LiteRT's other kernels."""

ELSEWHERE = {
    "test_control": [
        *("ASSIGN_VARIABLE", "CALL", "CALL_ONCE", "IF", "READ_VARIABLE", "STABLEHLO_COMPOSITE"),
        *("VAR_HANDLE", "WHILE"),
    ],
    "test_convolution": ["Convolution2DTransposeBias"],
    "test_detection": ["NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "TFLite_Detection_PostProcess"],
    "test_pooling": ["MaxPoolingWithArgmax2D", "MaxUnpooling2D"],
    "test_quantization": ["DENSIFY"],
    "test_recurrent": [
        *("BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "LSTM", "RNN", "SVDF"),
        *("UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"),
    ],
    "test_spectral": ["COMPLEX_ABS", "IMAG", "REAL", "RFFT2D"],
}
"""Operators that need more than a model of one operator; the files that test them."""


@pytest.mark.parametrize("name", CASES)
def test_operators_answer_as_litert(name: str, tmp_path: Path) -> None:
    builder = CASES[name]
    content, feeds = builder.bytes(), feeds_of(builder)
    network = read_bytes(tmp_path, content)
    named = dict(zip((spec.name for spec in network.inputs), feeds, strict=True))
    if name in ("BITCAST", "UNIQUE"):  # ONNX Runtime lacks them
        proto = onnx_ir.to_proto(network.graph)
        found = [np.asarray(value) for value in ReferenceEvaluator(proto).run(None, named)]
    else:
        found = evaluate(network, named)
    wanted = litert(content, feeds, reference=name not in FAST)
    part = builder.parts[0]
    for index, got, want in zip(part.outputs, found, wanted, strict=True):
        close(got, want, part.tensors[index].scale is not None)


def test_every_operator_is_tested() -> None:
    here = {name.split()[0] for name in CASES}
    assert {name for name, _ in known()} - here == {name for names in ELSEWHERE.values() for name in names}


def test_numbers_of_operators_are_those_of_the_schema() -> None:
    found = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    assert dict(enumerate(OPERATORS)) == found


def test_what_is_not_known() -> None:
    assert find("HASHTABLE", False) is None
    assert find("ADD", True) is None


def test_the_page_lists_every_operator() -> None:
    page = (Path(__file__).parents[4] / "docs/frameworks/tflite.md").read_text()
    listed = page.split("## Operators")[1].split("Refused by name")[0]
    words = set(listed.replace(",", " ").replace(".", " ").split())
    assert {name for name, _ in known()} <= words
    assert f"{sum(not custom for _, custom in known())} of TFLite:" in listed
