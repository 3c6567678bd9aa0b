from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.compiler.backends.native.networks.kernels.activation import IDENTITY, RELU, Activation
from tinsmith.compiler.backends.native.networks.kernels.plan import define


def layer(**changes: Any) -> tuple[str, str, tuple[str, ...]]:
    given: dict[str, Any] = {
        "kind": "gemm",
        "struct": "ts_contraction",
        "call": "ts_contract",
        "header": "contract_matrix.h",
        "constants": {"width": 3, "residual": False, "slice_major": True, "x_image": 0},
        "offsets": {"x": 5, "w": 0, "bias": 0, "y": 2},
        "activation": IDENTITY,
        "node": "conv_1",
    }
    return define(**given | changes)


def test_source() -> None:
    name, source, headers = layer(activation=Activation("gelu(x)", ("gelu.h",)))
    assert source.startswith("/* conv_1 */")
    assert f"static void {name}(" in source
    assert "{.width = 3, .slice_major = true}" in source
    assert "x + 5, w, bias, y + 2, first, last" in source
    assert "(void)residual; (void)scratch;" in source
    assert headers == ("contract_matrix.h", "gelu.h")


@pytest.mark.parametrize("change", [{"activation": RELU}, {"offsets": {"x": 6}}, {"constants": {"width": 4}}])
def test_unequal_layers_have_unequal_names(change: dict[str, Any]) -> None:
    assert layer()[0] != layer(**change)[0]


@given(st.text("*/\\\n a", max_size=6))
def test_a_name_cannot_end_its_comment(node: str) -> None:
    _, source, _ = layer(node=node)
    comment, rest = source.split("\n", 1)
    inside = comment.removeprefix("/* ").removesuffix(" */")
    assert len(comment) == len(inside) + 6
    assert "*/" not in inside + " "
    assert "/*" not in inside
    assert "\\" not in inside
    assert rest == layer()[1].split("\n", 1)[1]
