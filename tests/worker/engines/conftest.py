"""Each engine for real, as a rig that tests the contract and breaks things."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.worker.engines import ray_cluster, slurm_cluster
from tests.worker.engines.ray_cluster import RayCluster
from tests.worker.engines.slurm_cluster import SlurmCluster
from tinsmith.settings import EngineOptions, Settings
from tinsmith.worker.engines import make_engine
from tinsmith.worker.engines.port import Active, Ended, Engine, EngineUnavailable
from tinsmith.worker.logs import read
from tinsmith.worker.order import AttemptOrder
from tinsmith.worker.processes import ProcessId, read_pid_file

BUCKET = "tinsmith-worker"
PATIENCE = 90.0
ALL = os.environ.get("TINSMITH_ENGINES") == "all"
"""Otherwise the engines of clusters are tested by a sample alone; `make engines` tests everything."""


@dataclass
class Rig:
    """One engine over one data folder, as a controller would use it."""

    settings: Settings
    uri: str
    """Of an input object."""
    objects: Any
    """A client of S3."""
    written: list[Path]
    """Where the cluster writes things down."""
    owner: str = "rig"
    engines: list[Engine] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.settings.engine.kind

    def engine(self) -> Engine:
        """A new one, as a restarted controller has it."""
        engine = make_engine(self.settings, self.owner)
        engine.open()
        self.engines.append(engine)
        return engine

    def order(self, name: str = "job-0-1", **wish: Any) -> AttemptOrder:
        """What the stand-in compiler is to do."""
        import json

        name = f"{name.rpartition('-')[0]}-{time.time_ns():x}-{name.rpartition('-')[2]}"
        output = {"S3OutputLocation": f"s3://{BUCKET}/{name}/", "TargetDevice": "ml_c5"}
        output["CompilerOptions"] = json.dumps(wish)
        return AttemptOrder(
            name=name,
            attempt=1,
            request={"InputConfig": {"S3Uri": self.uri, "Framework": "XGBOOST"}, "OutputConfig": output},
            log=self.settings.logs_dir / f"{name}.jsonl",
            compiler=self.settings.compiler or (),
            cpu_seconds=60,
            limits=self.settings.limits,
            sandbox=self.settings.sandbox,
            allow_unverified=False,
            s3=self.settings.s3,
        )

    def folder(self, name: str) -> Path:
        """Where the attempt `name` works."""
        if self.kind == "local":
            return self.settings.work_dir / name
        return Path(self.settings.engine.work_dir or "") / f"tinsmith-{os.getuid()}" / name

    def process(self, name: str) -> ProcessId | None:
        """The attempt's own process, once it has begun."""
        process = read_pid_file(self.folder(name) / "pid")
        return process if process is not None and process.alive else None

    def family(self, name: str) -> list[int]:
        """Processes that name the attempt's folder: sandbox, guard, compiler."""
        mark, found = os.fsencode(self.folder(name)), []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        process = self.process(name)
        return found + ([process.pid] if process else [])

    def compilers(self, name: str) -> list[int]:
        """Of those, the stand-in compiler itself."""
        program = re.compile(rb"[^\0]*python[^\0]*\0-I\0-B\0[^\0]*fake_compiler.py\0")
        return [pid for pid in self.family(name) if program.match(command_of(pid))]

    def compiling(self, name: str, engine: Engine) -> ProcessId:
        """The attempt's process once its compiler runs."""
        self.until(lambda: "compiling" in self.log(name) or isinstance(engine.status(name), Ended))
        process = self.process(name)
        assert process is not None, (engine.status(name), self.log(name))
        return process

    def log(self, name: str) -> list[str]:
        return [line.line for line in read(self.settings.logs_dir / f"{name}.jsonl")]

    def ended(self, engine: Engine, name: str) -> Ended:
        """How it ended, once it has, with nothing of it left."""
        status = self.ended_status(engine, name)
        self.until(lambda: not self.family(name))
        return status

    def ended_status(self, engine: Engine, name: str) -> Ended:
        """The same, whatever is left."""
        self.until(lambda: not isinstance(engine.status(name), Active))
        status = engine.status(name)
        assert isinstance(status, Ended)
        return status

    def until(self, condition: Callable[[], Any], patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    if reason := slurm_cluster.missing():
        pytest.skip(reason)
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def ray() -> Iterator[RayCluster]:
    if reason := ray_cluster.missing():
        pytest.skip(reason)
    with RayCluster() as cluster:
        yield cluster


@pytest.fixture(params=["local", "slurm", "ray"])
def rig(
    request: pytest.FixtureRequest,
    settings: Settings,
    service: Any,
    tarball: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Rig]:
    """Every engine in turn."""
    kind = request.param
    if kind in ("slurm", "ray") and not ALL and request.node.get_closest_marker("sample") is None:
        pytest.skip("in `make engines`")
    work = tmp_path_factory.mktemp("nodes")
    work.chmod(0o755)
    options = EngineOptions(kind, mailbox=f"s3://{BUCKET}/mailbox", work_dir=str(work))
    written = []
    if kind == "slurm":
        cluster: SlurmCluster = request.getfixturevalue("slurm")
        monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
        cluster.resume()  # a controller that was killed drains the node when it learns what it had forgotten
        written = [cluster.folder]
    elif kind == "ray":
        ray_nodes: RayCluster = request.getfixturevalue("ray")
        options = replace(options, ray_address=ray_nodes.address)
        written = [ray_nodes.session]
    settings.logs_dir.mkdir(exist_ok=True)
    uri = service.put("m.tar.gz", tarball)
    rig = Rig(replace(settings, engine=options), uri, service.objects.client, written)
    yield rig
    if kind == "processes":
        return
    with suppress(EngineUnavailable):
        (rig.engines[-1] if rig.engines else rig.engine()).adopt({})
    for engine in rig.engines:
        engine.close()
