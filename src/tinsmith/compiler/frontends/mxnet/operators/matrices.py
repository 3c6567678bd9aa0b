"""Products of matrices."""

from __future__ import annotations

from tinsmith.compiler.frontends.mxnet.node import Node, operator
from tinsmith.compiler.shaping.builder import Value


def _turned(node: Node, value: Value, wanted: bool) -> Value:
    """With its last two axes exchanged."""
    rank = len(value.shape)
    return value.transpose(*range(rank - 2), rank - 1, rank - 2) if wanted else value


@operator("dot")
def dot(node: Node) -> Value:
    """The last axis of one with the first of the other; transposing turns all axes round."""
    left, right = node.x, node.input(1)
    a, b = (node.flag(key) for key in ("transpose_a", "transpose_b"))
    shapes = [node.shape(0), node.shape(1)]
    if max(len(shape) for shape in shapes) <= 2:
        left = _turned(node, left, a and len(shapes[0]) == 2)
        right = _turned(node, right, b and len(shapes[1]) == 2)
        found = node.add("MatMul", left, right)
        return found if found.shape else found.reshape(1)
    if a:
        left = left.transpose(*range(1, len(shapes[0])), 0)
    if b:
        right = right.transpose(len(shapes[1]) - 1, *range(len(shapes[1]) - 1))
    first, second = left.shape, right.shape
    inner = second[0]
    rows, columns = (
        left.reshape(-1 if len(first) > 1 else 1, inner),
        right.reshape(inner, -1),
    )
    return node.add("MatMul", rows, columns).reshape(*first[:-1], *second[1:])


@operator("batch_dot")
def batch_dot(node: Node) -> Value:
    """Matrix by matrix."""
    left = _turned(node, node.x, node.flag("transpose_a"))
    return node.add("MatMul", left, _turned(node, node.input(1), node.flag("transpose_b")))


@operator("_linalg_gemm2", "linalg_gemm2")
def gemm2(node: Node) -> Value:
    """alpha times the product."""
    found = batch_dot(node)
    alpha = node.real("alpha", 1.0)
    return found if alpha == 1 else node.add("Mul", found, alpha)


@operator("_linalg_gemm", "linalg_gemm")
def gemm(node: Node) -> Value:
    """alpha times the product and beta times the third operand."""
    third, beta = node.input(2), node.real("beta", 1.0)
    return node.add("Add", gemm2(node), third if beta == 1 else node.add("Mul", third, beta))
