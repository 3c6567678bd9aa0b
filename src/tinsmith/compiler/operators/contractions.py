"""Operators that multiply and add matrices."""

from __future__ import annotations

from collections.abc import Sequence

from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.loops import Contract, Gemm
from tinsmith.compiler.ir.scalars import Expr, Tensor
from tinsmith.compiler.operators.node import Node, at, broadcast
from tinsmith.compiler.operators.reductions import wide
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
    vars, (over,) = scalars.variables(shape), scalars.variables([k], "r")
    lead, row, column = vars[:-2], vars[-2], vars[-1]

    def b_at() -> Expr:
        return at(b, (*lead, column, over) if transposed else (*lead, over, column))

    dtype = a.dtype
    out = node.tensor(shape, dtype)
    stage = Contract(
        out, vars, (over,), at(a, (*lead, row, over)), b_at(), Gemm(transposed), (a, b), origin=node.origin
    )
    return node.add(stage)


@operator("Gemm")
def gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    if a.rank != 2 or b.rank != 2:
        raise node.refuse(f"shapes {a.shape} and {b.shape} are not of matrices")
    left = permuted(node, a, (1, 0)) if node.integer("transA", 0) else a
    out = product(node, left, b, transposed=bool(node.integer("transB", 0)))
    alpha, beta = node.number("alpha", 1), node.number("beta", 1)
    added = c if beta else None
    if alpha == 1 and added is None:
        return out
    if added is not None and broadcast(node, added.shape, out.shape) != out.shape:
        raise node.refuse(f"C of shape {added.shape} does not fit the product's {out.shape}")
    dtype = wide(a.dtype)

    def scaled(value: Expr, factor: float) -> Expr:
        return value.cast(dtype) if factor == 1 else value.cast(dtype) * factor

    def value(*i: Expr) -> Expr:
        total = scaled(out[i], alpha)
        if added is not None:
            total = total + scaled(at(added, i), beta)
        return total.cast(a.dtype)

    return node.map(out.shape, value)


def permuted(node: Node, x: Tensor, order: Sequence[int]) -> Tensor:
    """Axis i of the result is axis order[i] of x."""
    if list(order) == list(range(x.rank)):
        return x
    shape = tuple(x.shape[axis] for axis in order)
    return node.map(shape, lambda *i: x[tuple(i[list(order).index(axis)] for axis in range(x.rank))])
