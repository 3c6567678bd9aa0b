"""Images lie with their channels innermost and zeros around them, as the kernels want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinsmith.compiler.backends.native.networks.calls import Convolution
from tinsmith.compiler.backends.native.networks.integer_layers import IntegerLayer
from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.backends.native.networks.rewrite import retarget
from tinsmith.compiler.ir.loops import (
    Conv,
    Loops,
    Map,
    Reduce,
    Repeat,
    Stage,
    expressions,
    read_elsewhere,
    reads,
    writes,
)
from tinsmith.compiler.ir.scalars import Layout, Load, Tensor, Var, variables, walk

Pads = tuple[tuple[int, ...], tuple[int, ...]]
"""Zeros before and after, per axis."""


def assign_layouts(loops: Loops) -> Loops:
    """Gives every tensor around convolutions its layout; copies where another order is asked for."""
    return replace(loops, stages=tuple(_assigned(loops.stages, {*loops.inputs, *loops.outputs})))


def _assigned(stages: Sequence[Stage], seen: set[Tensor]) -> list[Stage]:
    """`seen`: tensors that others read or write too."""
    stages = [_with_body(stage, seen | read_elsewhere(stages, stage)) for stage in stages]
    stages = _with_copies(stages, _pinned(stages, seen))
    images = _images(stages, _pinned(stages, seen))
    halos = _halos(stages)
    changed = {tensor: replace(tensor, layout=_layout(tensor, halos.get(tensor))) for tensor in images}
    return [retarget(stage, changed) for stage in stages]


def _with_body(stage: Stage, seen: set[Tensor]) -> Stage:
    """A loop's body by itself: what comes from outside or goes there is row-major."""
    if not isinstance(stage, Repeat):
        return stage
    made = {tensor for part in stage.body for tensor in writes(part)}
    outside = {tensor for part in stage.body for tensor in reads(part)} - made
    return replace(stage, body=tuple(_assigned(stage.body, seen | outside)))


def _pinned(stages: Sequence[Stage], seen: set[Tensor]) -> set[Tensor]:
    """Tensors that must be row-major: those that others see, those read or written as a whole."""
    pinned = set(seen)
    for stage in stages:
        if _is_convolution(stage):
            continue
        if not isinstance(stage, Map | Reduce):
            pinned |= {*reads(stage), *writes(stage)}
    return pinned


def _is_convolution(stage: Stage) -> bool:
    return isinstance(stage, Layer) and isinstance(stage.form, Conv)


def _with_copies(stages: Sequence[Stage], pinned: set[Tensor]) -> list[Stage]:
    """No convolution reads or writes a pinned tensor."""
    found: list[Stage] = []
    copies: dict[Tensor, Tensor] = {}
    for stage in stages:
        if not isinstance(stage, Layer) or not isinstance(stage.form, Conv):
            found.append(stage)
            continue
        for tensor in stage.whole:
            if (tensor in pinned or tensor.value is not None) and tensor not in copies:
                copies[tensor] = Tensor(f"{tensor.name}#image", tensor.dtype, tensor.shape)
                found.append(_copy(tensor, copies[tensor]))
        changed = replace(stage, x=copies.get(stage.x, stage.x))
        if stage.residual is not None:
            changed = replace(changed, residual=copies.get(stage.residual, stage.residual))
        if stage.out in pinned:
            inner = Tensor(f"{stage.out.name}#image", stage.out.dtype, stage.out.shape)
            found += [replace(changed, out=inner), _copy(inner, stage.out)]
        else:
            found.append(changed)
    return found


def _copy(source: Tensor, out: Tensor) -> Map:
    vars = variables(source.shape)
    return Map(out, vars, source[vars], origin=f"order of {source.name}")


def _images(stages: Sequence[Stage], pinned: set[Tensor]) -> set[Tensor]:
    """What convolutions read and write, and what is elementwise or pooling between them."""
    images = {tensor for stage in stages if _is_convolution(stage) for tensor in (*stage.whole, stage.out)}
    aligned = [group for stage in stages if (group := _aligned(stage, pinned))]
    grown = True
    while grown:
        grown = False
        for group in aligned:
            if not images.isdisjoint(group) and not group <= images:
                images |= group
                grown = True
    return images


def _aligned(stage: Stage, pinned: set[Tensor]) -> set[Tensor]:
    """Tensors of a stage that have the same axes: they should lie in the same order."""
    if not isinstance(stage, Map | Reduce) or stage.out.rank not in (3, 4):
        return set()
    group = {stage.out}
    for part in walk(expressions(stage)):
        if isinstance(part, Load) and part.tensor.value is None and _same_axes(part, stage.vars):
            group.add(part.tensor)
    return {tensor for tensor in group if tensor not in pinned and tensor.is_static}


def _same_axes(load: Load, vars: Sequence[Var]) -> bool:
    if load.tensor.rank != len(vars):
        return False
    return all(
        not any(other in walk([index]) for other in vars if other is not var)
        for index, var in zip(load.index, vars, strict=True)
    )


def _halos(stages: Sequence[Stage]) -> dict[Tensor, Pads]:
    """The zeros that the convolutions want around what they read."""
    found: dict[Tensor, Pads] = {}
    for stage in stages:
        if isinstance(stage, Layer) and isinstance(stage.form, Conv) and not isinstance(stage, IntegerLayer):
            halo = Convolution.of(stage).halo
            before: tuple[int, ...]
            after: tuple[int, ...]
            before, after = (0, 0, halo.top, halo.left), (0, 0, halo.bottom, halo.right)
            if stage.x.rank == 3:
                before, after = (0, 0, halo.left), (0, 0, halo.right)
            old = found.get(stage.x, (before, after))
            found[stage.x] = (tuple(map(max, old[0], before)), tuple(map(max, old[1], after)))
    return found


def _layout(tensor: Tensor, pads: Pads | None) -> Layout:
    order = (0, *range(2, tensor.rank), 1)
    before, after = pads or ((0,) * tensor.rank, (0,) * tensor.rank)
    return Layout(order, before, after)


@dataclass(frozen=True)
class Rim:
    """Zeros around the images of a buffer, in elements: `images` of `rows` x `row`, of which `top` and
    `bottom` rows, and `left` and `right` elements of every row, are not the tensor's."""

    images: int
    rows: int
    row: int
    top: int
    bottom: int
    left: int
    right: int


def rim(tensor: Tensor) -> Rim | None:
    """None where a buffer holds nothing but its tensor."""
    layout = tensor.layout
    if layout is None or not any((*layout.before, *layout.after)):
        return None
    images, channels, *space = tensor.static_shape
    before, after = layout.before[2:], layout.after[2:]
    if len(space) == 1:
        space, before, after = [1, *space], (0, *before), (0, *after)
    (height, width), (top, left), (bottom, right) = space, before, after
    return Rim(
        images,
        top + height + bottom,
        (left + width + right) * channels,
        top,
        bottom,
        left * channels,
        right * channels,
    )
