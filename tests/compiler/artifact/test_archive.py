from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinsmith.compiler.artifact.archive import Content, file_digest, write_archive

NAMES = st.text(
    st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=150
)


def members(path: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        return archive.getmembers()


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAMES.filter(lambda name: name not in (".", "..")), st.binary(max_size=3000)))
def test_holds_what_was_put_in(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    path = tmp_path_factory.mktemp("archive") / "a.tar.gz"
    write_archive(files, frozenset(), path)
    with tarfile.open(path) as archive:
        found = {}
        for member in archive:
            source = archive.extractfile(member)
            assert source is not None
            found[member.name] = source.read()
    assert found == files


def test_same_files_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    digests = set()
    for number, mode in enumerate((0o600, 0o777)):
        source.unlink(missing_ok=True)
        source.write_bytes(b"content")
        source.chmod(mode)
        os.utime(source, (number * 10**9, number * 10**9))
        names = ["b", "a", "c/d"] if number else ["c/d", "a", "b"]
        files: dict[str, Content] = dict.fromkeys(names, source)
        path = tmp_path / f"name-{number}.tar.gz"
        write_archive(files, frozenset({"a"}), path)
        digests.add(file_digest(path))
    assert len(digests) == 1


def test_says_nothing_of_place_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    write_archive({"z": b"1", "a/b": b"2", "m": b"3"}, frozenset({"m"}), path)
    assert path.read_bytes()[:10] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
    found = members(path)
    assert [member.name for member in found] == ["a/b", "m", "z"]
    assert [member.mode for member in found] == [0o644, 0o755, 0o644]
    for member in found:
        assert (member.uid, member.gid, member.mtime, member.uname, member.gname) == (0, 0, 0, "", "")


def test_other_programs_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    content = os.urandom(3 << 20) + bytes(1 << 20)
    write_archive({"big": content}, frozenset(), path)
    assert subprocess.run(["tar", "-xzOf", path, "big"], capture_output=True, check=True).stdout == content
    gzip.decompress(path.read_bytes())


def test_digest_is_blake2b_512(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 10**6)
    assert file_digest(path) == file_digest(b"abc" * 10**6) == hashlib.blake2b(b"abc" * 10**6).hexdigest()
    assert file_digest(b"").startswith("786a02f7")
    assert len(file_digest(b"")) == 128


def test_weights_are_stored_and_text_is_compressed(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).standard_normal(2 << 20).astype(np.float32).tobytes()
    words = b"the same words over and over " * 100_000
    sizes = {}
    for name, content in (("weights", weights), ("words", words), ("both", weights + words)):
        path = tmp_path / f"{name}.tar.gz"
        write_archive({name: content}, frozenset(), path)
        sizes[name] = path.stat().st_size
        with tarfile.open(path) as archive:
            source = archive.extractfile(name)
            assert source is not None
            assert source.read() == content
    assert len(weights) < sizes["weights"] < 1.001 * len(weights) + 20_000
    assert sizes["words"] < len(words) / 20
    assert sizes["both"] < sizes["weights"] + sizes["words"] + (1 << 20)


def test_bytes_do_not_depend_on_the_number_of_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(3 << 20) + os.urandom(3 << 20) + b"abc" * (1 << 20)
    digests = set()
    for count in (1, 7):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, count=count: set(range(count)))
        write_archive({"a": content}, frozenset(), tmp_path / "a.tar.gz")
        digests.add(file_digest(tmp_path / "a.tar.gz"))
    assert len(digests) == 1
