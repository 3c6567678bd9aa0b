"""What contradicts itself in a file, all of it at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.tflite.build import Builder, T, c, one, read_bytes
from tests.compiler.frontends.tflite.cases import conv, q, qw, w, x
from tinsmith.errors import ClientError


def problems(folder: Path, content: bytes, area: str = "InputConfiguration") -> list[str]:
    with pytest.raises(ClientError) as caught:
        read_bytes(folder, content)
    assert caught.value.area == area
    return [problem.removeprefix("model.tflite: ") for problem in caught.value.problems]


def test_all_contradictions(tmp_path: Path) -> None:
    builder = Builder()
    part = builder.parts[0]
    image = part.input(x(1, 4, 4, 3))
    short = part.add(T((4, 3, 3, 3), value=np.zeros(5, np.float32), name="short"))
    builder.operator("CONV_2D", [image, short, 77], [T((1, 4, 4, 4), name="a")], conv())
    part.add(q(3, scale=-1.0))
    part.add(replace(qw(4, 2, scale=[0.1, 0.2, 0.3], axis=1), name="scales"))
    part.outputs = [3]
    part.operators.append(type(part.operators[0])(opcodeIndex=9, inputs=[0], outputs=[0]))
    assert problems(tmp_path, builder.bytes()) == [
        "tensor 1 'short' (float32 [4, 3, 3, 3]) has 20 bytes, expected 432",
        "tensor 3 't0_3' has a scale that is no positive number",
        "tensor 4 'scales' of shape [4, 2] has 3 scales along dimension 1",
        "operator 0 (CONV_2D): an input is tensor 77, expected one of 5 tensors",
        "operator 1 has code 9, expected one of 1",
    ]


def test_numbers_of_types_and_buffers(tmp_path: Path) -> None:
    builder = one("ADD", [x(2), c([1.0, 2.0])], [x(2)], ("AddOptions", {}))
    content = bytearray(builder.bytes())
    assert len(problems(tmp_path, bytes(content).replace(b"TFL3", b"TFL2"))) == 1


def test_weights_of_half_a_byte(tmp_path: Path) -> None:
    codes = np.array([[-8, 7, 3], [0, -1, 5]])
    builder = one("FULLY_CONNECTED", [x(1, 3), c(codes, "int4", scale=0.5), w(2)], [x(1, 2)],
                  ("FullyConnectedOptions", {}))  # fmt: skip
    network = read_bytes(tmp_path, builder.bytes())
    weights = [value for value in network.graph.graph.initializers.values() if value.const_value is not None]
    arrays = [value.const_value.numpy() for value in weights if value.const_value is not None]
    assert any(array.shape == (3, 2) and np.array_equal(array, codes.T * 0.5) for array in arrays)
