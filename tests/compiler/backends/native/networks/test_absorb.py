"""What follows a stage becomes part of it: once, and never past a change of what the stage reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.onnx_suite.graphs import check
from tinsmith.compiler.backends.native.networks.chains import join_chains
from tinsmith.compiler.backends.native.networks.layers import Layer, find_layers
from tinsmith.compiler.ir.loops import Contract, Copy, Gemm, Loops, Map, Stage
from tinsmith.compiler.ir.scalars import Tensor, variables

X = Tensor("x", "float32", (2, 4))
STATE = Tensor("state", "float32", (2, 4))
WEIGHTS = Tensor("w", "float32", (4, 4), np.eye(4, dtype=np.float32))


def mapped(name: str, source: Tensor) -> Map:
    vars = variables(source.shape)
    return Map(Tensor(name, "float32", source.shape), vars, source[vars] + 1)


def product(source: Tensor) -> Contract:
    (row, column), (over,) = variables((2, 4)), variables([4], "r")
    lhs, rhs = source[row, over], WEIGHTS[over, column]
    out = Tensor("product", "float32", (2, 4))
    return Contract(out, (row, column), (over,), lhs, rhs, Gemm(), (source, WEIGHTS))


def test_a_chain_ends_where_what_it_reads_changes() -> None:
    first = mapped("first", STATE)
    last = mapped("last", first.out)
    start: list[Stage] = [Copy(STATE, X), first]
    for between, left in (([], {"state", "last"}), ([Copy(STATE, X)], {"state", "first", "last"})):
        joined = join_chains(Loops((X,), (last.out,), (*start, *between, last)))
        assert {stage.out.name for stage in joined.stages} == left


def test_a_layer_ends_where_what_it_reads_changes() -> None:
    contract = product(STATE)
    shift = mapped("shift", contract.out)
    for between, out in (([], shift.out), ([Copy(STATE, X)], contract.out)):
        stages = (Copy(STATE, X), contract, *between, shift)
        (layer,) = [
            stage
            for stage in find_layers(Loops((X,), (shift.out,), stages)).stages
            if isinstance(stage, Layer)
        ]
        assert layer.out is out


def test_two_products_share_one_sum(tmp_path: Path) -> None:
    """Each could take the sum, with the other as its residual."""
    text = "g (float[3, 5] a, float[5, 4] b, float[3, 7] c, float[7, 4] d) => (float[3, 4] y) {"
    text += "p = MatMul(a, b) q = MatMul(c, d) y = Add(p, q) }"
    random = np.random.default_rng(0)
    shapes = {"a": (3, 5), "b": (5, 4), "c": (3, 7), "d": (7, 4)}
    check(tmp_path, text, {name: random.standard_normal(s).astype(np.float32) for name, s in shapes.items()})
