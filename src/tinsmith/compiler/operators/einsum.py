"""Einsum: sums of products by names of axes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.loops import Contract
from tinsmith.compiler.ir.scalars import INDEX, Dim, Expr, Literal, Load, Tensor, Var
from tinsmith.compiler.operators.contractions import permuted, product
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator

Labels = tuple[str, ...]
"""A letter per axis; axes under an ellipsis are "...0" (the last of them), "...1" and so on."""


@dataclass(frozen=True)
class _Term:
    """A tensor whose axes have names, each its own."""

    tensor: Tensor
    labels: Labels

    def at(self, vars: dict[str, Expr]) -> Expr:
        """The element; a dimension of 1 serves all indices."""
        return Load(
            self.tensor,
            tuple(
                Literal(0, INDEX) if dim == 1 else vars[label]
                for label, dim in zip(self.labels, self.tensor.shape, strict=True)
            ),
        )


@operator("Einsum")
def einsum(node: Node, *operands: Tensor) -> Tensor:
    labels, out = _parse(node, node.text("equation"), operands)
    dims = _dims(node, labels, operands)
    if any(label not in dims for label in out):
        raise node.refuse("the equation's result has an axis that no operand has")
    terms = [_distinct(node, tensor, names) for tensor, names in zip(operands, labels, strict=True)]
    result = terms[0]
    for number, term in enumerate(terms[1:], 1):
        later = {label for rest in terms[number + 1 :] for label in rest.labels}
        kept = [label for label in dict.fromkeys((*result.labels, *term.labels)) if label in later | set(out)]
        result = _pair(node, result, term, out if number == len(terms) - 1 else tuple(kept), dims)
    return _summed(node, result, out, dims).tensor


def _parse(node: Node, equation: str, operands: Sequence[Tensor]) -> tuple[list[Labels], Labels]:
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(operands):
        raise node.refuse(f"equation {equation} names {len(texts)} operands of {len(operands)}")
    labels = [_labels(node, text, tensor.rank) for text, tensor in zip(texts, operands, strict=True)]
    most = max((sum(len(label) > 1 for label in names) for names in labels), default=0)
    ellipsis = tuple(f"...{number}" for number in reversed(range(most)))
    if not arrow:
        count = Counter(label for names in labels for label in names if len(label) == 1)
        return labels, (*ellipsis, *sorted(label for label, times in count.items() if times == 1))
    first, dots, last = right.partition("...")
    out = (*first, *(ellipsis if dots else ()), *last)
    if len(set(out)) != len(out) or (first + last and not (first + last).isalpha()):
        raise node.refuse(f"equation {equation}")
    return labels, out


def _labels(node: Node, text: str, rank: int) -> Labels:
    first, dots, last = text.partition("...")
    hidden = rank - len(first) - len(last)
    letters = first + last
    if hidden < 0 or (hidden and not dots) or (letters and not letters.isalpha()):
        raise node.refuse(f"term {text or 'without letters'} for a tensor of {rank} dimensions")
    return (*first, *(f"...{number}" for number in reversed(range(hidden))), *last)


def _dims(node: Node, labels: Sequence[Labels], operands: Sequence[Tensor]) -> dict[str, Dim]:
    dims: dict[str, Dim] = {}
    for names, tensor in zip(labels, operands, strict=True):
        for label, dim in zip(names, tensor.shape, strict=True):
            known = dims.setdefault(label, dim)
            if known == 1:
                dims[label] = dim
            elif dim not in (1, known):
                raise node.refuse(f"axis {label} has {known} and {dim} elements")
    return dims


def _distinct(node: Node, tensor: Tensor, labels: Labels) -> _Term:
    """An axis that is named twice becomes the diagonal."""
    unique = tuple(dict.fromkeys(labels))
    if len(unique) == len(labels):
        return _Term(tensor, labels)
    dims: dict[str, Dim] = {}
    for label, dim in zip(labels, tensor.shape, strict=True):
        dims[label] = dim if dims.get(label, 1) == 1 else dims[label]
    shape = [dims[label] for label in unique]
    whole = _Term(tensor, labels)
    return _Term(node.map(shape, lambda *i: whole.at(dict(zip(unique, i, strict=True)))), unique)


def _summed(node: Node, term: _Term, out: Labels, dims: dict[str, Dim]) -> _Term:
    """Only the axes `out`, in that order; the others are summed."""
    if term.labels == out:
        return term
    own = dict(zip(term.labels, term.tensor.shape, strict=True))
    over = [label for label in term.labels if label not in out]
    shape, names = [dims[label] for label in out], (*out, *over)

    def value(*i: Expr) -> Expr:
        return term.at(dict(zip(names, i, strict=True)))

    tensor = (
        node.reduce(shape, [own[label] for label in over], "sum", value) if over else node.map(shape, value)
    )
    return _Term(tensor, out)


def _pair(node: Node, a: _Term, b: _Term, out: Labels, dims: dict[str, Dim]) -> _Term:
    """The product of two with the axes `out`; the others are summed."""
    a, b = (
        _summed(node, one, tuple(label for label in one.labels if label in (*out, *other.labels)), dims)
        for one, other in ((a, b), (b, a))
    )
    over = tuple(label for label in a.labels if label not in out)
    if over and _plain(a, dims) and _plain(b, dims) and set(out) == {*a.labels, *b.labels} - set(over):
        return _as_matrices(node, a, b, out, over, dims)
    vars = scalars.variables([dims[label] for label in out])
    inner = scalars.variables([dims[label] for label in over], "r")
    named: dict[str, Expr] = dict(zip((*out, *over), (*vars, *inner), strict=True))
    shape = tuple(var.extent for var in vars)
    if not over:
        return _Term(node.map(shape, lambda *i: _times(a, b, dict(zip(out, i, strict=True)))), out)
    return _Term(_contract(node, shape, vars, inner, a.at(named), b.at(named)), out)


def _times(a: _Term, b: _Term, vars: dict[str, Expr]) -> Expr:
    return a.at(vars) * b.at(vars)


def _contract(
    node: Node, shape: Sequence[Dim], vars: tuple[Var, ...], inner: tuple[Var, ...], lhs: Expr, rhs: Expr
) -> Tensor:
    out = node.tensor(shape, lhs.dtype)
    return node.add(Contract(out, vars, inner, lhs, rhs, origin=node.origin))


def _plain(term: _Term, dims: dict[str, Dim]) -> bool:
    """No axis is repeated to fit, and all sizes are known."""
    return term.tensor.is_static and term.tensor.shape == tuple(dims[label] for label in term.labels)


def _as_matrices(node: Node, a: _Term, b: _Term, out: Labels, over: Labels, dims: dict[str, Dim]) -> _Term:
    batch = tuple(label for label in out if label in a.labels and label in b.labels)
    rows = tuple(label for label in out if label in a.labels and label not in batch)
    columns = tuple(label for label in out if label in b.labels and label not in batch)
    transposed = b.labels == (*batch, *columns, *over)

    def matrix(term: _Term, first: Labels, second: Labels) -> Tensor:
        order = (*batch, *first, *second)
        tensor = permuted(node, term.tensor, [term.labels.index(label) for label in order])
        return node.view(tensor, [*lead, _count(first, dims), _count(second, dims)])

    lead = [_count(batch, dims)] if batch else []
    left = matrix(a, rows, over)
    right = matrix(b, columns, over) if transposed else matrix(b, over, columns)
    result = product(node, left, right, transposed)
    order = (*batch, *rows, *columns)
    whole = node.view(result, [dims[label] for label in order])
    return _Term(permuted(node, whole, [order.index(label) for label in out]), out)


def _count(labels: Labels, dims: dict[str, Dim]) -> int:
    known = [dims[label] for label in labels]
    return math.prod(dim for dim in known if isinstance(dim, int))
