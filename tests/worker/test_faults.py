"""Kills at random moments. Whatever dies: no job is lost, none completes twice, no process stays behind."""

from __future__ import annotations

import base64
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tinsmith.jobs.job import TERMINAL, JobKey, Status
from tinsmith.settings import SandboxOptions, Settings
from tinsmith.worker.processes import ProcessId, kill, read_pid_file

Service = Any  # of conftest.py
JOBS = 50
SERVICE_KILLS, WORKER_KILLS = 8, 24
PATIENCE = 480.0

SERVE = """
import base64, pickle, sys, threading
from tinsmith.jobs.store import Store
from tinsmith.worker.controller import Controller
settings = pickle.loads(base64.b64decode(sys.argv[1]))
Controller(Store.open(settings.database_url), settings).start()
print("ready", flush=True)
threading.Event().wait()
"""


def serve(settings: Settings) -> subprocess.Popen[str]:
    """A service in a process of its own, so that it can be killed."""
    argument = base64.b64encode(pickle.dumps(settings)).decode()
    command = [sys.executable, "-c", SERVE, argument]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def below(settings: Settings, service: subprocess.Popen[str]) -> list[int]:
    """Attempts, sandboxes and compilers of this data folder, alive now."""
    marks = (str(settings.work_dir).encode(), f"tinsmith.worker.attempt\0{service.pid}".encode())
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if any(mark in command for mark in marks) and ProcessId.of(int(entry.name)):
            found.append(int(entry.name))
    return found


def await_nobody(settings: Settings, service: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 20
    while (left := below(settings, service)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


@pytest.fixture(params=["bubblewrap", "guard"])
def arrangement(request: pytest.FixtureRequest, settings: Settings) -> SandboxOptions:
    return replace(settings.sandbox, bubblewrap=request.param == "bubblewrap")


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(
    service: Service, tarball: bytes, artifact_of: Callable[[str], tuple[bytes, str]]
) -> None:
    chance = random.Random(20261122)
    worker = replace(service.settings.worker, concurrency=3, max_attempts=20)
    settings = replace(service.settings, worker=worker)
    uri = service.put("m.tar.gz", tarball)
    keys = [
        service.submit(uri, {"sleep": chance.choice([0, 0.2]), "children": index % 2})
        for index in range(JOBS)
    ]
    deadline = time.monotonic() + PATIENCE
    kills: Counter[str] = Counter()
    running = serve(settings)
    while unfinished(service, keys):
        assert time.monotonic() < deadline, kills
        time.sleep(chance.uniform(0.1, 1.2))
        victims = below(settings, running)
        if chance.random() < 0.3 and kills["service"] < SERVICE_KILLS:
            running.kill()
            running.communicate()
            await_nobody(settings, running)
            kills["service"] += 1
        elif victims and kills["worker"] < WORKER_KILLS:
            kill(chance.choice(victims), signal.SIGKILL)
            kills["worker"] += 1
        if running.poll() is not None:  # killed above, or its first look at the sandbox was
            running = serve(settings)
    running.terminate()
    running.communicate()
    await_nobody(settings, running)
    assert kills["service"] >= 3
    assert kills["worker"] >= 3
    check_outcomes(service, keys, artifact_of("m"))


def unfinished(service: Service, keys: list[JobKey]) -> list[JobKey]:
    return [key for key in keys if service.store.get(key).status not in TERMINAL]


def check_outcomes(service: Service, keys: list[JobKey], artifact: tuple[bytes, str]) -> None:
    for key in keys:
        job, kinds = service.store.get(key), Counter(service.kinds(key))
        assert kinds["created"] == 1
        assert kinds["completed"] + kinds["failed"] == 1
        assert kinds["claimed"] == job.attempt
        # A killed part of the sandbox may end a job, but only with a reason.
        if job.status is Status.COMPLETED:
            assert job.artifact_digest == artifact[1]
            assert service.get(job.artifact_uri) == artifact[0]
        else:
            assert job.failure_reason.startswith("InternalError: ")
    outcomes = Counter(service.store.get(key).status for key in keys)
    assert outcomes[Status.COMPLETED] >= len(keys) * 0.8


@pytest.mark.parametrize("victim", ["service", "attempt", "both"])
def test_a_kill_during_the_compilation_leaves_nobody_and_the_job_goes_on(
    service: Service, tarball: bytes, arrangement: SandboxOptions, victim: str
) -> None:
    settings = replace(service.settings, sandbox=arrangement)
    nap = 611 + os.getpid()  # tests in other processes have sleepers of their own
    key = service.submit(service.put("m.tar.gz", tarball), {"sleep": 3, "children": 2, "nap": nap})
    running = serve(settings)
    service.wait_for_line(key, "compiling")
    attempt = read_pid_file(folder_of(settings, key) / "pid")
    assert attempt is not None
    first_family = below(settings, running)
    assert len(first_family) >= 3
    if victim != "service":
        os.kill(attempt.pid, signal.SIGKILL)
    if victim != "attempt":
        running.kill()
        running.communicate()
        await_nobody(settings, running)
        running = serve(settings)
    job = service.wait(key)
    assert (job.status, job.attempt) == (Status.COMPLETED, 2)
    running.kill()
    running.communicate()
    await_nobody(settings, running)
    assert sleepers(nap) == 0


def folder_of(settings: Settings, key: JobKey) -> Path:
    """The folder of the first attempt."""
    return next(settings.work_dir.glob(f"{key.name}-*-1"))


def sleepers(nap: int) -> int:
    """Grandchildren that the stand-in compiler sent into sessions of their own, for `nap` seconds."""
    count = 0
    wanted = f"/bin/sleep\0{nap}\0".encode()
    for entry in Path("/proc").iterdir():
        try:
            count += entry.name.isdigit() and (entry / "cmdline").read_bytes() == wanted
        except OSError:
            continue
    return count


def test_a_result_that_was_written_before_the_kill_is_taken_over(
    service: Service, tarball: bytes, artifact_of: Callable[[str], tuple[bytes, str]]
) -> None:
    worker = replace(service.settings.worker, poll=30, housekeeping=30)
    settings = replace(service.settings, worker=worker)
    key = service.submit(service.put("m.tar.gz", tarball))
    deaf = serve(settings)
    deadline = time.monotonic() + 60
    while not list(settings.work_dir.glob(f"{key.name}-*-1/result.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    deaf.kill()
    deaf.communicate()
    assert service.store.get(key).status is Status.INPROGRESS
    service.start()
    job = service.wait(key)
    assert (job.status, job.attempt, job.artifact_digest) == (Status.COMPLETED, 1, artifact_of("m")[1])


def test_a_stop_that_the_service_did_not_live_to_see_is_carried_out(service: Service, tarball: bytes) -> None:
    key = service.submit(service.put("m.tar.gz", tarball), {"sleep": 600})
    running = serve(service.settings)
    service.wait_for_line(key, "compiling")
    running.kill()
    running.communicate()
    service.store.request_stop(key, time.time())
    service.start()
    assert service.wait(key).status is Status.STOPPED
    assert service.store.get(key).attempt == 1


def test_a_service_killed_again_and_again_by_a_job_gives_the_job_up(service: Service, tarball: bytes) -> None:
    key = service.submit(service.put("m.tar.gz", tarball), {"sleep": 600})
    for attempt in (1, 2, 3):
        running = serve(service.settings)
        service.wait(key, lambda job, attempt=attempt: job.attempt == attempt)
        running.kill()
        running.communicate()
    service.start()
    job = service.wait(key)
    assert job.status is Status.FAILED
    assert job.failure_reason == (
        "InternalError: The job was given up after 3 lost attempts. The last one: the service was killed."
    )
