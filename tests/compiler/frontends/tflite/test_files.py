"""Which file is the model, and what is no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.compiler.frontends.tflite.build import one
from tests.compiler.frontends.tflite.cases import x
from tinsmith.compiler.frontends.tflite.files import find_model, parse
from tinsmith.errors import ClientError

MODEL = one("ADD", [x(2), x(2)], [x(2)], ("AddOptions", {})).bytes()
Write = Callable[[Mapping[str, bytes]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(files)`: a folder with these files."""

    def write_them(files: Mapping[str, bytes]) -> Path:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path

    return write_them


@pytest.mark.parametrize("name", ["model.tflite", "deep/down/MODEL.TFLITE", "model.lite", "weights.bin"])
def test_the_one_model(name: str, write: Write) -> None:
    folder = write({name: MODEL, "labels.txt": b"cat", "code/other.tflite": MODEL, ".hidden.tflite": MODEL})
    assert find_model(folder) == folder / name
    assert len(parse(folder / name, name).subgraphs) == 1


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "found no file at all"),
        ({"a.tflite": MODEL, "b.tflite": MODEL}, "found 2: a.tflite, b.tflite"),
        ({"readme.md": b"no", "x.onnx": b"no"}, "found none among: readme.md, x.onnx"),
    ],
)
def test_none_or_several(files: dict[str, bytes], said: str, write: Write) -> None:
    with pytest.raises(ClientError) as caught:
        find_model(write(files))
    assert str(caught.value) == (
        f"InputConfiguration: Exactly one .tflite file is allowed for TFLite models; {said}."
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file, expected a TFLite model"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, expected the TFLite model"),
        (b"PK\3\4 and more of it", "no TFLite model, or one that was cut or damaged: bytes 4 to 7 are"),
        (MODEL[:40], "no TFLite model, or one that was cut or damaged: an offset leads to byte"),
        (MODEL[:4], "bytes 4 to 7 are b'', expected b'TFL3'"),
    ],
)
def test_what_is_no_model(content: bytes, said: str, write: Write) -> None:
    path = write({"m.tflite": content}) / "m.tflite"
    with pytest.raises(ClientError) as caught:
        parse(path, "m.tflite")
    assert said in str(caught.value)
    assert str(caught.value).startswith("InputConfiguration: m.tflite: ")
