"""The rounds of a recurrence as a C function, for recurrence.h."""

from __future__ import annotations

from collections.abc import Callable

from tinsmith.compiler.backends.native.networks.calls import plan_layer
from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.backends.native.networks.recurrences import SLICE, Part, Recurrence, sliced
from tinsmith.compiler.ir.loops import Stage, expressions
from tinsmith.compiler.ir.scalars import Expr, Var, walk

StageCall = Callable[[Stage, dict[Expr, str]], list[str]]
"""The statements that run a stage inside loops, whose variables have names."""
ItemsCall = Callable[[Layer, str, str], str]
"""The statement that computes the work items of a layer from one number to before another."""


def recurrence(stage: Recurrence, number: int, call: StageCall, items: ItemsCall) -> tuple[str, str]:
    """The function that does one thread's part of a phase, and the statement that runs all rounds."""
    name, turn = f"recurrence_{number}", f"round_{number}"
    lines = ["switch (phase) {"]
    for phase, stages in enumerate(stage.phases):
        lines.append(f"case {phase}:")
        for part in stages:
            if isinstance(part.stage, Layer):
                inside = _items(part.stage, part.length, turn, items)
            else:
                inside = _slices(part, {stage.var: turn}, call)
            lines += ["\t" + line for line in inside]
        lines.append("\tbreak;")
    lines.append("}")
    text = "\n".join("\t" + line for line in lines)
    parameters = f"const struct ts_run *run, ts_index {turn}, size_t phase, struct ts_part part"
    flops = sum(plan_layer(part).flops for part in stage.body if isinstance(part, Layer))
    most = min(plan_layer(part).items for part in stage.body if isinstance(part, Layer))
    sizes = f"{stage.var.extent}, {len(stage.phases)}, {most}, {float(flops)}"
    return (
        f"static void {name}({parameters})\n{{\n\t(void){turn};\n{text}\n}}\n",
        f"ts_run_recurrence(run, {name}, {sizes});",
    )


def _items(layer: Layer, length: int, turn: str, items: ItemsCall) -> list[str]:
    """Every other round goes through the weights backwards, and begins with those that the last one left in
    the cache."""
    count = plan_layer(layer).items
    gates = layer.weights.shape[1] // length if length else 1
    slices = count // gates
    start, end = (f"ts_first({part}, {slices}) * {gates}" for part in ("part", "ts_next(part)"))
    return [
        f"for (size_t i = {start}; i < {end}; i++) {{",
        f"\tsize_t place = {turn} % 2 == 0 ? i : {start} + {end} - 1 - i;",
        f"\tsize_t item = place % {gates} * {slices} + place / {gates};"
        if gates > 1
        else "\tsize_t item = place;",
        f"\t{items(layer, 'item', 'item + 1')}",
        "}",
    ]


def _slices(part: Part, outer: dict[Expr, str], call: StageCall) -> list[str]:
    slice = Var("slice", part.length // SLICE)
    lines: list[str] = []
    for stage in sliced(part, slice) if part.length else [part.stage]:
        if slice in walk(expressions(stage)):
            start, end = (f"(ts_index)ts_first({of}, {slice.extent})" for of in ("part", "ts_next(part)"))
            head = f"for (ts_index slice = {start}; slice < {end}; slice++) {{"
        else:
            head = "if (part.number == part.of - 1) {"
        lines += [head, *("\t" + line for line in call(stage, {**outer, slice: "slice"})), "}"]
    return lines
