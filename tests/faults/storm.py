"""Random faults while one engine works through jobs: service, attempts, nodes, S3, database, disk."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pickle
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from tests.faults.databases import DATABASES
from tests.faults.places import PLACES, Place, Victim, commands
from tests.faults.proxy import Proxy
from tests.faults.verdict import Verdict, judge
from tests.worker.conftest import FAKE, make_tarball
from tinsmith.errors import TinsmithError
from tinsmith.jobs.job import TERMINAL, Job, JobKey, Status
from tinsmith.jobs.store import Event, Store
from tinsmith.settings import S3Options, SandboxOptions, Settings, WorkerOptions
from tinsmith.storage.embedded import EmbeddedStore
from tinsmith.worker.order import attempt_name

BUCKET = "tinsmith-faults"
DISK_BYTES = 512 << 20
LEAD = 3
"""Faults that may come before the first job ends; never more than this beyond the jobs that have ended."""
PATIENCE = 3600.0
TEND_SECONDS = 10.0
BAD_REASON = "ClientError: InputConfiguration: "
SERVE = """
import base64, pickle, sys, threading
from tinsmith.jobs.store import Store
from tinsmith.worker.controller import Controller
settings = pickle.loads(base64.b64decode(sys.stdin.readline()))
Controller(Store.open(settings.database_url), settings).start()
print("ready", flush=True)
threading.Event().wait()
"""


@dataclass(frozen=True)
class Plan:
    """How much of what."""

    engine: str
    database: str = "sqlite"
    jobs: int = 100
    faults: int = 60
    only: tuple[str, ...] = ()
    """Faults by name; empty: all that there are."""
    real: bool = False
    """Real models and the real compiler; otherwise a stand-in, whose jobs take a moment."""
    seed: int = 20261130


@dataclass
class Storm:
    """One engine, its jobs and what was done to them."""

    plan: Plan
    folder: Path
    kills: Counter[str] = field(default_factory=Counter)
    submitted: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def run(self) -> Verdict:
        """Everything up, the storm, everything down."""
        began = time.monotonic()
        self._chance = random.Random(self.plan.seed)
        with ExitStack() as up:
            objects = up.enter_context(EmbeddedStore(self.folder / "objects"))
            self._objects = objects
            self._proxy = Proxy(objects.port)
            up.callback(self._proxy.close)
            self._client = objects.store()
            self._client.ensure_bucket(BUCKET)
            data = self.folder / "data"
            data.mkdir(mode=0o700)
            self._disk_is_ours = up.enter_context(_small_disk(data))
            place: Place = PLACES[self.plan.engine](self.folder, self._chance)
            up.callback(place.close)
            database = DATABASES[self.plan.database](data)
            up.callback(database.close)
            self._settings = self._make_settings(data, place.options, database.url)
            self._store = Store.open(self._settings.database_url)
            up.callback(self._store.close)
            self._submit()
            self._service = self._serve()
            up.callback(lambda: self._service.kill())
            self._disturb(place, database.victims)
            verdict = self._verdict()
            self._service.terminate()
            self._service.wait()
            verdict.orphans = self._orphans(place.work_dirs)
        self.seconds = time.monotonic() - began
        return verdict

    def _make_settings(self, data: Path, engine: Any, database: str) -> Settings:
        keys = self._objects.credentials
        endpoint = f"http://127.0.0.1:{self._proxy.port}"
        fake = (sys.executable, "-I", "-B", str(FAKE))
        return Settings.under(
            data,
            database=database,
            s3=S3Options(endpoint, "us-east-1", keys.access_key, keys.secret_key),
            compiler=None if self.plan.real else fake,
            sandbox=SandboxOptions(read_only=(FAKE,)),
            worker=WorkerOptions(concurrency=6 if engine.kind != "local" else 3, heartbeat=2, stop_grace=5),
            engine=replace(engine, mailbox=f"s3://{BUCKET}/mailbox"),
        )

    def _serve(self) -> subprocess.Popen[str]:
        while True:  # what it needs at its start may be what was killed
            with (self.folder / "service.log").open("a") as log:
                service = subprocess.Popen(
                    [sys.executable, "-c", SERVE],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            assert service.stdin is not None
            assert service.stdout is not None
            with suppress(BrokenPipeError):
                service.stdin.write(base64.b64encode(pickle.dumps(self._settings)).decode() + "\n")
                service.stdin.flush()
            if service.stdout.readline() == "ready\n":
                return service
            service.wait()

    def _submit(self) -> None:
        good, bad = self._inputs()
        upload = self.folder / "upload"
        uris = []
        for number, (framework, content) in enumerate((*good, bad)):
            uris.append((f"s3://{BUCKET}/in/{number}/model.tar.gz", framework))
            upload.write_bytes(content)
            self._client.upload(upload, uris[-1][0])
        for number in range(self.plan.jobs):
            name = f"job-{number}"
            is_bad = number % 7 == 3
            uri, framework = uris[-1] if is_bad else uris[number % len(good)]
            if is_bad:
                self.bad[name] = BAD_REASON
            wish = {} if self.plan.real else {"sleep": self._chance.choice([0, 1, 2]), "children": number % 2}
            self._store.add(_job(name, uri, framework, wish), {})
            self.submitted.append(name)

    def _inputs(self) -> tuple[list[tuple[str, bytes]], tuple[str, bytes]]:
        """Framework and tarball of each good model, and of one that no attempt can make anything of."""
        if not self.plan.real:
            return [("XGBOOST", make_tarball({"model.json": b"{}"}))], ("XGBOOST", b"a,b\n1,2\n")
        from tests.acceptance.models import boosted, forest

        small = boosted(trees=1, depth=1), forest(trees=1, depth=1)
        return [("XGBOOST", small[0].tarball), ("SKLEARN", small[1].tarball)], ("XGBOOST", b"a,b\n1,2\n")

    def _disturb(self, place: Place, of_database: dict[str, Victim]) -> None:
        ours: dict[str, Victim] = {
            "service": self._kill_service,
            "object store": self._kill_objects,
            "connections to S3": lambda: self._proxy.sever() > 0,
            "disk": self._fill_disk,
        }
        if not self._disk_is_ours:
            del ours["disk"]
        everything = ours | of_database | place.victims
        if self.plan.only:
            everything = {name: everything[name] for name in self.plan.only if name in everything}
        # In turn, so that each has its share however few faults there are; then shuffled.
        wanted = [list(everything)[number % len(everything)] for number in range(self.plan.faults)]
        self._chance.shuffle(wanted)
        deadline, tend_at = time.monotonic() + PATIENCE, 0.0
        while open_jobs := self._open():
            assert time.monotonic() < deadline, (open_jobs, self.kills)
            time.sleep(self._chance.uniform(0.2, 2))
            if time.monotonic() > tend_at:
                tend_at = time.monotonic() + TEND_SECONDS
                place.tend()
            ended = self.plan.jobs - open_jobs
            if wanted and self.kills.total() < ended + LEAD:
                victim = wanted.pop()
                if everything[victim]():
                    self.kills[victim] += 1
                else:  # there was none: later there may be
                    wanted.insert(self._chance.randrange(len(wanted) + 1), victim)
            if self._service.poll() is not None:  # its first look at the sandbox was what was killed
                self._service = self._serve()

    def _open(self) -> int:
        with suppress(sqlite3.Error, DBAPIError):
            return sum(self._job(name).status not in TERMINAL for name in self.submitted)
        return self.plan.jobs

    def _kill_service(self) -> bool:
        self._service.kill()
        self._service.wait()
        self._service = self._serve()
        return True

    def _kill_objects(self) -> bool:
        process = self._objects.process
        if process is None or process.poll() is not None:
            return False
        process.kill()
        return True

    def _fill_disk(self) -> bool:
        """Not a byte is left on the disk of a job store in SQLite, of logs and of the local engine's work."""
        filler = self._settings.data_dir / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass
        time.sleep(3)
        filler.unlink(missing_ok=True)
        return True

    def _job(self, name: str) -> Job:
        return self._store.get(JobKey("000000000000", "us-east-1", name))

    def _verdict(self) -> Verdict:
        jobs = {name: self._job(name) for name in self.submitted}
        events: dict[str, list[Event]] = {}
        for event in self._store.events(limit=1_000_000):
            events.setdefault(event.key.name, []).append(event)
        artifacts = {name: self._digest(job) for name, job in jobs.items() if job.status is Status.COMPLETED}
        verdict = judge(self.submitted, jobs, events, self.bad, artifacts, self.kills)
        if len({*artifacts.values()}) > (2 if self.plan.real else 1):
            verdict.damaged.append("the same model became different artifacts")
        return verdict

    def _digest(self, job: Job) -> str:
        """Of the artifact as it lies in the store; a real one is loaded, too."""
        path = self.folder / "artifact.tar.gz"
        assert job.artifact_uri is not None
        try:
            self._client.download(job.artifact_uri, path, 1 << 30)
        except TinsmithError as error:
            return str(error)
        if self.plan.real:
            import tinsmith_runtime

            tinsmith_runtime.load(path)
        return hashlib.blake2b(path.read_bytes()).hexdigest()

    def _orphans(self, work_dirs: list[Path]) -> list[str]:
        """Processes and folders of attempts that are still there after a while."""
        marks = [os.fsencode(folder) for folder in work_dirs]
        marks += [attempt_name(self._job(name), 0)[:-1].encode() for name in self.submitted]
        deadline = time.monotonic() + 20
        while True:
            left = [
                f"{pid} {command!r}" for pid, command in commands() if any(mark in command for mark in marks)
            ]
            left += [str(path) for folder in work_dirs if folder.exists() for path in folder.iterdir()]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)


def _job(name: str, uri: str, framework: str, wish: dict[str, Any]) -> Job:
    key = JobKey("000000000000", "us-east-1", name)
    output = {"S3OutputLocation": f"s3://{BUCKET}/out/{name}/", "TargetDevice": "ml_c4"}
    if wish:
        output["CompilerOptions"] = json.dumps(wish)
    request = {
        "CompilationJobName": name,
        "InputConfig": {"S3Uri": uri, "Framework": framework},
        "OutputConfig": output,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    now = time.time()
    return Job(key, f"arn:aws:sagemaker:us-east-1:000000000000:compilation-job/{name}", request,
               Status.STARTING, 1, 0, now, now)  # fmt: skip


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """`folder` on a small disk of its own; whether we may mount one."""
    options = f"size={DISK_BYTES},mode=0700"
    mount = ("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)
