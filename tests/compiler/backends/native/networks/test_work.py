"""Counts of small networks, by hand; passes change none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench import networks
from bench.graph import Graph
from tests.onnx_suite.cases import as_network
from tinsmith.compiler.backends.native.networks.emit import PASSES
from tinsmith.compiler.backends.native.networks.work import flops
from tinsmith.compiler.operators.lower import lower


def convolutions() -> Any:
    g = Graph("convolutions")
    x = g.conv(g.input("x", (2, 8, 9, 10)), (8, 16), 3, stride=2, groups=4)  # 2 x 16 x 5 x 5 sums of 2 * 9
    return g.model(g.conv(x, (16, 16), 3, groups=16))  # of 9


def products() -> Any:
    g = Graph("products")
    x = g.dense(g.input("x", (2, 3, 8)), (8, 12))  # 2 x 3 x 12 sums of 8
    return g.model(g.add("MatMul", x, g.add("Transpose", x, perm=[0, 2, 1])))  # 2 x 3 x 3 of 12


def einsum() -> Any:
    g = Graph("einsum")
    a, b = g.input("a", (3, 4, 5)), g.input("b", (5, 4, 2))
    return g.model(g.add("Einsum", a, b, equation="ijk,kjl->il"))  # 3 x 2 of 20


def recurrent() -> Any:
    g = Graph("recurrent")
    w, r = g.weight(1, 12, 5), g.weight(1, 12, 4)
    return g.model(g.add("GRU", g.input("x", (7, 1, 5)), w, r, outputs=2, hidden_size=4)[0])


CASES: dict[str, tuple[Callable[[], Any], int]] = {
    "convolutions": (convolutions, 2 * 2 * 16 * 5 * 5 * (18 + 9)),
    "products": (products, 2 * (2 * 3 * 12 * 8 + 2 * 3 * 3 * 12)),
    "einsum": (einsum, 2 * 3 * 2 * 20),
    "recurrent": (recurrent, 2 * 7 * 12 * (5 + 4)),
    "nothing": (lambda: _relu(), 0),
}


def _relu() -> Any:
    g = Graph("relu")
    return g.model(g.add("Relu", g.input("x", (3,))))


@pytest.mark.parametrize("name", CASES)
def test_flops(name: str) -> None:
    make, wanted = CASES[name]
    model = make()
    loops = lower(as_network(model, list(networks.inputs(model).values())))
    assert flops(loops) == wanted
    for change in PASSES:
        loops = change(loops)
        assert flops(loops) == wanted, change.__name__
