"""Files that customers hand in and that are not compiled, made with PyTorch."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import nn
from torch.utils import _pytree as pytree

from . import architectures as nets


class Counting(nn.Module):
    """Keeps state."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.seen = torch.zeros(2)

    def forward(self, x: torch.Tensor, step: int) -> torch.Tensor:
        self.count += step
        self.seen = x + self.seen
        return self.seen * self.count


class Exotic(nn.Module):
    """Operators that ONNX has no word for, in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 4), Determinant())
        self.second = Bessel()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


class Determinant(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvals(x).real


class Bessel(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x) + torch.special.bessel_j0(x + 1)


class Searching(nn.Module):
    """Returns from within a loop."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(x.size(0)):
            if x.sum() > 10:
                return x
            x = x * 2
        return -x


class Result(dict):  # type: ignore[type-arg]
    """As the results of transformers: a class that only the library registers."""


pytree.register_pytree_node(
    Result,
    lambda result: (list(result.values()), list(result)),
    lambda values, keys: Result(zip(keys, values, strict=True)),
    serialized_type_name="library.Result",
)


class Structured(nn.Module):
    def forward(self, x: torch.Tensor) -> Result:
        return Result(logits=x * 2, states=(x + 1, x - 1))


class Quantized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = torch.ao.quantization.QuantStub()
        self.conv = nn.Conv2d(3, 4, 3)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dequant(self.conv(self.quant(x)))


def quantized() -> nn.Module:
    torch.backends.quantized.engine = "qnnpack"
    model = Quantized().eval()
    model.qconfig = torch.ao.quantization.get_default_qconfig("qnnpack")
    torch.ao.quantization.prepare(model, inplace=True)
    model(torch.rand(1, 3, 8, 8))
    torch.ao.quantization.convert(model, inplace=True)
    return model


def edit(source: Path, target: Path, old: bytes, new: bytes, suffix: str = ".py") -> None:
    """A copy of an archive with another text in its code."""
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(target, "w") as edited:
        for name in given.namelist():
            content = given.read(name)
            if name.endswith(suffix):
                content = content.replace(old, new)
            edited.writestr(name, content)


def save(folder: Path) -> None:
    """The files, named after what they are."""
    image = torch.rand(1, 3, 32, 32)
    net = nets.ResNet().eval()
    traced = torch.jit.trace(net, image)
    traced.save(str(folder / "traced.pt"))
    torch.save(net.state_dict(), folder / "state_dict.pth")
    torch.save(net.state_dict(), folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(net, folder / "module.pth")
    torch.save(net, folder / "legacy_module.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "model_state_dict": net.state_dict(), "loss": 0.5}, folder / "checkpoint.pth")
    torch.save(torch.rand(2, 2), folder / "tensor.pt")
    scripted = torch.jit.script(net)
    scripted._save_for_lite_interpreter(str(folder / "mobile.ptl"))
    torch.jit.script(Counting()).save(str(folder / "state.pt"))
    torch.jit.script(Searching()).save(str(folder / "searching.pt"))
    torch.jit.trace(Exotic().eval(), torch.rand(4, 4)).save(str(folder / "exotic.pt"))
    torch.jit.trace(nets.MobileNet().train(), image, check_trace=False).save(str(folder / "training.pt"))
    torch.jit.trace(quantized(), torch.rand(1, 3, 8, 8)).save(str(folder / "quantized.pt"))
    scripted.save(str(folder / "scripted.pt"))
    batch = torch.export.Dim("batch", min=1, max=8)
    embed = nets.Bert().eval()
    ids = torch.ones(2, 7, dtype=torch.int64)
    shapes = {"input_ids": {0: batch}, "attention_mask": {0: batch}}
    torch.export.save(torch.export.export(embed, (ids, ids), dynamic_shapes=shapes), folder / "dynamic.pt2")
    structured = torch.export.export(Structured(), (torch.rand(2, 3),))
    torch.export.save(structured, folder / "structured.pt2")
    torch.jit.trace(embed, (ids, ids), strict=False).save(str(folder / "bert.pt"))
    torch.jit.trace(nets.Yolo().eval(), torch.rand(1, 3, 64, 64)).save(str(folder / "yolo.pt"))
    edit(folder / "yolo.pt", folder / "gpu.pt", b'torch.device("cpu")', b'torch.device("cuda:0")')
    edit(folder / "traced.pt", folder / "newer.pt", b"3", b"99", "/version")
    edit(folder / "traced.pt", folder / "foreign.pt", b"torch.flatten(", b"ops.torchvision.nms(")
