"""`tinsmith serve` as a user runs it: a process on its own data folder, reached by boto3 and the AWS CLI."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import boto3
import httpx
from botocore.config import Config

T = TypeVar("T")

TINSMITH = (sys.executable, "-m", "tinsmith")
AWS = Path(sys.executable).with_name("aws")
AT_LENGTH = "TINSMITH_AT_LENGTH" in os.environ
"""As `make faults` and `make hostile` run; the suite does half."""
BUCKET = "tinsmith"
ENDED = ("COMPLETED", "FAILED", "STOPPED")
PATIENCE = 300.0
"""Seconds before a wait is called hopeless; no test measures with it."""
PAUSE = 0.05


class Service:
    """One data folder and the service that runs on it, which may be killed and started again."""

    def __init__(
        self, data_dir: Path, *options: str, environment: Mapping[str, str] | None = None, umask: int = -1
    ) -> None:
        self.data_dir = data_dir
        self.options = options
        self.log = data_dir.with_name(data_dir.name + ".log")
        """What all runs wrote to stderr."""
        self.env: dict[str, str] = {}
        """What `tinsmith env` exports."""
        self._umask = umask
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        # Inherited by every process of the service: so `processes` finds those that lost their parent.
        self._environment = kept | {"TINSMITH_DATA_DIR": str(data_dir)} | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, Any] = {}

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns once the service says that it is ready, with its exports read."""
        written = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            command = (*TINSMITH, "serve", "--port", "0", *self.options)
            self._process = process = subprocess.Popen(
                command, env=self._environment, stdout=subprocess.DEVNULL, stderr=log, umask=self._umask
            )

        def is_ready() -> bool:
            text = self.log.read_bytes()[written:]
            assert process.poll() is None, text.decode()
            return b"Tinsmith is ready" in text

        try:
            until(is_ready)
            self.env, self._clients = self._exports(), {}
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """By SIGTERM, as an operator would; nothing of it may stay behind."""
        if self._process is not None:
            self._process.terminate()
            code, self._process = self._process.wait(PATIENCE), None
            assert code == 0, self.log.read_text()
            assert not self.processes()

    def kill(self) -> None:
        """By SIGKILL; what it leaves behind is the caller's to look at."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def run(self, *arguments: str) -> str:
        """Standard output of `tinsmith ...` on this data folder."""
        done = subprocess.run(
            (*TINSMITH, *arguments), env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"tinsmith {shlex.join(arguments)}: {done.stderr}"
        return done.stdout

    def aws(self, *arguments: str) -> str:
        """Standard output of `aws ...`, which knows nothing but the exports."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.data_dir), **self.env}
        done = subprocess.run((AWS, *arguments), env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"aws {shlex.join(arguments)}: {done.stderr}"
        return done.stdout

    def client(self, name: str) -> Any:
        """A boto3 client that knows nothing but the exports."""
        if name not in self._clients:
            self._clients[name] = boto3.session.Session().client(
                name,
                region_name=self.env["AWS_REGION"],
                endpoint_url=self.env[f"AWS_ENDPOINT_URL_{name.upper()}"],
                aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
                config=Config(proxies={}),
            )
        return self._clients[name]

    def put(self, key: str, body: bytes) -> str:
        """The URI of a new object."""
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def get(self, uri: str) -> bytes:
        """The content of an object."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        reply = self.client("s3").get_object(Bucket=bucket, Key=key)
        content: bytes = reply["Body"].read()
        return content

    def request(
        self, name: str, uri: str, framework: str = "XGBOOST", target: str = "ml_c4", **output: Any
    ) -> dict[str, Any]:
        """A CreateCompilationJob request for a device (`ml_c4`) or a platform (`LINUX/X86_64`)."""
        os_arch = target.split("/")
        place = {"TargetPlatform": {"Os": os_arch[0], "Arch": os_arch[1]}} if os_arch[1:] else {}
        return {
            "CompilationJobName": name,
            "RoleArn": self.env["TINSMITH_ROLE_ARN"],
            "InputConfig": {"S3Uri": uri, "Framework": framework},
            "OutputConfig": {
                "S3OutputLocation": f"s3://{BUCKET}/compiled/{name}",
                **(place or {"TargetDevice": target}),
                **output,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 900},
        }

    def describe(self, name: str) -> dict[str, Any]:
        """The reply, without botocore's own part."""
        reply = self.client("sagemaker").describe_compilation_job(CompilationJobName=name)
        return {key: value for key, value in reply.items() if key != "ResponseMetadata"}

    def await_status(self, name: str, *statuses: str) -> dict[str, Any]:
        """The job once it has one of `statuses`; a job that has ended otherwise fails the test."""
        client = self.client("sagemaker")

        def look() -> dict[str, Any] | None:
            job: dict[str, Any] = client.describe_compilation_job(CompilationJobName=name)
            status = job["CompilationJobStatus"]
            assert status in statuses or status not in ENDED, job
            return job if status in statuses else None

        until(look)
        return self.describe(name)

    def logs(self, name: str) -> str:
        """What `tinsmith logs` prints."""
        return self.run("logs", name)

    def is_healthy(self) -> bool:
        """Whether GET /healthz answers 200."""
        url = self.env["AWS_ENDPOINT_URL_SAGEMAKER"] + "/healthz"
        return httpx.get(url, trust_env=False, timeout=PATIENCE).status_code == 200

    def attempts(self) -> list[int]:
        """Processes that run an attempt, oldest first."""
        recorded = set()
        for file in (self.data_dir / "work").glob("*/pid"):
            with suppress(FileNotFoundError):
                recorded.add(file.read_text().partition(" ")[0])
        return [pid for pid in self.processes() if str(pid) in recorded]

    def spares(self) -> list[int]:
        """Processes that wait for an attempt to run."""
        running = self.attempts()
        workers = [pid for pid in self.processes() if b"tinsmith.worker.attempt" in _read(pid, "cmdline")]
        return [pid for pid in workers if pid not in running]

    def compilers(self) -> list[int]:
        """Processes that compile, sandboxed, with everything that they started, oldest first."""
        work = os.fsencode(self.data_dir / "work")
        return [pid for pid in self.processes() if work in _read(pid, "cmdline") + _read(pid, "environ")]

    def processes(self) -> list[int]:
        """Every live process that names this data folder, oldest first."""
        mark = os.fsencode(self.data_dir)
        living = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
        return [pid for pid in living if mark in _read(pid, "cmdline") + _read(pid, "environ")]

    def _exports(self) -> dict[str, str]:
        """As a shell understands them."""
        lines = self.run("env").splitlines()
        words = [shlex.split(line) for line in lines]
        assert all(word[0] == "export" and len(word) == 2 for word in words)
        return dict(word[1].split("=", 1) for word in words)


def until(condition: Callable[[], T], patience: float = PATIENCE) -> T:
    """The first true value of `condition`; AssertionError when there is none for `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(PAUSE)
    return value


@contextmanager
def frozen(service: Service) -> Iterator[None]:
    """The running attempt stands still meanwhile."""
    pids = until(service.attempts)
    signal_all(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(pids, signal.SIGCONT)


def signal_all(pids: Sequence[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Signals those of `pids` that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _read(pid: int, name: str) -> bytes:
    """A file of a live process; empty for a zombie and for one that is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
