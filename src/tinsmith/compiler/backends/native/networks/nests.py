"""Stages as C functions: loops around expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tinsmith.compiler.backends.native.networks.addresses import Element, flat, flatten, loop_order, merge
from tinsmith.compiler.backends.native.networks.expression import (
    Writer,
    applied,
    cast_text,
    encoded,
    literal_text,
    loaded,
    stored,
    value_type,
)
from tinsmith.compiler.backends.native.networks.pieces import Piece, pieces
from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.loops import (
    BOOL,
    Accumulate,
    Apply,
    ArgReduce,
    Contract,
    Expr,
    Literal,
    Load,
    Map,
    Reduce,
    Scatter,
    Size,
    Stage,
    Tensor,
    Var,
    binary,
    literal,
    walk,
)


@dataclass(frozen=True)
class Names:
    """What C calls the tensors, run-time sizes and outer loops that a stage uses."""

    tensors: Mapping[Tensor, str]
    outer: Mapping[Expr, str]


def body(stage: Stage, names: Names) -> list[str]:
    """The statements of a stage that is a loop nest."""
    match stage:
        case Map():
            return _map(stage, names)
        case Reduce():
            value = stage.value.cast("float32") if _sums_wide(stage) else stage.value
            return _reduce(stage.out, stage.vars, stage.over, stage.kind, value, names)
        case Contract():
            return _contract(stage, names)
        case ArgReduce():
            return _arg_reduce(stage, names)
        case Accumulate():
            return _accumulate(stage, names)
        case Scatter():
            return _scatter(stage, names)
    raise AssertionError(stage)


def _sums_wide(stage: Reduce) -> bool:
    return stage.value.dtype in ("float16", "bfloat16") and stage.kind == "sum"


def target(out: Tensor, vars: Sequence[Expr]) -> Element:
    """The element that a stage writes."""
    return flat(Load(out, tuple(vars)))


def _map(stage: Map, names: Names) -> list[str]:
    return assign(Load(stage.out, stage.vars), loop_order(stage.out, stage.vars), stage.value, names)


def assign(place: Load, vars: Sequence[Var], value: Expr, names: Names) -> list[str]:
    """Loops over `vars` that store `value` at `place`."""
    return [line for piece in pieces(vars, place, value) for line in _assign(piece, names)]


def _assign(piece: Piece, names: Names) -> list[str]:
    merged, (where, value) = merge(piece.vars, [flat(piece.place), flatten(piece.value)])
    assert isinstance(where, Element)
    nest = Nest(names, merged)
    lines, (text,) = nest.writer.write([encoded(value)])
    store = f"{nest.element(where)} = {text};"
    return nest.around(merged, [*lines, store])


class Nest:
    """Loops over some variables and the text of what is inside."""

    def __init__(self, names: Names, vars: Sequence[Var], prefix: str = "") -> None:
        self._names = names
        self.names = {**names.outer, **{var: f"{prefix}{var.name}" for var in vars}}
        self.writer = Writer(self._address, self.names)

    def _address(self, load: Load, text: Callable[[Expr], str]) -> str:
        element = load if isinstance(load, Element) else flat(load)
        parts = [_scaled(self.names[var], factor) for var, factor in element.terms]
        if not (isinstance(element.rest, Literal) and element.rest.value == 0):
            parts.append(text(element.rest))
        return f"{self._names.tensors[element.tensor]}[{' + '.join(parts) or '0'}]"

    def element(self, element: Element) -> str:
        """C text of an element whose offset needs no statements before it."""
        lines, (text,) = Writer(self._address, self.names).write([element.rest])
        assert not lines
        parts = [_scaled(self.names[var], factor) for var, factor in element.terms]
        if text != "0":
            parts.append(text)
        return f"{self._names.tensors[element.tensor]}[{' + '.join(parts) or '0'}]"

    def around(self, vars: Sequence[Var], lines: list[str]) -> list[str]:
        """Loops over `vars`, outermost first."""
        for var in reversed(vars):
            lines = self.loop(var, lines)
        return lines

    def loop(self, var: Var, lines: list[str], header: str = "") -> list[str]:
        name, extent = self.names[var], self.extent(var.extent)
        head = header or f"for (ts_index {name} = 0; {name} < {extent}; {name}++)"
        return [f"{head} {{", *("\t" + line for line in lines), "}"]

    def extent(self, dim: int | Size) -> str:
        return str(dim) if isinstance(dim, int) else self.names[dim]


def _scaled(name: str, factor: int) -> str:
    return name if factor == 1 else f"{name} * {factor}"


NEUTRAL: dict[str, Callable[[str], Expr]] = {
    "sum": lambda dtype: literal(0, dtype),
    "prod": lambda dtype: literal(1, dtype),
    "min": lambda dtype: _extreme(dtype, +1),
    "max": lambda dtype: _extreme(dtype, -1),
    "any": lambda dtype: Literal(False, BOOL),
    "all": lambda dtype: Literal(True, BOOL),
}
COMBINE = {"sum": "add", "prod": "mul", "min": "min", "max": "max", "any": "or", "all": "and"}


def _extreme(dtype: str, sign: int) -> Expr:
    if dtype == BOOL:
        return Literal(sign > 0, BOOL)
    if dtypes.is_integer(dtype):
        return Literal(dtypes.limits(dtype)[1 if sign > 0 else 0], dtype)
    return Literal(sign * float("inf"), dtype)


@dataclass(frozen=True, eq=False)
class Named(Expr):
    """A C variable."""

    name: str
    dtype: str


def _reduce(
    out: Tensor, vars: Sequence[Var], over: Sequence[Var], kind: str, value: Expr, names: Names
) -> list[str]:
    place, expr = target(out, vars), flatten(value)
    (outer, (where, expr)) = merge(loop_order(out, vars), [place, expr])
    (inner, (expr,)) = merge(over, [expr])
    assert isinstance(where, Element)
    dtype = value.dtype
    if _down_columns(outer, inner, expr):
        return _reduce_columns(out, outer, inner, kind, where, expr, names)
    nest = Nest(names, (*outer, *inner))
    lines, (text,) = nest.writer.write([expr])
    lines.append(f"total = {_combined(kind, dtype, 'total', text)};")
    start = literal_text(NEUTRAL[kind](dtype))  # type: ignore[arg-type]
    result = _converted(dtype, out.dtype, "total")
    block = [
        f"{value_type(dtype)} total = {start};",
        *nest.around(inner, lines),
        f"{nest.element(where)} = {stored(out.dtype, result)};",
    ]
    return [_PRAGMA, *nest.around(outer, block)]


_PRAGMA = "#pragma clang fp reassociate(on) contract(fast)"


def _converted(source: str, dtype: str, name: str) -> str:
    if source == dtype:
        return name
    return cast_text(source, dtype, name, saturate=True)


def _combined(kind: str, dtype: str, left: str, right: str) -> str:
    a, b = Named(left, dtype), Named(right, dtype)
    return applied(Apply(COMBINE[kind], (a, b), dtype), [left, right])


def _down_columns(outer: Sequence[Var], inner: Sequence[Var], expr: Expr) -> bool:
    """Neighbours in memory belong to different sums: it is faster to keep them all."""
    if not outer or not inner or not isinstance(outer[-1].extent, int) or outer[-1].extent < 4:
        return False
    elements = [part for part in walk([expr]) if isinstance(part, Element)]
    return bool(elements) and all(
        dict(element.terms).get(outer[-1]) == 1 and dict(element.terms).get(inner[-1], 0) != 1
        for element in elements
        if element.terms
    )


def _reduce_columns(
    out: Tensor,
    outer: Sequence[Var],
    inner: Sequence[Var],
    kind: str,
    where: Element,
    expr: Expr,
    names: Names,
) -> list[str]:
    dtype = expr.dtype
    if dtype != out.dtype or dtype in ("float16", "bfloat16"):
        return _reduce_columns_wide(out, outer, inner, kind, where, expr, names)
    nest = Nest(names, (*outer, *inner))
    column = outer[-1]
    place = nest.element(where)
    lines, (text,) = nest.writer.write([expr])
    lines.append(f"{place} = {_combined(kind, dtype, loaded(dtype, place), text)};")
    start = f"{place} = {literal_text(NEUTRAL[kind](dtype))};"  # type: ignore[arg-type]
    block = [*nest.loop(column, [start]), *nest.around([*inner, column], lines)]
    return nest.around(outer[:-1], block)


def _reduce_columns_wide(
    out: Tensor,
    outer: Sequence[Var],
    inner: Sequence[Var],
    kind: str,
    where: Element,
    expr: Expr,
    names: Names,
) -> list[str]:
    nest = Nest(names, (*outer, *inner))
    lines, (text,) = nest.writer.write([expr])
    lines.append(f"total = {_combined(kind, expr.dtype, 'total', text)};")
    block = [
        f"{value_type(expr.dtype)} total = {literal_text(NEUTRAL[kind](expr.dtype))};",  # type: ignore[arg-type]
        *nest.around(inner, lines),
        f"{nest.element(where)} = {stored(out.dtype, _converted(expr.dtype, out.dtype, 'total'))};",
    ]
    return nest.around(outer, block)


def _contract(stage: Contract, names: Names) -> list[str]:
    """The plain way, for what no kernel takes."""
    lhs, rhs = stage.lhs, stage.rhs
    dtype = stage.out.dtype
    if dtype in ("float16", "bfloat16"):
        dtype = "float32"
    value = binary("mul", lhs.cast(dtype), rhs.cast(dtype))
    return _reduce(stage.out, stage.vars, stage.over, "sum", value, names)


def _arg_reduce(stage: ArgReduce, names: Names) -> list[str]:
    nest = Nest(names, (*stage.vars, stage.over))
    lines, (text,) = nest.writer.write([flatten(stage.value)])
    dtype = stage.value.dtype
    c_type = value_type(dtype)
    better = {"max": ">", "min": "<"}[stage.kind] + ("=" if stage.last else "")
    test = f"{nest.names[stage.over]} == 0 || value {better} best"
    if dtypes.is_float(dtype):
        test = f"{test} || (value != value && best == best)"
        test = f"({test}) && !(best != best && {nest.names[stage.over]} != 0)"
    lines += [
        f"const {c_type} value = {text};",
        f"if ({test}) {{",
        "\tbest = value;",
        f"\tfound = {nest.names[stage.over]};",
        "}",
    ]
    where = nest.element(target(stage.out, stage.vars))
    zero = "0" if dtype != BOOL else "false"
    block = [
        f"{c_type} best = {zero};",
        "int64_t found = 0;",
        *nest.loop(stage.over, lines),
        f"{where} = found;",
    ]
    return nest.around(stage.vars, block)


def _accumulate(stage: Accumulate, names: Names) -> list[str]:
    nest = Nest(names, stage.vars)
    axis, dtype = stage.axis, stage.value.dtype
    wide = "float32" if dtype in ("float16", "bfloat16") else dtype
    lines, (text,) = nest.writer.write([flatten(stage.value.cast(wide))])
    where = nest.element(target(stage.out, stage.vars))
    keep = f"{where} = {stored(stage.out.dtype, _converted(wide, stage.out.dtype, 'total'))};"
    step = f"total = {_combined(stage.kind, wide, 'total', text)};"
    lines += [keep, step] if stage.exclusive else [step, keep]
    name, extent = nest.names[axis], nest.extent(axis.extent)
    header = f"for (ts_index {name} = {extent} - 1; {name} >= 0; {name}--)" if stage.reverse else ""
    start = literal_text(NEUTRAL[stage.kind](wide))  # type: ignore[arg-type]
    block = [f"{value_type(wide)} total = {start};", *nest.loop(axis, lines, header)]
    return nest.around([var for var in stage.vars if var is not axis], block)


def _scatter(stage: Scatter, names: Names) -> list[str]:
    start = _map(Map(stage.out, stage.vars, stage.base), names)
    nest = Nest(names, stage.over, prefix="u")
    place = flat(Load(stage.out, stage.index))
    exprs = [flatten(part) for part in (*stage.index, stage.value)]
    guard = [] if stage.guard is None else [flatten(stage.guard)]
    index = [f"at{number}" for number in range(len(stage.index))]
    first, texts = nest.writer.write([*exprs[:-1], *guard])
    lines = [*first, *(f"const ts_index {name} = {text};" for name, text in zip(index, texts, strict=False))]
    named = tuple(Var(name, 1) for name in index)
    nest.names.update({var: var.name for var in named})
    place = flat(Load(stage.out, named))
    where = nest.element(place)
    more, (value,) = nest.writer.write([exprs[-1]])
    new = value
    dtype = stage.out.dtype
    if stage.combine != "set":
        kind = {"add": "sum", "mul": "prod"}.get(stage.combine, stage.combine)
        new = _combined(kind, dtype, loaded(dtype, where), value)
    update = [*more, f"{where} = {stored(dtype, new)};"]
    if guard:
        update = [f"if ({texts[-1]}) {{", *("\t" + line for line in update), "}"]
    return [*start, *nest.around(stage.over, [*lines, *update])]
