"""Branches, loops, calls and variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.tflite.build import Builder, T, c, evaluate, litert, read_bytes
from tests.compiler.frontends.tflite.cases import x
from tinsmith.errors import ClientError


def binary(builder: Builder, part: int, kind: str, left: int, right: int, out: T) -> int:
    names = {"ADD": "AddOptions", "MUL": "MulOptions", "LESS": "LessOptions", "SUB": "SubOptions"}
    return builder.operator(kind, [left, right], [out], (names[kind], {}), part=part)[0]


def branches() -> Builder:
    builder = Builder(3)
    main = builder.parts[0]
    inputs = [main.input(T((), "bool")), main.input(x(2, 3)), main.input(x(3))]
    options = "IfOptions", {"thenSubgraphIndex": 1, "elseSubgraphIndex": 2}
    main.outputs = builder.operator("IF", inputs, [T((2, 3))], options)
    for part, kind in ((1, "ADD"), (2, "MUL")):
        target = builder.parts[part]
        left, right = target.input(x(2, 3)), target.input(x(3))
        target.outputs = [binary(builder, part, kind, left, right, T((2, 3)))]
    return builder


def loop() -> Builder:
    """Doubles a vector as often as an input says."""
    builder = Builder(3)
    main = builder.parts[0]
    inputs = [main.input(T((), "int32")), main.input(x(3)), main.input(T((), "int32"))]
    outputs = [T((), "int32"), T((3,)), T((), "int32")]
    options = "WhileOptions", {"condSubgraphIndex": 1, "bodySubgraphIndex": 2}
    main.outputs = builder.operator("WHILE", inputs, outputs, options)[:2]
    for part in (1, 2):
        for tensor in outputs:
            builder.parts[part].input(tensor)
    test, body = builder.parts[1], builder.parts[2]
    test.outputs = [binary(builder, 1, "LESS", 0, 2, T((), "bool"))]
    counted = binary(builder, 2, "ADD", 0, body.add(c(1)), T((), "int32"))
    body.outputs = [counted, binary(builder, 2, "ADD", 1, 1, T((3,))), 2]
    return builder


@pytest.mark.parametrize("condition", [True, False])
def test_if(condition: bool, tmp_path: Path) -> None:
    content = branches().bytes()
    network = read_bytes(tmp_path, content)
    feeds = [np.array(condition), np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32)]
    found = evaluate(network, dict(zip((spec.name for spec in network.inputs), feeds, strict=True)))
    np.testing.assert_array_equal(found[0], litert(content, feeds)[0])


@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_while(rounds: int, tmp_path: Path) -> None:
    content = loop().bytes()
    network = read_bytes(tmp_path, content)
    feeds = [np.array(0, np.int32), np.arange(3, dtype=np.float32), np.array(rounds, np.int32)]
    found = evaluate(network, dict(zip((spec.name for spec in network.inputs), feeds, strict=True)))
    for got, want in zip(found, litert(content, feeds), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kind", ["CALL", "STABLEHLO_COMPOSITE"])
def test_calls(kind: str, tmp_path: Path) -> None:
    builder = Builder(2)
    main = builder.parts[0]
    inputs = [main.input(x(2, 3)), main.input(x(3))]
    options: tuple[str, dict[str, Any]] = ("CallOptions", {"subgraph": 1})
    if kind != "CALL":
        options = ("StableHLOCompositeOptions", {"name": b"own.add", "decompositionSubgraphIndex": 1})
    main.outputs = builder.operator(kind, inputs, [T((2, 3))], options)
    inner = builder.parts[1]
    inner.outputs = [binary(builder, 1, "ADD", inner.input(x(2, 3)), inner.input(x(3)), T((2, 3)))]
    network = read_bytes(tmp_path, builder.bytes())
    feeds = [np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32)]
    found = evaluate(network, dict(zip((spec.name for spec in network.inputs), feeds, strict=True)))
    np.testing.assert_array_equal(found[0], feeds[0] + feeds[1])


def test_subgraphs_that_run_themselves(tmp_path: Path) -> None:
    builder = Builder(2)
    for part in range(2):
        target = builder.parts[part]
        outputs = builder.operator(
            "CALL", [target.input(x(2))], [T((2,))], ("CallOptions", {"subgraph": 1}), part=part
        )
        target.outputs = outputs
    with pytest.raises(ClientError, match="subgraphs that run one another without end"):
        read_bytes(tmp_path, builder.bytes())


def variables(start: float = 0.0, assigns: bool = True) -> Builder:
    """Adds its input to what it remembers."""
    builder = Builder(2)
    main, first = builder.parts
    handle = "VarHandleOptions", {"sharedName": b"total"}
    builder.operator("CALL_ONCE", [], [], ("CallOnceOptions", {"initSubgraphIndex": 1}))
    (resource,) = builder.operator("VAR_HANDLE", [], [T((), "resource")], handle)
    (before,) = builder.operator("READ_VARIABLE", [resource], [T((3,))], ("ReadVariableOptions", {}))
    after = binary(builder, 0, "ADD", before, main.input(x(3, name="x")), T((3,)))
    if assigns:
        builder.operator("ASSIGN_VARIABLE", [resource, after], [], ("AssignVariableOptions", {}))
    main.outputs = [after]
    (own,) = builder.operator("VAR_HANDLE", [], [T((), "resource")], handle, part=1)
    value = first.add(c(np.full(3, start, np.float32)))
    builder.operator("ASSIGN_VARIABLE", [own, value], [], ("AssignVariableOptions", {}), part=1)
    return builder


def test_variables_are_inputs_and_outputs(tmp_path: Path) -> None:
    content = variables().bytes()
    network = read_bytes(tmp_path, content)
    assert [spec.name for spec in network.inputs] == ["x", "total"]
    assert [spec.name for spec in network.outputs][1:] == ["total:next"]
    x_, total = np.arange(3, dtype=np.float32), np.zeros(3, np.float32)
    for calls in range(1, 4):
        found, total = evaluate(network, {"x": x_, "total": total})
        np.testing.assert_array_equal(found, litert(content, [x_], calls)[0])
    assert network.warnings == ()


def test_a_variable_that_starts_elsewhere_is_told(tmp_path: Path) -> None:
    (warning,) = read_bytes(tmp_path, variables(start=2.5).bytes()).warnings
    assert warning == (
        "model.tflite: the state 'total' is to start from values that are not all zero: those of the file"
    )


def test_a_variable_that_is_never_written_is_a_constant(tmp_path: Path) -> None:
    content = variables(start=2.5, assigns=False).bytes()
    network = read_bytes(tmp_path, content)
    x_ = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(evaluate(network, {"x": x_})[0], litert(content, [x_])[0])
