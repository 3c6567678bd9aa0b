"""Layers of weights: Convolution, Deconvolution, FullyConnected, Embedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Value

_LAYOUTS = ("None", "NCW", "NCHW", "NCDHW")


def window(node: Node, key: str, rank: int, default: int) -> tuple[int, ...]:
    """An attribute with a number for each spatial axis."""
    found = node.integers(key, [default] * rank) or (default,) * rank
    if len(found) != rank:
        raise AttributeProblem(f"{key} is {found}, expected {rank} numbers as kernel has")
    if any(not 0 <= size < 2**24 for size in found) or (default and min(found) < 1):
        raise AttributeProblem(f"{key} is {found}, expected numbers from {default} on")
    return found


def _spatial(node: Node) -> int:
    """The number of spatial axes; checks kernel, layout and input against each other."""
    node.choice("layout", "None", *_LAYOUTS)
    rank, kernel = len(node.shape()) - 2, node.integers("kernel")
    if not 1 <= rank == len(kernel) or min(kernel) < 1:
        raise AttributeProblem(
            f"kernel is {kernel}, expected {max(rank, 1)} sizes for an input of {rank + 2} axes"
        )
    return rank


def _bias(node: Node, default: bool) -> tuple[Value, ...]:
    return () if node.flag("no_bias", default) else (node.input(2),)


def _check_weight(node: Node, expected: Sequence[int]) -> None:
    if node.shape(1) != tuple(expected):
        raise AttributeProblem(f"its weight has the shape {list(node.shape(1))}, expected {list(expected)}")


@operator("Convolution", "Convolution_v1")
def convolution(node: Node) -> Value:
    """[batch, num_filter, ...]"""
    rank, groups, filters = _spatial(node), node.integer("num_group", 1), node.integer("num_filter")
    channels, kernel = node.shape()[1], node.integers("kernel")
    if groups < 1 or channels % groups or filters % groups:
        raise AttributeProblem(
            f"num_group is {groups}, expected a divisor of {channels} and {filters} channels"
        )
    _check_weight(node, (filters, channels // groups, *kernel))
    pad = window(node, "pad", rank, 0)
    return node.add(
        "Conv",
        node.x,
        node.input(1),
        *_bias(node, False),
        kernel_shape=kernel,
        strides=window(node, "stride", rank, 1),
        dilations=window(node, "dilate", rank, 1),
        pads=[*pad, *pad],
        group=groups,
    )


@operator("Deconvolution")
def deconvolution(node: Node) -> Value:
    """[batch, num_filter, ...]; target_shape, if given, tells the padding."""
    rank, groups, filters = _spatial(node), node.integer("num_group", 1), node.integer("num_filter")
    size, kernel = node.shape(), node.integers("kernel")
    if groups < 1 or size[1] % groups or filters % groups:
        raise AttributeProblem(
            f"num_group is {groups}, expected a divisor of {size[1]} and {filters} channels"
        )
    _check_weight(node, (size[1], filters // groups, *kernel))
    stride, dilate = window(node, "stride", rank, 1), window(node, "dilate", rank, 1)
    pad, adjust = window(node, "pad", rank, 0), window(node, "adj", rank, 0)
    target = node.integers("target_shape", ())
    if any(target):
        full = [
            (n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(size[2:], stride, kernel, dilate, strict=True)
        ]
        if len(target) != rank or any(t > f for t, f in zip(target, full, strict=True)):
            raise AttributeProblem(f"target_shape is {target}, expected at most {full}")
        excess = [f - t for f, t in zip(full, target, strict=True)]
        pad, adjust = tuple((e + 1) // 2 for e in excess), tuple(e % 2 for e in excess)
    return node.add(
        "ConvTranspose",
        node.x,
        node.input(1),
        *_bias(node, True),
        kernel_shape=kernel,
        strides=stride,
        dilations=dilate,
        pads=[*pad, *pad],
        output_padding=adjust,
        group=groups,
    )


@operator("FullyConnected")
def fully_connected(node: Node) -> Value:
    """[batch, num_hidden]; without `flatten` every axis but the last stays."""
    shape, hidden = node.shape(), node.integer("num_hidden")
    flat = node.flag("flatten", True)
    inputs = int(np.prod(shape[1:])) if flat else shape[-1]
    _check_weight(node, (hidden, inputs))
    bias = _bias(node, False)
    if flat or len(shape) == 2:
        return node.add("Gemm", node.x.reshape(shape[0], inputs), node.input(1), *bias, transB=1)
    found = node.add("MatMul", node.x, node.input(1).transpose(1, 0))
    return node.add("Add", found, *bias) if bias else found


@operator("Embedding", "_contrib_SparseEmbedding")
def embedding(node: Node) -> Value:
    """Rows of the second input; numbers beyond its ends count as its ends."""
    rows = node.shape(1)[0]
    index = node.add("Clip", node.x.cast(np.int64), 0, rows - 1)
    return node.add("Gather", node.input(1), index)
