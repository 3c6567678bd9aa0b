"""Models as people ship them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx_ir
import pytest

from tinsmith.compiler.frontends.onnx import read
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

Shape = tuple[int, ...]
MODELS: dict[str, tuple[str, list[tuple[str, Shape]]]] = {
    "onnx-magika": ('{"bytes":[1,2048]}', [("float32", (1, 214))]),
    "onnx-basic-pitch": (
        '{"serving_default_input_2:0":[1,43844,1]}',
        [("float32", (1, 172, 88)), ("float32", (1, 172, 88)), ("float32", (1, 172, 264))],
    ),
    "onnx-rapidocr-det": ('{"x":[1,3,320,320]}', [("float32", (1, 1, 320, 320))]),
    "onnx-rapidocr-rec": ('{"x":[1,3,48,320]}', [("float32", (1, 40, 6625))]),
    "onnx-rapidocr-cls": ('{"x":[1,3,48,192]}', [("float32", (1, 2))]),
    "onnx-nudenet": ('{"images":[1,3,320,320]}', [("float32", (1, 22, 2100))]),
    "onnx-silero-vad-sequence": (
        '{"input":[30,576],"h":[1,1,128],"c":[1,1,128]}',
        [("float32", (30,)), ("float32", (1, 1, 128)), ("float32", (1, 1, 128))],
    ),
    "onnx-silero-vad": (
        '{"input":[1,576],"state":[2,1,128],"sr":[]}',
        [("float32", (1, 1)), ("float32", (2, 1, 128))],
    ),
    "onnx-silero-vad-openvino": (
        '{"input":[1,576],"state":[2,1,128]}',
        [("float32", (1, 1)), ("float32", (2, 1, 128))],
    ),
    "onnx-silero-vad-half": (
        '{"input":[1,576],"state":[2,1,128]}',
        [("float32", (1, 1)), ("float32", (2, 1, 128))],
    ),
    "onnx-macrel-amp": ('{"input_features":[8,22]}', [("int64", (-1,)), ("float32", (-1, -1))]),
    "onnx-macrel-hemo": ('{"input_features":[8,22]}', [("int64", (-1,)), ("float32", (-1, -1))]),
}
"""DataInputConfig, and the outputs that are known before any operator of ai.onnx.ml is compiled."""


@pytest.fixture
def read_entry(corpus: Path) -> Callable[[str, str], Network]:
    def read_it(name: str, config: str) -> Network:
        if not (corpus / name).exists():
            pytest.skip(f"the corpus has no {name}: run `make corpus-fetch`")
        return read(
            corpus / name / "files", CompileRequest("ONNX", "m", device="ml_c5", data_input_config=config)
        )

    return read_it


@pytest.mark.corpus
@pytest.mark.parametrize("name", MODELS)
def test_real_models_are_read(read_entry: Callable[[str, str], Network], name: str) -> None:
    config, outputs = MODELS[name]
    network = read_entry(name, config)
    assert [(spec.dtype, spec.shape) for spec in network.outputs] == outputs
    nodes = [node for node in network.graph.graph.all_nodes() if node.domain == ""]
    assert all(node.version is not None for node in network.graph.graph.all_nodes())
    unknown = [
        (node.name, value.name)
        for node in nodes
        for value in node.outputs
        if not isinstance(value.shape, onnx_ir.Shape) or not value.shape.is_static()
    ]
    assert unknown == ([("ZipMap", "output_probability")] if "macrel" in name else [])


@pytest.mark.corpus
def test_the_rate_that_the_input_size_rules_out(read_entry: Callable[[str, str], Network]) -> None:
    """576 samples are those of 16 kHz with context; at 8 kHz the model fails in every runtime."""
    network = read_entry("onnx-silero-vad", MODELS["onnx-silero-vad"][0])
    (warning,) = network.warnings
    assert "its else_branch cannot be computed with these input shapes" in warning
    assert "LSTM" in warning
    assert sum(node.op_type == "If" for node in network.graph.graph.all_nodes()) == 1


@pytest.mark.corpus
def test_text_is_refused_by_name(read_entry: Callable[[str, str], Network]) -> None:
    with pytest.raises(ClientError) as caught:
        read_entry("onnx-hatesonar", '{"text":[1]}')
    assert caught.value.area == "OperatorNotImplemented"
    assert caught.value.problems[0].startswith(
        "model.onnx: string input: the model has the input 'text' (string [?]), which is not compiled"
    )
    assert any("the operator com.microsoft.Tokenizer" in problem for problem in caught.value.problems)
    assert any("the operator StringNormalizer" in problem for problem in caught.value.problems)
