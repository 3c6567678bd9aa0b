from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.networks.inputs import KINDS, Role, make_inputs, role

TABLE = numpy_helper.from_array(np.zeros((7, 3), np.float32), "table")


def make(nodes: list[Any], *inputs: tuple[str, str, tuple[int, ...]]) -> Network:
    """A network of `nodes`; shapes of intermediate values are not noted."""
    specs = tuple(TensorSpec(*spec) for spec in inputs)
    infos = [
        helper.make_tensor_value_info(
            spec.name, helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype)), spec.shape
        )
        for spec in specs
    ]
    graph = helper.make_graph(
        nodes, "g", infos, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [TABLE]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return Network("ONNX", "", "", onnx_ir.serde.deserialize_model(model), specs, ())


def only(network: Network) -> Role:
    return role(network, network.inputs[0])


IDS = ("ids", "int64", (2, 5))


@pytest.mark.parametrize(
    ("nodes", "high"),
    [
        ([helper.make_node("Gather", ["table", "ids"], ["y"])], 6),
        ([helper.make_node("Gather", ["table", "ids"], ["y"], axis=1)], 2),
        ([helper.make_node("Gather", ["table", "ids"], ["y"], axis=-1)], 2),
        ([helper.make_node("GatherElements", ["table", "ids"], ["y"])], 6),
        ([helper.make_node("GatherND", ["table", "ids"], ["y"])], 2),
        (
            [
                helper.make_node("Cast", ["ids"], ["a"], to=TensorProto.INT32),
                helper.make_node("Reshape", ["a", "shape"], ["b"]),
                helper.make_node("Gather", ["table", "b"], ["y"]),
            ],
            6,
        ),
        (
            [
                helper.make_node("Gather", ["table", "ids"], ["a"]),
                helper.make_node("Gather", ["table", "ids"], ["y"], axis=1),
            ],
            2,
        ),
        ([helper.make_node("Gather", ["ids", "ids"], ["y"])], 1),
        ([helper.make_node("Add", ["ids", "ids"], ["y"])], 9),
        ([helper.make_node("Expand", ["table", "ids"], ["y"])], 1),
    ],
)
def test_integers_stay_within_what_they_index(nodes: list[Any], high: int) -> None:
    network = make(nodes, IDS)
    assert only(network) == Role(0, high)
    for kind, (array,) in make_inputs(network):
        assert array.dtype == np.int64
        assert array.shape == (2, 5)
        assert 0 <= array.min() <= array.max() <= high
        assert kind != "large" or (array == high).all()


def test_codes_held_as_floats() -> None:
    nodes = [
        helper.make_node("Cast", ["ids"], ["a"], to=TensorProto.INT32),
        helper.make_node("Gather", ["table", "a"], ["y"]),
    ]
    network = make(nodes, ("ids", "float32", (2, 5)))
    assert only(network) == Role(0, 6, "codes")
    for _, (array,) in make_inputs(network):
        assert array.dtype == np.float32
        assert np.isin(array, range(7)).all()


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint8", 0, 255), ("int8", -128, 127), ("int32", 0, 9), ("uint4", 0, 15), ("int64", 0, 9)],
)
def test_integers_that_nothing_tells_the_meaning_of(dtype: str, low: int, high: int) -> None:
    network = make([helper.make_node("Identity", ["table"], ["y"])], ("n", "int64", (3,)))
    spec = TensorSpec("n", dtype, (3,))
    assert role(network, spec) == Role(low, high)


def test_masks_segments_and_positions() -> None:
    gathers = [
        helper.make_node("Gather", ["table", name], [name + "_y"])
        for name in ("token_type_ids", "position_ids")
    ]
    network = make(
        gathers,
        ("attention_mask", "int64", (2, 6)),
        ("token_type_ids", "int64", (2, 6)),
        ("position_ids", "int64", (1, 6)),
        ("mask", "float32", (1, 1, 6)),
    )
    runs = dict(make_inputs(network))
    mask, segment, position, floats = runs["normal"]
    assert (mask == 1).all()
    assert (segment == 0).all()
    assert position.tolist() == [list(range(6))]
    assert (floats == 1).all()
    mask, segment, position, floats = runs["uniform"]
    assert mask.tolist() == [[1, 1, 1, 1, 0, 0]] * 2
    assert segment.tolist() == [[0, 0, 0, 1, 1, 1]] * 2
    assert floats.reshape(-1).tolist() == [1, 1, 1, 1, 0, 0]


def test_floats_of_every_kind() -> None:
    network = make([helper.make_node("Identity", ["x"], ["y"])], ("x", "float32", (40, 50)))
    runs = {kind: array for kind, (array,) in make_inputs(network)}
    assert tuple(runs) == KINDS
    assert all(array.dtype == np.float32 and array.shape == (40, 50) for array in runs.values())
    assert abs(float(runs["normal"].mean())) < 0.1
    assert 0.9 < float(runs["normal"].std()) < 1.1
    assert 0 <= runs["uniform"].min() < 0.01
    assert 0.99 < runs["uniform"].max() < 1
    assert not runs["zeros"].any()
    assert 200 < runs["large"].max() < 400
    assert len(np.unique(runs["normal"])) > 1900


def test_the_same_network_gets_the_same_inputs_and_its_inputs_differ() -> None:
    network = make(
        [helper.make_node("Add", ["a", "b"], ["y"])], ("a", "float32", (9,)), ("b", "float32", (9,))
    )
    one, other = make_inputs(network), make_inputs(network)
    for (_, first), (_, second) in zip(one, other, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
    a, b = one[0][1]
    assert (a != b).any()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "bfloat16", "int8", "bool", "complex64", "float8_e5m2"]
)
@pytest.mark.parametrize("name", ["x", "mask", "segment", "position_ids"])
def test_scalars_and_empty_inputs_of_every_type(shape: tuple[int, ...], dtype: str, name: str) -> None:
    network = make([helper.make_node("Identity", ["table"], ["y"])], ("table2", "float32", (1,)))
    changed = Network("", "", "", network.graph, (TensorSpec(name, dtype, shape),), ())
    for _, (array,) in make_inputs(changed):
        assert array.shape == shape
        assert array.dtype.name == dtype


def test_a_network_without_inputs_runs_once() -> None:
    assert make_inputs(make([helper.make_node("Identity", ["table"], ["y"])])) == [("constant", ())]


def test_an_input_that_picks_the_branch_picks_the_possible_one() -> None:
    rate = ("rate", "int64", ())
    nodes = [
        helper.make_node("Constant", [], ["wanted"], value_int=16000),
        helper.make_node("Identity", ["rate"], ["same"]),
        helper.make_node("Equal", ["wanted", "same"], ["y"]),
    ]
    assert only(make(nodes, rate)) == Role(0, 9)
    nodes.append(helper.make_node("Impossible", [], ["z"], domain="tinsmith", reason="too short"))
    network = make(nodes, rate)
    assert only(network) == Role(16000, 16000)
    assert [array.item() for _, (array,) in make_inputs(network)] == [16000] * len(KINDS)
