"""Messages that are built node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from tinsmith.compiler.shaping.builder import Builder, Graph, Operand, ShapeError, UnknownSize, Value


def built() -> tuple[Builder[Value], Value]:
    builder = Builder(Value)
    return builder, builder.input("x", np.float32, (2, 3))


def test_every_value_knows_its_type_and_shape() -> None:
    builder, x = built()
    found = builder.add("MatMul", x, np.ones((3, 5), np.float32))
    assert found.dtype == np.float32
    assert found.shape == (2, 5)
    assert x.transpose(1, 0).reshape(6).cast(np.int64).unsqueeze(0).shape == (1, 6)
    assert str(found) == "float32 [2, 5]"


def test_numbers_get_the_type_of_their_neighbours() -> None:
    builder, x = built()
    wide = x.cast(np.float64)
    condition = wide.op("Greater", 0)
    assert (2 - wide).dtype == builder.add("Where", condition, wide, 0).dtype == np.float64
    assert Builder(Value, number=np.float64).constant(0.5).dtype == np.float64


def test_the_model_computes_what_was_written() -> None:
    builder, x = built()
    with builder.layer("mean"):
        total = (x * 2 + np.arange(3, dtype=np.float32)).op("ReduceSum", np.array([1]))
    model = builder.model("net", [x], {"x": x, "total": total, "again": total}, "maker", "1.0")
    onnx.checker.check_model(model, full_check=True)
    given = np.arange(6, dtype=np.float32).reshape(2, 3)
    results: Any = ReferenceEvaluator(model).run(None, {"x": given})
    same, first, second = results
    np.testing.assert_array_equal(same, given)
    np.testing.assert_array_equal(first, (given * 2 + np.arange(3)).sum(1, keepdims=True))
    np.testing.assert_array_equal(first, second)


def test_nodes_have_the_names_of_layers_and_values_those_nobody_else_has() -> None:
    builder, x = built()
    with builder.layer("dense"):
        twice = x.op("Relu").op("Relu")
    assert [node.name for node in builder.main.nodes] == ["dense", "dense.2"]
    assert twice.name == "dense.Relu.2"
    assert builder.unique("x") == "x.2"
    assert Builder(Value, reserved=["y"]).input("y", np.float32, ()).name == "y.2"


def test_what_no_input_influences_is_computed_at_once() -> None:
    builder, x = built()
    table = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = builder.add("Concat", builder.constant(table), table, axis=0).transpose(1, 0)
    assert found.constant is not None
    np.testing.assert_array_equal(found.constant, np.concatenate([table, table]).T)
    assert not builder.main.nodes
    assert x.op("Relu").constant is None


def test_constants_of_the_same_content_are_one_and_only_those_in_use_are_written() -> None:
    builder, x = built()
    first, second = builder.constant(np.ones(3, np.float32)), builder.constant(np.ones(3, np.float32))
    assert first is second
    assert builder.constant(np.ones(3)) is not first
    large = np.zeros(1000, np.float32)
    assert builder.constant(large) is builder.constant(large)
    model = builder.model("net", [x], {"y": x + first}, "maker")
    assert [tensor.name for tensor in model.graph.initializer] == [first.name]


def test_transposes_that_undo_one_another_are_none() -> None:
    _, x = built()
    assert x.transpose(1, 0).transpose(1, 0) is x
    assert x.transpose(0, 1) is x
    image = x.unsqueeze(0)
    turned = image.transpose(1, 2, 0).transpose(1, 2, 0)
    assert turned.transposed() == (image, (2, 0, 1))


def test_what_does_not_fit_is_told() -> None:
    builder, x = built()
    with pytest.raises(
        ShapeError, match=r"MatMul of tensors of the shapes \[2, 3\], \[4, 5\] is not possible"
    ):
        builder.add("MatMul", x, np.ones((4, 5), np.float32))
    with pytest.raises(ShapeError, match=r"would give the shape \[65536, 65536\]"):
        builder.add("Expand", x.op("ReduceSum"), np.array([1 << 16, 1 << 16]))
    places = x.op("NonZero")
    assert places.dims == (2, None)
    with pytest.raises(UnknownSize, match="whose sizes only the run tells"):
        _ = places.shape
    empty = Builder(Value, least=1).input("x", np.float32, (4,))
    with pytest.raises(ShapeError, match=r"would give the shape \[0\]"):
        empty.slice(0, 4, 4)


def test_a_body_sees_what_is_around_it() -> None:
    builder, x = built()
    number, going = builder.input("round", np.int64, ()), builder.input("going", np.bool_, ())
    state = builder.input("state", np.float32, x.dims)
    with builder.into(Graph()) as body:
        result = state + x
    inner = builder.subgraph(body, "step", [number, going, state], [going, result])
    start: list[Operand] = [np.array(3), np.array(True), x]
    (last,) = builder.declared("Loop", start, [(x.dtype, x.dims)], body=inner)
    model = builder.model("net", [x], {"y": last}, "maker")
    onnx.checker.check_model(model, full_check=True)
    given = np.ones((2, 3), np.float32)
    results: Any = ReferenceEvaluator(model).run(None, {"x": given})
    np.testing.assert_array_equal(results[0], 4 * given)
