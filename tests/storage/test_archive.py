from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinsmith.errors import ClientError, failure_reason
from tinsmith.storage.archive import ArchiveLimits, extract

RECORDED = (
    "ClientError: InputConfiguration: Unable to untar input model.Please confirm the model is a tar.gz file')"
    "  For further troubleshooting common failures please visit: "
    "https://docs.aws.amazon.com/sagemaker/latest/dg/neo-troubleshooting-compilation.html"
)
FAMILY = "Unable to untar input model.Please confirm the model is a tar.gz file')"

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"x", **fields: object) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar_bytes(*members: Member, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def tarball(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "model.tar.gz"
        path.write_bytes(content)
        return path

    return write


def refusal(tarball: Path, limits: ArchiveLimits | None = None) -> ClientError:
    """The error of extracting `tarball`; nothing may be left and nothing may lie beside the destination."""
    destination = tarball.parent / "jail" / "input"
    with pytest.raises(ClientError) as caught:
        extract(tarball, destination, limits)
    assert caught.value.area == "InputConfiguration"
    assert list(destination.iterdir()) == []
    assert sorted(path.name for path in tarball.parent.iterdir()) == ["jail", tarball.name]
    return caught.value


def tree(root: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in root.rglob("*")
    }


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_plain_archives_of_every_format_are_unpacked(form: int, tarball: Callable[[bytes], Path]) -> None:
    long = "deep/" + "n" * 90 + "/" + "m" * 80 + ".json"
    members = [
        member("./", b"", type=tarfile.DIRTYPE),
        member("./model.json", b"{}" * 700, mode=0o4777, uid=12345, mtime=1),
        member("code/inference.py", b""),
        member(long, b"y" * 512),
        member("ümlaut.bin", b"\0" * 513),
    ]
    path = tarball(gzip.compress(tar_bytes(*members, form=form)))

    result = extract(path, path.parent / "out")

    found = tree(path.parent / "out")
    assert found["model.json"] == b"{}" * 700
    assert found["code/inference.py"] == b""
    assert found[long] == b"y" * 512
    assert found["ümlaut.bin"] == b"\0" * 513
    assert result.files == ("model.json", "code/inference.py", long, "ümlaut.bin")
    assert result.total_bytes == 1400 + 512 + 513
    assert (path.parent / "out" / "model.json").stat().st_mode & 0o7111 == 0


def test_concatenated_gzip_members_and_padding_are_one_stream(tarball: Callable[[bytes], Path]) -> None:
    raw = tar_bytes(member("a", b"1" * 3000), member("b", b"2" * 3000))
    path = tarball(gzip.compress(raw[:1000]) + gzip.compress(raw[1000:]) + b"\0" * 4096)
    extract(path, path.parent / "out")
    assert tree(path.parent / "out") == {"a": b"1" * 3000, "b": b"2" * 3000}


def test_the_recorded_text_for_something_else_entirely(tarball: Callable[[bytes], Path]) -> None:
    assert failure_reason(refusal(tarball(b"a,b,c\n1,2,3\n" * 100))) == RECORDED


def zip_bytes() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.json", "{}")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "The object is empty."),
        (zip_bytes(), "a zip archive"),
        (tar_bytes(member("model.json")), "a tar that is not compressed"),
        (b'{"learner": {}}', "a bare JSON or UBJSON file"),
        (b"\x80\x04\x95" + b"x" * 50, "a bare pickle"),
        (b"binf" + b"\0" * 100, "a bare XGBoost model"),
        (gzip.compress(b"no tar at all"), "It is a gzip file, but holds no intact tar"),
        (gzip.compress(b"z" * 5000), "not an octal number"),
        (b"BZh91AY&SY", "a bzip2 file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_files_are_named_in_the_same_family(
    content: bytes, found: str, tarball: Callable[[bytes], Path]
) -> None:
    text = str(refusal(tarball(content)))
    assert text.startswith(f"InputConfiguration: {FAMILY}")
    assert found in text


@pytest.mark.parametrize(
    ("hostile", "complaint"),
    [
        (member("../../escape"), "'../../escape' climbs out of the archive with '..'"),
        (member("a/../../escape"), "climbs out"),
        (member("a/.."), "climbs out"),
        (member("/etc/cron.d/x"), "has an absolute name"),
        (member("link", b"", type=tarfile.SYMTYPE, linkname="/etc"), "is a symbolic link"),
        (member("hard", b"", type=tarfile.LNKTYPE, linkname="ok"), "is a hard link"),
        (member("null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "is a character device"),
        (member("disk", b"", type=tarfile.BLKTYPE), "is a block device"),
        (member("pipe", b"", type=tarfile.FIFOTYPE), "is a named pipe"),
        (member("odd", b"", type=b"Q"), "is a member of unknown type 'Q'"),
        (member("new\nline"), "control character"),
        (member("back\\slash"), "backslash"),
        (member("dir/."), "has a file name that only a folder can have"),
        (member("n" * 300), "too long"),
        (member("/".join("d" * 40)), "lies 40 folders deep"),
        (member("ok"), "'ok' occurs more than once"),
        (member("OK"), "'OK' and 'ok' are the same name on systems that ignore case"),
        (member("ok/inside"), "'ok' is used both as a file and as a folder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_members_are_refused_by_name(
    hostile: Member, complaint: str, tarball: Callable[[bytes], Path]
) -> None:
    members = [member("ok"), hostile, member("last", type=tarfile.SYMTYPE, data=b"", linkname="x")]
    text = str(refusal(tarball(gzip.compress(tar_bytes(*members)))))
    assert complaint in text
    assert "'last' is a symbolic link" in text, "the later problem must be reported too"


def test_a_link_cannot_be_written_through(tarball: Callable[[bytes], Path]) -> None:
    outside = tarball(b"").parent / "model.tar.gz"
    members = [
        member("dir", b"", type=tarfile.SYMTYPE, linkname=str(outside.parent)),
        member("dir/escape", b"owned"),
    ]
    refusal(tarball(gzip.compress(tar_bytes(*members))))


def test_names_that_are_not_utf8(tarball: Callable[[bytes], Path]) -> None:
    raw = bytearray(tar_bytes(member("name"), form=tarfile.USTAR_FORMAT))
    raw[:4] = b"n\xff\xfem"
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    assert "not UTF-8" in str(refusal(tarball(gzip.compress(bytes(raw)))))


def test_a_header_that_does_not_match_its_checksum(tarball: Callable[[bytes], Path]) -> None:
    raw = bytearray(tar_bytes(member("first"), member("second"), form=tarfile.USTAR_FORMAT))
    raw[1024] ^= 1
    assert "a member header has a wrong checksum" in str(refusal(tarball(gzip.compress(bytes(raw)))))


def test_a_sparse_file_is_refused(tarball: Callable[[bytes], Path]) -> None:
    pax = {"GNU.sparse.major": "1", "GNU.sparse.realsize": str(1 << 50)}
    raw = tar_bytes(member("hole", b"\0" * 512, pax_headers=pax))
    assert "'hole' is a sparse file" in str(refusal(tarball(gzip.compress(raw))))


def test_many_problems_are_listed_and_counted(tarball: Callable[[bytes], Path]) -> None:
    members = [member(f"../{number}") for number in range(50)]
    error = refusal(tarball(gzip.compress(tar_bytes(*members))))
    assert len(error.problems) == 21
    assert error.problems[-1] == "and 30 more problems"


def test_no_files(tarball: Callable[[bytes], Path]) -> None:
    raw = tar_bytes(member("dir", b"", type=tarfile.DIRTYPE))
    assert "holds no files" in str(refusal(tarball(gzip.compress(raw))))
    assert "holds no files" in str(refusal(tarball(gzip.compress(b"\0" * 10240))))


def bomb(name: str, size: int) -> bytes:
    """A gzip'd tar of one file of zeros, `size` bytes, made without holding it."""
    info = tarfile.TarInfo(name)
    info.size = size
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(info.tobuf())]
    block = b"\0" * (1 << 20)
    parts += [packer.compress(block) for _ in range(size >> 20)]
    return b"".join([*parts, packer.compress(b"\0" * 1024), packer.flush()])


def test_a_gzip_bomb_is_stopped_early(tarball: Callable[[bytes], Path]) -> None:
    content = bomb("model.json", 256 << 20)
    assert len(content) < 300_000
    limits = ArchiveLimits(ratio_floor=8 << 20)
    assert "looks like a decompression bomb" in str(refusal(tarball(content), limits))


def test_the_size_budget_holds_whatever_the_ratio(tarball: Callable[[bytes], Path]) -> None:
    content = bomb("model.json", 32 << 20)
    assert "claims 33554432 bytes" in str(refusal(tarball(content), ArchiveLimits(total_bytes=16 << 20)))
    halves = gzip.compress(tar_bytes(member("a", b"\0" * (1 << 20)), member("b", b"\0" * (1 << 20))))
    text = str(refusal(tarball(halves), ArchiveLimits(total_bytes=3 << 19)))
    assert "unpacks to more than 1572864 bytes" in text


def test_zeros_after_the_end_mark_count_too(tarball: Callable[[bytes], Path]) -> None:
    raw = tar_bytes(member("a")) + b"\0" * (4 << 20)
    assert "unpacks to more" in str(refusal(tarball(gzip.compress(raw)), ArchiveLimits(total_bytes=1 << 20)))


@pytest.mark.parametrize("claim", [2 << 30, 1 << 40, 1 << 70])
def test_a_claimed_size_is_not_believed(claim: int, tarball: Callable[[bytes], Path]) -> None:
    info = tarfile.TarInfo("model.json")
    info.size = claim
    raw = info.tobuf(format=tarfile.GNU_FORMAT) + b"tiny".ljust(512, b"\0")
    text = str(refusal(tarball(gzip.compress(raw))))
    assert f"claims {claim} bytes" in text


def test_an_extended_header_cannot_claim_memory(tarball: Callable[[bytes], Path]) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    info.size = 1 << 31
    text = str(refusal(tarball(gzip.compress(info.tobuf() + b"\0" * 512))))
    assert "an extended header claims 2147483648 bytes" in text


@pytest.mark.parametrize(
    "record", [b"", b"7 path=a", b"99 path=a\n", b"path=a\n", b"10 path=a\n x", b"0 a=b\n", b"12 nothing\n"]
)
def test_malformed_extended_headers(record: bytes, tarball: Callable[[bytes], Path]) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    info.size = len(record)
    raw = info.tobuf() + record.ljust(-(-len(record) // 512) * 512, b"\0") + b"\0" * 1024
    text = str(refusal(tarball(gzip.compress(raw))))
    assert FAMILY in text or record == b""


def test_member_budget(tarball: Callable[[bytes], Path]) -> None:
    content = gzip.compress(tar_bytes(*[member(f"f{number}") for number in range(30)]))
    assert "more than 29 members" in str(refusal(tarball(content), ArchiveLimits(members=29)))
    extract(tarball(content), tarball(content).parent / "out", ArchiveLimits(members=30))


def test_the_destination_must_be_empty(tarball: Callable[[bytes], Path]) -> None:
    path = tarball(gzip.compress(tar_bytes(member("a"))))
    (path.parent / "out").mkdir()
    (path.parent / "out" / "mine").write_text("keep")
    with pytest.raises(FileExistsError):
        extract(path, path.parent / "out")
    assert (path.parent / "out" / "mine").read_text() == "keep"


GOOD = gzip.compress(
    tar_bytes(member("model.json", bytes(range(256)) * 8), member("d/b", b"b" * 600)), mtime=0
)


@pytest.mark.parametrize("length", [*range(40), len(GOOD) // 2, len(GOOD) - 9, len(GOOD) - 1])
def test_truncated_archives(length: int, tarball: Callable[[bytes], Path]) -> None:
    assert FAMILY in str(refusal(tarball(GOOD[:length])))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(GOOD) * 8 - 1))
def test_a_flipped_bit_never_changes_a_file(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    damaged = bytearray(GOOD)
    damaged[bit // 8] ^= 1 << bit % 8
    folder = tmp_path_factory.mktemp("flip")
    (folder / "m").write_bytes(damaged)
    try:
        extract(folder / "m", folder / "out")
    except ClientError:
        assert tree(folder / "out") == {}
    else:
        assert tree(folder / "out") == {"model.json": bytes(range(256)) * 8, "d": None, "d/b": b"b" * 600}


RAW = gzip.decompress(GOOD)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1023), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_damaged_headers_never_crash_or_escape(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], sealed: bool
) -> None:
    """Intact gzip around a damaged tar; `sealed` recomputes the first header's checksum over the damage."""
    raw = bytearray(RAW)
    for place, value in changes:
        raw[place] = value
    if sealed:
        raw[148:156] = b" " * 8
        raw[148:156] = b"%06o\0 " % sum(raw[:512])
    folder = tmp_path_factory.mktemp("headers")
    (folder / "m").write_bytes(gzip.compress(bytes(raw), 1))
    try:
        extract(folder / "m", folder / "out", ArchiveLimits(total_bytes=1 << 20))
    except ClientError:
        assert tree(folder / "out") == {}
    assert sorted(path.name for path in folder.iterdir()) == ["m", "out"]


NAMES = st.lists(
    st.text(
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1, max_size=20
    ),
    min_size=1,
    max_size=4,
).map("/".join)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=2000), min_size=1, max_size=6))
def test_agrees_with_pythons_tarfile(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("oracle")
    content = gzip.compress(tar_bytes(*[member(name, data) for name, data in files.items()]), 1)
    (folder / "m").write_bytes(content)
    try:
        result = extract(folder / "m", folder / "ours")
    except ClientError:
        return
    with tarfile.open(folder / "m") as tar:
        tar.extractall(folder / "theirs", filter="data")
    assert tree(folder / "ours") == tree(folder / "theirs")
    assert len(result.files) == len(files)
