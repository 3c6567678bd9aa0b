from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tinsmith_runtime import ArtifactError, Manifest
from tinsmith_runtime.artifact import read_manifest, unpack


def test_reads_manifest_of_tarball_and_folder(
    make_artifact: Callable[..., Path], folder: Path, manifest: Manifest
) -> None:
    assert read_manifest(make_artifact()) == manifest
    assert read_manifest(folder) == manifest


def test_reads_archives_that_were_packed_by_hand(
    make_artifact: Callable[..., Path], manifest: Manifest, tmp_path: Path, library: bytes
) -> None:
    path = make_artifact(prefix="./")
    assert read_manifest(path) == manifest
    found, unpacked = unpack(path, tmp_path)
    assert found == manifest
    assert unpacked.read_bytes() == library


def test_library_cannot_leave_the_folder(
    make_artifact: Callable[..., Path], manifest: Manifest, tmp_path: Path
) -> None:
    text = manifest.to_json().replace('"compiled.so"', '"../../escaped.so"')
    path = make_artifact(files={"libdlr.so": b"y", "../../escaped.so": b"x", "manifest": text.encode()})
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert unpack(path, inner)[1] == inner / "compiled.so"
    assert [found.read_bytes() for found in inner.iterdir()] == [b"x"]
    assert not (tmp_path / "escaped.so").exists()


def test_names_the_missing_library(
    make_artifact: Callable[..., Path], manifest: Manifest, tmp_path: Path
) -> None:
    path = make_artifact(files={"manifest": manifest.to_json().encode()})
    with pytest.raises(ArtifactError, match=r"no file named 'compiled\.so' inside"):
        unpack(path, tmp_path)


def test_names_the_missing_manifest(make_artifact: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="inside; not a compiled artifact"):
        read_manifest(make_artifact(files={"model.bin": b""}))
    with pytest.raises(ArtifactError, match="no file named 'manifest'; not a compiled artifact"):
        read_manifest(tmp_path)


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file or folder"):
        read_manifest(tmp_path / "nothing.tar.gz")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00 no deflate", b"\x1f\x8b"])
def test_refuses_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.tar\.gz"):
        read_manifest(path)


def test_refuses_archives_cut_anywhere(make_artifact: Callable[..., Path], tmp_path: Path) -> None:
    path = make_artifact()
    whole = path.read_bytes()
    for length in range(0, len(whole) - 8, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError):
            unpack(path, tmp_path)


def test_refuses_archives_with_any_other_content(
    make_artifact: Callable[..., Path], manifest: Manifest, library: bytes, tmp_path: Path
) -> None:
    path = make_artifact()
    whole = path.read_bytes()
    refused = 0
    for place in range(24, len(whole), 7):  # before it: the gzip header with the time and a name
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found, unpacked = unpack(path, tmp_path)
        except ArtifactError:
            refused += 1
        else:  # another way to compress the same
            assert (found, unpacked.read_bytes()) == (manifest, library)
    assert refused > 100


def test_names_what_cannot_be_written(make_artifact: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"No such file or directory: '.*nowhere"):
        unpack(make_artifact(), tmp_path / "nowhere")
