"""Small ONNX models, and reading them from a folder as a job does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tinsmith.compiler.frontends.onnx import read
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

Files = onnx.ModelProto | bytes | Mapping[str, bytes]
Read = Callable[..., Network]
Problems = Callable[..., tuple[str, ...]]
Arrays = Mapping[str, NDArray[Any]]
Make = Callable[..., onnx.ModelProto]


@pytest.fixture
def read_model(tmp_path: Path) -> Read:
    """`read_model(model, config)`: what the frontend makes of a model, of bytes, or of files by name."""

    def read_it(files: Files, config: str | None = None) -> Network:
        folder = tmp_path / f"input{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        if isinstance(files, onnx.ModelProto):
            files = files.SerializeToString()
        for name, content in ({"model.onnx": files} if isinstance(files, bytes) else files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return read(folder, CompileRequest("ONNX", "m", device="ml_c5", data_input_config=config))

    return read_it


@pytest.fixture
def problems(read_model: Read) -> Problems:
    """`problems(model, config, area)`: what reading complains of."""

    def refused(files: Files, config: str | None = None, area: str = "InputConfiguration") -> tuple[str, ...]:
        with pytest.raises(ClientError) as caught:
            read_model(files, config)
        assert caught.value.area == area
        return caught.value.problems

    return refused


@pytest.fixture
def make() -> Make:
    """`make_model`."""
    return make_model


@pytest.fixture
def same_answers() -> Callable[..., None]:
    """`same_answers(model, network, feeds)`: both compute the same, by the reference of ONNX."""

    def compare(model: onnx.ModelProto, network: Network, feeds: Arrays) -> None:
        expected = ReferenceEvaluator(model).run(None, dict(feeds))
        proto = onnx_ir.to_proto(network.graph)
        found = ReferenceEvaluator(proto).run(None, dict(feeds))
        for spec, want, got in zip(network.outputs, expected, found, strict=True):
            np.testing.assert_array_equal(np.asarray(got), np.asarray(want))
            assert np.asarray(want).dtype.name == spec.dtype
            value = next(value for value in network.graph.graph.outputs if value.name == spec.name)
            assert value.shape is None or all(
                size in (-1, true) for size, true in zip(spec.shape, np.shape(want), strict=True)
            )

    return compare


def make_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    functions: Sequence[onnx.FunctionProto] = (),
    **domains: int,
) -> onnx.ModelProto:
    """`inputs` are shapes of float32 inputs, or (type, shape); `outputs` have no declared type or shape."""
    values = []
    for name, shape in inputs.items():
        elem_type, shape = shape if isinstance(shape, tuple) else (TensorProto.FLOAT, shape)
        values.append(helper.make_tensor_value_info(name, elem_type, shape))
    initializers = [numpy_helper.from_array(np.asarray(v), name) for name, v in (constants or {}).items()]
    graph = helper.make_graph(
        nodes, "net", values, [onnx.ValueInfoProto(name=name) for name in outputs], initializers
    )
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(name.replace("_", "."), version) for name, version in domains.items()]
    model = helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=9)
    model.producer_name, model.producer_version = "maker", "1.2"
    return model
