from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]

EQUATIONS: list[tuple[str, tuple[tuple[int, ...], ...]]] = [
    ("ij,jk->ik", ((3, 4), (4, 5))),
    ("ij,kj->ik", ((3, 4), (5, 4))),
    ("ij,jk->ki", ((3, 4), (4, 5))),
    ("ij,jk", ((3, 4), (4, 5))),
    ("ba,ca", ((3, 4), (5, 4))),
    ("bhid,bhjd->bhij", ((2, 3, 4, 5), (2, 3, 6, 5))),
    ("bihd,bjhd->bhij", ((2, 4, 3, 5), (2, 6, 3, 5))),
    ("bhij,bjhd->bihd", ((2, 3, 4, 6), (2, 6, 3, 5))),
    ("...ij,...jk->...ik", ((2, 1, 3, 4), (5, 4, 2))),
    ("i...,i...->...", ((3, 4), (3, 4))),
    ("...ii->...i", ((2, 3, 3),)),
    ("ii", ((4, 4),)),
    ("iji->j", ((3, 4, 3),)),
    ("ij->ji", ((3, 4),)),
    ("ij->", ((3, 4),)),
    ("...", ((3, 4),)),
    ("i,i", ((7,), (7,))),
    ("i,j->ij", ((3,), (4,))),
    ("i,j->", ((3,), (4,))),
    ("ij,ij->ij", ((3, 4), (3, 4))),
    ("ijk,jil->kl", ((3, 4, 5), (4, 3, 2))),
    ("abc,cd,de->abe", ((2, 3, 4), (4, 5), (5, 6))),
    ("a,b,c->cab", ((2,), (3,), (4,))),
    ("ab,bc,ca->", ((2, 3), (3, 4), (4, 2))),
    ("ij,jk->ik", ((3, 1), (4, 5))),
    (" i j , j k -> i k ", ((3, 4), (4, 5))),
    ("Aa,aB->BA", ((3, 4), (4, 5))),
    (",ij->ji", ((), (3, 4))),
    ("ij,jk->ik", ((3, 0), (0, 5))),
]


def test_equations(nodes: Nodes) -> None:
    draw = np.random.default_rng(3)
    for equation, shapes in EQUATIONS:
        operands = [draw.standard_normal(shape).astype(np.float32) for shape in shapes]
        wide = [operand.astype(np.float64) for operand in operands]
        wanted = np.asarray(np.einsum(equation.replace(" ", ""), *wide), np.float32)
        nodes.add("Einsum", *operands, expected=wanted, equation=equation, tolerance=1e-5)
    nodes.run()


def test_bad_equations_are_refused(nodes: Nodes) -> None:
    a, b = np.zeros((3, 4), np.float32), np.zeros((5, 6), np.float32)
    for equation, operands in (
        ("ij,jk->ik", (a, b)), ("ij->ij", (a, b)), ("ij->k", (a,)), ("i->i", (a,)), ("ij->ii", (a,)),
        ("i1->i", (a,)),
    ):  # fmt: skip
        nodes.add("Einsum", *operands, expected=a, equation=equation)
    with pytest.raises(ClientError) as error:
        nodes.run()
    text = str(error.value)
    for part in (
        "axis j has 4 and 5 elements", "names 1 operands of 2", "an axis that no operand has",
        "term i for a tensor of 2 dimensions", "equation ij->ii", "term i1",
    ):  # fmt: skip
        assert part in text
