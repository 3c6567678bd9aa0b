"""Stages as C functions: loops around expressions."""

from __future__ import annotations

from tinsmith.compiler.backends.native.networks.addresses import flat, flatten, loop_order
from tinsmith.compiler.backends.native.networks.expression import (
    loaded,
    stored,
)
from tinsmith.compiler.backends.native.networks.nest import Names, Nest, assign
from tinsmith.compiler.backends.native.networks.totals import (
    accumulate,
    arg_reduce,
    combined,
    contract,
    reduce,
)
from tinsmith.compiler.ir.loops import Accumulate, ArgReduce, Contract, Map, Reduce, Scatter, Stage
from tinsmith.compiler.ir.scalars import Load, Var


def body(stage: Stage, names: Names) -> list[str]:
    """The statements of a stage that is a loop nest."""
    match stage:
        case Map():
            return _map(stage, names)
        case Reduce():
            return reduce(stage, names)
        case Contract():
            return contract(stage, names)
        case ArgReduce():
            return arg_reduce(stage, names)
        case Accumulate():
            return accumulate(stage, names)
        case Scatter():
            return _scatter(stage, names)
    raise AssertionError(stage)


def _map(stage: Map, names: Names) -> list[str]:
    return assign(Load(stage.out, stage.vars), loop_order(stage.out, stage.vars), stage.value, names)


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
        new = combined(kind, dtype, loaded(dtype, where), value)
    update = [*more, f"{where} = {stored(dtype, new)};"]
    if guard:
        update = [f"if ({texts[-1]}) {{", *("\t" + line for line in update), "}"]
    return [*start, *nest.around(stage.over, [*lines, *update])]


__all__ = ["Names", "Nest", "assign", "body"]
