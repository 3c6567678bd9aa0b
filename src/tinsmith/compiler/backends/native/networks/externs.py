"""Stages that are not loop nests: copies, sizes that the run finds out, and calls of C functions of ours.

An Extern "name" calls `ts_name` of a header extern_*.h with, in this order,

- a pointer to each of its inputs, const and restrict, then to `out` and to each of `more`, restrict;
- its `numbers`: dimensions as ts_index (a known one or one that the run has found out by now), flags and
floats;
- a pointer to a ts_index for each run-time size that the function has to find out (see `ir.loops.sizes_set`).

A function knows of an array only what it is told: element types are fixed per function, so the rules of
operators
bring elements to the type that the function takes (`operators.sorting.sort_key`, for one) and pick by
index what it
found. Scratch memory is an output that nobody reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinsmith.compiler.backends.native.networks.addresses import flatten
from tinsmith.compiler.backends.native.networks.memory import tensor_bytes
from tinsmith.compiler.backends.native.networks.nests import Names, Nest, assign
from tinsmith.compiler.ir import dtypes, scalars
from tinsmith.compiler.ir.loops import Copy, Extern, Measure, Put, Require
from tinsmith.compiler.ir.scalars import Load, Size


def headers() -> tuple[str, ...]:
    """Header files that hold the functions."""
    return ("extern_sort.h", "extern_boxes.h", "extern_trees.h")


def call_extern(stage: Extern, names: Names, found: Sequence[Size]) -> list[str]:
    """The statement that calls the function of `stage`, which sets the sizes `found`."""
    tensors = [names.tensors[tensor] for tensor in (*stage.inputs, stage.out, *stage.more)]
    numbers = [_number(number, names) for number in stage.numbers]
    sizes = [f"&{names.outer[size]}" for size in found]
    return [f"ts_{stage.function}({', '.join([*tensors, *numbers, *sizes])});"]


def _number(number: int | float | Size, names: Names) -> str:
    if isinstance(number, Size):
        return names.outer[number]
    return str(number) if isinstance(number, int) else number.hex()


def copy(stage: Copy, names: Names) -> str:
    """One memmove."""
    source, bytes = stage.source, str(tensor_bytes(stage.source))
    if not source.is_static:
        dims = [str(dim) if isinstance(dim, int) else names.outer[dim] for dim in source.shape]
        bytes = f"(size_t)({' * '.join([*dims, str(dtypes.itemsize(source.dtype))])})"
    return f"__builtin_memmove({names.tensors[stage.out]}, {names.tensors[source]}, {bytes});"


def put(stage: Put, names: Names) -> list[str]:
    """Loops over one slice."""
    vars = scalars.variables(stage.source.shape)
    return assign(Load(stage.out, (stage.at, *vars)), vars, stage.source[vars], names)


def measure(stage: Measure, names: Names) -> list[str]:
    """The size, and its number."""
    lines, (text,) = Nest(names, ()).writer.write([flatten(stage.value)])
    size = names.outer[stage.size]
    return [
        *lines,
        f"{size} = ts_index_max(0, ts_index_min({text}, {stage.size.most}));",
        f"*{names.tensors[stage.out]} = {size};",
    ]


def require(stage: Require, names: Names) -> list[str]:
    """Marks the run as failed."""
    lines, (text,) = Nest(names, ()).writer.write([flatten(stage.value)])
    holds = f"*{names.tensors[stage.out]}"
    return [*lines, f"{holds} = {text};", f"if (!{holds})", "\t*run->failed = true;"]
