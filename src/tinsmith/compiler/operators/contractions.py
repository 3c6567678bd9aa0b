"""Operators that multiply and add: matrices and convolutions."""

from __future__ import annotations

from tinsmith.compiler.ir import loops
from tinsmith.compiler.ir.loops import Contract, Expr, Gemm, Tensor
from tinsmith.compiler.operators.node import Node, at, broadcast
from tinsmith.compiler.operators.registry import operator


@operator("MatMul")
def matmul(node: Node, a: Tensor, b: Tensor) -> Tensor:
    left = node.view(a, (1, *a.shape)) if a.rank == 1 else a
    right = node.view(b, (*b.shape, 1)) if b.rank == 1 else b
    out = product(node, left, right)
    shape = out.shape[: len(out.shape) - 2]
    if a.rank > 1:
        shape += out.shape[-2:-1]
    if b.rank > 1:
        shape += out.shape[-1:]
    return node.view(out, shape)


def product(node: Node, a: Tensor, b: Tensor, transposed: bool = False) -> Tensor:
    """a[.., m, k] x b[.., k, n], or b[.., n, k] if `transposed`; leading dimensions broadcast."""
    k = a.shape[-1]
    if b.shape[-1 if transposed else -2] != k:
        raise node.refuse(f"shapes {a.shape} and {b.shape} do not fit together")
    n = b.shape[-2 if transposed else -1]
    batch = broadcast(node, a.shape[:-2], b.shape[:-2])
    shape = (*batch, a.shape[-2], n)
    vars, (over,) = loops.variables(shape), loops.variables([k], "r")
    lead, row, column = vars[:-2], vars[-2], vars[-1]

    def b_at() -> Expr:
        return at(b, (*lead, column, over) if transposed else (*lead, over, column))

    dtype = a.dtype
    out = node.tensor(shape, dtype)
    stage = Contract(
        out, vars, (over,), at(a, (*lead, row, over)), b_at(), Gemm(transposed), (a, b), origin=node.origin
    )
    return node.add(stage)
