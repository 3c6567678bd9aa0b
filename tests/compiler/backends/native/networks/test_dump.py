"""What TINSMITH_DUMP shows, and that a pass that breaks the law is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir
import pytest

from bench.graph import Graph
from tinsmith.compiler.backends.native.networks import emit as emitting
from tinsmith.compiler.backends.native.networks.dump import VARIABLE, text
from tinsmith.compiler.ir.loops import Copy, Loops, Map, Repeat
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.ir.scalars import Layout, Size, Tensor, Var, variables
from tinsmith.errors import InternalError
from tinsmith.spec.targets import platforms

X, Y = Tensor("x", "float32", (2, 3)), Tensor("y", "float32", (2, 3), layout=Layout((1, 0), (0, 0), (1, 0)))
W = Tensor("w", "float32", (2, 3), np.ones((2, 3), np.float32))
GO, MANY = Tensor("go", "bool", ()), Tensor("many", "int64", (Size("n", 9),))


def test_text() -> None:
    vars = variables((2, 3))
    add = Map(Y, vars, X[vars] + W[vars], origin="Add\n  a")
    loop = Repeat(Y, Var("i", 4), (Copy(Y, X),), GO, origin="Loop l")
    assert text(Loops((X, MANY), (Y,), (add, loop))).splitlines() == [
        "input   x float32[2, 3]",
        "input   many int64[n<=9]",
        "0       Map        y float32[2, 3] Layout(order=(1, 0), before=(0, 0), after=(1, 0)) <- "
        "x float32[2, 3], w float32[2, 3] constant  # Add a",
        "1       Repeat     4 rounds while go  # Loop l",
        "1.0     Copy       y float32[2, 3] Layout(order=(1, 0), before=(0, 0), after=(1, 0)) <- "
        "x float32[2, 3]",
        "output  y float32[2, 3] Layout(order=(1, 0), before=(0, 0), after=(1, 0))",
    ]


def mlp() -> Network:
    g = Graph("mlp")
    y = g.dense(g.input("x", (1, 4)), (4, 5))
    model = onnx_ir.serde.deserialize_model(g.model(g.add("Relu", y)))
    spec = TensorSpec(model.graph.outputs[0].name or "", "float32", (1, 5))
    return Network("ONNX", "", "", model, (TensorSpec("x", "float32", (1, 4)),), (spec,))


def emit_into(folder: Path) -> None:
    folder.mkdir()
    emitting.emit(mlp(), platforms()["LINUX_X86_64"], folder)


def test_a_file_for_every_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = tmp_path / "deep" / "dump"
    monkeypatch.setenv(VARIABLE, str(dump))
    emit_into(tmp_path / "program")
    names = ["lower", *(change.__name__ for change in emitting.PASSES)]
    assert [path.name for path in sorted(dump.iterdir())] == [
        f"{number:02}-{name}.txt" for number, name in enumerate(names)
    ]
    assert "Contract " in (dump / "00-lower.txt").read_text()
    last = (dump / f"{len(names) - 1:02}-{names[-1]}.txt").read_text()
    assert "Layer " in last
    assert "MatMul_0 + Add Add_1 + Relu" in last


def test_nothing_is_written_unless_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    emit_into(tmp_path / "program")
    assert [path.name for path in tmp_path.iterdir()] == ["program"]


def test_a_pass_that_loses_a_stage_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_the_first(loops: Loops) -> Loops:
        return Loops(loops.inputs, loops.outputs, loops.stages[1:])

    monkeypatch.setattr(emitting, "PASSES", (*emitting.PASSES[:1], lose_the_first))
    with pytest.raises(InternalError, match=r"^pass lose_the_first: .* reads matmul_0"):
        emit_into(tmp_path / "program")
