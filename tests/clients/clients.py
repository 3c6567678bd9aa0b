"""The clients that people have, behind one interface: an operation and its request in, the reply out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".cache" / "clients"
"""Where `make clients` installs what is in no lock file."""
PROGRAMS = Path(__file__).with_name("programs")
CLI_1 = Path(sys.executable).with_name("aws")
CLI_2 = Path("/usr/bin/aws")
Environment = Mapping[str, str]
"""What `tinsmith env` exports."""


class Refused(Exception):
    """The service's error as a client shows it."""

    def __init__(self, type: str, code: str, message: str) -> None:
        self.type = type
        """The client's own name of its exception; empty for a program that only prints."""
        self.code = code
        self.message = message
        super().__init__(f"{type}: {code}: {message}")


class Client(Protocol):
    """One client, connected."""

    def version(self) -> str:
        """As the client tells it."""

    def call(self, operation: str, **request: Any) -> Any:
        """The reply of the SageMaker API. Raises Refused."""

    def upload(self, file: Path, bucket: str, key: str) -> None:
        """A file becomes an object."""

    def download(self, bucket: str, key: str, file: Path) -> None:
        """An object becomes a file."""


class Boto3:
    """In this process; it knows nothing but `environment`."""

    def __init__(self, environment: Environment) -> None:
        def connect(service: str) -> Any:
            return boto3.session.Session().client(
                service,
                region_name=environment["AWS_REGION"],
                endpoint_url=environment[f"AWS_ENDPOINT_URL_{service.upper()}"],
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
                config=Config(proxies={}, retries={"total_max_attempts": 1}),
            )

        self._sagemaker, self._s3 = connect("sagemaker"), connect("s3")

    def version(self) -> str:
        return str(boto3.__version__)

    def call(self, operation: str, **request: Any) -> Any:
        try:
            reply = getattr(self._sagemaker, _words(operation, "_"))(**request)
        except ClientError as error:
            detail = error.response["Error"]
            raise Refused(type(error).__name__, detail["Code"], detail["Message"]) from None
        reply.pop("ResponseMetadata")
        return reply

    def upload(self, file: Path, bucket: str, key: str) -> None:
        self._s3.upload_file(str(file), bucket, key)

    def download(self, bucket: str, key: str, file: Path) -> None:
        self._s3.download_file(bucket, key, str(file))


class Cli:
    """The AWS CLI, one process for each call. It knows endpoints from the environment since 1.29 and 2.13."""

    def __init__(self, program: Path, environment: Environment) -> None:
        self._program = program
        self._environment = environment

    def version(self) -> str:
        return self._run("--version").split()[0].partition("/")[2]

    def call(self, operation: str, **request: Any) -> Any:
        endpoint = self._environment["AWS_ENDPOINT_URL_SAGEMAKER"]
        command = ("sagemaker", _words(operation, "-"), "--endpoint-url", endpoint)
        printed = self._run(*command, "--output", "json", "--cli-input-json", json.dumps(request))
        return json.loads(printed) if printed else {}

    def upload(self, file: Path, bucket: str, key: str) -> None:
        self._copy(str(file), f"s3://{bucket}/{key}")

    def download(self, bucket: str, key: str, file: Path) -> None:
        self._copy(f"s3://{bucket}/{key}", str(file))

    def _copy(self, *places: str) -> None:
        self._run("s3", "cp", "--endpoint-url", self._environment["AWS_ENDPOINT_URL_S3"], *places)

    def _run(self, *arguments: str) -> str:
        known = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "AWS_PAGER": ""}
        command = (str(self._program), *arguments)
        done = subprocess.run(
            command, env={**known, **self._environment}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise _printed(done.stderr)
        return done.stdout


class Program:
    """A program of this folder around a client in another language or environment: JSON lines in and out."""

    def __init__(self, command: tuple[str, ...], folder: Path, environment: Environment) -> None:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        quiet = {"AWS_EC2_METADATA_DISABLED": "true", "SAGEMAKER_TELEMETRY_OPT_OUT": "true"}
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**inherited, **quiet, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def close(self) -> None:
        """By the end of its input."""
        self._process.communicate()
        self._said.close()

    def version(self) -> str:
        return str(self.call("Version")["version"])

    def call(self, operation: str, **request: Any) -> Any:
        pipe, replies = self._process.stdin, self._process.stdout
        assert pipe is not None
        assert replies is not None
        pipe.write(json.dumps({"Operation": operation, "Request": request}) + "\n")
        pipe.flush()
        line = replies.readline()
        if not line:
            self._said.seek(0)
            raise EOFError(self._said.read().decode()[-2000:])
        said = json.loads(line)
        if "error" in said:
            raise Refused(**said["error"])
        return said["reply"]

    def upload(self, file: Path, bucket: str, key: str) -> None:
        self.call("Upload", File=str(file), Bucket=bucket, Key=key)

    def download(self, bucket: str, key: str, file: Path) -> None:
        self.call("Download", File=str(file), Bucket=bucket, Key=key)


@dataclass(frozen=True)
class Kind:
    """A client that may be installed."""

    name: str
    connect: Callable[[Environment], Client]
    needs: tuple[Path, ...]
    """What is there when it is installed."""
    not_found: str
    """The type of its exception for a job that does not exist."""
    old: bool = False
    """It may be older than DeleteCompilationJob."""

    @property
    def missing(self) -> str:
        """Why it cannot be used; empty where it can."""
        absent = [str(path) for path in self.needs if not path.exists()]
        return f"{self.name} is not installed ({', '.join(absent)}): run `make clients`" if absent else ""

    @contextmanager
    def connected(self, environment: Environment) -> Iterator[Client]:
        """A client that knows nothing but `environment`, which may differ from the last one's."""
        client = self.connect(environment)
        try:
            yield client
        finally:
            if isinstance(client, Program):
                client.close()


def _program(folder: str, *command: str) -> Callable[[Environment], Client]:
    return lambda environment: Program(command, INSTALLED / folder, environment)


_PYTHON = INSTALLED / "sagemaker" / "bin" / "python"
_GO = INSTALLED / "go" / "client"
KINDS = (
    Kind("boto3", Boto3, (), "ResourceNotFound"),
    Kind("AWS CLI 1", lambda environment: Cli(CLI_1, environment), (CLI_1,), ""),
    Kind("AWS CLI 2", lambda environment: Cli(CLI_2, environment), (CLI_2,), "", old=True),
    Kind(
        "JavaScript SDK 3",
        _program("javascript", "node", str(PROGRAMS / "javascript.mjs")),
        (INSTALLED / "javascript" / "node_modules",),
        "ResourceNotFound",
    ),
    Kind("Go SDK 2", _program("go", str(_GO)), (_GO,), "*types.ResourceNotFound", old=True),
    Kind(
        "SageMaker SDK 2",
        _program("sagemaker", str(_PYTHON), str(PROGRAMS / "sagemaker_sdk.py")),
        (INSTALLED / "sagemaker" / ".ready",),
        "ResourceNotFound",
    ),
)


def _words(operation: str, separator: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", separator, operation).lower()


def _printed(text: str) -> Refused:
    """The error that the AWS CLI printed."""
    text = text.strip()
    match = re.search(r"An error occurred \((\w+)\) when calling the \w+ operation: (.*)", text, re.DOTALL)
    return Refused("", match[1], match[2]) if match else Refused("", "", text[-500:])
