"""A detector as YOLOv5 is built: CSP blocks with SiLU, a fast pyramid of pools, a neck that goes up and down,
and a head that decodes boxes of three sizes of grids, joined."""

from __future__ import annotations

import torch
from torch import nn

ANCHORS = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))
STRIDES = (8, 16, 32)


class Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int, size: int = 1, stride: int = 1, padding: int | None = None):
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, size, stride, size // 2 if padding is None else padding, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, shortcut: bool):
        super().__init__()
        self.cv1 = Conv(channels, channels, 1)
        self.cv2 = Conv(channels, channels, 3)
        self.add = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3(nn.Module):
    def __init__(self, inputs: int, outputs: int, depth: int, shortcut: bool = True):
        super().__init__()
        inner = outputs // 2
        self.cv1, self.cv2 = Conv(inputs, inner), Conv(inputs, inner)
        self.cv3 = Conv(2 * inner, outputs)
        self.m = nn.Sequential(*(Bottleneck(inner, shortcut) for _ in range(depth)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    def __init__(self, channels: int, size: int = 5):
        super().__init__()
        self.cv1, self.cv2 = Conv(channels, channels // 2), Conv(channels * 2, channels)
        self.m = nn.MaxPool2d(size, 1, size // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.cv1(x)
        y = self.m(x)
        z = self.m(y)
        return self.cv2(torch.cat((x, y, z, self.m(z)), 1))


class Detect(nn.Module):
    """Boxes in pixels (centre, size), objectness and classes, of every anchor of every place."""

    def __init__(self, channels: tuple[int, ...], classes: int):
        super().__init__()
        self.numbers = classes + 5
        self.m = nn.ModuleList(nn.Conv2d(each, 3 * self.numbers, 1) for each in channels)
        self.register_buffer("anchors", torch.tensor(ANCHORS, dtype=torch.float32).view(3, 1, 3, 1, 1, 2))
        self.register_buffer("stride", torch.tensor(STRIDES, dtype=torch.float32))

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        found: list[torch.Tensor] = []
        for index, layer in enumerate(self.m):
            y = layer(maps[index])
            batch, _, rows, columns = y.shape
            y = y.view(batch, 3, self.numbers, rows, columns).permute(0, 1, 3, 4, 2).contiguous()
            steps_y, steps_x = torch.arange(rows, dtype=y.dtype), torch.arange(columns, dtype=y.dtype)
            grid_y, grid_x = torch.meshgrid(steps_y, steps_x, indexing="ij")
            grid = torch.stack((grid_x, grid_y), 2).expand(1, 3, rows, columns, 2) - 0.5
            xy, wh, scores = y.sigmoid().split((2, 2, self.numbers - 4), 4)
            xy = (xy * 2 + grid) * self.stride[index]
            wh = (wh * 2) ** 2 * self.anchors[index]
            found.append(torch.cat((xy, wh, scores), 4).view(batch, -1, self.numbers))
        return torch.cat(found, 1)


class YoloV5(nn.Module):
    """`width` is that of the first layer; 32 is YOLOv5 s."""

    def __init__(self, width: int = 32, classes: int = 80):
        super().__init__()
        a, b, c, d, e = (width * 2**power for power in range(5))
        self.stem = nn.Sequential(
            Conv(3, a, 6, 2, 2), Conv(a, b, 3, 2), C3(b, b, 1), Conv(b, c, 3, 2), C3(c, c, 2)
        )
        self.middle = nn.Sequential(Conv(c, d, 3, 2), C3(d, d, 3))
        self.deep = nn.Sequential(Conv(d, e, 3, 2), C3(e, e, 1), SPPF(e))
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.lateral_d, self.top_d = Conv(e, d), C3(2 * d, d, 1, False)
        self.lateral_c, self.top_c = Conv(d, c), C3(2 * c, c, 1, False)
        self.down_c, self.bottom_d = Conv(c, c, 3, 2), C3(2 * c, d, 1, False)
        self.down_d, self.bottom_e = Conv(d, d, 3, 2), C3(2 * d, e, 1, False)
        self.detect = Detect((c, d, e), classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.stem(x)
        middle = self.middle(fine)
        e = self.lateral_d(self.deep(middle))
        d = self.lateral_c(self.top_d(torch.cat((self.up(e), middle), 1)))
        small = self.top_c(torch.cat((self.up(d), fine), 1))
        medium = self.bottom_d(torch.cat((self.down_c(small), d), 1))
        large = self.bottom_e(torch.cat((self.down_d(medium), e), 1))
        return self.detect([small, medium, large])
