from __future__ import annotations

from tinsmith.compiler.backends.native.networks.fuse import fuse
from tinsmith.compiler.ir import loops, scalars
from tinsmith.compiler.ir.loops import Copy, Loops, Map, Put, Repeat, Stage, View
from tinsmith.compiler.ir.scalars import Tensor, Var

X = Tensor("x", "float32", (4,))


def mapped(name: str, source: Tensor, shape: tuple[int, ...] = (4,)) -> Map:
    vars = scalars.variables(shape)
    return Map(Tensor(name, "float32", shape), vars, source[vars] + 1)


def stored(stages: list[Stage], output: Tensor) -> set[str]:
    """The names of what the stages fill after fusion."""
    fused = fuse(Loops((X,), (output,), tuple(stages)))
    return {tensor.name for stage in fused.stages for tensor in loops.writes(stage)}


def test_what_reads_a_state_is_stored_before_the_state_changes() -> None:
    state = Tensor("state", "float32", (4,))
    shown = View(Tensor("shown", "float32", (4, 1)), state)
    vars = scalars.variables((4, 1))
    before = Map(Tensor("before", "float32", (4, 1)), vars, shown.out[vars] + 1)
    after = mapped("after", before.out, (4, 1))
    start: list[Stage] = [Copy(state, X), shown, before]
    assert "before" not in stored([*start, after], after.out)
    assert "before" in stored([*start, Copy(state, X), after], after.out)
    assert "before" in stored(
        [*start, Put(state, scalars.size(0), Tensor("one", "float32", ())), after], after.out
    )
    turn = Repeat(state, Var("turn", 2), (Copy(state, X),))
    assert "before" in stored([*start, turn, after], after.out)


def test_what_a_round_leaves_for_the_next_one_is_kept() -> None:
    state = Tensor("state", "float32", (4,))
    step, unused = mapped("step", state), mapped("unused", X)
    turn = Repeat(state, Var("turn", 2), (step, unused, Copy(state, step.out)))
    out = mapped("out", state)
    assert stored([Copy(state, X), turn, out], out.out) == {"state", "step", "out"}
