"""The oracles against each other, and on what they cannot do."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx_ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.networks import reference
from tinsmith.compiler.verify.networks.evaluator import DISTURBANCE
from tinsmith.compiler.verify.networks.reference import Unable, disturbed, exact, native
from tinsmith.compiler.verify.networks.widen import widen

F32, F16, BF16, F64, I64 = (
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.DOUBLE,
    TensorProto.INT64,
)


def make(
    nodes: list[Any], constants: dict[str, Any] | None = None, kind: int = F32, out: int = F32
) -> Network:
    """From x, 3 numbers, to y."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, [3])],
        [helper.make_tensor_value_info("y", out, None)],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    spec = TensorSpec("x", np.dtype(helper.tensor_dtype_to_np_dtype(kind)).name, (3,))
    return Network("ONNX", "", "", onnx_ir.serde.deserialize_model(model), (spec,), ())


X = np.array([1, -2, 1e-3], np.float32)


def test_exact_answers_have_more_digits_than_float32() -> None:
    network = make([helper.make_node("Div", ["x", "three"], ["y"])], {"three": np.array([3], np.float32)})
    (answer,) = exact(network).evaluate((X,))
    assert answer.dtype == np.float64
    np.testing.assert_array_equal(answer, X.astype(np.float64) / 3)
    (answer,) = native(network).evaluate((X,))
    assert answer.dtype == np.float32


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param(
            [
                helper.make_node("Cast", ["x"], ["a"], to=F16),
                helper.make_node("Cast", ["a"], ["b"], to=F32),
                helper.make_node("Add", ["x", "b"], ["y"]),
            ],
            2 * X.astype(np.float64),
            id="casts",
        ),
        pytest.param(
            [
                helper.make_node("Constant", [], ["c"], value_float=0.5),
                helper.make_node("Constant", [], ["d"], value_floats=[1.0, 2.0, 4.0]),
                helper.make_node("Mul", ["x", "c"], ["a"]),
                helper.make_node("Add", ["a", "d"], ["y"]),
            ],
            X.astype(np.float64) / 2 + [1, 2, 4],
            id="constants",
        ),
        pytest.param(
            [
                helper.make_node(
                    "Constant", [], ["zero"], value=numpy_helper.from_array(np.array(0, np.float32))
                ),
                helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
                helper.make_node("Less", ["sum", "zero"], ["negative"]),
                helper.make_node(
                    "If",
                    ["negative"],
                    ["y"],
                    then_branch=helper.make_graph(
                        [helper.make_node("Add", ["x", "one"], ["t"])],
                        "then",
                        [],
                        [helper.make_tensor_value_info("t", F32, None)],
                        [numpy_helper.from_array(np.array([1], np.float32), "one")],
                    ),
                    else_branch=helper.make_graph(
                        [helper.make_node("Identity", ["x"], ["e"])],
                        "else",
                        [],
                        [helper.make_tensor_value_info("e", F32, None)],
                    ),
                ),
            ],
            X.astype(np.float64) + 1,
            id="branches",
        ),
    ],
)
def test_everything_in_a_graph_is_widened(nodes: list[Any], expected: Any) -> None:
    (answer,) = exact(make(nodes)).evaluate((X,))
    np.testing.assert_array_equal(answer, expected, strict=True)


@pytest.mark.parametrize(
    ("kind", "dtype"), [(F16, np.float16), (BF16, ml_dtypes.bfloat16), (F64, np.float64)]
)
def test_floats_of_any_width_are_widened(kind: int, dtype: Any) -> None:
    network = make([helper.make_node("Add", ["x", "x"], ["y"])], kind=kind, out=kind)
    x = np.array([1, -2, 0.1], dtype)
    (answer,) = exact(network).evaluate((x,))
    np.testing.assert_array_equal(answer, 2 * x.astype(np.float64), strict=True)


def test_integers_stay_as_they_are() -> None:
    network = make([helper.make_node("Shape", ["x"], ["y"])], out=I64)
    (answer,) = exact(network).evaluate((X,))
    assert answer.dtype == np.int64
    assert answer.tolist() == [3]


def test_widening_leaves_the_model_alone() -> None:
    network = make([helper.make_node("Add", ["x", "c"], ["y"])], {"c": np.ones(3, np.float32)})
    model: onnx.ModelProto = onnx_ir.serde.serialize_model(network.graph)
    before = model.SerializeToString()
    widen(model)
    assert model.SerializeToString() == before


def test_chance_has_no_right_answer() -> None:
    with pytest.raises(Unable, match="RandomNormalLike answers by chance"):
        exact(make([helper.make_node("RandomNormalLike", ["x"], ["y"])])).evaluate((X,))


def test_what_an_operator_raises_is_why_it_is_unable() -> None:
    network = make([helper.make_node("NoSuchOperator", ["x"], ["y"])])
    for oracle in (exact(network), native(network), reference.onnxruntime(network)):
        assert oracle is not None
        with pytest.raises(Unable, match="NoSuchOperator"):
            oracle.evaluate((X,))


def test_onnxruntime_agrees(network: Network) -> None:
    oracle = reference.onnxruntime(network)
    assert oracle is not None
    inputs = (np.ones((2, 3), np.float32), np.array([0, 1, 2, 4]), np.array([True, False, True, True]))
    for mine, other in zip(native(network).evaluate(inputs), oracle.evaluate(inputs), strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=1e-6)


def test_onnxruntime_pads_with_zeros_before_a_maximum() -> None:
    """Its Pad_Fusion would turn the zeros into -inf, which all-negative inputs show."""
    graph = helper.make_graph(
        [
            helper.make_node("Pad", ["x", "pads"], ["a"]),
            helper.make_node("MaxPool", ["a"], ["y"], kernel_shape=[2, 2]),
        ],
        "g",
        [helper.make_tensor_value_info("x", F32, [1, 1, 2, 2])],
        [helper.make_tensor_value_info("y", F32, [1, 1, 3, 3])],
        [numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    spec = TensorSpec("x", "float32", (1, 1, 2, 2))
    network = Network("ONNX", "", "", onnx_ir.serde.deserialize_model(model), (spec,), ())
    x = np.full((1, 1, 2, 2), -1, np.float32)
    oracle = reference.onnxruntime(network)
    assert oracle is not None
    (second,), (first,) = oracle.evaluate((x,)), exact(network).evaluate((x,))
    assert first[0, 0, 0, 0] == 0
    np.testing.assert_array_equal(first, second)


STEP = {"step": np.array(1, np.float32), "zero": np.array(0, np.int8)}
"""Of which all halves are as near to the one as to the other neighbour."""


def quantised(body: bool = False) -> Network:
    """y = x rounded to whole numbers; in a branch, where asked."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["y"]),
    ]
    if body:
        branch = helper.make_graph(nodes, "b", [], [helper.make_tensor_value_info("y", F32, None)])
        nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)]
    return make(nodes, {**STEP, "yes": np.array(True)})


@pytest.mark.parametrize("body", [False, True])
def test_what_lies_between_two_steps_falls_to_either_side(body: bool) -> None:
    x = np.resize(np.array([0.5, 1.5, -2.5, 100], np.float32), 64)
    (wanted,) = exact(quantised(body)).evaluate((x,))
    np.testing.assert_array_equal(wanted, np.rint(x))
    answers = [oracle.evaluate((x,))[0] for oracle in disturbed(quantised(body))]
    for answer in answers:
        assert set(np.abs(answer - x).tolist()) == {0, 0.5}
        assert (answer != wanted).any()
        assert answer[3::4].tolist() == [100] * 16
    if not body:
        assert (answers[0] != answers[1]).any()
    again = [oracle.evaluate((x,))[0] for oracle in disturbed(quantised(body))]
    np.testing.assert_array_equal(again, answers)


def test_what_lies_elsewhere_does_not() -> None:
    x = np.resize(np.array([0.5, -0.5], np.float32) * np.float32(1 - 4 * DISTURBANCE), 64)
    for oracle in disturbed(quantised()):
        assert not oracle.evaluate((x,))[0].any()


def test_floats_are_not_disturbed() -> None:
    network = make([helper.make_node("Exp", ["x"], ["y"])])
    (wanted,) = exact(network).evaluate((X,))
    for oracle in disturbed(network):
        np.testing.assert_array_equal(oracle.evaluate((X,))[0], wanted, strict=True)
