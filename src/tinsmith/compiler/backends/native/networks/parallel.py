"""What several threads do: how many are worth it, and how they share the loops of a stage.

A stage whose outermost loops are independent may be shared. Its function then computes the parts `begin` to
`end - 1` of PARTS: each nest runs one loop from `begin` PARTS-ths of its extent to `end` PARTS-ths, and what
has no loop is done with the first part. A nest is shared by writing its independent loops with
`nest.Nest.shared` (or taking bounds from `Share.bounds`), and a kind of stage by naming those loops in
`independent`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tinsmith.compiler.backends.native.networks.kernels.plan import Plan
from tinsmith.compiler.backends.native.networks.memory import tensor_bytes
from tinsmith.compiler.ir.loops import (
    Accumulate,
    ArgReduce,
    Contract,
    Map,
    Reduce,
    Stage,
    expressions,
    loop_vars,
    reads,
    writes,
)
from tinsmith.compiler.ir.scalars import INDEX, Apply, Dim, Var, walk

THREAD_WORK = 2**18
"""Work that is worth a thread, in multiplications and additions of a kernel: some 5 microseconds. Calling a
thread that spins takes one."""

BYTE_WORK = 1
"""Moving a byte between a core and its nearer caches; memory is slower, but shared."""

STEP_WORK = 4
"""One operation on one element in a loop, which Clang most often makes a vector of."""

FUNCTION_WORK = 40
"""One of FUNCTIONS, which take tens of instructions."""

FUNCTIONS = frozenset([
    "exp", "log", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
    "asinh", "acosh", "atanh", "erf", "pow", "fmod",
])  # fmt: skip

PARTS = 64
"""Of a shared stage. A power of two."""

EVEN = 16
"""A loop this long is cut into parts that are even enough."""


def worthwhile_threads(flops: float, bytes_moved: int) -> int:
    """How many threads are worth it for so much work; at least 1."""
    return max(1, int((flops + BYTE_WORK * bytes_moved) // THREAD_WORK))


@dataclass(frozen=True)
class Share:
    """How threads share the loops of a stage."""

    threads: int
    """The most that are worth it."""

    def loop(self, vars: Sequence[Var]) -> Var | None:
        """The loop that is cut: the outermost long one, else the longest; None: there is nothing to cut."""
        for var in vars:
            if _most(var.extent) >= EVEN:
                return var
        longest = max(vars, key=lambda var: _most(var.extent), default=None)
        return None if longest is None or _most(longest.extent) < 2 else longest

    def bounds(self, extent: str, grain: int = 1) -> tuple[str, str]:
        """C text of where a thread begins and ends in a loop: at multiples of `grain`, or the extent."""
        first, last = (f"ts_part({extent}, {grain}, {part}, {PARTS})" for part in ("begin", "end"))
        return first, last

    def cuts(self, vars: Sequence[Var]) -> bool:
        """Whether these loops can be cut evenly."""
        var = self.loop(vars)
        return var is not None and _most(var.extent) >= EVEN

    def once(self, lines: Sequence[str]) -> list[str]:
        """Statements for one thread."""
        return ["if (begin == 0) {", *("\t" + line for line in lines), "}"]


def share(stage: Stage) -> Share | None:
    """How to share a stage; None where it is not worth it."""
    found = worthwhile_threads(_flops(stage), _bytes(stage)) if independent(stage) else 1
    return Share(found) if found > 1 else None


def independent(stage: Stage) -> tuple[Var, ...]:
    """The loops of which any part may be computed without the others."""
    match stage:
        case Map() | Reduce() | Contract() | ArgReduce():
            vars = stage.vars
        case Accumulate():
            vars = tuple(var for var in stage.vars if var is not stage.axis)
        case _:
            vars = ()
    return tuple(var for var in vars if _most(var.extent) > 1)


def part(function: str, outer: Iterable[str], arguments: Sequence[str]) -> str:
    """A function for `ts_share` that calls `function`, of a stage inside the loops `outer`, with `arguments`
    and the parts to compute."""
    rounds = [f"\tconst ts_index {name} = stage->outer[{number}];" for number, name in enumerate(outer)]
    return "\n".join(
        [
            f"static void {function}_part(void *context, size_t thread, size_t begin, size_t end)",
            "{",
            "\tconst struct ts_stage *stage = context;",
            "\tconst struct ts_run *run = stage->run;",
            *rounds,
            "\t(void)thread;",
            f"\t{function}({', '.join([*arguments, 'begin', 'end'])});",
            "}\n",
        ]
    )


def call(function: str, outer: Iterable[str], share: Share) -> str:
    """The statement that runs a shared stage."""
    rounds = ", ".join(outer)
    stage = f"&(struct ts_stage){{run, {f'(const ts_index[]){{{rounds}}}' if rounds else 'NULL'}}}"
    return f"ts_share({function}_part, {stage}, {PARTS}, {share.threads});"


def kernel_call(plan: Plan, stage: Stage, x: str, w: str, bias: str, residual: str, y: str) -> list[str]:
    """The statement that runs a kernel."""
    moved = sum(map(tensor_bytes, [*reads(stage), *writes(stage)])) + plan.weights.nbytes
    scratch = "run->scratch" if plan.scratch_bytes else "NULL"
    fields = [plan.function, x, w, bias, residual, y, scratch, str(plan.items)]
    threads = worthwhile_threads(plan.flops, moved)
    return [f"ts_run_layer(&(struct ts_layer){{{', '.join(fields)}}}, {threads});"]


def _flops(stage: Stage) -> float:
    """Of the loops, in those of a kernel."""
    rounds = math.prod(_most(var.extent) for var in loop_vars(stage))
    steps = [part for part in walk(expressions(stage)) if isinstance(part, Apply) and part.dtype != INDEX]
    return rounds * (STEP_WORK + sum(FUNCTION_WORK if step.op in FUNCTIONS else STEP_WORK for step in steps))


def _bytes(stage: Stage) -> int:
    written = sum(map(tensor_bytes, writes(stage)))
    rounds = math.prod(_most(var.extent) for var in independent(stage))
    return written + sum(min(tensor_bytes(tensor), 8 * rounds) for tensor in reads(stage))


def _most(extent: Dim) -> int:
    return extent if isinstance(extent, int) else extent.most
