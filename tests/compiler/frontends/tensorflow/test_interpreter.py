"""What is looked at, what is left out, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.tensorflow.graphs import const, convert, graph, node, placeholder
from tests.compiler.frontends.tensorflow.recorded import evaluated
from tinsmith.errors import ClientError

X = np.array([[1.0, -2.0, 3.0]], np.float32)


def result(folder: Path, *nodes: Any, **inputs: Any) -> Any:
    model, _ = convert(folder, graph(*nodes), output_names=["y"])
    return evaluated(model, inputs)["y"]


def problems(folder: Path, nodes: Sequence[Any], config: Any = None) -> Sequence[str]:
    with pytest.raises(ClientError) as caught:
        convert(folder, graph(*nodes), config, output_names=["y"])
    return caught.value.problems


def test_what_no_output_needs_is_not_looked_at(tmp_path: Path) -> None:
    nodes = [
        placeholder("x", 1, 3),
        node("Relu", "y", ["x"], T=1),
        node("DecodeJpeg", "z", ["x"]),
        node("Add", "w", ["nowhere", "x"]),
    ]
    assert result(tmp_path, *nodes, x=X).tolist() == [[1, 0, 3]]


def test_the_side_of_a_switch_that_is_taken(tmp_path: Path) -> None:
    nodes = [
        placeholder("x", 1, 3),
        const("training", False, np.bool_),
        node("Switch", "cond/Switch", ["x", "training"], T=1),
        node("RandomUniform", "cond/random", ["^cond/Switch"]),
        node("Mul", "cond/noise", ["cond/Switch:1", "cond/random"], T=1),
        node("Neg", "cond/plain", ["cond/Switch"], T=1),
        node("Merge", "y", ["cond/plain", "cond/noise"], T=1),
    ]
    assert result(tmp_path, *nodes, x=X).tolist() == (-X).tolist()


@pytest.mark.parametrize("side", [False, True])
def test_a_switch_that_the_run_decides(side: bool, tmp_path: Path) -> None:
    nodes = [
        placeholder("x", 1, 3),
        placeholder("p", dtype=10),
        node("Switch", "s", ["x", "p"], T=1),
        node("Switch", "pivot", ["p", "p"], T=10),
        node("Identity", "on", ["pivot:1"], T=10),
        node("Const", "one", ["^on"], dtype=1, value=np.array([5.0], np.float32)),
        node("Neg", "no", ["s"], T=1),
        node("Merge", "y", ["no", "one"], T=1),
    ]
    found = result(tmp_path, *nodes, x=X, p=np.array(side))
    assert found.ravel().tolist() == ([5.0] * 3 if side else (-X).ravel().tolist())


def test_dropout_is_left_out(tmp_path: Path) -> None:
    nodes = [
        placeholder("x", 1, 3),
        placeholder("keep", dtype=1),
        const("shape", [1, 3], np.int32),
        node("RandomUniform", "dropout/random", ["shape"]),
        node("Add", "dropout/add", ["keep", "dropout/random"]),
        node("Floor", "dropout/Floor", ["dropout/add"]),
        node("RealDiv", "dropout/div", ["x", "keep"]),
        node("Mul", "y", ["dropout/div", "dropout/Floor"]),
    ]
    model, warnings = convert(tmp_path, graph(*nodes), {"x": [1, 3], "keep": []}, output_names=["y"])
    assert [value.name for value in model.graph.input] == ["x", "keep"]
    assert evaluated(model, {"x": X, "keep": np.array(0.5, np.float32)})["y"].tolist() == X.tolist()
    assert warnings == ["dropout is for training: it is left out"]


def test_random_numbers_are_refused(tmp_path: Path) -> None:
    nodes = [
        placeholder("x", 1, 3),
        const("shape", [1, 3], np.int32),
        node("RandomUniform", "noise", ["shape"]),
        node("Add", "y", ["x", "noise"]),
    ]
    assert problems(tmp_path, nodes) == (
        "model.pb: The following operators are not implemented: {'RandomUniform'}",
        "model.pb: the operator RandomUniform is not implemented: 'noise'",
    )


def test_an_inner_node_may_be_an_input(tmp_path: Path) -> None:
    nodes = [
        node("OneShotIterator", "iterator"),
        node("IteratorGetNext", "next", ["iterator"], T=1),
        node("Relu", "y", ["next"], T=1),
    ]
    assert problems(tmp_path, nodes) == (
        "model.pb: The following operators are not implemented: {'IteratorGetNext'}",
        "model.pb: the operator IteratorGetNext is not implemented: 'next'",
    )
    model, _ = convert(tmp_path, graph(*nodes), {"next:0": [1, 3]}, output_names=["y"])
    assert evaluated(model, {"next": X})["y"].tolist() == [[1, 0, 3]]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (node("Add", "y", ["x", "nowhere"]), "the file has no node 'nowhere', which others take inputs from"),
        (node("Add", "y", ["x", "y"]), "node 'y' waits for itself"),
        (node("Add", "y", ["x", "axis:1"]), "node 'axis' has 1 outputs, but 'axis:1' is taken"),
        (node("Add", "y", ["x"]), "node 'y' (Add): "),
        (node("PartitionedCall", "y", ["x"]), "it calls the function '', which the file does not have"),
        (
            node("Exit", "y", ["x"]),
            "a loop whose Exit 'y' follows Placeholder, expected a Switch",
        ),
        (node("Const", "y", dtype=1), "node 'y' (Const): its tensor has the type DT_INVALID"),
        (node("ExpandDims", "y", ["x", "axis"]), "its axis is [7], expected from -3 to 2"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.op,
)
def test_contradictions_name_the_node(broken: Any, said: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, [placeholder("x", 1, 3), const("axis", [7], np.int32), broken])
    assert said in found


def test_a_limit_names_the_node_and_what_is_expected(tmp_path: Path) -> None:
    nodes = [placeholder("x", 2, 3), placeholder("axis", 1, dtype=3), node("Sum", "y", ["x", "axis"])]
    assert problems(tmp_path, nodes) == (
        "model.pb: node 'y' (Sum): its axis is computed by the run, expected a constant",
    )


def test_a_variable_that_the_model_changes(tmp_path: Path) -> None:
    nodes = [
        placeholder("x", 1, 3),
        node("VarHandleOp", "v"),
        node("AssignVariableOp", "assign", ["v", "x"]),
        node("ReadVariableOp", "y", ["v", "^assign"]),
    ]
    (found,) = problems(tmp_path, nodes)
    assert "node 'y' (ReadVariableOp): it reads a variable that the model itself changes" in found
