"""Stacks of matrix products whose two sides are computed at run time, for contract_product.h."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinsmith.compiler.backends.native.networks.kernels.activation import IDENTITY, Activation, literal
from tinsmith.compiler.backends.native.networks.kernels.contraction import ITEM_FLOPS
from tinsmith.compiler.backends.native.networks.kernels.pack import NOTE, SLICE
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan, define
from tinsmith.compiler.backends.native.networks.kernels.schedule import DEFAULT, Schedules, tile
from tinsmith.errors import InternalError

LEAST_ROWS = 32
"""Rows that pay for packing the right side once more, which each thread does that has some of them."""

ITEMS = 16
"""As many work items keep several threads busy."""


@dataclass(frozen=True)
class Stack:
    """Where the matrices of a stack lie, in floats; a step of 0 uses the same matrix (or row) again.

    Matrix (o, i) begins at start + o * outer + i * inner, and its element (r, c) lies r * row + c further on.
    """

    row: int
    outer: int = 0
    inner: int = 0
    start: int = 0


def plan_product(
    stack: tuple[int, int],
    rows: int,
    depth: int,
    columns: int,
    x: Stack,
    w: Stack,
    y: Stack,
    *,
    transposed: bool = False,
    scale: float = 1.0,
    residual: Stack | None = None,
    activation: Activation = IDENTITY,
    node: str = "",
    schedules: Schedules = (DEFAULT,),
) -> Plan:
    """y[rows, columns] = activation(scale * x[rows, depth] @ w[depth, columns] + residual[rows, columns]).

    `stack` is how many such products there are, outer and inner. `transposed`: `w` is stored [columns,
    depth]. The function takes the right side where others take weights.
    """
    if min(*stack, rows, depth, columns) < 1:
        raise InternalError(f"a product of {stack} x {rows} x {depth} x {columns} has no elements")
    slices = -(-columns // SLICE)
    flops = 2 * rows * depth * min(columns, SLICE)
    wanted = -(-ITEMS // (stack[0] * stack[1] * slices))
    blocks = max(1, min(wanted, rows // LEAST_ROWS, flops // ITEM_FLOPS))
    constants: dict[str, int | bool | str] = {
        "rows": rows,
        "depth": depth,
        "columns": columns,
        "transposed": transposed,
        "scale": literal(scale),
        "residual": residual is not None,
        "outer": stack[0],
        "inner": stack[1],
        "blocks": blocks,
        "slices": slices,
        **tile(schedules, ("vectors", "rows")),
    }
    placed = {"x": x, "w": w, "y": y} | ({"residual": residual} if residual else {})
    for name, part in placed.items():
        constants |= {f"{name}_row": part.row, f"{name}_outer": part.outer, f"{name}_inner": part.inner}
    name, source, headers = define(
        "product",
        "ts_product",
        "ts_multiply",
        "contract_product.h",
        constants,
        {"residual": 0, "scratch": 0} | {name: part.start for name, part in placed.items()},
        activation,
        node,
    )
    return Plan(
        function=name,
        source=source,
        headers=headers,
        weights=np.zeros(0, np.float32),
        bias=np.zeros(0, np.float32),
        items=stack[0] * stack[1] * blocks * slices,
        flops=2 * stack[0] * stack[1] * rows * depth * columns,
        scratch_bytes=4 * (NOTE + SLICE * depth),
    )
