from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import Proxy
from tinsmith.errors import InternalError
from tinsmith.jobs.job import Status
from tinsmith.settings import EngineOptions, Machine, Placement, Settings
from tinsmith.storage.embedded import EmbeddedStore
from tinsmith.worker.engines import local
from tinsmith.worker.processes import ProcessId, read_pid_file

Service = Any  # of conftest.py
UNTAR = (
    "ClientError: InputConfiguration: Unable to untar input model.Please confirm the model is a tar.gz file')"
    "  For further troubleshooting common failures please visit: "
    "https://docs.aws.amazon.com/sagemaker/latest/dg/neo-troubleshooting-compilation.html"
)
LONG = {"sleep": 600}


def attempt_of(service: Service, key: Any) -> int:
    """The process of the running attempt."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for folder in service.settings.work_dir.glob(f"{key.name}-*"):
            if (process := read_pid_file(folder / "pid")) and process.alive:
                return process.pid
        time.sleep(0.01)
    raise AssertionError("no attempt is running")


def await_nobody(settings: Settings) -> None:
    """Returns when no process names a work folder in its command line; a hang is a failure."""
    deadline = time.monotonic() + 30
    while left := [entry for entry in Path("/proc").iterdir() if works_in(entry, settings.work_dir)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def works_in(process: Path, folder: Path) -> bool:
    try:
        named = process.name.isdigit() and str(folder).encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False
    return named and ProcessId.of(int(process.name)) is not None


def test_a_job_runs_to_its_artifact(
    service: Service, tarball: bytes, artifact_of: Callable[[str], tuple[bytes, str]]
) -> None:
    service.start()
    key = service.submit(service.put("my.model.tar.gz", tarball), {"derived": "{}", "environment": True})
    job = service.wait(key)
    data, digest = artifact_of("my.model")
    assert (job.status, job.failure_reason) == (Status.COMPLETED, None)
    assert job.artifact_uri == f"s3://tinsmith-worker/out/{key.name}/my.model-ml_c5.tar.gz"
    assert job.artifact_digest == digest
    assert job.derived_data_input_config == "{}"
    assert service.get(job.artifact_uri) == data
    assert service.kinds(key) == ["created", "claimed", "completed"]
    log = service.log(key)
    assert "input: code code/inference.py model.json" in log
    assert any(line.startswith("sandbox: ") and "seccomp" in line for line in log)
    environment = json.loads(next(line for line in log if line.startswith("environment:")).split(" ", 1)[1])
    assert not [name for name in environment if name.startswith("AWS")]
    assert service.settings.s3.secret_access_key not in json.dumps([log, environment])
    service.stop()
    assert list(service.settings.work_dir.iterdir()) == []


def test_an_input_that_is_no_tarball_fails_with_the_recorded_text(service: Service) -> None:
    service.start()
    job = service.wait(service.submit(service.put("train.csv", b"a,b\n1,2\n")))
    assert (job.status, job.failure_reason) == (Status.FAILED, UNTAR)
    assert job.artifact_uri is None


def test_a_missing_input_fails(service: Service) -> None:
    service.start()
    job = service.wait(service.submit("s3://tinsmith-worker/none/model.tar.gz"))
    assert job.failure_reason == (
        "ClientError: InputConfiguration: S3 object does not exist. Bucket: tinsmith-worker, "
        "Key: none/model.tar.gz"
    )


def test_a_missing_output_bucket_fails(service: Service, tarball: bytes) -> None:
    service.start()
    uri = service.put("m.tar.gz", tarball)
    output = {"S3OutputLocation": "s3://tinsmith-nowhere/out", "TargetDevice": "ml_c5"}
    job = service.wait(service.submit(uri, OutputConfig=output))
    assert job.status is Status.FAILED
    assert job.failure_reason.startswith("ClientError: OutputConfiguration: ")


def test_the_compilers_refusal_is_the_jobs_reason(service: Service, tarball: bytes) -> None:
    service.start()
    reason = "ClientError: OperatorNotImplemented: Range, ScatterND"
    job = service.wait(service.submit(service.put("m.tar.gz", tarball), {"fail": reason}))
    assert (job.status, job.failure_reason) == (Status.FAILED, reason)


def test_a_crash_of_the_compiler_fails_the_job(service: Service, tarball: bytes) -> None:
    service.start()
    job = service.wait(service.submit(service.put("m.tar.gz", tarball), {"signal": int(signal.SIGSEGV)}))
    assert job.status is Status.FAILED
    assert job.failure_reason.startswith("InternalError: The compiler ")
    assert job.failure_reason.endswith("without a report.")
    assert job.attempt == 1


def test_a_flood_of_files_ends_the_job(service: Service, tarball: bytes) -> None:
    service.settings = replace(service.settings, sandbox=replace(service.settings.sandbox, max_entries=100))
    service.start()
    job = service.wait(service.submit(service.put("m.tar.gz", tarball), LONG | {"files": 200}))
    assert job.failure_reason == "InternalError: The compiler was ended, it took more than 100 files."


def test_a_job_waits_for_the_object_store_as_long_as_it_is_told(
    service: Service, embedded: EmbeddedStore, tarball: bytes
) -> None:
    relay = Proxy(9)  # where nobody listens
    s3 = replace(service.settings.s3, endpoint_url=f"http://127.0.0.1:{relay.port}")
    service.settings = replace(service.settings, s3=s3)
    key = service.submit(service.put("m.tar.gz", tarball))
    service.start()
    deadline = time.monotonic() + 60
    while not any(line.startswith("trying again: The object store ") for line in service.log(key)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    relay.server = embedded.port
    job = service.wait(key)
    assert (job.status, job.attempt) == (Status.COMPLETED, 1)
    service.stop()
    relay.server = 9
    service.settings = replace(service.settings, s3=replace(s3, patience=0))
    key = service.submit(service.put("m.tar.gz", tarball))
    service.start()
    job = service.wait(key)
    assert (job.status, job.attempt) == (Status.FAILED, 1)
    assert job.failure_reason.startswith(f"InternalError: The object store {s3.endpoint_url} does not answer")
    relay.close()


def test_jobs_wait_while_the_disk_is_full(
    service: Service, tarball: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "free_bytes", lambda _folder: 0)
    key = service.submit(service.put("m.tar.gz", tarball))
    service.start()
    time.sleep(1.2)  # two looks at the queue
    assert service.store.get(key).status is Status.STARTING
    monkeypatch.undo()
    job = service.wait(key)
    assert (job.status, job.attempt) == (Status.COMPLETED, 1)


def test_a_job_that_runs_too_long_fails(service: Service, tarball: bytes) -> None:
    service.start()
    uri = service.put("m.tar.gz", tarball)
    job = service.wait(service.submit(uri, LONG | {"children": 2}, {"MaxRuntimeInSeconds": 3}))
    assert job.status is Status.FAILED
    assert job.failure_reason == (
        "ClientError: TimeOut: The job did not complete within MaxRuntimeInSeconds (3 s)."
    )
    assert job.end_time - job.start_time >= 3
    await_nobody(service.settings)


def test_jobs_that_the_machine_has_no_room_for_wait(
    service: Service, tarball: bytes, with_worker: Callable[..., Settings]
) -> None:
    """8 of 10 GiB each, and one that asks for more than there is: that one runs alone."""
    placements = {"ml_c5": Placement(0, 8 << 30), "ml_m5": Placement(0, 20 << 30)}
    engine = EngineOptions(placements=placements, machine=Machine(memory=10 << 30))
    service.settings = replace(with_worker(service.settings, concurrency=3), engine=engine)
    uri = service.put("m.tar.gz", tarball)
    first, second = service.submit(uri, LONG), service.submit(uri, LONG)
    output = {"S3OutputLocation": f"s3://{uri.split('/')[2]}/out/huge/", "TargetDevice": "ml_m5"}
    huge = service.submit(uri, OutputConfig=output)
    service.start()
    for running, waiting in ((first, [second, huge]), (second, [huge])):
        service.wait_for_line(running, "compiling")
        time.sleep(1.2)  # two looks at the queue
        assert {service.store.get(key).status for key in waiting} == {Status.STARTING}
        service.store.request_stop(running, time.time())
        assert service.wait(running).status is Status.STOPPED
    assert service.wait(huge).status is Status.COMPLETED


def test_a_placement_sets_what_a_job_may_take(service: Service, tarball: bytes) -> None:
    engine = EngineOptions(placements={"XGBOOST": Placement(max_folder=1)})
    service.settings = replace(service.settings, engine=engine)
    service.start()
    job = service.wait(service.submit(service.put("m.tar.gz", tarball), LONG))
    assert job.failure_reason.startswith("InternalError: The compiler was ended, it took more than 1 bytes")


def test_a_queued_job_is_stopped_without_running(
    service: Service, tarball: bytes, with_worker: Callable[..., Settings]
) -> None:
    service.settings = with_worker(service.settings, concurrency=1)
    service.start()
    uri = service.put("m.tar.gz", tarball)
    running = service.submit(uri, LONG)
    service.wait(running, lambda job: job.status is Status.INPROGRESS)
    queued = service.submit(uri)
    service.store.request_stop(queued, time.time())
    job = service.wait(queued)
    assert (job.status, job.start_time, job.attempt) == (Status.STOPPED, None, 0)
    assert service.kinds(queued) == ["created", "stop_requested", "stopped"]


@pytest.mark.parametrize("stage", ["begins", "compiling", "ignores SIGTERM"])
def test_a_running_job_is_stopped_at_any_stage(
    service: Service, tarball: bytes, artifact_of: Callable[[str], tuple[bytes, str]], stage: str
) -> None:
    service.start()
    wish = LONG | {"children": 2, "ignore_sigterm": stage == "ignores SIGTERM"}
    key = service.submit(service.put("m.tar.gz", tarball), wish)
    service.wait_for_line(key, "attempt 1 begins" if stage == "begins" else "compiling")
    service.store.request_stop(key, time.time())
    job = service.wait(key)
    assert (job.status, job.artifact_uri, job.failure_reason) == (Status.STOPPED, None, None)
    assert service.kinds(key) == ["created", "claimed", "stop_requested", "stopped"]
    await_nobody(service.settings)


def test_a_stop_after_the_result_wins(service: Service, tarball: bytes) -> None:
    service.start()
    key = service.submit(service.put("m.tar.gz", tarball), {"sleep": 1})
    service.wait_for_line(key, "compiling")
    pid = attempt_of(service, key)
    os.kill(pid, signal.SIGSTOP)
    service.store.request_stop(key, time.time())
    time.sleep(0.3)
    os.kill(pid, signal.SIGCONT)
    assert service.wait(key).status is Status.STOPPED


def test_a_lost_attempt_is_run_again(
    service: Service, tarball: bytes, artifact_of: Callable[[str], tuple[bytes, str]]
) -> None:
    service.start()
    key = service.submit(service.put("m.tar.gz", tarball), {"sleep": 1, "children": 1})
    service.wait_for_line(key, "compiling")
    os.kill(attempt_of(service, key), signal.SIGKILL)
    job = service.wait(key)
    assert (job.status, job.attempt, job.artifact_digest) == (Status.COMPLETED, 2, artifact_of("m")[1])
    assert service.kinds(key) == ["created", "claimed", "released", "claimed", "completed"]
    assert "attempt 1 was lost (it was killed by signal 9); the job will be run again" in service.log(key)
    await_nobody(service.settings)


def test_a_job_that_loses_every_attempt_fails_with_the_cause(service: Service, tarball: bytes) -> None:
    service.start()
    key = service.submit(service.put("m.tar.gz", tarball), {"signal": int(signal.SIGKILL)})
    job = service.wait(key)
    assert (job.status, job.attempt) == (Status.FAILED, 3)
    assert job.failure_reason == (
        "InternalError: The job was given up after 3 lost attempts. The last one: the compiler was killed."
    )


def test_a_stopped_service_gives_its_jobs_back_and_costs_no_attempt(service: Service, tarball: bytes) -> None:
    key = service.submit(service.put("m.tar.gz", tarball), {"sleep": 2})
    for attempt in range(1, 5):
        service.start()
        service.wait(key, lambda job, attempt=attempt: job.attempt == attempt)
        service.stop()
        assert service.store.get(key).status is Status.INPROGRESS
        await_nobody(service.settings)
    service.start()
    job = service.wait(key)
    assert (job.status, job.attempt) == (Status.COMPLETED, 5)


def test_a_job_that_pends_too_long_fails(
    service: Service, tarball: bytes, with_worker: Callable[..., Settings]
) -> None:
    service.settings = with_worker(service.settings, concurrency=1)
    service.start()
    uri = service.put("m.tar.gz", tarball)
    service.wait(service.submit(uri, LONG), lambda job: job.status is Status.INPROGRESS)
    job = service.wait(service.submit(uri, None, {"MaxPendingTimeInSeconds": 1}))
    assert job.failure_reason == (
        "ClientError: TimeOut: The job was pending for longer than MaxPendingTimeInSeconds (1 s)."
    )


def test_a_job_that_waits_and_runs_too_long_fails(
    service: Service, tarball: bytes, with_worker: Callable[..., Settings]
) -> None:
    """MaxWaitTimeInSeconds from the creation: one job runs at its end, the other still waits."""
    service.settings = with_worker(service.settings, concurrency=1)
    uri = service.put("m.tar.gz", tarball)
    limits = {"MaxWaitTimeInSeconds": 8, "MaxRuntimeInSeconds": 8}
    running = service.submit(uri, LONG, limits)
    waiting = service.submit(uri, None, {"MaxWaitTimeInSeconds": 1, "MaxRuntimeInSeconds": 1})
    time.sleep(1.5)
    service.start()
    jobs = [service.wait(running), service.wait(waiting)]
    for job, limit in zip(jobs, (8, 1), strict=True):
        assert job.failure_reason == (
            f"ClientError: TimeOut: The job did not complete within MaxWaitTimeInSeconds ({limit} s)."
        )
    assert jobs[0].start_time is not None
    assert jobs[0].end_time + 1 - jobs[0].creation_time >= 8
    assert jobs[1].start_time is None
    await_nobody(service.settings)


def test_a_job_stays_ours_when_the_store_was_away_for_longer_than_its_lease(
    service: Service,
    tarball: bytes,
    with_worker: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only heartbeats fail here: claims in between must not take the job whose lease ran out."""
    service.settings = with_worker(service.settings, concurrency=2, lease=1, heartbeat=0.2)
    missed = []

    def away(*_: object) -> None:
        missed.append(time.time())
        raise OSError("no route to the database")

    monkeypatch.setattr(service.store, "heartbeat", away)
    service.start()
    key = service.submit(service.put("m.tar.gz", tarball), LONG)
    deadline = time.monotonic() + 60
    while not missed or time.time() < service.store.get(key).lease_until + 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    monkeypatch.undo()
    lapsed = service.store.get(key).lease_until
    service.wait(key, lambda job: job.lease_until > lapsed)
    assert service.kinds(key) == ["created", "claimed"]
    service.store.request_stop(key, time.time())
    assert service.wait(key).attempt == 1


def test_an_attempt_whose_job_was_taken_over_is_killed_and_says_nothing(
    service: Service, tarball: bytes
) -> None:
    service.start()
    key = service.submit(service.put("m.tar.gz", tarball), LONG)
    service.wait_for_line(key, "compiling")
    thief = service.store.claim("thief", 3600, service.store.get(key).lease_until + 1)
    assert thief is not None
    await_nobody(service.settings)
    assert service.store.get(key) == thief


def test_a_service_without_its_required_sandbox_does_not_start(service: Service) -> None:
    service.settings = replace(
        service.settings, sandbox=replace(service.settings.sandbox, require=("gvisor",))
    )
    with pytest.raises(InternalError, match="sandbox: no layer is called gvisor"):
        service.start()
