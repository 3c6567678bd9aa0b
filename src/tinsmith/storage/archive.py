"""The customer's model.tar.gz onto disk, trusting nothing in it."""

from __future__ import annotations

import os
import shutil
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tinsmith.errors import ClientError
from tinsmith.storage.tar import BLOCK, DamagedTar, Entry, entries, padded

AREA = "InputConfiguration"
NOT_A_TARBALL = "Unable to untar input model.Please confirm the model is a tar.gz file')"
"""The service's own text, slips included: users' programs match it."""
TROUBLESHOOTING = (
    "  For further troubleshooting common failures please visit: "
    "https://docs.aws.amazon.com/sagemaker/latest/dg/neo-troubleshooting-compilation.html"
)
PROBLEMS_LISTED = 20
_CHUNK = 1 << 20
_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive"), (b"BZh", "a bzip2 file"), (b"\xfd7zXZ\0", "an xz file"),
    (b"(\xb5/\xfd", "a zstd file"), (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x89HDF\r\n\x1a\n", "a bare HDF5 file"), (b"\x7fELF", "an ELF program or library"),
    (b"binf", "a bare XGBoost model"),
    (b"\x80\x02", "a bare pickle"), (b"\x80\x03", "a bare pickle"), (b"\x80\x04", "a bare pickle"),
    (b"\x80\x05", "a bare pickle"), (b"{", "a bare JSON or UBJSON file"),
)  # fmt: skip


@dataclass(frozen=True)
class ArchiveLimits:
    """What one archive may cost."""

    members: int = 10_000
    total_bytes: int = 8 << 30
    """Of the decompressed stream, headers and padding included."""
    ratio: int = 300
    """Decompressed bytes per compressed byte, once the stream is longer than `ratio_floor`."""
    ratio_floor: int = 64 << 20
    name_bytes: int = 255
    path_bytes: int = 1024
    depth: int = 32


@dataclass(frozen=True)
class Extraction:
    """What `extract` wrote."""

    files: tuple[str, ...]
    """Relative POSIX paths, in the archive's order."""
    total_bytes: int


def extract(tarball: Path, destination: Path, limits: ArchiveLimits | None = None) -> Extraction:
    """Unpack the gzip-compressed `tarball` into the new or empty folder `destination`.

    Only plain files and folders with valid, distinct names are accepted; a ClientError lists everything
    else that was found, and then nothing stays in `destination`. Owner, mode and time are not taken over.
    """
    limits = limits or ArchiveLimits()
    destination.mkdir(parents=True, exist_ok=True)
    if any(destination.iterdir()):
        raise FileExistsError(f"{destination} is not empty")
    with tarball.open("rb") as compressed:
        unpacking = _Unpacking(_Decompressed(compressed, limits), destination, limits)
        try:
            unpacking.run()
        except DamagedTar as damage:
            if unpacking.members == 0:
                unpacking.problems.insert(0, _not_a_tarball(tarball, str(damage)))
            else:
                unpacking.problems.append(f"{NOT_A_TARBALL} The archive is damaged: {damage}.")
        except _OverBudget as excess:
            unpacking.problems.append(str(excess))
    if not unpacking.problems and not unpacking.files:
        unpacking.problems.append("The archive holds no files.")
    if unpacking.problems:
        _empty(destination)
        raise ClientError(AREA, _shortened(unpacking.problems))
    return Extraction(tuple(unpacking.files), unpacking.total)


class _OverBudget(Exception):
    """A limit is reached; reading on would be what the attacker wants."""


class _Decompressed:
    """The decompressed stream, read once, within budget."""

    def __init__(self, compressed: BinaryIO, limits: ArchiveLimits) -> None:
        self.compressed = compressed
        self.limits = limits
        self.taken = 0
        self.given = 0
        self._chunks = self._decompress()
        self._buffer = bytearray()

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end of the stream."""
        while len(self._buffer) < size and (chunk := next(self._chunks, b"")):
            self._buffer += chunk
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def drain(self) -> None:
        """Read to the end, so that the gzip checksum is compared."""
        self._buffer.clear()
        for _ in self._chunks:
            pass

    def _decompress(self) -> Iterator[bytes]:
        member = zlib.decompressobj(wbits=31)
        pending = b""
        while True:
            pending = pending or self._take()
            if not pending:
                raise DamagedTar("the gzip stream ends early: the upload is incomplete")
            try:
                chunk = member.decompress(pending, _CHUNK)
            except zlib.error as error:
                raise DamagedTar(f"the gzip stream is broken after {self.given} bytes ({error})") from error
            pending = member.unconsumed_tail
            self._charge(len(chunk))
            if chunk:
                yield chunk
            if member.eof:
                pending = (member.unused_data or self._take()).lstrip(b"\0")
                while not pending and (more := self._take()):
                    pending = more.lstrip(b"\0")
                if not pending:
                    return
                member = zlib.decompressobj(wbits=31)

    def _take(self) -> bytes:
        data = self.compressed.read(64 << 10)
        self.taken += len(data)
        return data

    def _charge(self, size: int) -> None:
        self.given += size
        if self.given > self.limits.total_bytes:
            raise _OverBudget(f"The archive unpacks to more than {self.limits.total_bytes} bytes, the limit.")
        if self.given > self.limits.ratio_floor and self.given > self.limits.ratio * self.taken:
            raise _OverBudget(
                f"The archive expands more than {self.limits.ratio} times "
                f"({self.taken} bytes to {self.given} and more): it looks like a decompression bomb."
            )


class _Unpacking:
    """One walk over one archive."""

    def __init__(self, stream: _Decompressed, destination: Path, limits: ArchiveLimits) -> None:
        self.stream = stream
        self.destination = destination
        self.limits = limits
        self.problems: list[str] = []
        self.files: list[str] = []
        self.members = 0
        self.total = 0
        self._kinds: dict[str, str] = {}
        """Path -> "file" or "directory", folders that files imply included."""
        self._folded: dict[str, str] = {}
        """Case- and normalisation-folded path -> the path that took it."""

    def run(self) -> None:
        for entry in entries(self.stream.read):
            self.members += 1
            if self.members > self.limits.members:
                raise _OverBudget(f"The archive has more than {self.limits.members} members, the limit.")
            self._check_claim(entry)
            path = self._accept(entry)
            writes = path is not None and entry.kind == "file" and not self.problems
            self._data(entry, self.destination / path if writes and path else None)
            if path and entry.kind == "file":
                self.files.append(path)
        self.stream.drain()

    def _check_claim(self, entry: Entry) -> None:
        if entry.size > self.limits.total_bytes:
            raise _OverBudget(
                f"{_shown(entry.name)} claims {entry.size} bytes; "
                f"the limit of the archive is {self.limits.total_bytes}."
            )

    def _accept(self, entry: Entry) -> str | None:
        """The path of a member that may be written; None after noting what is wrong with it."""
        if entry.kind not in ("file", "directory"):
            self.problems.append(
                f"{_shown(entry.name)} is a {entry.kind}; only files and folders are accepted."
            )
            return None
        fault, parts = self._path_parts(entry)
        if fault:
            self.problems.append(f"{_shown(entry.name)} {fault}.")
            return None
        for depth in range(1, len(parts)):
            if not self._claim("/".join(parts[:depth]), "directory", entry):
                return None
        path = "/".join(parts)
        if not path:
            return None
        return path if self._claim(path, entry.kind, entry) else None

    def _path_parts(self, entry: Entry) -> tuple[str | None, list[str]]:
        """What is wrong with a name, if anything, and its components."""
        name = entry.name
        try:
            text = name.decode("utf-8")
        except UnicodeDecodeError:
            return "has a name that is not UTF-8", []
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if text.startswith("/"):
            return "has an absolute name", []
        if ".." in parts:
            return "climbs out of the archive with '..'", []
        if entry.kind == "file" and text.rpartition("/")[2] in ("", "."):
            return "has a file name that only a folder can have", []
        if "\\" in text or any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
            return "has a backslash or a control character in its name", []
        if len(name) > self.limits.path_bytes or any(
            len(part.encode()) > self.limits.name_bytes for part in parts
        ):
            return (
                f"has a name that is too long (limits: {self.limits.path_bytes} bytes, "
                f"{self.limits.name_bytes} for a component)"
            ), []
        if len(parts) > self.limits.depth:
            return f"lies {len(parts)} folders deep; the limit is {self.limits.depth}", []
        return None, parts

    def _claim(self, path: str, kind: str, entry: Entry) -> bool:
        """Take `path` for `kind`; False, with a problem noted, where it is taken otherwise."""
        known = self._kinds.get(path)
        if known == kind == "directory":
            return True
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
        other = self._folded.get(folded)
        if known == kind:
            self.problems.append(f"{_shown(entry.name)} occurs more than once.")
        elif known:
            self.problems.append(f"{path!r} is used both as a file and as a folder.")
        elif other is not None:
            self.problems.append(f"{path!r} and {other!r} are the same name on systems that ignore case.")
        else:
            self._kinds[path] = kind
            self._folded[folded] = path
            if kind == "directory" and not self.problems:
                (self.destination / path).mkdir(mode=0o755)
            return True
        return False

    def _data(self, entry: Entry, path: Path | None) -> None:
        """Move past the member's data, into the new file `path` where there is one."""
        size = entry.size
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        target = os.open(path, flags, 0o644) if path else None
        try:
            left = padded(size)
            while left:
                chunk = self.stream.read(min(left, _CHUNK))
                if not chunk:
                    raise DamagedTar(f"it ends inside {_shown(entry.name)}, which claims {size} bytes")
                if target is not None:
                    _write(target, chunk[: max(0, size - (padded(size) - left))])
                left -= len(chunk)
        finally:
            if target is not None:
                os.close(target)
        self.total += size if path else 0


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def _not_a_tarball(tarball: Path, damage: str) -> str:
    """The service's text, with what the file is instead where that can be told."""
    with tarball.open("rb") as file:
        head = file.read(BLOCK)
    if not head:
        found = " The object is empty."
    elif head[:2] == b"\x1f\x8b":
        found = f" It is a gzip file, but holds no intact tar: {damage}."
    elif head[257:262] == b"ustar":
        found = " Found a tar that is not compressed; expected a gzip-compressed one (tar czf)."
    else:
        names = [name for signature, name in _SIGNATURES if head.startswith(signature)]
        found = f" Found {names[0]}; expected a gzip-compressed tar (tar czf)." if names else ""
    return NOT_A_TARBALL + found + TROUBLESHOOTING


def _shown(name: bytes) -> str:
    text = repr(name.decode("utf-8", "backslashreplace"))
    return text if len(text) <= 120 else text[:100] + "...'"


def _shortened(problems: list[str]) -> list[str]:
    if len(problems) <= PROBLEMS_LISTED:
        return problems
    return [*problems[:PROBLEMS_LISTED], f"and {len(problems) - PROBLEMS_LISTED} more problems"]


def _empty(folder: Path) -> None:
    for child in folder.iterdir():
        shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
