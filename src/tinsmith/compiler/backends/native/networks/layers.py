"""Contractions that a kernel takes, together with what follows them element by element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.networks import epilogue
from tinsmith.compiler.backends.native.networks.absorb import Absorber
from tinsmith.compiler.backends.native.networks.epilogue import Activation, Affine, Residual
from tinsmith.compiler.backends.native.networks.kernels.schedule import DEFAULT, Schedules
from tinsmith.compiler.ir.loops import Contract, Conv, Gemm, Loops, Repeat, Stage, read_elsewhere
from tinsmith.compiler.ir.scalars import Expr, Tensor

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Layer(Stage):
    """out = activation(contraction of `x` with `weights` + bias + residual)."""

    x: Tensor
    form: Gemm | Conv
    weights: Array
    """Conv: [out channels, in channels / groups, kernel..]; Gemm: [k, n]."""
    bias: Array | None
    residual: Tensor | None = None
    activation: tuple[Expr, Expr] | None = None
    """A function's value, and the part of it that stands for its argument."""
    first: int = field(default=0, kw_only=True)
    """The first image of `x` that is read, where it holds more of them than `out`."""
    schedules: Schedules = field(default=(DEFAULT,), kw_only=True)

    @property
    def whole(self) -> tuple[Tensor, ...]:
        return (self.x,) if self.residual is None else (self.x, self.residual)


@dataclass
class _Epilogue:
    """Collects the steps behind a contraction, as long as a kernel can do them."""

    weights: Array
    bias: Array | None
    channel_axis: int
    residual: Tensor | None = None
    activation: tuple[Expr, Expr] | None = None

    def add(self, steps: Sequence[epilogue.Step]) -> bool:
        """False, and nothing changed, where a kernel cannot do them all."""
        trial = replace(self)
        for step in steps:
            if not trial._add(step):
                return False
        self.__dict__.update(trial.__dict__)
        return True

    def _add(self, step: epilogue.Step) -> bool:
        match step:
            case Affine():
                return self._scale(step)
            case Residual():
                if self.residual is not None or self.activation is not None:
                    return False
                self.residual = step.tensor
            case Activation():
                if self.activation is not None:
                    return False
                self.activation = (step.value, step.x)
        return True

    def _scale(self, step: Affine) -> bool:
        if self.activation is not None or (self.residual is not None and (step.scale != 1).any()):
            return False
        channels = self.weights.shape[self.channel_axis]
        shape = [1] * self.weights.ndim
        shape[self.channel_axis] = -1
        if (step.scale != 1).any():
            scale = np.broadcast_to(step.scale, (channels,))
            self.weights = self.weights * scale.reshape(shape)
            self.bias = None if self.bias is None else self.bias * scale
        if step.shift.any():
            bias = np.zeros(channels) if self.bias is None else self.bias
            self.bias = bias + np.broadcast_to(step.shift, (channels,))
        return True


def find_layers(loops: Loops) -> Loops:
    """Replaces contractions with constant weights by layers."""
    return replace(loops, stages=tuple(_find(loops.stages, set(loops.outputs))))


def _find(stages: Sequence[Stage], kept: set[Tensor]) -> list[Stage]:
    absorber = Absorber(stages, kept)
    for stage in stages:
        if isinstance(stage, Repeat):
            body = _find(stage.body, kept | read_elsewhere(stages, stage))
            absorber.replace([stage], replace(stage, body=tuple(body)))
        elif isinstance(stage, Contract) and (start := _start(stage)) is not None:
            parts, layer = _with_epilogue(stage, start, absorber)
            absorber.replace(parts, layer)
    return absorber.stages()


def _start(stage: Contract) -> _Epilogue | None:
    """The weights, where a kernel takes this contraction."""
    if stage.out.dtype != "float32" or len(stage.operands) != 2 or not stage.out.is_static:
        return None
    x, w = stage.operands
    if w.value is None or x.value is not None or not x.is_static or 0 in x.static_shape + w.static_shape:
        return None
    if isinstance(stage.form, Gemm):
        value = w.value.reshape(w.value.shape[-2:]) if math.prod(w.value.shape[:-2]) == 1 else None
        if value is None:
            return None
        return _Epilogue(value.T if stage.form.transposed else value, None, 1)
    if isinstance(stage.form, Conv) and _takes_conv(stage.form, x, w.value):
        return _Epilogue(w.value, None, 0)
    return None


def _takes_conv(form: Conv, x: Tensor, w: Array) -> bool:
    if x.rank not in (3, 4, 5) or min(form.pads) < 0:
        return False
    depth = w.shape[1]
    if depth == 1 and form.groups == len(w):
        return True
    return form.groups == 1 or (depth % 8 == 0 and (w.shape[0] // form.groups) % 8 == 0)


def _with_epilogue(stage: Contract, start: _Epilogue, absorber: Absorber) -> tuple[list[Stage], Layer]:
    """The stages that become the layer, and the layer."""
    parts: list[Stage] = [stage]
    out = stage.out
    channel = out.rank - 1 if isinstance(stage.form, Gemm) else 1
    while (reader := absorber.follower(parts, out)) is not None:
        steps = epilogue.steps(reader, out, channel)
        if steps is None or not start.add(steps):
            break
        parts.append(reader)
        out = reader.out
    assert stage.form is not None
    bias = None if start.bias is None else start.bias.astype(np.float32)
    layer = Layer(
        out,
        stage.operands[0],
        stage.form,
        start.weights.astype(np.float32),
        bias,
        start.residual,
        start.activation,
        origin=" + ".join(part.origin for part in parts),
    )
    return parts, layer
