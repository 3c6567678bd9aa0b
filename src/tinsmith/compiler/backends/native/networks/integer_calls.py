"""Layers of integers as calls of kernels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tinsmith.compiler.backends.native.networks.calls import Convolution, activation_of, plane
from tinsmith.compiler.backends.native.networks.integer_layers import IntegerLayer
from tinsmith.compiler.backends.native.networks.integer_operands import BYTES
from tinsmith.compiler.backends.native.networks.integer_steps import bounds
from tinsmith.compiler.backends.native.networks.kernels.integer import (
    Finish,
    plan_integer_convolution,
    plan_integer_gemm,
)
from tinsmith.compiler.backends.native.networks.kernels.integer_depthwise import (
    plan_integer_depthwise,
    sums_are_exact,
)
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan
from tinsmith.compiler.ir.loops import Gemm


def plan_integer_layer(layer: IntegerLayer) -> Plan:
    """The kernel of a layer whose tensors have their layouts."""
    finish = Finish(layer.out.dtype, layer.start, layer.scale, layer.shift, layer.zero)
    if layer.fixed is not None:
        finish = replace(finish, fixed=(layer.fixed.mantissa, layer.fixed.right), bounds=layer.fixed.bounds)
    held = None if layer.activation is None else bounds(*layer.activation)
    if held is not None and layer.out.dtype in BYTES:
        finish = replace(finish, bounds=held)
    else:
        finish = replace(finish, activation=activation_of(layer))
    if isinstance(layer.form, Gemm):
        rows = math.prod(layer.x.static_shape[:-1])
        weights = np.ascontiguousarray(layer.weights)
        return plan_integer_gemm(rows, weights, layer.source, finish, node=layer.origin)
    convolution = Convolution.of(layer)
    x, y, window = plane(layer.x), plane(layer.out), convolution.window
    if convolution.is_depthwise and sums_are_exact(convolution.weights, layer.source, layer.start):
        return plan_integer_depthwise(
            x, y, convolution.weights, layer.source, finish, window=window, node=layer.origin
        )
    return plan_integer_convolution(
        x, y, convolution.weights, layer.source, finish, window=window, groups=convolution.groups,
        node=layer.origin,
    )  # fmt: skip
