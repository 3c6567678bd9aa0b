"""Products of quantized numbers: exact sums in int32, then a new scale."""

from __future__ import annotations

from collections.abc import Callable

from tinsmith.compiler.ir import dtypes, scalars
from tinsmith.compiler.ir.loops import Contract, Conv, Gemm
from tinsmith.compiler.ir.scalars import Dim, Expr, Tensor, call, literal
from tinsmith.compiler.operators.convolution import accumulate, geometry
from tinsmith.compiler.operators.node import Node, at, broadcast, element
from tinsmith.compiler.operators.reductions import Index
from tinsmith.compiler.operators.registry import operator


def _centred(x: Tensor, zero: Tensor | None, point: Callable[[Index], Expr]) -> Callable[[Index], Expr]:
    """index -> the element less its zero point, as int32."""
    if zero is None or (zero.value is not None and not zero.value.any()):
        return lambda i: x[i].cast("int32")
    return lambda i: x[i].cast("int32") - point(i).cast("int32")


def _along(node: Node, parameter: Tensor | None, x: Tensor, axis: int) -> Callable[[Index], Expr]:
    """A scale or zero point of all of x, of each element of `axis`, or with as many dimensions as x."""
    if parameter is None:
        return lambda i: literal(0, "int32")
    if all(dim == 1 for dim in parameter.shape):
        return lambda i: element(parameter)
    if parameter.rank == 1 and parameter.shape[0] == x.shape[axis]:
        return lambda i: parameter[i[axis]]
    if parameter.rank == x.rank and broadcast(node, parameter.shape, x.shape) == x.shape:
        return lambda i: at(parameter, i)
    raise node.refuse(f"a scale or zero point of shape {parameter.shape} for a tensor of shape {x.shape}")


@operator("ConvInteger")
def conv_integer(
    node: Node, x: Tensor, w: Tensor, x_zero: Tensor | None = None, w_zero: Tensor | None = None
) -> Tensor:
    return _convolved(node, x, w, x_zero, w_zero)


def _convolved(node: Node, x: Tensor, w: Tensor, x_zero: Tensor | None, w_zero: Tensor | None) -> Tensor:
    window, groups = geometry(node, x, w)
    left = _centred(x, x_zero, _along(node, x_zero, x, 1))
    right = _centred(w, w_zero, _along(node, w_zero, w, 0))
    form = Conv(window.strides, window.dilations, window.pads, groups)
    return accumulate(node, x, w, window, groups, left, right, form)


@operator("MatMulInteger")
def matmul_integer(
    node: Node, a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None
) -> Tensor:
    return _multiplied(node, a, b, a_zero, b_zero)


def _multiplied(node: Node, a: Tensor, b: Tensor, a_zero: Tensor | None, b_zero: Tensor | None) -> Tensor:
    left, right = _as_matrix(node, a, first=True), _as_matrix(node, b, first=False)
    if left.shape[-1] != right.shape[-2]:
        raise node.refuse(f"shapes {a.shape} and {b.shape} do not fit together")
    batch = broadcast(node, left.shape[:-2], right.shape[:-2])
    a_value = _centred(left, a_zero, _along(node, a_zero, left, -2))
    b_value = _centred(right, b_zero, _along(node, b_zero, right, -1))
    shape: tuple[Dim, ...] = (*batch, left.shape[-2], right.shape[-1])
    vars, (k,) = scalars.variables(shape), scalars.variables([left.shape[-1]], "r")
    lead, row, column = vars[:-2], vars[-2], vars[-1]
    lhs, rhs = a_value(_own(left, (*lead, row, k))), b_value(_own(right, (*lead, k, column)))
    total = node.tensor(shape, "int32")
    out = node.add(Contract(total, vars, (k,), lhs, rhs, Gemm(), (left, right), origin=node.origin))
    shape = (*batch, *(() if a.rank == 1 else shape[-2:-1]), *(() if b.rank == 1 else shape[-1:]))
    return node.view(out, shape)


def _as_matrix(node: Node, x: Tensor, first: bool) -> Tensor:
    if x.rank > 1:
        return x
    return node.view(x, (1, *x.shape) if first else (*x.shape, 1))


def _own(x: Tensor, index: Index) -> Index:
    """The index into x, whose leading dimensions broadcast."""
    own = index[len(index) - x.rank :]
    return tuple(
        literal(0, scalars.INDEX) if dim == 1 else part for dim, part in zip(x.shape, own, strict=True)
    )


@operator("QLinearConv")
def qlinear_conv(
    node: Node,
    x: Tensor,
    x_scale: Tensor,
    x_zero: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    total = _convolved(node, x, w, x_zero, w_zero)
    per_channel = _along(node, w_scale, w, 0)

    def value(*i: Expr) -> Expr:
        exact = total[i] if bias is None else total[i] + bias[i[1]]
        factor = element(x_scale).cast("float32") * per_channel((i[1],)).cast("float32")
        return _quantized(exact, factor / element(y_scale).cast("float32"), element(y_zero))

    return node.map(total.shape, value)


@operator("QLinearMatMul")
def qlinear_matmul(
    node: Node,
    a: Tensor,
    a_scale: Tensor,
    a_zero: Tensor,
    b: Tensor,
    b_scale: Tensor,
    b_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
) -> Tensor:
    total = _multiplied(node, a, b, a_zero, b_zero)
    rows, columns = _along(node, a_scale, a, -2), _along(node, b_scale, b, -1)
    wanted, zero = _along(node, y_scale, total, -2), _along(node, y_zero, total, -2)

    def value(*i: Expr) -> Expr:
        factor = rows(_within(a, i)).cast("float32") * columns(_within(b, i)).cast("float32")
        return _quantized(total[i], factor / wanted(i).cast("float32"), zero(i))

    return node.map(total.shape, value)


def _within(x: Tensor, index: Index) -> Index:
    """What of an index of the product is one of x: the row of the first, the column of the second."""
    return index[max(len(index) - x.rank, 0) :]


def _quantized(total: Expr, factor: Expr, zero: Expr) -> Expr:
    """round(total * factor) + zero, halves to even, held within the type of `zero`."""
    low, high = dtypes.limits(zero.dtype)
    scaled = call("round", total.cast("float32") * factor) + zero.cast("float32")
    held = call("min", call("max", scaled, literal(low, "float32")), literal(high, "float32"))
    return held.cast(zero.dtype)
