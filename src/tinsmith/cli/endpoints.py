"""Where a running service can be reached: written by `serve`, read by the other commands."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tinsmith.errors import InternalError
from tinsmith.settings import Settings

ROLE_NAME = "tinsmith"


@dataclass(frozen=True)
class Endpoints:
    """One service as its clients see it. No secrets."""

    pid: int
    sagemaker: str
    s3: str
    embedded: bool
    """The S3 endpoint is the embedded store; its key lies in the data folder."""
    account: str
    region: str

    def write(self, settings: Settings) -> None:
        """Put this where `read` finds it, whole or not at all."""
        partial = settings.endpoints_file.with_suffix(".new")
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(settings.endpoints_file)

    @staticmethod
    def read(settings: Settings) -> Endpoints:
        """What the last service under `settings` wrote."""
        try:
            return Endpoints(**json.loads(settings.endpoints_file.read_text()))
        except FileNotFoundError:
            raise InternalError(
                f"No service has been started on {settings.data_dir}; "
                f"start one: tinsmith serve --data-dir {settings.data_dir}"
            ) from None

    def exports(self, settings: Settings) -> list[str]:
        """Shell lines that point boto3 and the AWS CLI at this service."""
        variables = {
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL_SAGEMAKER": self.sagemaker,
            "AWS_ENDPOINT_URL_CLOUDWATCH": self.sagemaker,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": self.sagemaker,
            "AWS_ENDPOINT_URL_KMS": self.sagemaker,
            "AWS_ENDPOINT_URL_S3": self.s3,
            "AWS_ENDPOINT_URL_STS": self.sagemaker,
            "TINSMITH_ROLE_ARN": f"arn:aws:iam::{self.account}:role/{ROLE_NAME}",
        }
        if self.embedded:
            from tinsmith.storage.credentials import read_credentials

            credentials = read_credentials(settings.objects_dir)
            variables["AWS_ACCESS_KEY_ID"] = credentials.access_key
            variables["AWS_SECRET_ACCESS_KEY"] = credentials.secret_key
            if os.environ.get("AWS_SESSION_TOKEN"):
                variables["AWS_SESSION_TOKEN"] = ""
        return [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]


@contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """Hold the data folder for one service; InternalError while another one does."""
    lock = os.open(settings.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
            raise InternalError(
                f"Another service (process {holder}) uses {settings.data_dir}; "
                "stop it or choose another --data-dir."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def is_running(settings: Settings) -> bool:
    """Whether a service holds the data folder now."""
    path: Path = settings.lock_file
    try:
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
