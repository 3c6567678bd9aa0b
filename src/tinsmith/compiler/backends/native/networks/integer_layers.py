"""Contractions of bytes with constant weights, together with what follows them.

Two forms mean such a contraction. In QOperator form (QLinearConv, MatMulInteger ...) the stage itself adds
products of bytes less their zero points, in int32. In QDQ form the graph dequantises, contracts floats and
quantises again:

    y = Q(activation(sum of sx (x - zx) * sw (w - zw) + bias))

With scales of 1 those sums may also be followed by LiteRT's arithmetic of integers, see `integer_fixed`.

The scale of x is one for all, that of w one per output channel, so both leave the sum, which is one of
integers and exact in int32: a float sum of the same products differs from it by nothing but its own rounding
errors. What follows stays in float32: a factor, a shift, an activation, and one rounding to the nearest step,
halves to even. So the result is the graph's up to the last bit of a float, which decides between two
neighbouring steps where the exact value lies within a hair of their middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.networks import epilogue
from tinsmith.compiler.backends.native.networks.absorb import Absorber
from tinsmith.compiler.backends.native.networks.epilogue import Activation, Affine
from tinsmith.compiler.backends.native.networks.integer_fixed import Fixed, Found, find_fixed
from tinsmith.compiler.backends.native.networks.integer_operands import BYTES, Operands, operands_of
from tinsmith.compiler.backends.native.networks.integer_steps import (
    as_floats,
    constants_folded,
    rounded,
    scaled,
    sum_and_start,
)
from tinsmith.compiler.backends.native.networks.kernels.integer import Source
from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.backends.native.networks.memory import flattened, roots
from tinsmith.compiler.ir.loops import (
    Contract,
    Gemm,
    Loops,
    Map,
    Repeat,
    Stage,
    overwrites,
    read_elsewhere,
)
from tinsmith.compiler.ir.scalars import Apply, Expr, Literal, Tensor, variables

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class IntegerLayer(Layer):
    """out = activation((contraction of `x` less its zero point with `weights` + start) * scale + shift).

    Of the type of `out`: bytes are rounded, halves to even, and moved by `zero`; as int32 the sum itself.
    """

    source: Source = field(default=Source(False, 0))
    start: Array | None = None
    """int64, as `scale` and `shift` one per output channel."""
    scale: Array | None = None
    shift: Array | None = None
    zero: int = 0
    fixed: Fixed | None = None
    """Instead of `scale`, `shift` and `activation`."""


def find_integer_layers(loops: Loops) -> Loops:
    """Replaces contractions of bytes with constant weights, and what follows them, by layers of integers."""
    return replace(loops, stages=tuple(_find(loops.stages, set(loops.outputs))))


def _find(stages: Sequence[Stage], kept: set[Tensor]) -> list[Stage]:
    absorber = Absorber(stages, kept)
    shown = roots(stages)
    changing = {shown.get(tensor, tensor) for stage in flattened(stages) for tensor in overwrites(stage)}
    moved: dict[int, list[Stage]] = {}
    for stage in stages:
        if isinstance(stage, Repeat):
            body = _find(stage.body, kept | read_elsewhere(stages, stage))
            absorber.replace([stage], replace(stage, body=tuple(body)))
        elif isinstance(stage, Contract):
            operands = operands_of(stage)
            if operands is None or shown.get(operands.x, operands.x) in changing:
                if stage.out.dtype == "int32":
                    absorber.replace([stage], replace(stage, form=None, operands=()))
            elif operands.moving is not None:
                layer, correction = _with_moving_zero(stage, operands)
                absorber.replace([stage], layer)
                moved[id(layer)] = [layer, correction]
            else:
                parts, layer = _with_numbers(stage, operands, absorber)
                absorber.replace(parts, layer)
    return [part for stage in absorber.stages() for part in moved.get(id(stage), [stage])]


def _with_moving_zero(stage: Contract, operands: Operands) -> tuple[IntegerLayer, Map]:
    """The sums of x * w; less the zero point of x times the sums of the weights."""
    assert operands.moving is not None
    channel = _channel(stage)
    axes = 0 if isinstance(stage.form, Gemm) else tuple(range(1, operands.weights.ndim))
    sums = operands.weights.sum(axis=axes, dtype=np.int32)
    total = Tensor(f"{stage.out.name}#sums", "int32", stage.out.shape)
    columns = Tensor(f"{stage.out.name}#columns", "int32", sums.shape, sums)
    vars = variables(stage.out.shape)
    value = total[vars] - operands.moving * columns[vars[channel]]
    layer = _Numbers(operands).layer(stage, total, operands, [stage.origin])
    return layer, Map(stage.out, vars, value, origin=stage.origin)


def _with_numbers(
    stage: Contract, operands: Operands, absorber: Absorber
) -> tuple[list[Stage], IntegerLayer]:
    """The stages that become the layer, and the layer."""
    parts: list[Stage] = [stage]
    numbers, out = _Numbers(operands), stage.out
    exact = operands.scale is None or bool((operands.scale == 1).all())
    if exact and (found := find_fixed(stage, out, _channel(stage), absorber)) is not None:
        return found.parts, _fixed_layer(stage, operands, found)
    while out.dtype not in BYTES and (reader := absorber.follower(parts, out)) is not None:
        if not numbers.add(reader, out, _channel(stage)):
            break
        parts.append(reader)
        out = reader.out
    return parts, numbers.layer(stage, out, operands, [part.origin for part in parts])


def _fixed_layer(stage: Contract, operands: Operands, found: Found) -> IntegerLayer:
    assert stage.form is not None
    return IntegerLayer(
        found.out,
        operands.x,
        stage.form,
        operands.weights,
        None,
        None,
        None,
        operands.source,
        found.start if found.start.any() else None,
        zero=found.zero,
        fixed=found.fixed,
        origin=" + ".join(part.origin for part in found.parts),
    )


def _channel(stage: Contract) -> int:
    """The axis of the output that weights differ along."""
    return stage.out.rank - 1 if isinstance(stage.form, Gemm) else 1


class _Numbers:
    """Collects the steps behind a sum, as long as a kernel can do them."""

    def __init__(self, operands: Operands) -> None:
        axis = 1 if operands.weights.ndim == 2 else 0
        self._channels = operands.weights.shape[axis]
        self._start: Array | None = None
        self._scale = operands.scale
        self._shift: Array | None = None
        self._activation: tuple[Expr, Expr] | None = None
        self._zero = 0

    def layer(self, stage: Contract, out: Tensor, operands: Operands, origins: Sequence[str]) -> IntegerLayer:
        """As far as it has come."""
        assert stage.form is not None
        scale, shift = (
            None if values is None else values.astype(np.float32) for values in (self._scale, self._shift)
        )
        return IntegerLayer(
            out,
            operands.x,
            stage.form,
            operands.weights,
            None,
            None,
            self._activation,
            operands.source,
            self._start,
            scale,
            shift,
            self._zero,
            origin=" + ".join(origins),
        )

    def add(self, stage: Map, source: Tensor, channel: int) -> bool:
        """False, and nothing changed, where a kernel cannot do what `stage` does with `source`."""
        before = dict(self.__dict__)
        if stage.out.shape == source.shape and self._add(stage, source, channel):
            return True
        self.__dict__.update(before)
        return False

    def _add(self, stage: Map, source: Tensor, channel: int) -> bool:
        value = constants_folded(stage.value, stage.vars[channel])
        if stage.out.dtype == "int32":
            start = sum_and_start(value, source, stage.vars, stage.vars[channel])
            return self._scale is None and start is not None and self._starts(start)
        if self._scale is None:
            floats = Tensor("sums", "float32", source.shape)
            found = as_floats(value, source, stage.vars, stage.vars[channel], floats)
            if found is None:
                return False
            value, source = found[0], floats
            self._starts(found[1])
            self._scale = np.ones(self._channels)
        number = (value, 0) if stage.out.dtype == "float32" else rounded(value)
        if number is None:
            return False
        value, self._zero = number
        plain = Map(Tensor("numbers", "float32", stage.out.shape), stage.vars, value)
        steps = epilogue.steps(plain, source, channel)
        return steps is not None and all(self._step(step) for step in steps)

    def _starts(self, start: Array) -> bool:
        if start.any():
            old = 0 if self._start is None else self._start
            self._start = np.broadcast_to(start, (self._channels,)) + old
        return True

    def _step(self, step: epilogue.Step) -> bool:
        match step:
            case Affine():
                return self._affine(step)
            case Activation() if self._activation is None:
                self._activation = (step.value, step.x)
                return True
            case _:
                return False

    def _affine(self, step: Affine) -> bool:
        assert self._scale is not None
        factor, more = (np.broadcast_to(values, (self._channels,)) for values in (step.scale, step.shift))
        if self._activation is not None:
            return self._behind(step)
        self._scale = self._scale * factor
        if self._shift is not None or more.any():
            self._shift = (0 if self._shift is None else self._shift * factor) + more
        return True

    def _behind(self, step: Affine) -> bool:
        """A factor behind bounds is one before other bounds; behind another function, part of that."""
        assert self._activation is not None
        if step.scale.size != 1 or step.shift.any():
            return False
        factor, (value, x) = float(step.scale[0]), self._activation
        bounds = scaled(value, x, factor) if factor > 0 else None
        if bounds is None:
            self._activation = (Apply("mul", (value, Literal(factor, "float32")), "float32"), x)
            return True
        self._activation = None
        self._affine(step)
        self._activation = (bounds, x)
        return True
