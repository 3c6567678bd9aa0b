"""What is not compiled is told by its content, without PyTorch; and nothing in a damaged file hurts."""

from __future__ import annotations

import io
import pickle
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.compiler.frontends.pytorch.conftest import Zoo
from tinsmith.compiler.frontends.pytorch.archive import open_archive
from tinsmith.compiler.frontends.pytorch.traced import TracedInput
from tinsmith.errors import ClientError

MUTATIONS = 300


def refused(path: Path) -> str:
    with pytest.raises(ClientError) as caught:
        open_archive(path, path.name)
    assert caught.value.area == "InputConfiguration"
    return str(caught.value)


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


def test_what_is_compiled(zoo: Zoo) -> None:
    traced = open_archive(zoo.folder / "traced.pt", "traced.pt")
    assert (traced.kind, traced.inputs) == ("torchscript", (TracedInput("float32", (1, 3, 32, 32)),))
    scripted = open_archive(zoo.folder / "scripted.pt", "scripted.pt")
    assert (scripted.kind, scripted.inputs) == ("torchscript", None)
    assert open_archive(zoo.folder / "dynamic.pt2", "dynamic.pt2").kind == "program"
    assert open_archive(zoo.folder / "mobile.ptl", "mobile.ptl").kind == "torchscript"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("state_dict.pth", "a state_dict of "),
        ("legacy.pth", "a state_dict of "),
        ("module.pth", "a pickled module of the class zoo.architectures.ResNet"),
        ("legacy_module.pth", "a pickled module of the class zoo.architectures.ResNet"),
        (
            "checkpoint.pth",
            "with the keys 'epoch', 'model_state_dict', 'loss'; under 'model_state_dict': a state_",
        ),
        ("tensor.pt", "a pickled tensor"),
    ],
)
def test_weights_without_code(zoo: Zoo, name: str, text: str) -> None:
    said = refused(zoo.folder / name)
    assert text in said
    assert f"model.load_state_dict(torch.load({name!r}))" in said
    assert "torch.jit.trace(model.eval(), example).save('model.pth')" in said


def test_other_archives(tmp_path: Path) -> None:
    served = zipped(
        tmp_path / "m.mar",
        **{"MAR-INF__MANIFEST.json": b'{"model": {"serializedFile": "net.pt"}}', "net.pt": b""},
    )
    assert "an archive of TorchServe: hand in net.pt from it" in refused(served)
    mobile = zipped(tmp_path / "m.ptl", m__bytecode__pkl=b"", **{"m__bytecode.pkl": b"", "m__data.pkl": b""})
    assert "a mobile module" in refused(mobile)
    assert "a zip archive that PyTorch did not save (a.txt)" in refused(
        zipped(tmp_path / "z.pt", **{"a.txt": b"x"})
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(64), "a TFLite model"),
        (b"\x40\x00\x00\x00\x00\x00\x00\x00" + b'{"a":{}}' + bytes(99), "weights in the safetensors format"),
        (pickle.dumps([1, 2]), "a pickled list"),
        (b"no model at all", "no file of PyTorch, or one that was cut or damaged"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    assert text in refused(tmp_path / "model.pt")


def test_the_format_of_pytorch_0_1(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "old.pth", "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert "tensors in the format of PyTorch 0.1" in refused(tmp_path / "old.pth")


@pytest.mark.parametrize("name", ["traced.pt", "legacy.pth", "module.pth", "dynamic.pt2"])
def test_damaged_files(zoo: Zoo, tmp_path: Path, name: str) -> None:
    """Bytes that no checksum covers, such as dates and padding, may change without harm."""
    whole = (zoo.folder / name).read_bytes()
    chance = random.Random(name)
    path = tmp_path / name
    ends = []
    for number in range(MUTATIONS // 4):
        data = bytearray(whole)
        if number % 3 == 0:
            del data[chance.randrange(len(data)) :]
        elif number % 3 == 1:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        else:
            start = chance.randrange(len(data))
            data[start : start + 40] = chance.randbytes(40)
        path.write_bytes(data)
        try:
            open_archive(path, name)
        except ClientError as error:
            ends.append(error.area)
    assert set(ends) == {"InputConfiguration"}
    assert len(ends) > MUTATIONS // 8
