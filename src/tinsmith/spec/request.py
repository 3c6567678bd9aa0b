"""The compile request: what crosses the process boundary between the service and the compiler."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TargetPlatform:
    """Os, Arch and Accelerator as the API spells them."""

    os: str
    arch: str
    accelerator: str | None = None


@dataclass(frozen=True)
class CompileRequest:
    """One compilation, as the compiler sees it. Exactly one of `device` and `platform` is set."""

    framework: str
    """One of the nine API values, e.g. "XGBOOST"."""
    model_name: str
    """Base name of the input object without .tar.gz: the stem of the artifact's file name."""
    device: str | None = None
    platform: TargetPlatform | None = None
    framework_version: str | None = None
    data_input_config: str | None = None
    """As the customer wrote it (JSON or Python literal)."""
    compiler_options: str | None = None
    """As the customer wrote it."""
    allow_unverified: bool = False
    """The operator accepts artifacts that nothing here can execute; the report then says so."""
    max_runtime_seconds: int | None = None
    """MaxRuntimeInSeconds of the job, where it states one."""

    def to_json(self) -> str:
        """Canonical JSON of this request."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> CompileRequest:
        """The inverse of `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        platform = fields.pop("platform")
        return CompileRequest(platform=TargetPlatform(**platform) if platform else None, **fields)

    @property
    def target_name(self) -> str:
        """`ml_c5` or `LINUX_ARM64_MALI`: the second half of the artifact's file name."""
        if self.platform is None:
            return self.device or ""
        parts = (self.platform.os, self.platform.arch, self.platform.accelerator)
        return "_".join(part for part in parts if part)

    @property
    def artifact_name(self) -> str:
        """`<model>-<target>.tar.gz`, the service's object name rule."""
        return f"{self.model_name}-{self.target_name}.tar.gz"


@dataclass(frozen=True)
class WorkDirectory:
    """The folder that one compilation lives in; the sandbox may write here and nowhere else."""

    path: Path

    @property
    def request(self) -> Path:
        """The CompileRequest as JSON."""
        return self.path / "request.json"

    @property
    def input(self) -> Path:
        """The customer's files, extracted."""
        return self.path / "input"

    @property
    def output(self) -> Path:
        """Holds the finished tarball, named `CompileRequest.artifact_name`, and nothing else."""
        return self.path / "output"

    @property
    def report(self) -> Path:
        """The Report as JSON; written whether the compilation succeeds or fails."""
        return self.path / "report.json"

    @property
    def scratch(self) -> Path:
        """Intermediate files: sources, objects, unpacked artifact, TMPDIR."""
        return self.path / "scratch"


@dataclass(frozen=True)
class Report:
    """What the compiler says when it is done. `tinsmith compile --json` prints it as it is."""

    status: str
    """"COMPLETED" or "FAILED"."""
    artifact: str | None = None
    """File name under WorkDirectory.output."""
    digest: str | None = None
    """BLAKE2b-512 of the tarball, hex."""
    failure_reason: str | None = None
    exit_code: int = 0
    """0 done, 1 our fault, 3 the model or request is at fault."""
    derived_data_input_config: str | None = None
    """Set when the customer gave none and the model tells it."""
    coverage: dict[str, Any] | None = None
    verification: dict[str, Any] | None = None
    timings: dict[str, float] | None = None
    """Seconds per stage."""
    memory: dict[str, float] | None = None
    """Per stage, the most megabytes that the compiler has held by its end, or a process that it started."""
    warnings: tuple[str, ...] = ()
    sandbox: tuple[str, ...] = ()
    """Layers that were in force. Set by who ran the compiler; what the compiler says of them is dropped."""

    def to_json(self) -> str:
        """JSON of this report."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Report:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        return Report(**{**fields, "warnings": tuple(fields["warnings"]), "sandbox": ()})
