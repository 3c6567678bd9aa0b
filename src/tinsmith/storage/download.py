"""One object by ranged reads, resumable after a kill at any moment.

    <name>.part      the bytes, written at their places
    <name>.ranges    one line of JSON for the object, then one line for each finished range with its digest

A range counts as finished only when its digest in `.ranges` matches the bytes in `.part`, so neither a
torn line nor lost pages can smuggle anything in.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import HTTPClientError, IncompleteReadError, ResponseStreamingError

from tinsmith.errors import DiskFull, InternalError

RANGE_BYTES = 16 << 20
CONNECTIONS = 8
ATTEMPTS = 4
"""Tries of one range; botocore itself repeats requests, but not a body that breaks off."""
_BROKEN_BODY = (HTTPClientError, IncompleteReadError, ResponseStreamingError)
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class RemoteObject:
    """An object as its HEAD reply describes it."""

    bucket: str
    key: str
    size: int
    etag: str
    head: Mapping[str, Any] = field(repr=False)


class RangedDownload:
    """Brings one RemoteObject to one file."""

    def __init__(self, client: Any, remote: RemoteObject, destination: Path) -> None:
        self.client = client
        self.remote = remote
        self.destination = destination
        self.part = destination.with_name(destination.name + ".part")
        self.ranges = destination.with_name(destination.name + ".ranges")
        self.count = -(-remote.size // RANGE_BYTES)
        self._lock = threading.Lock()

    def run(self) -> None:
        """Fetch what is missing, check the whole, then give it its name."""
        self._check_free_space()
        finished = self._resume()
        with self.part.open("r+b") as part, self.ranges.open("a") as ranges:
            part.truncate(self.remote.size)
            missing = [index for index in range(self.count) if index not in finished]
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                tasks = [pool.submit(self._fetch, index, part.fileno(), ranges.fileno()) for index in missing]
                try:
                    for task in tasks:
                        task.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
            os.fsync(part.fileno())
        self._check_whole()
        self.part.replace(self.destination)
        self.ranges.unlink()
        _sync_folder(self.destination.parent)

    def _check_free_space(self) -> None:
        have = self.part.stat().st_blocks * 512 if self.part.exists() else 0
        free = shutil.disk_usage(self.destination.parent).free
        if free < self.remote.size - have:
            raise DiskFull(
                f"Not enough disk space to download {self.remote.size} bytes: "
                f"{free} bytes are free in {self.destination.parent}."
            )

    def _resume(self) -> set[int]:
        """The ranges that an earlier run finished; starts afresh where there are none of this object."""
        header = json.dumps({"etag": self.remote.etag, "size": self.remote.size, "range": RANGE_BYTES})
        with contextlib.suppress(OSError, UnicodeDecodeError):
            lines = self.ranges.read_text().split("\n")
            if lines[0] == header and self.part.exists():
                with self.part.open("rb") as part:
                    return {
                        index
                        for line in lines[1:]
                        if (index := self._finished(line, part.fileno())) is not None
                    }
        self.part.write_bytes(b"")
        self.ranges.write_text(header + "\n")
        return set()

    def _finished(self, line: str, part: int) -> int | None:
        match = re.fullmatch(r"(\d{1,9}) ([0-9a-f]{32})", line)
        if not match or int(match[1]) >= self.count:
            return None
        start, length = self._bounds(int(match[1]))
        return int(match[1]) if _digest(os.pread(part, length, start)) == match[2] else None

    def _fetch(self, index: int, part: int, ranges: int) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                body = self._read_range(index)
                break
            except _BROKEN_BODY:
                if attempt == ATTEMPTS:
                    raise
        start, _ = self._bounds(index)
        _write_at(part, body, start)
        with self._lock:
            os.write(ranges, f"{index} {_digest(body)}\n".encode())

    def _read_range(self, index: int) -> bytes:
        start, length = self._bounds(index)
        reply = self.client.get_object(
            Bucket=self.remote.bucket,
            Key=self.remote.key,
            Range=f"bytes={start}-{start + length - 1}",
            IfMatch=self.remote.etag,
        )
        with contextlib.closing(reply["Body"]) as stream:
            body: bytes = stream.read(length + 1)
        if len(body) != length:
            raise IncompleteReadError(actual_bytes=len(body), expected_bytes=length)
        return body

    def _bounds(self, index: int) -> tuple[int, int]:
        start = index * RANGE_BYTES
        return start, min(RANGE_BYTES, self.remote.size - start)

    def _check_whole(self) -> None:
        """Compare with the checksum that the store keeps of the whole object, where it keeps one."""
        expected = _expected_checksum(self.remote.head)
        if expected is None:
            return
        algorithm, value = expected
        found = _CHECKSUMS[algorithm](self.part)
        if found != value:
            self.part.unlink()
            self.ranges.unlink()
            raise InternalError(
                f"The download of s3://{self.remote.bucket}/{self.remote.key} is damaged: "
                f"{algorithm} {found}, the store says {value}."
            )


def _expected_checksum(head: Mapping[str, Any]) -> tuple[str, str] | None:
    for algorithm in ("SHA256", "SHA1", "CRC32"):
        value = head.get(f"Checksum{algorithm}")
        if value and "-" not in value and head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
            return algorithm, value
    etag = head["ETag"].strip('"')
    # Only without KMS or customer keys is the ETag of a single put the MD5 of the object.
    is_md5 = re.fullmatch("[0-9a-f]{32}", etag) and head.get("ServerSideEncryption") in (None, "AES256")
    return ("MD5", etag) if is_md5 and "SSECustomerAlgorithm" not in head else None


def _base64_digest(name: str) -> Callable[[Path], str]:
    def checksum(path: Path) -> str:
        with path.open("rb") as body:
            return base64.b64encode(hashlib.file_digest(body, name).digest()).decode()

    return checksum


def _crc32(path: Path) -> str:
    value = 0
    with path.open("rb") as body:
        while chunk := body.read(_READ_BYTES):
            value = zlib.crc32(chunk, value)
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def _md5(path: Path) -> str:
    with path.open("rb") as body:
        return hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


_CHECKSUMS = {
    "SHA256": _base64_digest("sha256"),
    "SHA1": _base64_digest("sha1"),
    "CRC32": _crc32,
    "MD5": _md5,
}


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _write_at(file: int, body: bytes, start: int) -> None:
    view = memoryview(body)
    while view:
        written = os.pwrite(file, view, start)
        view, start = view[written:], start + written


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
