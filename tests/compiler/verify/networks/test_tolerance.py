from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir
import pytest
from onnx import TensorProto, helper

from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.networks.tolerance import (
    MOST_SLACK,
    MOST_SPREAD,
    SLACK,
    SPREAD,
    TOLERANCES,
    Allowance,
    allow,
    arithmetics,
)

F32, F16, BF16, F64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE


def make(nodes: list[Any], outputs: Mapping[str, int], noted: Mapping[str, int] | None = None) -> Network:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", F32, [3])],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        value_info=[helper.make_tensor_value_info(name, kind, None) for name, kind in (noted or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    return Network("", "", "", onnx_ir.serde.deserialize_model(model), (), ())


def cast(source: str, result: str, kind: int) -> Any:
    return helper.make_node("Cast", [source], [result], to=kind)


def test_each_output_has_the_coarsest_arithmetic_that_it_comes_from() -> None:
    nodes = [
        cast("x", "half", F16),
        helper.make_node("Relu", ["half"], ["a"]),
        cast("a", "from_half", F32),
        helper.make_node("Relu", ["x"], ["plain"]),
        cast("x", "wide", F64),
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("Add", ["d", "from_half"], ["quantised"]),
    ]
    outputs = {"from_half": F32, "plain": F32, "wide": F64, "quantised": F32}
    network = make(nodes, outputs, {"half": F16, "a": F16})
    assert arithmetics(network) == ("float16", "float32", "float64", "quantised")


def test_the_bodies_of_conditions_count() -> None:
    inner = helper.make_graph(
        [cast("x", "t", BF16), cast("t", "u", F32)],
        "branch",
        [],
        [helper.make_tensor_value_info("u", F32, None)],
        value_info=[helper.make_tensor_value_info("t", BF16, None)],
    )
    node = helper.make_node("If", ["condition"], ["y"], then_branch=inner, else_branch=inner)
    assert arithmetics(make([node], {"y": F32})) == ("bfloat16",)


def test_floats_are_allowed_a_share_of_their_output_s_magnitude() -> None:
    exact = np.array([0, -200, np.inf, np.nan])
    allowance = allow(exact, None, "float32", TOLERANCES["float32"])
    assert allowance.relative == 1e-4
    assert allowance.absolute == pytest.approx(2e-3)


def test_where_float32_is_far_from_exact_more_is_allowed() -> None:
    exact, near = np.array([1.0, 1e-7]), np.array([1.0, 3e-5 + 1e-7])
    allowance = allow(exact, near, "float32", TOLERANCES["float32"])
    assert allowance.absolute == pytest.approx(1e-5 + SLACK * 3e-5)
    for far in (np.array([5.0, 0]), np.array([1e30, np.nan])):
        assert allow(exact, far, "float32", TOLERANCES["float32"]).absolute == pytest.approx(
            1e-5 + MOST_SLACK
        )


@pytest.mark.parametrize("dtype", ["int64", "int8", "bool", "uint8"])
def test_integers_are_exact_but_for_quantised_bytes(dtype: str) -> None:
    exact = np.ones(3, dtype)
    assert allow(exact, exact, dtype, TOLERANCES["float32"]) == Allowance(0, 0)
    steps = 1 if dtype in ("int8", "uint8") else 0
    assert allow(exact, exact, dtype, TOLERANCES["quantised"]) == Allowance(0, steps)


def test_a_quantised_network_may_be_as_far_off_as_its_roundings_move_it() -> None:
    exact, quantised = np.array([3.0, -4.0]), TOLERANCES["quantised"]
    near, far = np.array([3.1, -4.0]), np.array([3.1, -4.2])
    allowance = allow(exact, exact + 1, "float32", quantised, [near, far])
    assert allowance.absolute == pytest.approx(SPREAD * 0.2)
    assert allowance.typical == pytest.approx(SPREAD * np.sqrt(0.025))
    most = allow(exact, None, "float32", quantised, [exact + 100])
    assert most.absolute == pytest.approx(MOST_SPREAD * 4)
    assert most.typical == pytest.approx(MOST_SPREAD * np.sqrt(12.5))
    least = allow(exact, exact, "float32", quantised, [exact])
    assert least.typical == pytest.approx(quantised.relative * np.sqrt(12.5))
    assert allow(exact, exact, "float32", quantised, [exact]).absolute == quantised.absolute * 4
    assert allow(exact, exact, "float32", quantised).typical is None


def test_and_its_bytes_by_whole_steps() -> None:
    exact, quantised = np.array([100, -128], np.int8), TOLERANCES["quantised"]
    assert allow(exact, None, "int8", quantised, [exact]) == Allowance(0, 1)
    assert allow(exact, None, "int8", quantised, [exact - np.array([3, 0], np.int8)]) == Allowance(0, 4)
    assert allow(exact, None, "int8", quantised, [-1 - exact]) == Allowance(0, MOST_SPREAD * 128)
    places = np.array([100, 3])
    assert allow(places, None, "int64", quantised, [places + 5]) == Allowance(0, 0)
