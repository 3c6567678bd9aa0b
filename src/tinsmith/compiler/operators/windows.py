"""Windows that slide over the spatial axes of a tensor [n, c, y..]: of pooling and of convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinsmith.compiler.ir.scalars import Expr, Literal, both, select
from tinsmith.compiler.operators.node import Node


@dataclass(frozen=True)
class Windows:
    """`out` positions per axis; element k of the window at y lies at y * stride + k * dilation - begin."""

    sizes: tuple[int, ...]
    """Of the input."""
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    out: tuple[int, ...]

    def index(self, place: Sequence[Expr], offset: Sequence[Expr]) -> tuple[Expr, ...]:
        """The spatial index of element `offset` of the window at `place`."""
        return tuple(
            y * stride + k * dilation - begin
            for y, k, stride, dilation, begin in zip(
                place, offset, self.strides, self.dilations, self.begins, strict=True
            )
        )

    def inside(self, index: Sequence[Expr]) -> Expr | None:
        """`index` lies in the input; None where it always does."""
        tests: list[Expr] = []
        for axis, part in enumerate(index):
            if self.begins[axis]:
                tests.append(part >= 0)
            if self._overhang(axis):
                tests.append(part < self.sizes[axis])
        return both(tests)

    def _overhang(self, axis: int) -> bool:
        last = (self.out[axis] - 1) * self.strides[axis] + (self.kernel[axis] - 1) * self.dilations[axis]
        return last - self.begins[axis] >= self.sizes[axis]

    def padded(self, index: Sequence[Expr], value: Callable[[], Expr], padding: Literal) -> Expr:
        """value(), or `padding` where `index` lies outside."""
        inside = self.inside(index)
        return value() if inside is None else select(inside, value(), padding)

    def counts(self, axis: int, include_padding: bool) -> list[int]:
        """Per position: how many elements of its window lie in the input, or in it and its padding."""
        low = -self.begins[axis] if include_padding else 0
        high = self.sizes[axis] + (self.ends[axis] if include_padding else 0)
        counts = []
        for y in range(self.out[axis]):
            start = y * self.strides[axis] - self.begins[axis]
            places = (start + k * self.dilations[axis] for k in range(self.kernel[axis]))
            counts.append(sum(low <= place < high for place in places))
        return counts

    @property
    def pads(self) -> tuple[int, ...]:
        """As ONNX writes them: begins, then ends."""
        return (*self.begins, *self.ends)


def windows(node: Node, sizes: Sequence[object], kernel: Sequence[int]) -> Windows:
    """By the attributes of a node: strides, dilations, pads, auto_pad and ceil_mode."""
    if not all(isinstance(size, int) for size in sizes):
        raise node.refuse("spatial sizes are known only at run time")
    known = tuple(int(size) for size in sizes)  # type: ignore[call-overload]
    rank = len(known)
    strides, dilations = per_axis(node, "strides", rank), per_axis(node, "dilations", rank)
    if len(kernel) != rank or min((*kernel, *strides, *dilations), default=1) < 1:
        raise node.refuse(
            f"kernel {tuple(kernel)}, strides {strides}, dilations {dilations} for sizes {known}"
        )
    reach = [(k - 1) * dilation + 1 for k, dilation in zip(kernel, dilations, strict=True)]
    pads = [
        _padding(node, size, *axis)
        for size, axis in zip(known, zip(reach, strides, _explicit(node, rank), strict=True), strict=True)
    ]
    out = [
        _positions(node, size + begin + end, extent, stride, size + begin)
        for size, extent, stride, (begin, end) in zip(known, reach, strides, pads, strict=True)
    ]
    begins, ends = tuple(begin for begin, _ in pads), tuple(end for _, end in pads)
    return Windows(known, tuple(kernel), strides, dilations, begins, ends, tuple(out))


def per_axis(node: Node, name: str, rank: int) -> tuple[int, ...]:
    """An attribute with one number per spatial axis; 1 where it is left out."""
    values = node.integers(name, ()) or (1,) * rank
    if len(values) != rank:
        raise node.refuse(f"{name} {values} for {rank} spatial axes")
    return values


def _explicit(node: Node, rank: int) -> list[tuple[int, int]]:
    pads = node.integers("pads", ()) or (0,) * (2 * rank)
    if len(pads) != 2 * rank or min(pads, default=0) < 0:
        raise node.refuse(f"pads {pads} for {rank} spatial axes")
    return list(zip(pads[:rank], pads[rank:], strict=True))


def _padding(node: Node, size: int, reach: int, stride: int, given: tuple[int, int]) -> tuple[int, int]:
    auto = node.text("auto_pad", "NOTSET")
    if auto == "NOTSET":
        return given
    if auto == "VALID":
        return (0, 0)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise node.refuse(f"auto_pad {auto}")
    total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if auto == "SAME_UPPER" else (large, small)


def _positions(node: Node, padded: int, reach: int, stride: int, begun: int) -> int:
    """Windows that fit; with ceil_mode also one that only starts inside, not in the padding at the end."""
    if not node.integer("ceil_mode", 0):
        out = (padded - reach) // stride + 1
    else:
        out = -((reach - padded) // stride) + 1
        out -= (out - 1) * stride >= begun
    if out < 0:
        raise node.refuse(f"a window of {reach} in {padded} elements")
    return out
