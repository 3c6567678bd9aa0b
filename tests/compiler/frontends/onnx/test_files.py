"""Finding and parsing the model file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import helper

from tinsmith.compiler.frontends.onnx.files import find_model
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError


@pytest.fixture
def content(make: Callable[..., onnx.ModelProto]) -> bytes:
    model = make([helper.make_node("Relu", ["x"], ["y"])], {"x": [3]}, ["y"])
    return bytes(model.SerializeToString())


def test_other_files_do_not_matter(content: bytes, read_model: Callable[..., Network]) -> None:
    files = {
        "a/b/Net.ONNX": content,
        "code/x.onnx": b"",
        "labels.txt": b"",
        ".x.onnx": b"",
        "__MACOSX/m.onnx": b"",
    }
    assert read_model(files).files == ("a/b/Net.ONNX",)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, "found no file at all"),
        ({"model.pb": b"x", "code/model.onnx": b"x"}, "found none among: model.pb"),
        ({"b.onnx": b"x", "a/a.onnx": b"x"}, "found 2: a/a.onnx, b.onnx"),
    ],
)
def test_none_or_several(
    problems: Callable[..., tuple[str, ...]], files: dict[str, bytes], found: str
) -> None:
    assert problems(files) == (f"Exactly one .onnx file is allowed for ONNX models; {found}.",)


def test_a_link_is_no_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "outside").write_bytes(content)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "model.onnx").symlink_to(tmp_path / "outside")
    with pytest.raises(ClientError, match="found no file at all"):
        find_model(tmp_path / "in")


def test_a_file_too_large_for_protobuf(tmp_path: Path, problems: Callable[..., tuple[str, ...]]) -> None:
    from tinsmith.compiler.frontends.onnx.files import parse

    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(ClientError, match=r"2147483648 bytes, at most 2147483647 .* external data"):
        parse(path, "model.onnx")


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (b"", "no ONNX model: the file holds no graph"),
        (b"not protobuf at all", "no ONNX model, or one that was cut or damaged"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"\x08\x0a", "no ONNX model: the file holds no graph"),
    ],
)
def test_what_is_no_model(problems: Callable[..., tuple[str, ...]], damaged: bytes, words: str) -> None:
    (problem,) = problems(damaged)
    assert problem.startswith(f"model.onnx: {words}")


def test_a_cut_model(problems: Callable[..., tuple[str, ...]], content: bytes) -> None:
    for size in range(1, len(content) - 1, 7):
        assert problems(content[:size])[0].startswith("model.onnx: ")


def test_a_name_that_is_no_text(problems: Callable[..., tuple[str, ...]], content: bytes) -> None:
    (problem,) = problems(content.replace(b"Relu", b"Re\xe5u"))
    assert problem == "model.onnx: damaged: a name in the protobuf message is no UTF-8 text"


def test_versions_that_are_not_known(
    make: Callable[..., onnx.ModelProto], problems: Callable[..., tuple[str, ...]]
) -> None:
    newest, newest_ml = onnx.defs.onnx_opset_version(), onnx.defs.onnx_ml_opset_version()
    function = helper.make_function("f", "F", [], [], [], [])
    model = make([], {"x": [3]}, ["x"], opset=newest + 1, functions=[function], ai_onnx_ml=0, other=99)
    model.ir_version = 99
    assert problems(model) == (
        f"model.onnx: Incompatible ONNX model: ir_version is 99, expected 3 to {onnx.IR_VERSION}",
        f"model.onnx: Incompatible ONNX model: the model: opset_import of ai.onnx is {newest + 1}, "
        f"expected at most {newest}",
        "model.onnx: Incompatible ONNX model: the model: opset_import of ai.onnx.ml is 0, "
        f"expected at most {newest_ml}",
        "model.onnx: function 'F': opset_import is empty, expected the version of ai.onnx",
    )
