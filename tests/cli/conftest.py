"""The command line as its users have it: a process with arguments, an exit code and two streams."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import xgboost

TINSMITH = (sys.executable, "-m", "tinsmith")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    output: str
    errors: str

    def json(self) -> Any:
        return json.loads(self.output)


Tinsmith = Callable[..., Outcome]


@pytest.fixture(scope="session")
def tinsmith() -> Tinsmith:
    def run(*arguments: str | Path, **environment: str) -> Outcome:
        done = subprocess.run(
            [*TINSMITH, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=os.environ | {"COLUMNS": "200", "TERM": "dumb"} | environment,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


class Service:
    """A `tinsmith serve` on one data folder."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        command = [*TINSMITH, "serve", "--data-dir", str(data_dir), "--port", "0", *options]
        self.data_dir = data_dir
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.exports: dict[str, str] = {}
        self.said: list[str] = []
        for line in self.errors:
            self.said.append(line)
            if "Tinsmith is ready" in line:
                break
        else:
            raise AssertionError(f"the service ended: {''.join(self.said)}")
        while "TINSMITH_ROLE_ARN" not in self.exports:
            name, _, value = self.output.readline().removeprefix("export ").partition("=")
            self.exports[name] = shlex.split(value)[0]

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout
        return self.process.stdout

    @property
    def errors(self) -> IO[str]:
        assert self.process.stderr
        return self.process.stderr

    def client(self, name: str) -> Any:
        import boto3

        return boto3.client(
            name,
            endpoint_url=self.exports[f"AWS_ENDPOINT_URL_{name.upper()}"],
            region_name=self.exports["AWS_REGION"],
            aws_access_key_id=self.exports["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.exports["AWS_SECRET_ACCESS_KEY"],
        )

    def close(self) -> None:
        """Let go of the streams."""
        self.output.close()
        self.errors.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code after the signal."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=30)
        self.said += [output, errors]
        return self.process.returncode


Start = Callable[..., Service]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts services on given folders, and ends those that still run after the test."""
    started: list[Service] = []

    def begin(data_dir: Path, *options: str) -> Service:
        started.append(Service(data_dir, *options))
        return started[-1]

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.stop()
        service.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `model` with a small XGBoost classifier, model.json, and beside it model.tar.gz."""
    rows = np.random.default_rng(7).normal(size=(200, 4)).astype(np.float32)
    labels = (rows[:, 0] + rows[:, 1] > 0).astype(np.float32)
    parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(rows, labels), num_boost_round=5)
    folder = tmp_path_factory.mktemp("trained") / "model"
    folder.mkdir()
    booster.save_model(folder / "model.json")
    with tarfile.open(folder.with_name("model.tar.gz"), "w:gz") as archive:
        archive.add(folder / "model.json", "model.json")
    return folder
