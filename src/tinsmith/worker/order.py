"""What an attempt is told and what it tells: the two records that cross to whatever machine runs it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinsmith.jobs.job import Job
from tinsmith.settings import InputLimits, S3Options, SandboxOptions


def attempt_name(job: Job, attempt: int | None = None) -> str:
    """The name of the attempt that `job` is at, or of another one of it; no other attempt ever has it.

    Letters, digits and hyphens. A job that was deleted and created again is another job.
    """
    identity = f"{job.key.account}/{job.key.region}/{job.key.name}/{job.creation_time!r}"
    digest = hashlib.blake2b(identity.encode(), digest_size=4).hexdigest()
    return f"{job.key.name}-{digest}-{job.attempt if attempt is None else attempt}"


@dataclass(frozen=True)
class AttemptOrder:
    """What is to be done, the same wherever it is done."""

    name: str
    """See `attempt_name`."""
    attempt: int
    request: dict[str, Any]
    """The CreateCompilationJob request; KmsKeyId may be the ARN of what it was."""
    log: Path
    """The job's log on the controller's machine."""
    compiler: tuple[str, ...]
    """Command; the work directory is appended. Empty: that of the interpreter that runs the attempt."""
    cpu_seconds: int
    limits: InputLimits
    sandbox: SandboxOptions
    allow_unverified: bool
    s3: S3Options = field(repr=False)
    namespace: str | None = None
    """The network namespace in which everything is done."""

    def to_json(self) -> str:
        """This order as text, with its secrets."""
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> AttemptOrder:
        """The inverse of `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        fields |= {
            "log": Path(fields["log"]),
            "compiler": tuple(fields["compiler"]),
            "limits": InputLimits(**fields["limits"]),
            "sandbox": sandbox_options(fields["sandbox"]),
            "s3": S3Options(**fields["s3"]),
        }
        return AttemptOrder(**fields)


def sandbox_options(fields: dict[str, Any]) -> SandboxOptions:
    """Options out of JSON, where tuples are lists and paths are text."""
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    read_only = tuple(map(Path, fields["read_only"]))
    return SandboxOptions(**(fields | lists | {"read_only": read_only}))


@dataclass(frozen=True)
class AttemptResult:
    """How an attempt ended. Either `artifact_uri` and `digest` are set or `failure_reason` is."""

    attempt: int
    artifact_uri: str | None = None
    digest: str | None = None
    derived_data_input_config: str | None = None
    failure_reason: str | None = None
    stages: tuple[tuple[str, float, float], ...] = field(default=(), compare=False)
    """What was done: name, begin and end, in epoch seconds. Two runs that say the same are equal without."""

    def to_json(self) -> str:
        """This result as text."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str | bytes) -> AttemptResult | None:
        """The inverse of `to_json`; None for anything else."""
        try:
            fields = json.loads(text)
            stages = tuple(
                (str(name), float(begin), float(end)) for name, begin, end in fields.get("stages", ())
            )
            return AttemptResult(**(fields | {"stages": stages}))
        except (ValueError, TypeError, AttributeError):
            return None

    def write(self, folder: Path) -> None:
        """Puts this into `folder`, whole or not at all, durably."""
        partial = folder / "result.json.new"
        with partial.open("w") as file:
            file.write(self.to_json())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / "result.json")

    @staticmethod
    def read(folder: Path) -> AttemptResult | None:
        """The result in `folder`; None when there is none."""
        try:
            return AttemptResult.from_json((folder / "result.json").read_bytes())
        except OSError:
            return None
