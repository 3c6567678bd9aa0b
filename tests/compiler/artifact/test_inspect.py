from __future__ import annotations

from pathlib import Path

import pytest

from tinsmith.compiler.artifact.archive import write_archive
from tinsmith.compiler.artifact.inspect import inspect, read_files, unpack
from tinsmith.compiler.artifact.package import Package
from tinsmith.errors import ClientError


def repack(packed: Package, path: Path, **changes: bytes | None) -> Path:
    files = read_files(packed.path) | {name.replace("_", "."): data for name, data in changes.items() if data}
    for name, data in changes.items():
        if data is None:
            del files[name.replace("_", ".")]
    write_archive(files, frozenset(), path)
    return path


def test_an_artifact_is_what_was_packed(packed: Package) -> None:
    inspection = inspect(packed.path)
    assert inspection.digest == packed.digest
    assert inspection.changed == ()
    assert list(inspection.files) == sorted(inspection.files)
    assert inspection.files["compiled.so"] == len(read_files(packed.path)["compiled.so"])
    assert inspection.manifest.name == "model"


def test_finds_what_was_changed_added_or_removed(packed: Package, tmp_path: Path) -> None:
    path = repack(packed, tmp_path / "a.tar.gz", compiled_so=b"another", extra_txt=b"new", dlr_h=None)
    assert inspect(path).changed == ("compiled.so", "dlr.h", "extra.txt")


def test_refuses_what_is_no_artifact(packed: Package, tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    write_archive({"model.json": b"{}"}, frozenset(), path)
    with pytest.raises(ClientError, match="not a compiled artifact"):
        inspect(path)
    with pytest.raises(ClientError, match="no such file"):
        inspect(tmp_path / "nothing.tar.gz")
    path.write_bytes(packed.path.read_bytes()[:-2000])
    with pytest.raises(ClientError, match="damaged"):
        inspect(path)


def test_unpacks_what_is_asked_for(packed: Package, tmp_path: Path) -> None:
    unpack(packed.path, ("compiled.so", "manifest"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"compiled.so", "manifest"}
    assert (tmp_path / "compiled.so").read_bytes() == read_files(packed.path)["compiled.so"]
    write_archive({"manifest": b"{}"}, frozenset(), tmp_path / "a.tar.gz")
    with pytest.raises(ClientError, match=r"lacks libdlr\.so, model\.txt"):
        unpack(tmp_path / "a.tar.gz", ("libdlr.so", "model.txt", "manifest"), tmp_path)
    (tmp_path / "b.tar.gz").write_bytes(packed.path.read_bytes()[:-2000])
    with pytest.raises(ClientError, match="damaged archive"):
        unpack(tmp_path / "b.tar.gz", ("compiled.so", "tinsmith.h"), tmp_path)
