"""Stages that reduce: totals of columns side by side, rows in lanes, short loops written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tinsmith.compiler.backends.native.networks.addresses import Element, flat, flatten, loop_order, merge
from tinsmith.compiler.backends.native.networks.expression import (
    NARROW_FLOATS,
    applied,
    cast_text,
    literal_text,
    stored,
    value_type,
)
from tinsmith.compiler.backends.native.networks.nest import Names, Nest, assign, target
from tinsmith.compiler.backends.native.networks.pieces import pieces
from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.loops import Accumulate, ArgReduce, Contract, Reduce
from tinsmith.compiler.ir.scalars import (
    BOOL,
    INDEX,
    Apply,
    Expr,
    Literal,
    Load,
    Tensor,
    Var,
    binary,
    literal,
    substitute,
    walk,
)

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


MOST_TAPS = 32
"""Terms of a window that are written one by one, so that loops can be cut where it passes an edge."""
MOST_TERMS = 8
"""Of any reduction that is written out."""
MOST_WRITTEN = 1500
"""Parts of an expression of terms."""
COLUMNS = 256
"""Totals that are kept at a time, in the first-level cache."""
LANES = 16
"""Totals of one row that are combined in the end."""

_REASSOCIATE = '_Pragma("clang fp reassociate(on) contract(fast)")'
_CONTRACT = "#pragma clang fp contract(fast)"


@dataclass(frozen=True)
class _Total:
    """place = kind over `over` of value, for all `vars`."""

    place: Load
    vars: tuple[Var, ...]
    over: tuple[Var, ...]
    kind: str
    value: Expr
    unrolled: bool = False


def reduce(stage: Reduce, names: Names) -> list[str]:
    """The statements of a reduction; narrow floats are summed in float32."""
    narrow = stage.value.dtype in ("float16", "bfloat16") and stage.kind == "sum"
    value = stage.value.cast("float32") if narrow else stage.value
    return _reduced(stage.out, stage.vars, stage.over, stage.kind, value, names)


def contract(stage: Contract, names: Names) -> list[str]:
    """The plain way, for what no kernel takes."""
    dtype = "float32" if stage.out.dtype in ("float16", "bfloat16") else stage.out.dtype
    value = binary("mul", stage.lhs.cast(dtype), stage.rhs.cast(dtype))
    return _reduced(stage.out, stage.vars, stage.over, "sum", value, names)


def _reduced(
    out: Tensor, vars: Sequence[Var], over: Sequence[Var], kind: str, value: Expr, names: Names
) -> list[str]:
    rest, value = _written_out(over, kind, value)
    place, order = Load(out, tuple(vars)), loop_order(out, vars)
    if not rest:
        return assign(place, order, value.cast(out.dtype), names)
    lines = [_CONTRACT]
    for piece in pieces(order, place, value):
        lines += _totals(_Total(piece.place, piece.vars, rest, kind, piece.value), names)
    return lines


def _written_out(over: Sequence[Var], kind: str, value: Expr) -> tuple[tuple[Var, ...], Expr]:
    """Short loops as a chain of terms: what of `over` is left, and the value."""
    if not over:
        return (), value
    asked = _asked(value)
    size = len(walk([value]))
    left, terms = list(over), 1
    everything = math.prod(_extent(var) for var in over)
    while left:
        terms *= _extent(left[-1])
        short = everything <= MOST_TERMS or (left[-1] in asked and terms <= MOST_TAPS)
        if not short or terms < 1 or terms * size > MOST_WRITTEN:
            break
        value = _chain(left.pop(), kind, value)
    return tuple(left), value


def _extent(var: Var) -> int:
    return var.extent if isinstance(var.extent, int) else 2**62


def _asked(value: Expr) -> set[Expr]:
    """Indices on which conditions depend."""
    conditions = [
        part for part in walk([value])
        if isinstance(part, Apply) and part.dtype == BOOL and part.args[0].dtype == INDEX
    ]  # fmt: skip
    return {part for part in walk(conditions) if isinstance(part, Var)}


def _chain(var: Var, kind: str, value: Expr) -> Expr:
    terms = [substitute(value, {var: Literal(number, INDEX)}) for number in range(_extent(var))]
    total = terms[0]
    for term in terms[1:]:
        total = Apply(COMBINE[kind], (total, term), value.dtype)
    return total


def _totals(total: _Total, names: Names) -> list[str]:
    (outer, (where, expr)) = merge(total.vars, [flat(total.place), flatten(total.value)])
    (inner, (expr,)) = merge(total.over, [expr])
    assert isinstance(where, Element)
    if not _down_columns(outer, inner, expr):
        return _rows(total, outer, inner, where, expr, names)
    if total.kind == "sum" and not total.unrolled and len(walk([expr])) < 64:
        return _totals(_by_fours(total), names)
    return _columns(total, outer, inner, where, expr, names)


def _by_fours(total: _Total) -> _Total:
    """Four terms at a time, so that totals are loaded and stored less often."""
    last = total.over[-1]
    if _extent(last) % 4 or _extent(last) < 8:
        return replace(total, unrolled=True)
    four, within = Var(last.name, _extent(last) // 4), Var(last.name, 4)
    value = _chain(within, "sum", substitute(total.value, {last: four * 4 + within}))
    return replace(total, over=(*total.over[:-1], four), value=value, unrolled=True)


def _rows(
    total: _Total, outer: Sequence[Var], inner: Sequence[Var], where: Element, expr: Expr, names: Names
) -> list[str]:
    """One total after the other."""
    nest = Nest(names, (*outer, *inner))
    dtype, out = expr.dtype, total.place.tensor
    start = literal_text(NEUTRAL[total.kind](dtype))  # type: ignore[arg-type]
    in_lanes = total.kind in ("min", "max", "prod") and value_type(dtype) in ("float", "double")
    if in_lanes and 4 * LANES <= _extent(inner[-1]) < 2**62:
        sums = _in_lanes(nest, inner, total.kind, expr)
    else:
        sums = nest.around(inner, _added(nest, total.kind, expr, "total"))
    block = [
        f"{value_type(dtype)} total = {start};",
        *sums,
        f"{nest.element(where)} = {stored(out.dtype, _converted(dtype, out.dtype, 'total'))};",
    ]
    return nest.shared(outer, block)


def _added(nest: Nest, kind: str, expr: Expr, total: str) -> list[str]:
    """`expr` combined into the C variable `total`; only that sum may be taken in another order."""
    dtype = expr.dtype
    real = value_type(dtype) in ("float", "double")
    if kind != "sum" or not real:
        lines, (text,) = nest.writer.write([expr])
        return [*lines, f"{total} = {combined(kind, dtype, total, text)};"]
    factors = (
        expr.args if isinstance(expr, Apply) and expr.op == "mul" and dtype not in NARROW_FLOATS else (expr,)
    )
    lines, texts = nest.writer.write(factors)
    for number, text in enumerate(texts):
        lines.append(f"const {value_type(dtype)} v{number} = {text};")
    product = " * ".join(f"v{number}" for number in range(len(texts)))
    added = combined(kind, dtype, total, product)
    return [*lines, f"{{ {_REASSOCIATE} {total} = {added}; }}"]


def _in_lanes(nest: Nest, inner: Sequence[Var], kind: str, expr: Expr) -> list[str]:
    """Every lane has a total of its own: an order that vectors can take."""
    dtype, last = expr.dtype, inner[-1]
    name, extent = nest.names[last], _extent(last)
    whole = extent // LANES * LANES
    start = literal_text(NEUTRAL[kind](dtype))  # type: ignore[arg-type]
    one = _added(nest, kind, expr, "lanes[lane]")
    block = [
        f"for (ts_index first = 0; first < {whole}; first += {LANES})",
        f"for (ts_index lane = 0; lane < {LANES}; lane++) {{",
        f"\tconst ts_index {name} = first + lane;",
        *("\t" + line for line in one),
        "}",
    ]
    if whole < extent:
        rest = _added(nest, kind, expr, "total")
        header = f"for (ts_index {name} = {whole}; {name} < {extent}; {name}++)"
        block += nest.loop(last, rest, header)
    return [
        f"{value_type(dtype)} lanes[{LANES}];",
        f"for (int lane = 0; lane < {LANES}; lane++)",
        f"\tlanes[lane] = {start};",
        *nest.around(inner[:-1], block),
        f"for (int lane = 0; lane < {LANES}; lane++)",
        f"\ttotal = {combined(kind, dtype, 'total', 'lanes[lane]')};",
    ]


def _down_columns(outer: Sequence[Var], inner: Sequence[Var], expr: Expr) -> bool:
    """Neighbours in memory belong to different totals: it is faster to keep many of them."""
    if not outer or not inner or not 4 <= _extent(outer[-1]) < 2**62:
        return False
    elements = [dict(part.terms) for part in walk([expr]) if isinstance(part, Element)]
    steps = [terms.get(outer[-1], 0) for terms in elements]
    along = [terms.get(inner[-1], 0) for terms in elements]
    if all(step in (0, 1) for step in along):
        return (
            1 in steps and all(step in (0, 1) for step in steps) and _extent(inner[-1]) <= _extent(outer[-1])
        )
    return any(steps) and all(0 <= step <= 4 for step in steps)


def _columns(
    total: _Total, outer: Sequence[Var], inner: Sequence[Var], where: Element, expr: Expr, names: Names
) -> list[str]:
    """Many neighbouring totals at a time."""
    nest = Nest(names, (*outer, *inner))
    dtype, out, column = expr.dtype, total.place.tensor, outer[-1]
    added = _each(nest, column, _added(nest, total.kind, expr, "totals[column]"))
    result = stored(out.dtype, _converted(dtype, out.dtype, "totals[column]"))
    done = _each(nest, column, [f"{nest.element(where)} = {result};"])
    block = [*nest.around(inner, added), *done]
    return _in_blocks(nest, outer[:-1], column, total.kind, dtype, block)


def _each(nest: Nest, column: Var, lines: Sequence[str]) -> list[str]:
    """`lines` for every column of a block."""
    several = _extent(column) > COLUMNS
    return [
        f"for (ts_index column = 0; column < {'count' if several else _extent(column)}; column++) {{",
        f"\tconst ts_index {nest.names[column]} = {'first + ' if several else ''}column;",
        *("\t" + line for line in lines),
        "}",
    ]


def _in_blocks(
    nest: Nest, outer: Sequence[Var], column: Var, kind: str, dtype: str, lines: Sequence[str]
) -> list[str]:
    """Loops over `outer` around `lines` with an array `totals` for `count` columns from `first` on."""
    extent, start = _extent(column), literal_text(NEUTRAL[kind](dtype))  # type: ignore[arg-type]
    several = extent > COLUMNS
    block = [
        f"{value_type(dtype)} totals[{min(extent, COLUMNS)}];",
        f"for (ts_index column = 0; column < {'count' if several else extent}; column++)",
        f"\ttotals[column] = {start};",
        *lines,
    ]
    if not several:
        return nest.shared(outer, ["{", *("\t" + line for line in block), "}"])
    count = f"{extent} - first < {COLUMNS} ? {extent} - first : {COLUMNS}"
    if extent % COLUMNS == 0:
        count = str(COLUMNS)
    block = [f"const ts_index count = {count};", *block]
    if nest.share is not None and not nest.share.cuts(outer):
        header = nest.part(nest.share, "first", str(extent), COLUMNS, f" += {COLUMNS}")
        return nest.around(outer, nest.loop(column, block, header))
    header = f"for (ts_index first = 0; first < {extent}; first += {COLUMNS})"
    return nest.shared(outer, nest.loop(column, block, header))


def _converted(source: str, dtype: str, name: str) -> str:
    if source == dtype:
        return name
    return cast_text(source, dtype, name, saturate=True)


def combined(kind: str, dtype: str, left: str, right: str) -> str:
    """C text of two values of `dtype` combined."""
    a, b = Named(left, dtype), Named(right, dtype)
    return applied(Apply(COMBINE[kind], (a, b), dtype), [left, right])


def arg_reduce(stage: ArgReduce, names: Names) -> list[str]:
    """The statements of a search for the place of an extreme."""
    nest = Nest(names, (*stage.vars, stage.over))
    lines, (text,) = nest.writer.write([flatten(stage.value)])
    dtype = stage.value.dtype
    c_type = value_type(dtype)
    better = {"max": ">", "min": "<"}[stage.kind] + ("=" if stage.last else "")
    test = f"value {better} best"
    if dtypes.is_float(dtype):
        test = f"(value != value ? {'true' if stage.last else 'best == best'} : {test})"
    test = f"{nest.names[stage.over]} == 0 || {test}"
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
    return nest.shared(stage.vars, block)


def accumulate(stage: Accumulate, names: Names) -> list[str]:
    """The statements of running totals."""
    vars = loop_order(stage.out, stage.vars)
    nest = Nest(names, vars)
    axis, dtype = stage.axis, stage.value.dtype
    wide = "float32" if dtype in ("float16", "bfloat16") else dtype
    lines, (text,) = nest.writer.write([flatten(stage.value.cast(wide))])
    where = nest.element(target(stage.out, stage.vars))
    in_columns = vars[-1] is not axis and 4 <= _extent(vars[-1]) < 2**62
    total = "totals[column]" if in_columns else "total"
    keep = f"{where} = {stored(stage.out.dtype, _converted(wide, stage.out.dtype, total))};"
    step = f"{total} = {combined(stage.kind, wide, total, text)};"
    lines += [keep, step] if stage.exclusive else [step, keep]
    name, extent = nest.names[axis], nest.extent(axis.extent)
    header = f"for (ts_index {name} = {extent} - 1; {name} >= 0; {name}--)" if stage.reverse else ""
    if in_columns:
        others = [var for var in vars[:-1] if var is not axis]
        inner = nest.loop(axis, _each(nest, vars[-1], lines), header)
        return _in_blocks(nest, others, vars[-1], stage.kind, wide, inner)
    start = literal_text(NEUTRAL[stage.kind](wide))  # type: ignore[arg-type]
    block = [f"{value_type(wide)} total = {start};", *nest.loop(axis, lines, header)]
    return nest.shared([var for var in vars if var is not axis], block)
