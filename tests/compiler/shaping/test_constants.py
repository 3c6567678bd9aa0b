"""Values that are known before a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tinsmith.compiler.shaping import constants
from tinsmith.compiler.shaping.constants import known_values

node = helper.make_node
make_type = helper.make_tensor_type_proto
Make = Callable[..., onnx.ModelProto]


def known(
    model: onnx.ModelProto, shapes: dict[str, tuple[int | None, ...]], opset: int = 17
) -> dict[str, Any]:
    types = {name: make_type(TensorProto.INT64, shape) for name, shape in shapes.items()}
    return {name: value.tolist() for name, value in known_values(model, types, {"": opset}).items()}


@given(st.lists(st.integers(0, 9), max_size=4), st.integers(-5, 5), st.integers(-5, 5))
def test_shape_and_size(shape: list[int], start: int, end: int) -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Shape", ["x"], ["part"], start=start, end=end),
        node("Size", ["x"], ["n"]),
        node("Shape", ["other"], ["o"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [], []))
    found = known(model, {"x": tuple(shape), "other": (None, 3)})
    assert found == {"s": shape, "part": shape[start:end], "n": int(np.prod(shape, dtype=np.int64))}


def test_integer_arithmetic_is_that_of_onnx(make: Make) -> None:
    """Division rounds towards zero, a remainder has the sign of the divisor."""
    nodes = [node("Div", ["a", "b"], ["q"]), node("Mod", ["a", "b"], ["r"])]
    model = make(nodes, {}, ["q", "r"], {"a": np.array([-7, 7]), "b": np.array([2, -2])})
    found = known(model, {"q": (2,), "r": (2,)})
    assert found["q"] == [-3, -3]
    assert found["r"] == [1, -1]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("value_int", 3, 3),
        ("value_ints", [3, 4], [3, 4]),
        ("value_float", 0.5, 0.5),
        ("value_floats", [0.5], [0.5]),
        ("value", onnx.numpy_helper.from_array(np.array([True])), [True]),
    ],
)
def test_every_kind_of_constant(make: Make, field: str, value: Any, expected: Any) -> None:
    model = make([node("Constant", [], ["k"], **{field: value})], {}, ["k"])
    assert known(model, {}) == {"k": expected}


def test_nothing_follows_from_inputs_text_or_large_values(make: Make) -> None:
    nodes = [
        node("Add", ["x", "k"], ["a"]),
        node("Constant", [], ["text"], value_string="t"),
        node("Add", ["large", "k"], ["b"]),
        node("RandomUniform", [], ["random"], shape=[1]),
        node("Exp", ["k"], ["e"]),
    ]
    model = make(nodes, {"x": [1]}, ["a"], {"k": np.float32(1), "large": np.zeros(5000, np.float32)})
    assert known(model, {"x": (1,), "a": (1,), "b": (5000,), "random": (1,), "e": ()}) == {"k": 1.0}


def test_results_are_computed_only_when_they_are_small(make: Make) -> None:
    nodes = [node("Expand", ["k", "n"], ["y"]), node("Expand", ["k", "m"], ["z"])]
    model = make(nodes, {}, ["y"], {"k": np.float32(1), "n": np.array([1025]), "m": np.array([2])})
    assert known(model, {"y": (1025,), "z": (2,)}).keys() == {"k", "n", "m", "z"}
    assert known(model, {}).keys() == {"k", "n", "m"}


def test_what_is_not_defined_is_not_known(make: Make) -> None:
    nodes = [node("Reshape", ["k", "n"], ["y"]), node("Gather", ["k", "n"], ["z"])]
    model = make(nodes, {}, ["y"], {"k": np.ones(3, np.float32), "n": np.array([7])})
    assert known(model, {"y": (7,), "z": (1,)}).keys() == {"k", "n"}


def test_division_by_zero_is_quiet(make: Make) -> None:
    model = make([node("Div", ["k", "z"], ["y"])], {}, ["y"], {"k": np.float32(1), "z": np.float32(0)})
    assert known(model, {"y": ()})["y"] == float("inf")


def test_operators_mean_what_they_meant_in_their_opset(make: Make) -> None:
    nodes = [node("Unsqueeze", ["k"], ["u"], axes=[0]), node("Slice", ["w"], ["s"], starts=[1], ends=[3])]
    model = make(nodes, {}, ["u"], {"k": np.int64(5), "w": np.arange(5)}, opset=9)
    assert known(model, {"u": (1,), "s": (2,)}, opset=9) == {
        "k": 5,
        "w": [0, 1, 2, 3, 4],
        "u": [5],
        "s": [1, 2],
    }


def test_values_inside_branches(make: Make) -> None:
    inner = helper.make_graph([node("Neg", ["k"], ["n"])], "b", [], [onnx.ValueInfoProto(name="n")])
    model = make(
        [node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)],
        {"c": (TensorProto.BOOL, [])},
        ["y"],
        {"k": np.int64(2)},
    )
    assert known(model, {"n": ()}) == {"k": 2, "n": -2}


def test_what_is_found_counts_for_the_nodes_behind_it(make: Make) -> None:
    """The size of every pair of halves is known once that of the one before is: all in one walk."""
    nodes = []
    for place in range(20):
        nodes += [
            node("Shape", [f"v{place}"], [f"s{place}"]),
            node("Concat", [f"s{place}", f"s{place}"], [f"c{place}"], axis=0),
            node("Slice", [f"c{place}", "start", "end"], [f"n{place}"]),
            node("Expand", [f"v{place}", f"n{place}"], [f"v{place + 1}"]),
        ]
    model = make(nodes, {"v0": [3, 4]}, ["v20"], {"start": np.array([0]), "end": np.array([2])})
    types = {value.name: value.type for value in model.graph.input}
    types |= {tensor.name: make_type(tensor.data_type, tensor.dims) for tensor in model.graph.initializer}
    assert known_values(model, types, {"": 17})["n19"].tolist() == [3, 4]


def test_what_was_known_before_is_not_computed_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make([node("Add", ["k", "k"], ["y"]), node("Neg", ["y"], ["z"])], {}, ["z"], {"k": np.int64(1)})
    types = {name: make_type(TensorProto.INT64, ()) for name in ("k", "y", "z")}
    before = known_values(model, types, {"": 17})
    del before["z"]
    computed: list[str] = []

    def evaluate(node: onnx.NodeProto, *_: Any) -> list[Any]:
        computed.append(node.op_type)
        return [np.int64(-2)]

    monkeypatch.setattr(constants, "evaluate", evaluate)
    assert known_values(model, types, {"": 17}, before) == {"k": 1, "y": 2, "z": -2}
    assert computed == ["Neg"]
