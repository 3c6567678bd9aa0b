"""How much a run of a network computes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.backends.native.networks.products import Product
from tinsmith.compiler.ir.loops import Contract, Conv, Loops, Repeat, Stage
from tinsmith.compiler.ir.scalars import Dim


def flops(loops: Loops) -> int:
    """Multiplications and additions of all contractions in one run, by their definition.

    Loops count with all their rounds, and sizes that a run finds out with their bounds.
    """
    return _flops_of(loops.stages)


def _flops_of(stages: Sequence[Stage]) -> int:
    return sum(_flops(stage) for stage in stages)


def _flops(stage: Stage) -> int:
    """Every element of `out` is a sum of so many products."""
    terms: int
    match stage:
        case Repeat():
            return _most(stage.var.extent) * _flops_of(stage.body)
        case Layer(form=Conv()):
            terms = math.prod(stage.weights.shape[1:])
        case Layer():
            terms = stage.weights.shape[0]
        case Product():
            terms = _most(stage.depth.extent)
        case Contract():
            terms = math.prod(_most(var.extent) for var in stage.over)
        case _:
            return 0
    return 2 * terms * math.prod(stage.out.static_shape)


def _most(dim: Dim) -> int:
    return dim if isinstance(dim, int) else dim.most
