"""Networks in the style of the well-known ones, small, with random weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ConvNorm(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, size: int = 3, act: type[nn.Module] = nn.ReLU, **more: int):
        more.setdefault("padding", size // 2)
        conv = nn.Conv2d(inputs, outputs, size, bias=False, **more)
        super().__init__(conv, nn.BatchNorm2d(outputs), act())


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs, 3, stride=stride)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x
        if self.downsample is not None:
            identity = self.downsample(x)
        out = self.bn2(self.conv2(self.conv1(x)))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, 8, 7, stride=2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Residual(8, 8, 1), Residual(8, 8, 1))
        self.layer2 = nn.Sequential(Residual(8, 16, 2), Residual(16, 16, 1))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer2(self.layer1(self.maxpool(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Inverted(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expand: int, squeeze: bool):
        super().__init__()
        inner = inputs * expand
        self.use_res_connect = stride == 1 and inputs == outputs
        self.expand = ConvNorm(inputs, inner, 1, nn.Hardswish)
        self.depthwise = ConvNorm(inner, inner, 3, nn.ReLU6, stride=stride, groups=inner)
        self.fc1 = nn.Conv2d(inner, 4, 1)
        self.fc2 = nn.Conv2d(4, inner, 1)
        self.squeeze = squeeze
        self.project = nn.Sequential(nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.depthwise(self.expand(x))
        if self.squeeze:
            scale = F.relu(self.fc1(F.adaptive_avg_pool2d(y, 1)))
            y = y * F.hardsigmoid(self.fc2(scale))
        y = self.project(y)
        return x + y if self.use_res_connect else y


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNorm(3, 8, 3, nn.Hardswish, stride=2),
            Inverted(8, 8, 1, 2, False),
            Inverted(8, 12, 2, 3, True),
            Inverted(12, 12, 1, 3, True),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(12, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class Dense(nn.Module):
    def __init__(self, inputs: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4, 3, padding=1)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        return self.conv1(F.relu(self.norm1(torch.cat(features, 1))))


class DenseNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv0 = ConvNorm(3, 8, 3, stride=2)
        self.block = nn.ModuleList([Dense(8 + 4 * number) for number in range(4)])
        self.transition = nn.Sequential(nn.Conv2d(24, 12, 1), nn.AvgPool2d(2, 2))
        self.classifier = nn.Linear(12, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [self.conv0(x)]
        for layer in self.block:
            features.append(layer(features))
        x = self.transition(torch.cat(features, 1))
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 8, 3, stride=2)
        self.branch1x1 = ConvNorm(8, 4, 1)
        self.branch7x7 = nn.Sequential(ConvNorm(8, 4, 1), nn.Conv2d(4, 4, (1, 7), padding=(0, 3)))
        self.branch_pool = ConvNorm(8, 4, 1)
        self.aux = nn.Linear(8, 10)
        self.fc = nn.Linear(12, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x)
        pool = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
        y = torch.cat([self.branch1x1(x), self.branch7x7(x), self.branch_pool(pool)], 1)
        return self.fc(y.mean((2, 3))), self.aux(x.mean((2, 3)))


class SqueezeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True))
        self.squeeze = nn.Conv2d(8, 4, 1)
        self.expand1x1 = nn.Conv2d(4, 8, 1)
        self.expand3x3 = nn.Conv2d(4, 8, 3, padding=1)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(16, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.squeeze(self.stem(x)))
        x = torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)
        return torch.flatten(self.classifier(x), 1)


class ShuffleNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvNorm(3, 8, 3, stride=2)
        self.branch = ConvNorm(4, 4, 3, groups=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.conv(x).chunk(2, dim=1)
        x = torch.cat((a, self.branch(b)), dim=1)
        batch, channels, height, width = x.size()
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous()
        return x.view(batch, -1, height, width)


class C3(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.cv1 = ConvNorm(size, size // 2, 1, nn.SiLU)
        self.cv2 = ConvNorm(size, size // 2, 1, nn.SiLU)
        self.m = ConvNorm(size // 2, size // 2, 3, nn.SiLU)
        self.cv3 = ConvNorm(size, size, 1, nn.SiLU)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.cv1(x)
        return self.cv3(torch.cat((y + self.m(y), self.cv2(x)), dim=1))


class Yolo(nn.Module):
    """A detector as YOLOv5 is built: CSP blocks, spatial pyramid, upsampling neck, decoded boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 8, 6, nn.SiLU, stride=2, padding=2)
        self.down = ConvNorm(8, 16, 3, nn.SiLU, stride=2)
        self.c3 = C3(16)
        self.down2 = ConvNorm(16, 16, 3, nn.SiLU, stride=2)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.sppf = ConvNorm(64, 16, 1, nn.SiLU)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.neck = C3(32)
        self.heads = nn.ModuleList([nn.Conv2d(32, 21, 1), nn.Conv2d(16, 21, 1)])
        self.register_buffer("anchors", torch.rand(2, 3, 2) * 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        small = self.c3(self.down(self.stem(x)))
        deep = self.down2(small)
        pools = [deep]
        for _ in range(3):
            pools.append(self.pool(pools[-1]))
        deep = self.sppf(torch.cat(pools, 1))
        maps = [self.neck(torch.cat([self.up(deep), small], 1)), deep]
        found = []
        for number, head in enumerate(self.heads):
            y = head(maps[number])
            batch, _, height, width = y.shape
            y = y.view(batch, 3, 7, height, width).permute(0, 1, 3, 4, 2).contiguous()
            rows, columns = torch.meshgrid(
                torch.arange(height, device=y.device), torch.arange(width, device=y.device), indexing="ij"
            )
            grid = torch.stack((columns, rows), 2).expand(1, 3, height, width, 2).to(y.dtype) - 0.5
            y = y.sigmoid()
            stride = float(x.shape[2]) / height
            xy = (y[..., 0:2] * 2 + grid) * stride
            wh = (y[..., 2:4] * 2) ** 2 * self.anchors[number].view(1, 3, 1, 1, 2)
            found.append(torch.cat((xy, wh, y[..., 4:]), 4).view(batch, -1, 7))
        return torch.cat(found, 1)


class VisionTransformer(nn.Module):
    """As torchvision's: nn.MultiheadAttention in encoder blocks, a class token, positions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(3, 16, 8, 8)
        self.class_token = nn.Parameter(torch.rand(1, 1, 16))
        self.pos_embedding = nn.Parameter(torch.rand(1, 17, 16))
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu", norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.class_token.expand(x.size(0), -1, -1), x], dim=1) + self.pos_embedding
        return self.head(self.encoder(x)[:, 0])


class Bert(nn.Module):
    """Word and position embeddings, attention under a mask of integers, a pooler; two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(50, 16, padding_idx=0)
        self.position_embeddings = nn.Embedding(20, 16)
        self.register_buffer("position_ids", torch.arange(20).expand((1, -1)))
        self.LayerNorm = nn.LayerNorm(16, eps=1e-12)
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.dense = nn.Linear(16, 16)
        self.pooler = nn.Linear(16, 16)

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.size(0), x.size(1), 4, 4).permute(0, 2, 1, 3)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        positions = self.position_ids[:, : input_ids.size(1)]
        x = self.LayerNorm(self.word_embeddings(input_ids) + self.position_embeddings(positions))
        mask = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -10000.0
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        scores = torch.matmul(q, k.transpose(-1, -2)) / 2.0 + mask
        y = torch.matmul(scores.softmax(dim=-1), v).permute(0, 2, 1, 3).contiguous()
        x = self.LayerNorm(x + self.dense(y.view(x.size(0), x.size(1), 16)))
        return {"last_hidden_state": x, "pooler_output": torch.tanh(self.pooler(x[:, 0]))}
