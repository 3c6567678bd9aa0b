"""Shapes of inputs from DataInputConfig and from the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tinsmith.compiler.ir.network import Network

Make = Callable[..., onnx.ModelProto]
Read = Callable[..., Network]
Problems = Callable[..., tuple[str, ...]]


def with_inputs(
    make: Make, inputs: dict[str, Any], constants: dict[str, Any] | None = None
) -> onnx.ModelProto:
    """Every input goes to an output of its own."""
    nodes = [helper.make_node("Identity", [name], [f"{name}.out"]) for name in [*inputs, *(constants or {})]]
    return make(nodes, inputs, [node.output[0] for node in nodes], constants)


def shapes(network: Network) -> dict[str, tuple[int, ...]]:
    return {spec.name: spec.shape for spec in network.inputs}


@pytest.mark.parametrize("config", [None, "", "  "])
def test_static_shapes_need_no_config(make: Make, read_model: Read, config: str | None) -> None:
    inputs = {"a": [2, 3], "b": [], "empty": [0, 4], "c": (TensorProto.INT64, [5])}
    network = read_model(with_inputs(make, inputs), config)
    assert shapes(network) == {"a": (2, 3), "b": (), "empty": (0, 4), "c": (5,)}
    assert [spec.dtype for spec in network.inputs] == ["float32", "float32", "float32", "int64"]


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        (["n", 3], [2, 3]),
        ([None, None], [7, 1]),
        ([-1, "?"], [2, 3]),
        (None, [4, 5, 6]),
        (["n", "n"], [3, 3]),
        ([], []),
        ([1, 4], [1, 4]),
    ],
)
def test_a_config_fixes_what_is_open(make: Make, read_model: Read, declared: Any, given: list[int]) -> None:
    network = read_model(with_inputs(make, {"x": declared}), f'{{"x": {given}}}')
    assert shapes(network) == {"x": tuple(given)}
    assert network.outputs[0].shape == tuple(given)


def test_a_config_may_be_python_or_without_names(make: Make, read_model: Read) -> None:
    model = with_inputs(make, {"x": ["n", 3], "y": ["m"]})
    for config in ("{'x': [2, 3], 'y': [4]}", "[[2, 3], [4]]", '{"y": [4], "x": {"shape": [2, 3]}}'):
        assert shapes(read_model(model, config)) == {"x": (2, 3), "y": (4,)}


def test_a_symbol_that_one_input_fixes_derives_others(make: Make, read_model: Read) -> None:
    model = with_inputs(make, {"ids": ["batch", "length"], "mask": ["batch", "length"], "k": ["batch", 1, 2]})
    network = read_model(model, '{"ids": [3, 128]}')
    assert shapes(network) == {"ids": (3, 128), "mask": (3, 128), "k": (3, 1, 2)}


def test_names_of_no_size_are_no_symbols(make: Make, read_model: Read, problems: Problems) -> None:
    model = with_inputs(make, {"a": ["?", "-1"], "b": ["-1", "?"]})
    assert shapes(read_model(model, '{"a": [1, 2], "b": [3, 4]}')) == {"a": (1, 2), "b": (3, 4)}
    assert (
        "DataInputConfig lacks the input 'b' (float32 [?, ?]), which has no fixed size"
        in problems(model, '{"a": [1, 2]}')[0]
    )


def test_a_symbol_with_two_sizes(make: Make, problems: Problems) -> None:
    model = with_inputs(make, {"a": ["n", 2], "b": ["n", "n"]})
    assert problems(model, '{"a": [3, 2], "b": [3, 4]}') == (
        "model.onnx: DataInputConfig gives the dimension 'n' two sizes: 3 in the input 'a' and 4 in 'b'",
    )


def test_open_inputs_are_all_named_with_an_example(make: Make, problems: Problems) -> None:
    model = with_inputs(make, {"a": ["n", 2], "fixed": [1], "b": None})
    assert problems(model) == (
        "model.onnx: We are unable to extract DataInputConfig from the model: the input 'a' (float32 [n, 2]) "
        'has no fixed size. Please override by providing a DataInputConfig such as {"a": [1, 2]}',
        "model.onnx: We are unable to extract DataInputConfig from the model: the input 'b' (float32 of any "
        'rank) has no fixed size. Please override by providing a DataInputConfig such as {"b": [...]}',
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"x": [1, 4, 9]}', "the input 'x' has the shape [1, 4, 9], expected [n, 3, ?]: dimension 1 is 4"),
        ('{"x": [1, 3]}', "the input 'x' has the shape [1, 3], expected [n, 3, ?]: 3 dimensions, not 2"),
        ('{"x": []}', "the input 'x' has the shape [], expected [n, 3, ?]: 3 dimensions, not 0"),
        (
            '{"x": [-1, 3, 9]}',
            "the input 'x' is given [-1, 3, 9], expected one shape without ranges and without -1",
        ),
        ('{"x": {"shape": ["1..4", 3, 9]}}', "the input 'x' is given [1..4, 3, 9], expected one shape"),
        ('{"x": {"shape": [[1, 3, 9], [2, 3, 9]]}}', "the input 'x' is given 2 shapes, expected one shape"),
        (
            '{"x": {"shape": [1, 3, 9], "type": "Image", "bias": [0], "scale": 1}}',
            "the input 'x' is given the type Image, which only Core ML has",
        ),
    ],
)
def test_contradictions(make: Make, problems: Problems, config: str, words: str) -> None:
    found = problems(with_inputs(make, {"x": ["n", 3, None]}), config)
    assert found[0].startswith(f"model.onnx: DataInputConfig: {words}")


def test_all_problems_at_once(make: Make, problems: Problems) -> None:
    model = with_inputs(make, {"x": ["n", 3], "y": ["m"], "z": [7]}, {"w": np.zeros(2, np.float32)})
    found = problems(model, '{"data": [1, 3], "x": [1, 4], "w": [2]}')
    assert found[0] == (
        "model.onnx: DataInputConfig names 'data', which is no input of the model; its inputs are "
        "'x' (float32 [n, 3]), 'y' (float32 [m]), 'z' (float32 [7])"
    )
    assert "DataInputConfig: the input 'x' has the shape [1, 4], expected [n, 3]" in found[1]
    assert "DataInputConfig names 'w', which is a constant of the model" in found[2]
    assert len(found) == 3  # 'data' may be meant for 'y', which is in the list

    found = problems(model, '{"x": [1, 4]}')
    assert found[1] == (
        "model.onnx: DataInputConfig lacks the input 'y' (float32 [m]), which has no fixed size; expected a "
        'shape for it too, such as {"y": [1]}'
    )
    assert len(found) == 2


@pytest.mark.parametrize(
    ("declared", "config", "words"),
    [
        (["n", 3, None, None], "[1, 8, 9, 3]", "NCHW format. Found [1, 8, 9, 3], expected [n, 3, ?, ?]"),
        (["n", None, None, 3], "[1, 3, 8, 9]", "NHWC format. Found [1, 3, 8, 9], expected [n, ?, ?, 3]"),
        ([1, 3, 2, 8, 9], "[1, 2, 8, 9, 3]", "NCDHW format. Found [1, 2, 8, 9, 3], expected [1, 3, 2, 8, 9]"),
    ],
)
def test_channels_in_the_wrong_place(
    make: Make, problems: Problems, declared: Any, config: str, words: str
) -> None:
    assert problems(with_inputs(make, {"x": declared}), f'{{"x": {config}}}') == (
        "model.onnx: DataInputConfig: Input x has wrong shape in Input Shape dictionary. Input shapes should "
        f"be provided in {words}; it takes float32",
    )


def test_other_sizes_are_no_other_layout(make: Make, problems: Problems) -> None:
    (found,) = problems(with_inputs(make, {"x": [1, 3, 8, 9]}), '{"x": [1, 8, 3, 9]}')
    assert "has the shape [1, 8, 3, 9], expected [1, 3, 8, 9]: dimension 1 is 8, dimension 2 is 3" in found


def test_a_config_that_does_not_parse(make: Make, problems: Problems) -> None:
    (found,) = problems(with_inputs(make, {"x": [1]}), "{x: [1]}")
    assert found.startswith("DataInputConfig is neither JSON nor a Python literal")
    assert found.endswith("; the inputs of the model are 'x' (float32 [1])")


def test_the_number_of_shapes_without_names(make: Make, problems: Problems) -> None:
    found = problems(with_inputs(make, {"x": [1], "y": [2]}), "[[1]]")
    assert found[0].startswith(
        "model.onnx: DataInputConfig has 1 shapes without names, expected 2, in the order of"
    )


def test_inputs_of_unreasonable_size(make: Make, problems: Problems) -> None:
    model = with_inputs(make, {"x": ["a", "b"], "y": [2**40]})
    assert problems(model, '{"x": [2000000000, 2000000000]}') == (
        "model.onnx: the input 'x' of shape [2000000000, 2000000000] has 4000000000000000000 elements, "
        "expected at most 536870912",
        "model.onnx: the input 'y' of shape [1099511627776] has 1099511627776 elements, expected at "
        "most 536870912",
    )


def test_a_scalar_for_an_input_of_any_rank(make: Make, read_model: Read) -> None:
    model = with_inputs(make, {"x": [2]})
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert shapes(read_model(model, '{"x": []}')) == {"x": ()}
