"""What people see of the passes: with TINSMITH_DUMP=folder, the loop nests after every one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinsmith.compiler.backends.native.networks.check import check
from tinsmith.compiler.ir.loops import Loops, Repeat, Stage, reads, writes
from tinsmith.compiler.ir.scalars import Dim, Tensor

VARIABLE = "TINSMITH_DUMP"
"""Names a folder; it is made where it does not exist."""


def look(change: str, before: Loops, after: Loops) -> None:
    """Writes `after`, which the pass `change` made of `before`, where the environment wants it, and then
    checks it (see `check`)."""
    folder = os.environ.get(VARIABLE)
    if folder:
        write(change, after, Path(folder))
    check(change, before, after)


def write(change: str, loops: Loops, folder: Path) -> None:
    """Adds the file `folder`/<number>-<change>.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0 if change == "lower" else len(list(folder.glob("[0-9][0-9]-*.txt")))
    (folder / f"{number:02}-{change}.txt").write_text(text(loops))


def text(loops: Loops) -> str:
    """A line for every stage: number, kind, what it fills, from what, and the nodes it came from."""
    lines = [f"input   {_described(tensor)}" for tensor in loops.inputs]
    lines += _lines(loops.stages, "")
    lines += [f"output  {_described(tensor)}" for tensor in loops.outputs]
    return "\n".join(lines) + "\n"


def _lines(stages: Sequence[Stage], outer: str) -> Iterator[str]:
    for number, stage in enumerate(stages):
        name = f"{outer}{number}"
        what = _rounds(stage) if isinstance(stage, Repeat) else _flow(stage)
        origin = f"  # {' '.join(stage.origin.split())}" if stage.origin else ""
        yield f"{name:7} {type(stage).__name__:10} {what}{origin}"
        if isinstance(stage, Repeat):
            yield from _lines(stage.body, f"{name}.")


def _flow(stage: Stage) -> str:
    filled, read = (", ".join(map(_described, tensors)) for tensors in (writes(stage), reads(stage)))
    return f"{filled} <- {read or 'nothing'}"


def _rounds(stage: Repeat) -> str:
    condition = "" if stage.condition is None else f" while {stage.condition.name}"
    return f"{_size(stage.var.extent)} rounds{condition}"


def _described(tensor: Tensor) -> str:
    constant = " constant" if tensor.value is not None else ""
    layout = "" if tensor.layout is None else f" {tensor.layout}"
    return f"{tensor.name} {tensor.dtype}[{', '.join(map(_size, tensor.shape))}]{layout}{constant}"


def _size(dim: Dim) -> str:
    return str(dim) if isinstance(dim, int) else f"{dim.name}<={dim.most}"
