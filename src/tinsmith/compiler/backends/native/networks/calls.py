"""Layers as calls of kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.networks.expression import Writer
from tinsmith.compiler.backends.native.networks.kernels.activation import IDENTITY, Activation, lanewise
from tinsmith.compiler.backends.native.networks.kernels.contraction import plan_convolution, plan_gemm
from tinsmith.compiler.backends.native.networks.kernels.depthwise import plan_depthwise
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan
from tinsmith.compiler.backends.native.networks.kernels.planes import Halo, Plane
from tinsmith.compiler.backends.native.networks.kernels.schedule import Geometry
from tinsmith.compiler.backends.native.networks.kernels.window import Window
from tinsmith.compiler.backends.native.networks.kernels.winograd import (
    plan_winograd,
    winograd_fits,
    winograd_halo,
    winograd_pays,
)
from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.ir.loops import Conv, Gemm
from tinsmith.compiler.ir.scalars import Apply, Expr, Literal, Load, Tensor, Var, rebuild
from tinsmith.errors import InternalError

Array = np.ndarray[Any, Any]


def plan_layer(layer: Layer) -> Plan:
    """The kernel of a layer whose tensors have their layouts."""
    activation = activation_of(layer)
    if isinstance(layer.form, Gemm):
        rows = math.prod(layer.x.static_shape[:-1])
        return plan_gemm(
            rows,
            np.ascontiguousarray(layer.weights),
            layer.bias,
            residual_row=None if layer.residual is None else layer.out.static_shape[-1],
            activation=activation,
            node=layer.origin,
            schedules=layer.schedules,
        )
    convolution = Convolution.of(layer)
    plan: Callable[..., Plan] = plan_convolution
    options: dict[str, Any] = {"window": convolution.window, "schedules": layer.schedules}
    if convolution.is_depthwise:
        plan = plan_depthwise
    elif convolution.takes_winograd:
        plan = plan_winograd
    else:
        options["groups"] = layer.form.groups
    return plan(
        _read(layer),
        plane(layer.out),
        convolution.weights,
        layer.bias,
        residual=None if layer.residual is None else plane(layer.residual),
        activation=activation,
        node=layer.origin,
        **options,
    )


def layer_geometry(layer: Layer) -> Geometry:
    """What its schedule goes by."""
    if isinstance(layer.form, Gemm):
        depth, columns = layer.weights.shape
        return Geometry("gemm", (1, math.prod(layer.x.static_shape[:-1])), depth, columns)
    return Convolution.of(layer).geometry(layer.out.static_shape[0])


@dataclass(frozen=True)
class Convolution:
    """A convolution over images; one over rows is one over images of height 1."""

    weights: Array
    window: Window
    size: tuple[int, int]
    """Height and width of the output."""
    groups: int
    algorithm: str = ""
    """As scheduled; "": the cheaper one."""

    @classmethod
    def of(cls, layer: Layer) -> Convolution:
        """The convolution of a layer."""
        form, weights = layer.form, layer.weights
        assert isinstance(form, Conv)
        half = len(form.pads) // 2
        strides, dilations = form.strides, form.dilations
        begins, ends = form.pads[:half], form.pads[half:]
        if half == 1:
            strides, dilations, begins, ends = (1, *strides), (1, *dilations), (0, *begins), (0, *ends)
            weights = weights[:, :, None, :]
        pads = Halo(begins[0], begins[1], ends[0], ends[1])
        window = Window((strides[0], strides[1]), (dilations[0], dilations[1]), pads)
        height, width = (1, *layer.out.static_shape[2:])[-2:]
        return cls(weights, window, (height, width), form.groups, layer.schedules[0].algorithm)

    def geometry(self, images: int) -> Geometry:
        """Of so many images."""
        columns, depth, high, wide = self.weights.shape
        return Geometry(
            "depthwise" if self.is_depthwise else "conv",
            self.size,
            depth,
            columns // self.groups,
            (high, wide),
            self.window.strides,
            self.window.dilations,
            self.groups,
            images,
            winograd_fits((high, wide), self.window, self.groups, (depth, columns)),
        )

    @property
    def is_depthwise(self) -> bool:
        """Every channel by itself."""
        return self.groups == len(self.weights) and self.weights.shape[1] == 1 and self.groups > 1

    @property
    def takes_winograd(self) -> bool:
        """Winograd's algorithm is cheaper, or scheduled."""
        if self.algorithm:
            return self.algorithm == "winograd"
        columns, depth, high, wide = self.weights.shape
        return winograd_pays(self.size, (depth, columns), (high, wide), self.window, self.groups)

    @property
    def halo(self) -> Halo:
        """Zeros that the kernel wants around its input."""
        return winograd_halo(self.size, self.window.pads) if self.takes_winograd else self.window.pads


def _read(layer: Layer) -> Plane:
    """The images that a layer reads: as many as it writes."""
    whole, images = plane(layer.x), layer.out.static_shape[0]
    if layer.first + images > whole.images:
        raise InternalError(f"no {images} images from {layer.first} on in {whole}")
    return replace(whole, images=images, first_image=layer.first)


def plane(tensor: Tensor) -> Plane:
    """An image whose channels are innermost."""
    assert tensor.layout is not None
    images, channels, *space = tensor.static_shape
    before, after = tensor.layout.before[2:], tensor.layout.after[2:]
    if len(space) == 1:
        space, before, after = [1, *space], (0, *before), (0, *after)
    return Plane(images, space[0], space[1], channels, Halo(before[0], before[1], after[0], after[1]))


def activation_of(layer: Layer) -> Activation:
    """What a layer ends with."""
    if layer.activation is None:
        return IDENTITY
    value, x = layer.activation
    value = rebuild(value, _as_product)
    text = _vector_text(value, x)
    return Activation(text) if text is not None else _by_lanes(value, x)


def _as_product(part: Expr) -> Expr | None:
    """A quotient by a number as a product: a fraction of the time, one rounding more."""
    if not isinstance(part, Apply) or (part.op, part.dtype) != ("div", "float32"):
        return None
    x, divisor = part.args
    if not isinstance(divisor, Literal) or not 2.0**-100 < abs(divisor.value) < 2.0**100:
        return None
    return x * (1 / float(divisor.value))


def _vector_text(value: Expr, x: Expr) -> str | None:
    """Of what vectors do directly."""
    if value is x:
        return "x"
    if isinstance(value, Literal):
        return f"ts_splat({float(np.float32(value.value)).hex()}f)" if np.isfinite(value.value) else None
    if not isinstance(value, Apply):
        return None
    if value.op in ("min", "max") and isinstance(value.args[1], Literal) and np.isfinite(value.args[1].value):
        inner = _vector_text(value.args[0], x)
        bound = f"{float(np.float32(value.args[1].value)).hex()}f"
        function = {"max": "ts_at_least", "min": "ts_at_most"}[value.op]
        return None if inner is None else f"{function}({inner}, {bound})"
    operator = {"add": "+", "sub": "-", "mul": "*", "div": "/"}.get(value.op)
    if operator is None:
        return None
    left, right = (_vector_text(argument, x) for argument in value.args)
    return None if left is None or right is None else f"({left} {operator} {right})"


def _by_lanes(value: Expr, x: Expr) -> Activation:
    """Element by element; the C compiler makes vectors of it."""
    argument = Var("v", 1, "float32")
    function = rebuild(value, lambda part: argument if part is x else None)
    lines, (text,) = Writer(_nothing_is_loaded, {argument: "v"}).write([function])
    return lanewise(text, (), " ".join(lines))


def _nothing_is_loaded(load: Load, text: Callable[[Expr], str]) -> str:
    raise AssertionError(load)
