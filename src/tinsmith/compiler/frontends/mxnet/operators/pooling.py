"""Windows that are reduced: Pooling."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.frontends.mxnet.operators.layers import window
from tinsmith.compiler.shaping.builder import Value


@operator("Pooling", "Pooling_v1")
def pooling(node: Node) -> Value:
    """max, avg, sum or lp over windows or, with global_pool, over everything."""
    kind = node.choice("pool_type", "max", "max", "avg", "sum", "lp")
    node.choice("layout", "None", "None", "NCW", "NCHW", "NCDHW")
    rank = len(node.shape()) - 2
    if rank < 1:
        raise AttributeProblem(f"its input has {rank + 2} axes, expected at least 3")
    if node.flag("global_pool"):
        return _global(node, kind)
    kernel = node.integers("kernel")
    if len(kernel) != rank or min(kernel) < 1:
        raise AttributeProblem(f"kernel is {kernel}, expected {rank} sizes for an input of {rank + 2} axes")
    stride, pad = window(node, "stride", rank, 1), window(node, "pad", rank, 0)
    after = _padding_after(node, kernel, stride, pad)
    attributes = {"kernel_shape": kernel, "strides": stride}
    if kind == "max":
        return node.add("MaxPool", node.x, pads=[*pad, *after], **attributes)
    if kind == "lp":
        return node.add("LpPool", node.x, p=node.integer("p_value"), pads=[*pad, *after], **attributes)
    if kind == "avg" and (after == pad or not node.flag("count_include_pad", True)):
        include = int(node.flag("count_include_pad", True))
        return node.add("AveragePool", node.x, pads=[*pad, *after], count_include_pad=include, **attributes)
    mean = node.add("AveragePool", node.x, pads=[*pad, *after], count_include_pad=1, **attributes)
    if kind == "sum":
        return node.add("Mul", mean, float(np.prod(kernel)))
    return node.add("Mul", mean, _corrections(node, kernel, stride, pad, mean.shape[2:]))


def _padding_after(
    node: Node, kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...]
) -> tuple[int, ...]:
    """The convention "full" has windows that begin inside and end outside."""
    convention = node.choice("pooling_convention", "valid", "valid", "full")
    after = []
    for size, k, s, p in zip(node.shape()[2:], kernel, stride, pad, strict=True):
        rest = size + 2 * p - k
        if rest < 0 or p >= k:
            raise AttributeProblem(f"a window of {k} with pad {p} on {size} places")
        after.append(p + (-rest % s if convention == "full" else 0))
    return tuple(after)


def _corrections(
    node: Node,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    out: tuple[int, ...],
) -> Value:
    """The means count what lies behind the padding too: their factors to those of MXNet, which do not."""
    factor = np.ones((), np.float64)
    for axis, (size, k, s, p, count) in enumerate(
        zip(node.shape()[2:], kernel, stride, pad, out, strict=True)
    ):
        starts = np.arange(count) * s - p
        counted = np.minimum(starts + k, size + p) - starts
        factor = factor * (k / counted).reshape([-1 if each == axis else 1 for each in range(len(out))])
    return node.constant(factor.astype(node.dtype))


def _global(node: Node, kind: str) -> Value:
    if kind == "max":
        return node.add("GlobalMaxPool", node.x)
    if kind == "lp":
        return node.add("GlobalLpPool", node.x, p=node.integer("p_value"))
    mean = node.add("GlobalAveragePool", node.x)
    return node.add("Mul", mean, float(np.prod(node.shape()[2:]))) if kind == "sum" else mean
