"""Images in memory, channels innermost, possibly with a halo around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tinsmith.errors import InternalError

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Halo:
    """Pixels around an image."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def covers(self, other: Halo) -> bool:
        """Whether every side has at least as many pixels as that of `other`."""
        return (
            self.top >= other.top
            and self.left >= other.left
            and self.bottom >= other.bottom
            and self.right >= other.right
        )


NO_HALO = Halo()


@dataclass(frozen=True)
class Plane:
    """`images` x `height` x `width` x `channels` float32, and the buffer around it. Steps count floats."""

    images: int
    height: int
    width: int
    channels: int
    halo: Halo = NO_HALO
    buffer_channels: int | None = None
    """Channels of a pixel of the buffer; None: `channels`."""
    first_channel: int = 0
    """The image's first channel in the buffer."""
    first_image: int = 0
    """The number of images in the buffer before the first."""

    def __post_init__(self) -> None:
        sizes = (self.images, self.height, self.width, self.channels)
        if min(sizes) < 1 or not 0 <= self.first_channel <= self.pixel - self.channels:
            raise InternalError(f"{self} is no image inside a buffer")

    @property
    def pixel(self) -> int:
        """From a pixel to the next."""
        return self.channels if self.buffer_channels is None else self.buffer_channels

    @property
    def row(self) -> int:
        """From a pixel to the one below."""
        return (self.halo.left + self.width + self.halo.right) * self.pixel

    @property
    def image(self) -> int:
        """From an image to the next."""
        return (self.halo.top + self.height + self.halo.bottom) * self.row

    @property
    def start(self) -> int:
        """From the start of the buffer to the first pixel."""
        before = self.first_image * self.image
        return before + self.halo.top * self.row + self.halo.left * self.pixel + self.first_channel

    @property
    def floats(self) -> int:
        """Size of the buffer, as far as its last image."""
        return (self.first_image + self.images) * self.image

    @property
    def rows_adjoin(self) -> bool:
        """Whether the pixels of all rows lie at one step from each other."""
        return self.row == self.width * self.pixel

    @property
    def images_adjoin(self) -> bool:
        """Whether the pixels of all images lie at one step from each other."""
        return self.rows_adjoin and self.image == self.height * self.row


def pixels(plane: Plane, buffer: NDArray[Scalar]) -> NDArray[Scalar]:
    """The image [images, height, width, channels] inside its buffer, as a view."""
    halo = plane.halo
    whole = buffer.reshape(plane.images, plane.image // plane.row, plane.row // plane.pixel, plane.pixel)
    return whole[
        :,
        halo.top : halo.top + plane.height,
        halo.left : halo.left + plane.width,
        plane.first_channel : plane.first_channel + plane.channels,
    ]
