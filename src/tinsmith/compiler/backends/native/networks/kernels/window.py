"""How a convolution moves over an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels.planes import NO_HALO, Halo, Plane
from tinsmith.errors import InternalError


@dataclass(frozen=True)
class Window:
    """Counts pixels."""

    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: Halo = NO_HALO

    def output(self, size: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the output for an image of `size`; ONNX Conv with explicit pads."""
        around = (self.pads.top + self.pads.bottom, self.pads.left + self.pads.right)
        height, width = (
            (length + extra - dilation * (taps - 1) - 1) // stride + 1
            for length, extra, dilation, taps, stride in zip(
                size, around, self.dilations, kernel, self.strides, strict=True
            )
        )
        return height, width


STEP = Window()
"""Every pixel, nothing around the image."""


def check_convolution(
    x: Plane,
    y: Plane,
    weights: NDArray[Any],
    window: Window,
    groups: int,
    residual: Plane | None,
    needed: Halo | None = None,
) -> None:
    """Raises InternalError, which names all that does not fit together.

    `needed`: the halo of the input; None: `window.pads`.
    """
    needed = needed or window.pads
    out_channels, depth, *kernel = weights.shape
    problems = []
    if x.channels != depth * groups or y.channels != out_channels or out_channels % groups:
        problems.append(f"weights {weights.shape} in {groups} groups")
    if not x.halo.covers(needed):
        problems.append(f"the halo of the input, which must cover {needed}")
    size = window.output((x.height, x.width), (kernel[0], kernel[1]))
    if (y.images, y.height, y.width) != (x.images, *size):
        problems.append(f"the output's size, which must be {(x.images, *size)}")
    if residual is not None and _shape(residual) != _shape(y):
        problems.append(f"the residual {_shape(residual)}")
    if problems:
        raise InternalError(f"no convolution from {x} to {y}: wrong are {'; '.join(problems)}")


def _shape(plane: Plane) -> tuple[int, int, int, int]:
    return plane.images, plane.height, plane.width, plane.channels
