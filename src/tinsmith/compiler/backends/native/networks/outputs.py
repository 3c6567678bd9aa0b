"""Outputs of a network as tensors of their own."""

from __future__ import annotations

from tinsmith.compiler.backends.native.networks import memory
from tinsmith.compiler.ir.loops import Loops, Map, View, writes
from tinsmith.compiler.ir.scalars import Tensor, variables


def separate_outputs(loops: Loops) -> Loops:
    """Every output has a tensor of its own, which a stage fills."""
    made = {tensor for stage in loops.stages if not isinstance(stage, View) for tensor in writes(stage)}
    shown = set(memory.roots(loops.stages).values())
    seen: set[Tensor] = set()
    stages, outputs = list(loops.stages), []
    for tensor in loops.outputs:
        if tensor not in made or tensor in seen or tensor in shown or not tensor.is_static:
            copy = Tensor(f"{tensor.name}#out", tensor.dtype, tensor.shape)
            vars = variables(tensor.shape)
            stages.append(Map(copy, vars, tensor[vars], origin="output"))
            tensor = copy
        seen.add(tensor)
        outputs.append(tensor)
    return Loops(loops.inputs, tuple(outputs), tuple(stages))
