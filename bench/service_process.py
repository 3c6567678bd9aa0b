"""A service for the benchmarks: as `tinsmith serve` runs it, with a stand-in for the compiler."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from tests.worker.conftest import make_tarball
from tinsmith.cli.endpoints import Endpoints
from tinsmith.jobs.engines import open_database
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.rows import insert_event, insert_job
from tinsmith.jobs.store import Store
from tinsmith.settings import SandboxOptions, Settings, WorkerOptions
from tinsmith.storage.credentials import Credentials, read_credentials
from tinsmith.storage.embedded import BUCKET
from tinsmith.storage.s3 import ObjectStore

COMPILER = Path(__file__).parents[1] / "tests" / "worker" / "fake_compiler.py"
ACCOUNT, REGION = "000000000000", "us-east-1"
SERVE = """
import base64, pickle, sys
from tinsmith.cli.serve import run
run(pickle.loads(base64.b64decode(sys.argv[1])))
"""
TICK = os.sysconf("SC_CLK_TCK")


class Family:
    """A process and its children."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu(self) -> float:
        """Seconds of CPU that the process itself has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def members(self) -> Iterator[tuple[int, str]]:
        """Numbers and command lines of the process and all below it."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
        family = {self.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        for pid in family:
            try:
                yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue

    def pss_of_service(self) -> float:
        """MB of everything but the object store."""
        return sum(pss(pid) for pid, command in self.members() if "weed mini" not in command)

    def resident(self) -> float:
        """MB of the process itself that are in memory; unlike the PSS not halved while a child is forked."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def open_files(self) -> int:
        """Of the process itself."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def pss(pid: int) -> float:
    """Proportional set size in MB; shared pages are divided among those who share them."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


class Service:
    """A service on `folder` with its embedded object store."""

    def __init__(self, folder: Path, concurrency: int = 1) -> None:
        self.settings = Settings.under(
            folder / "data",
            port=0,
            compiler=(sys.executable, "-I", "-B", str(COMPILER)),
            sandbox=SandboxOptions(read_only=(COMPILER,)),
            worker=replace(WorkerOptions(), concurrency=concurrency),
        )
        self._log = folder / "log"

    def __enter__(self) -> Service:
        argument = base64.b64encode(pickle.dumps(self.settings)).decode()
        with self._log.open("wb") as log:
            command = [sys.executable, "-c", SERVE, argument]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while b"Tinsmith is ready" not in self._log.read_bytes():
            if self.process.poll() is not None:
                raise RuntimeError(self._log.read_text())
            time.sleep(0.05)
        self.family = Family(self.process.pid)
        self.endpoints = Endpoints.read(self.settings)
        self.port = int(self.endpoints.sagemaker.rpartition(":")[2])
        self.credentials: Credentials = read_credentials(self.settings.objects_dir)
        self.objects = ObjectStore(self.endpoints.s3, REGION, self.credentials)
        upload = self._log.with_name("m.tar.gz")
        upload.write_bytes(make_tarball({"model.json": b"{}"}))
        self.objects.upload(upload, f"s3://{BUCKET}/in/m.tar.gz")
        self.store = Store.open(self.settings.database_url)
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self.process.terminate()
        self.process.wait()

    def occupy(self) -> None:
        """Keeps the one worker busy for longer than any benchmark."""
        self.store.add(sleeper("busy", 80_000, time.time()), {})
        while self.store.get(JobKey(ACCOUNT, REGION, "busy")).status is Status.STARTING:
            time.sleep(0.05)

    def idle_memory(self) -> dict[str, float]:
        """MB of PSS for each part, after a while without requests."""
        time.sleep(5)
        sizes = {"the service's process": 0.0, "the attempt that waits for a job": 0.0, "SeaweedFS": 0.0}
        for pid, command in self.family.members():
            part = "the attempt that waits for a job"
            if "weed mini" in command:
                part = "SeaweedFS"
            elif pid == self.family.pid:
                part = "the service's process"
            sizes[part] += pss(pid)
        return sizes


def sleeper(name: str, seconds: float, now: float) -> Job:
    """A job that the stand-in compiler spends so many seconds on."""
    request = {
        "CompilationJobName": name,
        "RoleArn": "arn:aws:iam::000000000000:role/tinsmith",
        "InputConfig": {"S3Uri": f"s3://{BUCKET}/in/m.tar.gz", "Framework": "XGBOOST"},
        "OutputConfig": {
            "S3OutputLocation": f"s3://{BUCKET}/out/{name}/",
            "TargetDevice": "ml_c5",
            "CompilerOptions": json.dumps({"sleep": seconds}),
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
    }
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:compilation-job/{name}"
    return Job(JobKey(ACCOUNT, REGION, name), arn, request, Status.STARTING, 1, 0, now, now)


def filled(folder: Path, count: int) -> None:
    """`count` finished jobs in the store of the service on `folder`, one in a hundred of them FAILED."""
    database = open_database(Service(folder).settings.database_url)

    def change(connection: Connection) -> None:
        for index in range(count):
            job = sleeper(f"old-{index:06d}", 1, 1_700_000_000 + index)
            failed = index % 100 == 7
            job = replace(
                job,
                status=Status.FAILED if failed else Status.COMPLETED,
                attempt=1,
                version=3,
                start_time=job.creation_time,
                end_time=job.creation_time + 1,
                failure_reason="ClientError: InputConfiguration: no" if failed else None,
                artifact_uri=None if failed else f"s3://{BUCKET}/out/{job.key.name}/m-ml_c5.tar.gz",
                artifact_digest=None if failed else "0" * 128,
            )
            insert_job(connection, job, {})
            insert_event(
                connection, job.key, job.creation_time, "created", {"status": "STARTING", "attempt": 0}
            )

    database.write(change)
    database.close()
