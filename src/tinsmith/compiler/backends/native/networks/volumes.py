"""Convolutions over volumes become sums of convolutions over images, which the kernels take: one for every
step of the window through the depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.ir.loops import Conv, Loops, Map, Repeat, Stage
from tinsmith.compiler.ir.scalars import (
    INDEX,
    Expr,
    Literal,
    Tensor,
    binary,
    both,
    literal,
    select,
    variables,
)


def flatten_volumes(loops: Loops) -> Loops:
    """Replaces every layer over volumes [n, c, z, y, x] by layers over images."""
    return replace(loops, stages=tuple(_flattened(loops.stages)))


def _flattened(stages: Sequence[Stage]) -> list[Stage]:
    found: list[Stage] = []
    for stage in stages:
        if isinstance(stage, Repeat):
            found.append(replace(stage, body=tuple(_flattened(stage.body))))
        elif isinstance(stage, Layer) and isinstance(stage.form, Conv) and stage.x.rank == 5:
            found += _Slices.of(stage).stages(stage)
        else:
            found.append(stage)
    return found


@dataclass(frozen=True)
class _Slices:
    """Where the slices of a volume are among the images: those that lie a stride apart are neighbours, so
    that every step of the window reads images in a row.

    Slice z, with the padding before the volume counted, of volume n is image
    (z % stride * volumes + n) * places + z // stride; the sum for place z of volume n is image
    n * places + z of the output. The images between two volumes mean nothing.
    """

    volumes: int
    size: int
    """Slices of a volume, without its padding."""
    out: int
    """Slices of the output."""
    taps: int
    stride: int
    dilation: int
    begin: int
    """Slices of padding before the volume."""

    @classmethod
    def of(cls, layer: Layer) -> _Slices:
        """Along the depth of what a layer reads."""
        assert isinstance(layer.form, Conv)
        form, (volumes, _, size, *_) = layer.form, layer.x.static_shape
        depth = form.strides[0], form.dilations[0], form.pads[0]
        return cls(volumes, size, layer.out.static_shape[2], layer.weights.shape[2], *depth)

    @property
    def places(self) -> int:
        """Images for a volume, of those that lie a stride apart."""
        return ceil(((self.out - 1) * self.stride + (self.taps - 1) * self.dilation + 1) / self.stride)

    @property
    def sums(self) -> int:
        """Images of the output."""
        return (self.volumes - 1) * self.places + self.out

    def first(self, tap: int) -> int:
        """The image that the first sum reads for a step of the window."""
        phase, place = tap * self.dilation % self.stride, tap * self.dilation // self.stride
        return phase * self.volumes * self.places + place

    def stages(self, layer: Layer) -> list[Stage]:
        """What takes the place of `layer`."""
        images, before = self._images(layer), self._residual(layer)
        found: list[Stage] = [images, *([] if before is None else [before])]
        total = None if before is None else before.out
        for tap in range(self.taps):
            found.append(self._step(layer, images.out, total, tap))
            total = found[-1].out
        assert total is not None
        return [*found, self._volumes(layer, total)]

    def _images(self, layer: Layer) -> Map:
        x = layer.x
        _, channels, _, *space = x.static_shape
        shape = (self.stride * self.volumes * self.places, channels, *space)
        out = Tensor(f"{layer.out.name}#slices", x.dtype, shape)
        image, channel, *pixel = vars = variables(shape)
        volume, place = self._split(image)
        z: Expr = place
        if self.stride > 1:
            volume = volume % self.volumes if self.volumes > 1 else volume
            z = place * self.stride + image // (self.volumes * self.places)
        z = z - self.begin
        last = (self.places - 1) * self.stride + self.stride - 1 - self.begin
        tests = [z >= 0] * (self.begin > 0) + [z < self.size] * (last >= self.size)
        value: Expr = x[(volume, channel, z, *pixel)]
        if (inside := both(tests)) is not None:
            value = select(inside, value, literal(0, x.dtype))
        return Map(out, vars, value, origin=f"slices of {x.name}")

    def _residual(self, layer: Layer) -> Map | None:
        if layer.residual is None:
            return None
        _, channels, _, *space = layer.out.static_shape
        shape = (self.sums, channels, *space)
        out = Tensor(f"{layer.out.name}#residual", layer.out.dtype, shape)
        image, *rest = vars = variables(shape)
        volume, place = self._split(image)
        place = place if self.volumes == 1 else binary("min", place, Literal(self.out - 1, INDEX))
        value = layer.residual[(volume, rest[0], place, *rest[1:])]
        return Map(out, vars, value, origin=f"slices of {layer.residual.name}")

    def _split(self, image: Expr) -> tuple[Expr, Expr]:
        """Volume and place; the volume counts on where the places of another phase begin."""
        if self.volumes == 1 and self.stride == 1:
            return Literal(0, INDEX), image
        volume: Expr = Literal(0, INDEX) if self.volumes == 1 else image // self.places
        return volume, image % self.places

    def _step(self, layer: Layer, images: Tensor, total: Tensor | None, tap: int) -> Layer:
        assert isinstance(layer.form, Conv)
        form, last = layer.form, tap == self.taps - 1
        _, channels, _, *space = layer.out.static_shape
        return replace(
            layer,
            out=Tensor(f"{layer.out.name}#{tap}", layer.out.dtype, (self.sums, channels, *space)),
            x=images,
            form=Conv(form.strides[1:], form.dilations[1:], (*form.pads[1:3], *form.pads[4:6]), form.groups),
            weights=layer.weights[:, :, tap],
            bias=layer.bias if last else None,
            residual=total,
            activation=layer.activation if last else None,
            first=self.first(tap),
        )

    def _volumes(self, layer: Layer, total: Tensor) -> Map:
        volume, channel, place, *pixel = vars = variables(layer.out.static_shape)
        value = total[(volume * self.places + place, channel, *pixel)]
        return Map(layer.out, vars, value, origin=f"volumes of {layer.out.name}")
