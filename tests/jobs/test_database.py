from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tinsmith.errors import InternalError
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.store import Store

NewJob = Callable[..., Job]

CLAIM_ALL = """
import sys
from tinsmith.jobs.store import Store
store = Store.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
while (job := store.claim(sys.argv[2], 1000, 2000.0)) is not None:
    print(job.key.name, job.attempt, flush=True)
"""

ADD_FOREVER = """
import sys
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.store import Store
store = Store.open(sys.argv[1])
for index in range(10**6):
    name = f"{sys.argv[2]}-{index}"
    key = JobKey("000000000000", "us-east-1", name)
    store.add(Job(key, "arn:" + name, {}, Status.STARTING, 1, 0, 1.0, 1.0), {"n": name})
    print(name, flush=True)
"""


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_commits_are_durable(url: str, store: Store, tmp_path: Path) -> None:
    with store._database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_database_of_another_version_is_refused(url: str, store: Store, tmp_path: Path) -> None:
    store.close()
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InternalError, match="has version 99, expected 1"):
        Store.open(url)


@pytest.mark.parametrize("url", ["sqlite://", "mysql://host/db"])
def test_only_a_database_file_is_opened(url: str) -> None:
    with pytest.raises(InternalError, match="expected sqlite:///<path>"):
        Store.open(url)


def test_a_missing_folder_is_created(tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path / 'a' / 'b' / 'jobs.db'}").close()
    assert (tmp_path / "a" / "b" / "jobs.db").is_file()


def test_threads_claim_every_job_once(store: Store, new_job: NewJob) -> None:
    for index in range(200):
        store.add(new_job(f"j{index}"), {})
    taken: list[str] = []
    start = threading.Barrier(8)

    def work(owner: str) -> None:
        start.wait()
        while (job := store.claim(owner, 1000, 2000.0)) is not None:
            taken.append(job.key.name)

    threads = [threading.Thread(target=work, args=(f"w{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(f"j{index}" for index in range(200))
    assert Counter(event.kind for event in store.events()) == {"created": 200, "claimed": 200}


def test_processes_open_a_new_database_at_once_and_claim_every_job_once(url: str, new_job: NewJob) -> None:
    workers = [python(CLAIM_ALL, url, f"w{index}") for index in range(4)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    store = Store.open(url)
    for index in range(200):
        store.add(new_job(f"j{index}"), {})
    outputs = [worker.communicate("go\n")[0].splitlines() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0, 0]
    assert sorted(line for lines in outputs for line in lines) == sorted(
        f"j{index} 1" for index in range(200)
    )
    assert all(job.version == 2 for job in store.held("w0"))
    store.close()


def test_a_killed_writer_leaves_whole_transactions(url: str, store: Store) -> None:
    acknowledged: list[str] = []
    for life in ("a", "b", "c"):
        writer = python(ADD_FOREVER, url, life)
        assert writer.stdout is not None
        for _ in range(40):
            acknowledged.append(writer.stdout.readline().strip())
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += [
            line.strip() for line in writer.communicate()[0].splitlines(keepends=True) if line[-1] == "\n"
        ]
    events = store.events(limit=100_000)
    present = {event.key.name for event in events}
    assert set(acknowledged) <= present
    assert len(events) == len(present)
    for name in present:
        assert store.get(JobKey("000000000000", "us-east-1", name)).status is Status.STARTING
        assert store.tags("arn:" + name) == {"n": name}
