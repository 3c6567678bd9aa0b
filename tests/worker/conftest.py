"""A service without its API: a real object store, a real job store, a controller, a stand-in compiler."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tinsmith.jobs.job import TERMINAL, Job, JobKey, Status
from tinsmith.jobs.store import Store
from tinsmith.settings import S3Options, SandboxOptions, Settings, WorkerOptions
from tinsmith.storage.embedded import EmbeddedStore
from tinsmith.worker.controller import Controller
from tinsmith.worker.logs import read

FAKE = Path(__file__).parent / "fake_compiler.py"
BUCKET = "tinsmith-worker"
PATIENCE = 60.0


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path_factory.mktemp("objects")) as running:
        running.store().ensure_bucket(BUCKET)
        yield running


@dataclass
class Service:
    """What a test needs to submit jobs and see what becomes of them."""

    settings: Settings
    store: Store
    objects: Any
    controller: Controller | None = None
    names: Iterator[int] = field(default_factory=itertools.count)

    def start(self) -> None:
        self.controller = Controller(self.store, self.settings)
        self.controller.start()

    def stop(self) -> None:
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    def put(self, name: str, data: bytes) -> str:
        """Uploads `data`; its URI, which no other test has."""
        uri = f"s3://{BUCKET}/{uuid.uuid4().hex}/{name}"
        path = self.settings.data_dir / "upload"
        path.write_bytes(data)
        self.objects.upload(path, uri)
        return uri

    def get(self, uri: str) -> bytes:
        path = self.settings.data_dir / "download"
        self.objects.download(uri, path, 1 << 30)
        return path.read_bytes()

    def submit(
        self,
        uri: str,
        wish: dict[str, Any] | None = None,
        stopping: dict[str, int] | None = None,
        **changes: Any,
    ) -> JobKey:
        """Adds a job on the object `uri` that asks the stand-in compiler for `wish`."""
        name = f"job-{next(self.names)}"
        key = JobKey("000000000000", "us-east-1", name)
        output: dict[str, Any] = {"S3OutputLocation": f"s3://{BUCKET}/out/{name}/", "TargetDevice": "ml_c5"}
        if wish is not None:
            output["CompilerOptions"] = json.dumps(wish)
        request: dict[str, Any] = {
            "CompilationJobName": name,
            "OutputConfig": output,
            "StoppingCondition": {} if stopping is None else stopping,
            "InputConfig": {"S3Uri": uri, "Framework": "XGBOOST"},
        }
        now = time.time()
        arn = f"arn:aws:sagemaker:us-east-1:000000000000:compilation-job/{name}"
        job = Job(key, arn, request | changes, Status.STARTING, 1, 0, now, now)
        self.store.add(job, {})
        return key

    def wait(self, key: JobKey, until: Callable[[Job], bool] = lambda job: job.status in TERMINAL) -> Job:
        deadline = time.monotonic() + PATIENCE
        while not until(job := self.store.get(key)):
            assert time.monotonic() < deadline, job
            time.sleep(0.01)
        return job

    def wait_for_line(self, key: JobKey, line: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while line not in self.log(key):
            assert time.monotonic() < deadline, self.log(key)
            time.sleep(0.01)

    def log(self, key: JobKey) -> list[str]:
        return [line.line for line in read(self.settings.logs_dir / f"{key.name}.jsonl")]

    def kinds(self, key: JobKey) -> list[str]:
        return [event.kind for event in self.store.events(key)]


@pytest.fixture
def settings(embedded: EmbeddedStore, tmp_path: Path) -> Settings:
    keys = embedded.credentials
    return Settings.under(
        tmp_path / "data",
        s3=S3Options(embedded.endpoint_url, "us-east-1", keys.access_key, keys.secret_key),
        compiler=(sys.executable, "-I", "-B", str(FAKE)),
        sandbox=SandboxOptions(read_only=(FAKE,)),
        worker=WorkerOptions(concurrency=2, lease=10, heartbeat=1, stop_grace=5),
    )


@pytest.fixture
def service(settings: Settings, embedded: EmbeddedStore) -> Iterator[Service]:
    """Not started yet, so that a test may change its settings."""
    settings.data_dir.mkdir(mode=0o700)
    store = Store.open(settings.database_url)
    service = Service(settings, store, embedded.store())
    yield service
    service.stop()
    store.close()


@pytest.fixture
def tarball() -> bytes:
    return make_tarball({"model.json": b"{}", "code/inference.py": b"print()\n"})


def make_tarball(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def artifact_of() -> Callable[[str], tuple[bytes, str]]:
    """Bytes and digest of what the stand-in compiler makes of a model name."""

    def artifact(model: str) -> tuple[bytes, str]:
        data = f"{model}ml_c5".encode() * 100
        return data, hashlib.blake2b(data).hexdigest()

    return artifact


@pytest.fixture
def with_worker() -> Callable[..., Settings]:
    def change(settings: Settings, **changes: Any) -> Settings:
        return replace(settings, worker=replace(settings.worker, **changes))

    return change
