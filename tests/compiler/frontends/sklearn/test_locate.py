"""Which file is the model."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tinsmith.compiler.frontends.sklearn.locate import find_model
from tinsmith.errors import ClientError

PICKLE = pickle.dumps({"a": 1})


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.joblib", "MODEL.PKL", "a/b/model.pickle", "model", "m.bin"]
)
def test_finds_by_suffix_or_content(name: str, tmp_path: Path) -> None:
    others = {
        "code/inference.py": b"import os",
        "code/vectorizer.pkl": PICKLE,
        "__MACOSX/model.pkl": PICKLE,
        ".model.pkl": PICKLE,
        ".git/model.pkl": PICKLE,
        "notes.txt": b"hello",
        "table.csv": b"a,b\n1,2\n",
        "empty": b"",
        "weights.npy": b"\x93NUMPY",
    }
    write(tmp_path, {name: PICKLE, **others})
    assert find_model(tmp_path) == tmp_path / name


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["model.pkl.gz", "model.joblib.z", "model", "model.dat"])
def test_finds_compressed_files(compress: Callable[[bytes], bytes], name: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        {name: compress(PICKLE), "data.csv.gz": gzip.compress(b"a,b\n" * 99), "cut.gz": b"\x1f\x8b\x08"},
    )
    assert find_model(tmp_path) == tmp_path / name


def test_a_text_pickle_is_known_by_its_suffix(tmp_path: Path) -> None:
    write(tmp_path, {"model.pkl": pickle.dumps([1], protocol=0)})
    assert find_model(tmp_path) == tmp_path / "model.pkl"


def test_archives_inside_are_no_models(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("x"))
    write(tmp_path, {"more.tar.gz": inner.getvalue()})
    with pytest.raises(ClientError, match=r"found none among: more\.tar\.gz"):
        find_model(tmp_path)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({}, "found no file at all"),
        ({"code/model.pkl": PICKLE}, "found no file at all"),
        ({"a.txt": b"x", "b/c.onnx": b"\x08\x07"}, "found none among: a.txt, b/c.onnx"),
        ({"one.pkl": PICKLE, "sub/two.joblib": PICKLE, "c.txt": b""}, "found 2: one.pkl, sub/two.joblib"),
        ({f"m{i:02}.pkl": PICKLE for i in range(30)}, "found 30: m00.pkl, .*, m19.pkl$"),
    ],
)
def test_none_or_several(files: dict[str, bytes], text: str, tmp_path: Path) -> None:
    write(tmp_path, files)
    with pytest.raises(ClientError, match=text) as caught:
        find_model(tmp_path)
    assert caught.value.area == "InputConfiguration"


def test_links_are_not_followed_out_of_the_archive(tmp_path: Path) -> None:
    write(tmp_path, {"elsewhere/model.pkl": PICKLE, "in/readme.txt": b"x"})
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ClientError, match=r"found none among: readme\.txt"):
        find_model(tmp_path / "in")
