from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler.frontends import load
from tinsmith.compiler.operators.lower import lower
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest, TargetPlatform


def test_refuses_complex_numbers_by_name(tmp_path: Path) -> None:
    shift = numpy_helper.from_array(np.ones(3, np.complex128), "shift")
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["x"], ["turned"]),
            helper.make_node("Identity", ["turned"], ["y"]),
            helper.make_node("Identity", ["shift"], ["z"]),
        ],
        "spectrum",
        [helper.make_tensor_value_info("x", TensorProto.COMPLEX64, [2, 3])],
        [
            helper.make_tensor_value_info("y", TensorProto.COMPLEX64, [3, 2]),
            helper.make_tensor_value_info("z", TensorProto.COMPLEX128, [3]),
        ],
        [shift],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10),
        tmp_path / "m.onnx",
    )
    request = CompileRequest("ONNX", "m", platform=TargetPlatform("LINUX", "X86_64"))
    with pytest.raises(ClientError) as caught:
        lower(load("ONNX")(tmp_path, request))  # type: ignore[arg-type]
    assert "input x: elements of type complex64 are not compiled" in str(caught.value)
    assert "constant shift: elements of type complex128 are not compiled" in str(caught.value)
