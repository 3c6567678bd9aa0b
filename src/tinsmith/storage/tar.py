"""A tar reader for hostile bytes: headers in, entries out, nothing believed.

Python's `tarfile` reads extended headers of any claimed length into memory and forgives damage; this one
bounds every claim and forgives nothing. Formats: v7, ustar, pax and GNU long names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

BLOCK = 512
MAX_EXTENDED_HEADER = 64 << 10
"""Bytes of one pax or GNU long-name record: names are refused at a fraction of that anyway."""

KINDS = {
    b"0": "file", b"\0": "file", b"7": "file", b"1": "hard link", b"2": "symbolic link",
    b"3": "character device", b"4": "block device", b"5": "directory", b"6": "named pipe",
    b"S": "sparse file",
}  # fmt: skip
WITHOUT_DATA = {"hard link", "symbolic link", "character device", "block device", "directory", "named pipe"}
"""Their size field may be anything; no data follows."""


class DamagedTar(Exception):
    """The bytes are no intact tar; the text says where and why."""


@dataclass(frozen=True)
class Entry:
    """One member as its headers describe it; none of it is validated."""

    name: bytes
    kind: str
    """A value of KINDS, or "member of unknown type 'x'"."""
    size: int
    """Bytes of data that follow, as claimed."""


def entries(read: Callable[[int], bytes]) -> Iterator[Entry]:
    """The members of the tar that `read(n)` gives (exactly n bytes, fewer only at its end).

    The caller must have read exactly `padded(entry.size)` bytes of data before it asks for the next entry.
    """
    long_name: bytes | None = None
    pax: dict[bytes, bytes] = {}
    while (header := _read_header(read)) is not None:
        kind = header[156:157]
        size = _number(header[124:136], "size")
        if kind in (b"x", b"g", b"L", b"K"):
            record = _extended(read, size)
            if kind == b"x":
                pax = _pax_records(record)
            elif kind == b"L":
                long_name = record.rstrip(b"\0")
            continue
        name = pax.get(b"path") or long_name or _name(header)
        described = _kind(kind, name, pax)
        yield Entry(name, described, 0 if described in WITHOUT_DATA else _pax_size(pax, size))
        long_name, pax = None, {}
    if long_name or pax:
        raise DamagedTar("an extended header has no member after it")


def padded(size: int) -> int:
    """`size` rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def _read_header(read: Callable[[int], bytes]) -> bytes | None:
    """The next header block that is sound; None at the end-of-archive block."""
    header = read(BLOCK)
    if len(header) < BLOCK:
        raise DamagedTar("it ends before its end-of-archive mark: the upload or the tar is incomplete")
    if not any(header):
        return None
    stored = _number(header[148:156], "checksum")
    if stored != sum(header[:148]) + 8 * ord(" ") + sum(header[156:]):
        raise DamagedTar("a member header has a wrong checksum")
    return header


def _number(field: bytes, what: str) -> int:
    """Octal text, or the base-256 form for what octal cannot hold."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0")[0].strip(b" ")
    if text.strip(b"01234567"):
        raise DamagedTar(f"a member header has the {what} {field!r}, not an octal number")
    return int(text, 8) if text else 0


def _extended(read: Callable[[int], bytes], size: int) -> bytes:
    if size > MAX_EXTENDED_HEADER:
        raise DamagedTar(
            f"an extended header claims {size} bytes; at most {MAX_EXTENDED_HEADER} are accepted"
        )
    record = read(padded(size))
    if len(record) < padded(size):
        raise DamagedTar("it ends inside an extended header")
    return record[:size]


def _pax_records(record: bytes) -> dict[bytes, bytes]:
    """`<length> <key>=<value>\\n`, the length counting itself."""
    records = {}
    while record:
        digits, space, _ = record.partition(b" ")
        if not space or not digits.isdigit() or len(digits) > 6:
            raise DamagedTar("an extended header has no record length")
        length = int(digits)
        key, equals, value = record[len(digits) + 1 : length - 1].partition(b"=")
        if not equals or record[length - 1 : length] != b"\n":
            raise DamagedTar("an extended header has a malformed record")
        records[key] = value
        record = record[length:]
    return records


def _pax_size(pax: dict[bytes, bytes], size: int) -> int:
    text = pax.get(b"size")
    if text is None:
        return size
    if not text.isdigit() or len(text) > 20:
        raise DamagedTar(f"an extended header has the size {text[:40]!r}, not a number")
    return int(text)


def _kind(kind: bytes, name: bytes, pax: dict[bytes, bytes]) -> str:
    if any(key.startswith(b"GNU.sparse.") for key in pax):
        return "sparse file"
    if kind in (b"0", b"\0") and name.endswith(b"/"):
        return "directory"
    return KINDS.get(kind) or f"member of unknown type {kind.decode('latin-1')!r}"


def _name(header: bytes) -> bytes:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name
