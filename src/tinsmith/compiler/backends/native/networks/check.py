"""The law of loop nests, checked before the first pass and after every one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from tinsmith.compiler.backends.native.networks.memory import flattened
from tinsmith.compiler.ir.loops import (
    ArgReduce,
    Copy,
    Loops,
    Put,
    Repeat,
    Require,
    Scatter,
    Stage,
    View,
    expressions,
    loop_vars,
    reads,
    sizes_set,
    writes,
)
from tinsmith.compiler.ir.scalars import Dim, Load, Size, Tensor, walk
from tinsmith.errors import InternalError

_REPORTED = 10
_ONCE_MORE = (Copy, Put)
"""Stages that write over a tensor."""


def check(change: str, before: Loops, after: Loops) -> None:
    """Raises InternalError with what is wrong in `after`, which the pass `change` made of `before`.

    Inputs and outputs stay what they are; a tensor and a size are read after they were written, and written
    once; shapes agree; what a run must not go on without is still asked. Takes time in proportion to all
    expressions.
    """
    problems = [*_interface(before, after), *_order(after), *_shapes(after)]
    if problems:
        more = f"; and {len(problems) - _REPORTED} more" if len(problems) > _REPORTED else ""
        raise InternalError(f"pass {change}: {'; '.join(problems[:_REPORTED])}{more}")


def _interface(before: Loops, after: Loops) -> Iterator[str]:
    if after.inputs != before.inputs:
        yield "the inputs are others"
    if [_kind(tensor) for tensor in after.outputs] != [_kind(tensor) for tensor in before.outputs]:
        yield "the outputs have other types or shapes"
    lost = _demands(before) - _demands(after)
    if lost > 0:
        yield f"{lost} of {_demands(before)} demands on the values of a run are lost"


def _kind(tensor: Tensor) -> tuple[str, tuple[Dim, ...]]:
    return tensor.dtype, tensor.shape


def _demands(loops: Loops) -> int:
    return sum(isinstance(stage, Require) for stage in flattened(loops.stages))


def _order(loops: Loops) -> Iterator[str]:
    known: set[Tensor | Size] = set(loops.inputs)
    yield from _order_of(loops.stages, known)
    for tensor in loops.outputs:
        if tensor not in known and tensor.value is None:
            yield f"nothing writes the output {tensor.name}"


def _order_of(stages: Sequence[Stage], known: set[Tensor | Size]) -> Iterator[str]:
    """Adds what `stages` write and find out to `known`."""
    for stage in stages:
        if isinstance(stage, Repeat):
            if stage.condition is not None:
                yield from _unknown(stage, [stage.condition], known)
            if stage.rounds is not None:
                known.add(stage.rounds)
            yield from _order_of(stage.body, known)
            continue
        read, written = reads(stage), writes(stage)
        yield from _unknown(stage, read, known)
        for tensor in written:
            if tensor.value is not None:
                yield f"{_named(stage)} writes the constant {tensor.name}"
            elif tensor in known and not isinstance(stage, _ONCE_MORE):
                yield f"{_named(stage)} writes {tensor.name}, which has content"
        known.update(written)
        known.update(sizes_set(stage))
        dims = [dim for tensor in (*read, *written) for dim in tensor.shape]
        for size in dict.fromkeys([*dims, *(var.extent for var in loop_vars(stage))]):
            if isinstance(size, Size) and size not in known:
                yield f"{_named(stage)} uses the size {size.name}, which no stage before it finds out"


def _unknown(stage: Stage, read: Sequence[Tensor], known: set[Tensor | Size]) -> Iterator[str]:
    for tensor in read:
        if tensor.value is None and tensor not in known:
            yield f"{_named(stage)} reads {tensor.name}, which no stage before it writes"


def _shapes(loops: Loops) -> Iterator[str]:
    for stage in flattened(loops.stages):
        for holds, what in _RULES:
            if not holds(stage):
                yield f"{_named(stage)} {what}"


def _fills_out(stage: Stage) -> bool:
    """The first indices run over all of `out`."""
    vars = loop_vars(stage)
    return not vars or [var.extent for var in vars[: stage.out.rank]] == list(stage.out.shape)


def _reads_elements(stage: Stage) -> bool:
    return all(
        len(part.index) == part.tensor.rank for part in walk(expressions(stage)) if isinstance(part, Load)
    )


def _moves_all(stage: Stage) -> bool:
    match stage:
        case View():
            known = stage.source.is_static and stage.out.is_static
            return not known or math.prod(stage.source.static_shape) == math.prod(stage.out.static_shape)
        case Copy():
            return stage.source.rank == stage.out.rank and all(
                map(_fits, stage.source.shape, stage.out.shape)
            )
        case Put():
            return stage.source.shape == stage.out.shape[1:]
        case _:
            return True


def _fits(dim: Dim, into: Dim) -> bool:
    """The branch that runs gives a run-time size of the state; branches may differ."""
    if isinstance(into, int):
        return dim == into
    return (dim if isinstance(dim, int) else dim.most) <= into.most


def _keeps_type(stage: Stage) -> bool:
    if isinstance(stage, View | Copy | Put):
        return stage.source.dtype == stage.out.dtype
    return not isinstance(stage, ArgReduce) or stage.out.dtype == "int64"


def _indexes_out(stage: Stage) -> bool:
    return not isinstance(stage, Scatter) or len(stage.index) == stage.out.rank


_RULES: tuple[tuple[Callable[[Stage], bool], str], ...] = (
    (_fills_out, "does not run over the whole of what it fills"),
    (_reads_elements, "reads a tensor by too few or too many indices"),
    (_moves_all, "moves a tensor into one of another shape"),
    (_keeps_type, "moves a tensor into one of another type"),
    (_indexes_out, "writes a tensor by too few or too many indices"),
)


def _named(stage: Stage) -> str:
    origin = f" ({stage.origin})" if stage.origin else ""
    return f"{type(stage).__name__} {stage.out.name}{origin}"
