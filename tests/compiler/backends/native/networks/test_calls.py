"""Layers as calls of kernels; what the kernels compute is tested in kernels/ and by whole networks."""

from __future__ import annotations

import numpy as np
import pytest

from tinsmith.compiler.backends.native.networks.calls import plan_layer
from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.ir.loops import Gemm
from tinsmith.compiler.ir.scalars import Apply, Expr, Literal, Tensor, call


def _source(activation: Expr, mark: Expr) -> str:
    x, out = Tensor("x", "float32", (4, 8)), Tensor("out", "float32", (4, 8))
    weights = np.eye(8, dtype=np.float32)
    return plan_layer(Layer(out, x, Gemm(), weights, None, activation=(activation, mark))).source


@pytest.mark.parametrize(("divisor", "divides"), [(1.5, False), (1e-38, True), (0.0, True)])
def test_quotients_by_usual_numbers_are_products(divisor: float, divides: bool) -> None:
    mark = Literal(0.0, "float32")
    source = _source(call("exp", mark / divisor), mark)
    assert ("/ 0x" in source) == divides
    assert ((1 / 1.5).hex() in source or float(np.float32(1 / 1.5)).hex() in source) != divides


def test_a_quotient_of_numbers_that_are_computed_stays() -> None:
    mark = Literal(0.0, "float32")
    assert " / " in _source(Apply("div", (Literal(1.0, "float32"), call("exp", mark)), "float32"), mark)
