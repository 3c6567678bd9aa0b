"""Two services with data folders of their own, on one PostgreSQL and one object store."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.acceptance.service import ENDED, until
from tests.postgres import Postgres
from tests.worker.conftest import FAKE, make_tarball
from tinsmith.cli.endpoints import Endpoints
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Store
from tinsmith.settings import IdentityOptions, S3Options, SandboxOptions, Settings, WorkerOptions
from tinsmith.storage.embedded import BUCKET, EmbeddedStore

SERVE = """
import base64, pickle, sys
from tinsmith.cli.serve import run
run(pickle.loads(base64.b64decode(sys.argv[1])))
"""
LEASE = 4.0


@dataclass
class Plane:
    """One service, which may be killed."""

    settings: Settings
    process: subprocess.Popen[bytes]

    @staticmethod
    def start(settings: Settings) -> Plane:
        argument = base64.b64encode(pickle.dumps(settings)).decode()
        process = subprocess.Popen([sys.executable, "-c", SERVE, argument], stdout=subprocess.DEVNULL)

        def is_ready() -> bool:
            assert process.poll() is None
            try:
                return Endpoints.read(settings).pid == process.pid
            except Exception:
                return False

        until(is_ready)
        return Plane(settings, process)

    def client(self) -> Any:
        return boto3.client(
            "sagemaker",
            region_name="us-east-1",
            endpoint_url=Endpoints.read(self.settings).sagemaker,
            aws_access_key_id=self.settings.s3.access_key_id,
            aws_secret_access_key=self.settings.s3.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    @property
    def owner(self) -> str:
        """Its name in the leases."""
        return (self.settings.data_dir / "worker").read_text().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(60) == 0


@dataclass
class Site:
    """What both services share."""

    database: str
    objects: EmbeddedStore
    store: Store
    folder: Path

    @property
    def master_key(self) -> Path:
        """Services that share a database share the key that its secrets are sealed with."""
        return self.folder / "master.key"

    def settings(self, name: str, concurrency: int = 2) -> Settings:
        keys = self.objects.credentials
        return Settings.under(
            self.folder / name,
            port=0,
            database=self.database,
            identity=IdentityOptions(master_key=self.master_key),
            s3=S3Options(self.objects.endpoint_url, "us-east-1", keys.access_key, keys.secret_key),
            compiler=(sys.executable, "-I", "-B", str(FAKE)),
            sandbox=SandboxOptions(read_only=(FAKE,)),
            worker=WorkerOptions(concurrency, lease=LEASE, heartbeat=0.5, stop_grace=2),
        )

    def holder(self, name: str) -> str | None:
        return self.store.get(JobKey("000000000000", "us-east-1", name)).lease_owner


@pytest.fixture(scope="module")
def site(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with EmbeddedStore(folder / "objects") as objects:
        upload = folder / "m.tar.gz"
        upload.write_bytes(make_tarball({"model.json": b"{}"}))
        objects.store().upload(upload, f"s3://{BUCKET}/in/m.tar.gz")
        database = postgres.database()
        store = Store.open(database)
        yield Site(database, objects, store, folder)
        store.close()


@pytest.fixture(scope="module")
def planes(site: Site) -> Iterator[tuple[Plane, Plane]]:
    with ExitStack() as up:
        both = tuple(Plane.start(site.settings(name)) for name in ("one", "two"))
        for plane in both:
            up.callback(plane.kill)
        yield both  # type: ignore[misc]


def request(name: str, **wish: object) -> dict[str, Any]:
    return {
        "CompilationJobName": name,
        "RoleArn": "arn:aws:iam::000000000000:role/tinsmith",
        "InputConfig": {"S3Uri": f"s3://{BUCKET}/in/m.tar.gz", "Framework": "XGBOOST"},
        "OutputConfig": {
            "S3OutputLocation": f"s3://{BUCKET}/out/{name}/",
            "TargetDevice": "ml_c5",
            "CompilerOptions": json.dumps({"sleep": 0} | wish),
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }


def test_both_services_are_one_to_their_clients(site: Site, planes: tuple[Plane, Plane]) -> None:
    one, two = (plane.client() for plane in planes)
    arn = one.create_compilation_job(**request("shared"))["CompilationJobArn"]
    assert two.describe_compilation_job(CompilationJobName="shared")["CompilationJobArn"] == arn
    with pytest.raises(ClientError, match="ResourceInUse"):
        two.create_compilation_job(**request("shared"))
    two.add_tags(ResourceArn=arn, Tags=[{"Key": "k", "Value": "v"}])
    assert one.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    done = end(two, "shared")
    assert done["CompilationJobStatus"] == "COMPLETED", done
    one.delete_compilation_job(CompilationJobName="shared")
    with pytest.raises(ClientError, match="Could not find"):
        two.describe_compilation_job(CompilationJobName="shared")


def test_a_name_is_given_once_however_many_ask_at_once(site: Site, planes: tuple[Plane, Plane]) -> None:
    names = [f"raced-{index}" for index in range(10)]
    outcomes: Counter[tuple[str, str]] = Counter()
    start = threading.Barrier(4)

    def create(plane: Plane) -> None:
        client = plane.client()
        start.wait()
        for name in names:
            try:
                client.create_compilation_job(**request(name))
                outcomes[name, "created"] += 1
            except ClientError as error:
                outcomes[name, error.response["Error"]["Code"]] += 1

    threads = [threading.Thread(target=create, args=(planes[index % 2],)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    created = {(name, "created"): 1 for name in names}
    assert outcomes == created | {(name, "ResourceInUse"): 3 for name in names}
    client = planes[0].client()
    for name in names:
        end(client, name)
    kinds = Counter(event.kind for event in site.store.events() if event.key.name.startswith("raced"))
    assert kinds == {"created": 10, "claimed": 10, "completed": 10}


def test_a_job_is_stopped_through_the_other_service(site: Site, planes: tuple[Plane, Plane]) -> None:
    planes[0].client().create_compilation_job(**request("stopped", sleep=600))
    holder = until(lambda: site.holder("stopped"))
    other = next(plane for plane in planes if plane.owner != holder).client()
    other.stop_compilation_job(CompilationJobName="stopped")
    assert end(other, "stopped")["CompilationJobStatus"] == "STOPPED"


def test_the_other_service_takes_over_the_jobs_of_a_killed_one(
    site: Site, planes: tuple[Plane, Plane]
) -> None:
    planes[0].client().create_compilation_job(**request("orphaned", sleep=6))
    holder = until(lambda: site.holder("orphaned"))
    victim, heir = sorted(planes, key=lambda plane: plane.owner != holder)
    time.sleep(1)
    victim.kill()
    killed = time.monotonic()
    client = heir.client()
    assert until(lambda: site.holder("orphaned") == heir.owner)
    assert time.monotonic() - killed >= LEASE - 1.5  # not before the lease is over: the heartbeat is 0.5 s
    done = end(client, "orphaned")
    assert done["CompilationJobStatus"] == "COMPLETED", done
    uri = done["ModelArtifacts"]["S3ModelArtifacts"]
    copy = site.folder / "artifact"
    site.objects.store().download(uri, copy, 1 << 20)
    assert copy.read_bytes() == b"mml_c5" * 100
    kinds = [event.kind for event in site.store.events(JobKey("000000000000", "us-east-1", "orphaned"))]
    assert kinds == ["created", "claimed", "claimed", "completed"]
    again = Plane.start(victim.settings)  # which finds that the job is not its own any more
    again.stop()
    assert heir.process.poll() is None


def test_the_command_line_takes_the_database(site: Site, tmp_path: Path) -> None:
    keys = site.objects.credentials
    environment = {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "TINSMITH_DATA_DIR": str(tmp_path / "data"),
        "PATH": "/usr/bin:/bin",
    }
    command = (sys.executable, "-m", "tinsmith")
    options = "--port", "0", "--s3-endpoint", site.objects.endpoint_url, "--database", site.database
    key = "--master-key", str(site.master_key)
    serving = subprocess.Popen([*command, "serve", *options, *key], env=environment, stdout=subprocess.PIPE)
    assert serving.stdout is not None
    try:
        serving.stdout.readline()
        environment["TINSMITH_DATABASE_URL"] = site.database
        listed = subprocess.run(
            [*command, "ls", "--json"], env=environment, capture_output=True, text=True, check=True
        )
    finally:
        serving.terminate()
        serving.communicate()
    assert serving.returncode == 0
    assert not (tmp_path / "data" / "jobs.db").exists()
    assert "orphaned" in [job["name"] for job in json.loads(listed.stdout)]


def end(client: Any, name: str) -> dict[str, Any]:
    """The job once it has ended."""

    def look() -> dict[str, Any]:
        job: dict[str, Any] = client.describe_compilation_job(CompilationJobName=name)
        return job if job["CompilationJobStatus"] in ENDED else {}

    return until(look)
