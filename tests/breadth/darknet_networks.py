"""The networks that Darknet is known for, written from their published architectures, and weights by chance.

A cfg is made for a width and height, a number of classes, and a share of the filters; at `share` 1 it has the
layers and filters of yolov2, yolov2-tiny, yolov3, yolov3-tiny and yolov3-spp.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

ANCHORS_V2 = "0.57273,0.677385,1.87446,2.06253,3.33843,5.47434,7.88282,3.52778,9.77052,9.16828"
ANCHORS_V3 = "10,13,16,30,33,23,30,61,62,45,59,119,116,90,156,198,373,326"
ANCHORS_TINY = "10,14,23,27,37,58,81,82,135,169,344,319"
RESIDUAL_GAIN = 0.15
"""Factor of the last convolution before a shortcut, so that sums of many of them do not explode."""


@dataclass
class Layer:
    """A convolution, as far as its numbers in the weights file go."""

    inputs: int
    filters: int
    size: int
    normalised: bool
    gain: float


@dataclass
class Cfg:
    """Grows layer by layer."""

    width: int
    height: int
    classes: int
    share: float = 1.0
    sections: list[str] = field(default_factory=list)
    channels: list[int] = field(default_factory=list)
    """Of every layer."""
    convolutions: list[Layer] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The file."""
        return "\n".join(
            [f"[net]\nbatch=1\nwidth={self.width}\nheight={self.height}\nchannels=3\n", *self.sections]
        )

    @property
    def heads(self) -> list[int]:
        """The layers that give boxes."""
        return [at for at, section in enumerate(self.sections) if section.startswith(("[region", "[yolo"))]

    def conv(self, filters: int, size: int = 3, stride: int = 1, gain: float = 1.0) -> None:
        """With batch normalisation and a leaky activation, as all but those before a head."""
        self._convolve(max(4, round(filters * self.share)), size, stride, True, gain)

    def linear(self, filters: int) -> None:
        """Before a head."""
        self._convolve(filters, 1, 1, False, 1.0)

    def _convolve(self, filters: int, size: int, stride: int, normalised: bool, gain: float) -> None:
        inputs = self.channels[-1] if self.channels else 3
        self.convolutions.append(Layer(inputs, filters, size, normalised, gain))
        norm, activation = ("batch_normalize=1\n", "leaky") if normalised else ("", "linear")
        self._add(
            "convolutional",
            filters,
            f"{norm}filters={filters}\nsize={size}\nstride={stride}\npad=1\nactivation={activation}",
        )

    def maxpool(self, size: int = 2, stride: int = 2) -> None:
        """Padded as Darknet pads."""
        self._add("maxpool", self.channels[-1], f"size={size}\nstride={stride}")

    def shortcut(self) -> None:
        """Adds what came three layers before."""
        self._add("shortcut", self.channels[-1], "from=-3\nactivation=linear")

    def route(self, *layers: int) -> None:
        """Joins layers, which count from here where they are negative."""
        channels = sum(self.channels[layer] for layer in layers)
        self._add("route", channels, f"layers={','.join(map(str, layers))}")

    def reorg(self) -> None:
        """Four pixels become channels."""
        self._add("reorg", 4 * self.channels[-1], "stride=2")

    def upsample(self) -> None:
        """To twice the size."""
        self._add("upsample", self.channels[-1], "stride=2")

    def region(self) -> None:
        """The head of YOLOv2, with its convolution."""
        self.linear(5 * (5 + self.classes))
        self._add(
            "region",
            self.channels[-1],
            f"anchors={ANCHORS_V2}\nbias_match=1\nclasses={self.classes}\ncoords=4\nnum=5\nsoftmax=1\n"
            "jitter=.3\nrescore=1\nobject_scale=5\nnoobject_scale=1\nclass_scale=1\ncoord_scale=1\n"
            "absolute=1\nthresh=.6\nrandom=1",
        )

    def yolo(self, mask: str, anchors: str, number: int) -> None:
        """The head of YOLOv3, with its convolution."""
        self.linear(3 * (5 + self.classes))
        self._add(
            "yolo",
            self.channels[-1],
            f"mask={mask}\nanchors={anchors}\nclasses={self.classes}\nnum={number}\njitter=.3\n"
            "ignore_thresh=.7\ntruth_thresh=1\nrandom=1",
        )

    def _add(self, section: str, channels: int, options: str) -> None:
        self.sections.append(f"[{section}]\n{options}\n")
        self.channels.append(channels)


def yolov2(cfg: Cfg) -> None:
    """Darknet-19, a passthrough of finer features, a region layer."""
    for depth, filters in enumerate((32, 64, 128, 256, 512, 1024)):
        for turn in range((1, 1, 3, 3, 5, 5)[depth]):
            cfg.conv(filters if turn % 2 == 0 else filters // 2, 3 if turn % 2 == 0 else 1)
        if depth < 5:
            cfg.maxpool()
    cfg.conv(1024)
    cfg.conv(1024)
    cfg.route(-9)
    cfg.conv(64, 1)
    cfg.reorg()
    cfg.route(-1, -4)
    cfg.conv(1024)
    cfg.region()


def yolov2_tiny(cfg: Cfg) -> None:
    """Nine convolutions; the last pool goes by single steps."""
    for filters in (16, 32, 64, 128, 256):
        cfg.conv(filters)
        cfg.maxpool()
    cfg.conv(512)
    cfg.maxpool(2, 1)
    cfg.conv(1024)
    cfg.conv(512)
    cfg.region()


def yolov3(cfg: Cfg, pyramid: bool = False) -> None:
    """Darknet-53 and heads at three sizes; `pyramid`: pools of three sizes before the first."""
    cfg.conv(32)
    for filters, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        cfg.conv(filters, 3, 2)
        for _ in range(blocks):
            cfg.conv(filters // 2, 1)
            cfg.conv(filters, 3, gain=RESIDUAL_GAIN)
            cfg.shortcut()
    for index, (filters, mask) in enumerate(((512, "6,7,8"), (256, "3,4,5"), (128, "0,1,2"))):
        if index:
            cfg.route(-4)
            cfg.conv(filters, 1)
            cfg.upsample()
            cfg.route(-1, (61, 36)[index - 1])
        _neck(cfg, filters, pyramid and index == 0)
        cfg.yolo(mask, ANCHORS_V3, 9)


def _neck(cfg: Cfg, filters: int, pyramid: bool) -> None:
    cfg.conv(filters, 1)
    cfg.conv(2 * filters)
    cfg.conv(filters, 1)
    if pyramid:
        cfg.maxpool(5, 1)
        cfg.route(-2)
        cfg.maxpool(9, 1)
        cfg.route(-4)
        cfg.maxpool(13, 1)
        cfg.route(-1, -3, -5, -6)
        cfg.conv(filters, 1)
    cfg.conv(2 * filters)
    cfg.conv(filters, 1)
    cfg.conv(2 * filters)


def yolov3_spp(cfg: Cfg) -> None:
    """YOLOv3 with a spatial pyramid of pools."""
    yolov3(cfg, pyramid=True)


def yolov3_tiny(cfg: Cfg) -> None:
    """Heads at two sizes."""
    for filters in (16, 32, 64, 128, 256):
        cfg.conv(filters)
        cfg.maxpool()
    cfg.conv(512)
    cfg.maxpool(2, 1)
    cfg.conv(1024)
    cfg.conv(256, 1)
    cfg.conv(512)
    cfg.yolo("3,4,5", ANCHORS_TINY, 6)
    cfg.route(-4)
    cfg.conv(128, 1)
    cfg.upsample()
    cfg.route(-1, 8)
    cfg.conv(256)
    cfg.yolo("0,1,2", ANCHORS_TINY, 6)


NETWORKS = {
    "yolov2": yolov2,
    "yolov2-tiny": yolov2_tiny,
    "yolov3": yolov3,
    "yolov3-tiny": yolov3_tiny,
    "yolov3-spp": yolov3_spp,
}


def network(name: str, size: int, classes: int = 80, share: float = 1.0) -> Cfg:
    """The one of this name, for pictures of `size` pixels in both directions."""
    cfg = Cfg(size, size, classes, share)
    NETWORKS[name](cfg)
    return cfg


def weights(cfg: Cfg) -> Iterator[bytes]:
    """The weights file, piece by piece: numbers by chance that keep the scale of what they are given."""
    random = np.random.default_rng(5)

    def numbers(low: float, high: float, count: int) -> bytes:
        return bytes(random.uniform(low, high, count).astype("<f4").tobytes())

    yield struct.pack("<3iq", 0, 2, 0, 64)
    for layer in cfg.convolutions:
        count = layer.filters
        yield numbers(-0.2, 0.2, count)  # what is added
        if layer.normalised:
            yield numbers(0.8 * layer.gain, 1.2 * layer.gain, count)  # factors
            yield numbers(-0.2, 0.2, count) + numbers(0.7, 1.3, count)  # means, variances
        spread = np.sqrt(2 / (layer.inputs * layer.size**2))
        filters: NDArray[Any] = random.standard_normal((count, layer.inputs * layer.size**2), np.float32)
        yield (filters * np.float32(spread)).astype("<f4").tobytes()


def picture(size: int) -> NDArray[np.float32]:
    """[1, 3, size, size], in [0, 1)."""
    return np.random.default_rng(size).random((1, 3, size, size), np.float32)
