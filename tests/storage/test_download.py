from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tinsmith.errors import ClientError, InternalError
from tinsmith.storage import download
from tinsmith.storage.embedded import EmbeddedStore
from tinsmith.storage.s3 import ObjectStore

RANGE = 64 << 10
SIZE = 10 * RANGE + 7


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "RANGE_BYTES", RANGE)
    monkeypatch.setattr(download, "CONNECTIONS", 3)


@pytest.fixture
def content() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture
def uri(store: ObjectStore, prefix: str, content: bytes, tmp_path: Path) -> str:
    (tmp_path / "source").write_bytes(content)
    store.upload(tmp_path / "source", f"{prefix}/model.tar.gz")
    (tmp_path / "source").unlink()
    return f"{prefix}/model.tar.gz"


class Reads:
    """The ranges that a store is asked for, and a hook before each of them."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.ranges: list[str] = []
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Reads:
        self.store.client.meta.events.register("before-call.s3.GetObject", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self.store.client.meta.events.unregister("before-call.s3.GetObject", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.ranges.append(params["headers"]["Range"])
        if action := self.before.pop(len(self.ranges), None):
            action()


def test_ranges_cover_the_object_once(store: ObjectStore, uri: str, content: bytes, tmp_path: Path) -> None:
    with Reads(store) as reads:
        store.download(uri, tmp_path / "x", SIZE)
    assert (tmp_path / "x").read_bytes() == content
    assert len(reads.ranges) == len(set(reads.ranges)) == 11
    assert f"bytes={10 * RANGE}-{SIZE - 1}" in reads.ranges
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tinsmith.storage import download
from tinsmith.storage.s3 import Credentials, ObjectStore

endpoint, key, secret, uri, destination, range_bytes, kill_after = sys.argv[1:]
download.RANGE_BYTES, download.CONNECTIONS = int(range_bytes), 1
fetch, calls = download.RangedDownload._fetch, []

def fetch_until_killed(self, *arguments):
    if len(calls) == int(kill_after):
        os.kill(os.getpid(), signal.SIGKILL)
    fetch(self, *arguments)
    calls.append(arguments)

download.RangedDownload._fetch = fetch_until_killed
ObjectStore(endpoint, "us-east-1", Credentials(key, secret)).download(uri, Path(destination), 1 << 30)
"""


def download_and_die(embedded: EmbeddedStore, uri: str, destination: Path, after: int) -> None:
    keys = embedded.credentials
    arguments = [embedded.endpoint_url, keys.access_key, keys.secret_key, uri, str(destination), str(RANGE)]
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments, str(after)], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not destination.exists()


@pytest.mark.parametrize("after", [0, 4, 10])
def test_a_killed_download_resumes(
    embedded: EmbeddedStore, store: ObjectStore, uri: str, content: bytes, tmp_path: Path, after: int
) -> None:
    download_and_die(embedded, uri, tmp_path / "x", after)
    with Reads(store) as reads:
        store.download(uri, tmp_path / "x", SIZE)
    assert (tmp_path / "x").read_bytes() == content
    assert len(reads.ranges) == 11 - after


def test_what_a_crash_may_have_torn_is_fetched_again(
    embedded: EmbeddedStore, store: ObjectStore, uri: str, content: bytes, tmp_path: Path
) -> None:
    download_and_die(embedded, uri, tmp_path / "x", 5)
    part, ranges = tmp_path / "x.part", tmp_path / "x.ranges"
    with part.open("r+b") as file:
        file.seek(2 * RANGE + 100)
        file.write(b"lost page")
    ranges.write_text(ranges.read_text()[:-10] + "\n999999 " + "0" * 32 + "\nnonsense\n")
    with Reads(store) as reads:
        store.download(uri, tmp_path / "x", SIZE)
    assert (tmp_path / "x").read_bytes() == content
    assert len(reads.ranges) == 11 - 5 + 2


@pytest.mark.parametrize("sidecar", [b"", b"\xff\xfe", b"{}\n", b'{"etag": "other"}\n0 00\n'])
def test_a_foreign_sidecar_is_ignored(
    store: ObjectStore, uri: str, content: bytes, tmp_path: Path, sidecar: bytes
) -> None:
    (tmp_path / "x.part").write_bytes(b"old" * SIZE)
    (tmp_path / "x.ranges").write_bytes(sidecar)
    store.download(uri, tmp_path / "x", SIZE)
    assert (tmp_path / "x").read_bytes() == content


def test_a_changed_object_is_not_mixed_with_the_old_one(
    embedded: EmbeddedStore, store: ObjectStore, uri: str, tmp_path: Path
) -> None:
    download_and_die(embedded, uri, tmp_path / "x", 5)
    new = os.urandom(SIZE)
    (tmp_path / "source").write_bytes(new)
    store.upload(tmp_path / "source", uri)
    store.download(uri, tmp_path / "x", SIZE)
    assert (tmp_path / "x").read_bytes() == new


def test_an_object_that_changes_while_it_is_read(
    embedded: EmbeddedStore, store: ObjectStore, uri: str, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(os.urandom(SIZE))
    with Reads(store) as reads:
        reads.before[6] = lambda: embedded.store().upload(tmp_path / "source", uri)
        with pytest.raises(
            ClientError, match=r"^InputConfiguration: S3 object changed while it was being read"
        ):
            store.download(uri, tmp_path / "x", SIZE)
    assert not (tmp_path / "x").exists()


def test_an_object_that_vanishes_while_it_is_read(
    embedded: EmbeddedStore, store: ObjectStore, uri: str, tmp_path: Path
) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with Reads(store) as reads:
        reads.before[6] = lambda: embedded.store().client.delete_object(Bucket=bucket, Key=key)
        with pytest.raises(ClientError, match=r"^InputConfiguration: S3 object does not exist"):
            store.download(uri, tmp_path / "x", SIZE)


def test_bytes_that_are_not_what_the_store_vouches_for(
    store: ObjectStore, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = download.RangedDownload._read_range

    def read_badly(self: download.RangedDownload, index: int) -> bytes:
        body = read(self, index)
        return body if index != 3 else b"?" * len(body)

    monkeypatch.setattr(download.RangedDownload, "_read_range", read_badly)
    with pytest.raises(InternalError, match="is damaged: SHA256"):
        store.download(uri, tmp_path / "x", SIZE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "algorithm"),
    [
        ({}, "MD5"),
        ({"ChecksumAlgorithm": "SHA1"}, "SHA1"),
        ({"ChecksumAlgorithm": "CRC32"}, "CRC32"),
        ({"ChecksumAlgorithm": "SHA256"}, "SHA256"),
    ],
)
def test_the_checksums_of_other_clients_are_used(
    store: ObjectStore, prefix: str, content: bytes, tmp_path: Path, options: dict[str, str], algorithm: str
) -> None:
    bucket, _, key = prefix.removeprefix("s3://").partition("/")
    store.client.put_object(Bucket=bucket, Key=key, Body=content, **options)
    head = store.client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    (tmp_path / "y").write_bytes(content)
    found = download._expected_checksum(head)
    assert found is not None
    assert found == (algorithm, download._CHECKSUMS[algorithm](tmp_path / "y"))
    store.download(prefix, tmp_path / "x", SIZE)


def test_no_checksum_is_made_up() -> None:
    assert download._expected_checksum({"ETag": '"' + "a" * 32 + '-3"'}) is None
    assert (
        download._expected_checksum({"ETag": '"' + "a" * 32 + '"', "ServerSideEncryption": "aws:kms"}) is None
    )
    composite = {"ETag": '"x-2"', "ChecksumSHA256": "AAAA-2", "ChecksumType": "COMPOSITE"}
    assert download._expected_checksum(composite) is None


class BreakingProxy:
    """Passes TCP on to `port`, but hangs up in the middle of the first `breaks` large replies."""

    def __init__(self, port: int, breaks: int) -> None:
        self.target, self.breaks = port, breaks
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, may_break: bool) -> None:
        passed = 0
        try:
            while data := source.recv(8192):
                passed += len(data)
                if may_break and passed > RANGE // 2 and self.breaks:
                    self.breaks -= 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def breaking(embedded: EmbeddedStore) -> Iterator[BreakingProxy]:
    proxy = BreakingProxy(embedded.port, breaks=5)
    yield proxy
    proxy.listener.close()


def test_broken_replies_are_asked_for_again(
    embedded: EmbeddedStore, breaking: BreakingProxy, uri: str, content: bytes, tmp_path: Path
) -> None:
    unreliable = ObjectStore(f"http://127.0.0.1:{breaking.port}", "us-east-1", embedded.credentials)
    unreliable.download(uri, tmp_path / "x", SIZE)
    assert breaking.breaks == 0
    assert (tmp_path / "x").read_bytes() == content


def test_a_reply_that_always_breaks_is_our_fault(
    embedded: EmbeddedStore, breaking: BreakingProxy, uri: str, tmp_path: Path
) -> None:
    breaking.breaks = 10**6
    unreliable = ObjectStore(f"http://127.0.0.1:{breaking.port}", "us-east-1", embedded.credentials)
    with pytest.raises(InternalError, match="does not answer"):
        unreliable.download(uri, tmp_path / "x", SIZE)
    assert not (tmp_path / "x").exists()
