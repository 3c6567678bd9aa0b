"""The backup that docs/store.md describes: Litestream to S3, everything killed, restored elsewhere."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.conftest import ACCOUNT, REGION, make_job
from tinsmith.jobs.query import JobQuery
from tinsmith.jobs.store import Store
from tinsmith.storage.embedded import BUCKET, EmbeddedStore

LITESTREAM = str(Path(sys.executable).with_name("litestream"))
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
"""Without AWS_CA_BUNDLE, which Litestream's client does not take."""
PATIENCE = 120.0


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path_factory.mktemp("objects")) as running:
        yield running


@pytest.fixture
def config(objects: EmbeddedStore, tmp_path: Path) -> Path:
    """As in docs/store.md."""
    file = tmp_path / "litestream.yml"
    file.write_text(f"""
dbs:
  - path: {tmp_path}/data/jobs.db
    replica:
      type: s3
      endpoint: {objects.endpoint_url}
      region: us-east-1
      bucket: {BUCKET}
      path: backup/jobs
      force-path-style: true
      access-key-id: {objects.credentials.access_key}
      secret-access-key: {objects.credentials.secret_key}
      sync-interval: 1s
""")
    return file


def restore(config: Path, to: Path) -> list[str]:
    """Names in the backup, oldest first; none while there is no backup."""
    for old in to.parent.glob(to.name + "*"):
        old.unlink()
    source = str(config.parent / "data" / "jobs.db")
    command = [LITESTREAM, "restore", "-config", str(config), "-o", str(to), source]
    if subprocess.run(command, capture_output=True, env=ENVIRONMENT).returncode:
        return []
    connection = sqlite3.connect(to)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    names = [name for (name,) in connection.execute("SELECT name FROM job ORDER BY id")]
    connection.close()
    return names


def test_jobs_survive_the_loss_of_their_disk(config: Path, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/data/jobs.db")
    log = tmp_path / "litestream.log"
    with log.open("wb") as output:
        command = [LITESTREAM, "replicate", "-config", str(config)]
        backup = subprocess.Popen(command, stdout=output, stderr=output, env=ENVIRONMENT)
    try:
        early = [f"early-{index}" for index in range(100)]
        for name in early:
            store.add(make_job(name), {"k": name})
        taken = store.claim("w", 30, 2000.0)
        assert taken is not None
        store.complete(taken.key, 1, 2010.0, "s3://b/k", "0f")
        deadline = time.monotonic() + PATIENCE
        while restore(config, tmp_path / "look.db") != early:
            assert time.monotonic() < deadline, log.read_text()
            assert backup.poll() is None, log.read_text()
            time.sleep(1)
        late = [f"late-{index}" for index in range(50)]
        for name in late:  # more than a second's worth may be lost, but nothing out of the middle
            store.add(make_job(name), {})
    finally:
        backup.kill()
        backup.wait()
    store.close()
    for file in (tmp_path / "data").iterdir():
        if file.is_file():
            os.unlink(file)
    names = restore(config, tmp_path / "elsewhere.db")
    assert names[: len(early)] == early
    assert names[len(early) :] == late[: len(names) - len(early)]
    restored = Store.open(f"sqlite:///{tmp_path}/elsewhere.db")
    assert restored.get(taken.key).artifact_digest == "0f"
    assert restored.tags(taken.arn) == {"k": taken.key.name}
    again = restored.claim("w", 30, 3000.0)
    assert again is not None
    assert again.key.name == "early-1"
    assert len(restored.list(JobQuery(ACCOUNT, REGION, limit=200)).jobs) == len(names)
    restored.close()
