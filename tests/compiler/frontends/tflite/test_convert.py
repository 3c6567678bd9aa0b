"""What is refused is told all at once, by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.tflite.build import Builder, T, c, evaluate, one, read_bytes
from tests.compiler.frontends.tflite.cases import FLOAT, conv, w, x
from tinsmith.errors import ClientError


def problems(folder: Path, builder: Builder, area: str) -> tuple[str, ...]:
    with pytest.raises(ClientError) as caught:
        read_bytes(folder, builder.bytes())
    assert caught.value.area == area
    return caught.value.problems


def test_operators_that_are_not_known(tmp_path: Path) -> None:
    builder = Builder()
    part = builder.parts[0]
    image = part.input(x(2, name="x"))
    for number in range(2):
        builder.operator(
            "LSH_PROJECTION", [image], [T((2,), name=f"hashed{number}")], ("LSHProjectionOptions", {})
        )
    builder.operator("FlexErf", [image], [T((2,), name="model/erf")], custom=b"")
    part.outputs = builder.operator("TransformLandmarks", [image], [T((2,), name="points")], custom=b"")
    assert problems(tmp_path, builder, "OperatorNotImplemented") == (
        "model.tflite: The following operators are not implemented: {'LSH_PROJECTION', 'custom operator "
        "FlexErf', 'custom operator TransformLandmarks'}",
        "model.tflite: LSH_PROJECTION: operator 0 (LSH_PROJECTION) 'hashed0', operator 1 (LSH_PROJECTION) "
        "'hashed1'",
        "model.tflite: custom operator FlexErf: operator 2 (FlexErf) 'model/erf'; it is one of TensorFlow's "
        "own, convert without SELECT_TF_OPS",
        "model.tflite: custom operator TransformLandmarks: operator 3 (TransformLandmarks) 'points'",
    )


def test_every_refusal_of_forms_is_told(tmp_path: Path) -> None:
    builder = Builder()
    part = builder.parts[0]
    image = part.input(x(1, 4, 4, 3))
    weights = part.input(x(4, 3, 3, 3))
    (first,) = builder.operator(
        "CONV_2D", [image, weights, part.add(w(4))], [T((1, 4, 4, 4), name="a")], conv()
    )
    order = part.input(T((4,), "int32", name="order"))
    part.outputs = builder.operator("TRANSPOSE", [first, order], [T((4, 4, 4, 1), name="b")])
    found = problems(tmp_path, builder, "OperatorNotImplemented")
    assert found == (
        "model.tflite: operator 0 (CONV_2D) 'a': its input 1 ('t0_1') is not a constant",
        "model.tflite: operator 1 (TRANSPOSE) 'b': its input 1 ('order') is not a constant",
    )


def test_what_contradicts_itself(tmp_path: Path) -> None:
    builder = one("CONV_2D", [x(1, 4, 4, 3), w(4, 3, 3), w(4)], [FLOAT], conv())
    (found,) = problems(tmp_path, builder, "OperatorNotImplemented")
    assert found.endswith("its weights have the shape [4, 3, 3], expected 4 dimensions")
    builder = one("TRANSPOSE", [x(2, 3), c([[0, 1]]), w(1)], [FLOAT])
    builder.parts[0].operators[0].outputs = []
    builder.parts[0].outputs = [3]
    (found,) = problems(tmp_path, builder, "InputConfiguration")
    assert found == "model.tflite: the output 't0_3' is computed by no operator"


def test_an_output_may_be_an_input_or_a_constant(tmp_path: Path) -> None:
    builder = one("ADD", [x(2, name="x"), c([1.0, 2.0], name="two")], [FLOAT], ("AddOptions", {}))
    builder.parts[0].outputs = [0, 1, 2, 2]
    network = read_bytes(tmp_path, builder.bytes())
    assert [spec.name for spec in network.outputs] == ["x.2", "two", "t0_2", "t0_2.2"]
    found = evaluate(network, {"x": np.array([5, 6], np.float32)})
    assert [value.tolist() for value in found] == [[5, 6], [1, 2], [6, 8], [6, 8]]
