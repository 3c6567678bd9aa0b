"""The service's settings: one frozen record, parsed once at the command line and handed down.

Nothing below the command line reads the environment or guesses a default. A service is

    Settings(data_dir=Path(...))            everything at its default
    Settings.under(Path(...), port=0)       the same with changes, for tests

Folders and files under `data_dir` are named here and nowhere else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class InputLimits:
    """What an input may cost before it is refused with a ClientError. Sizes in bytes."""

    max_download: int = 5 * GIB
    """Size of the input object."""
    max_extracted: int = 8 * GIB
    """Sum of the sizes of all members."""
    max_members: int = 10_000
    max_ratio: int = 200
    """Extracted bytes for each byte of tarball, checked above `ratio_floor`."""
    ratio_floor: int = 64 * MIB


@dataclass(frozen=True)
class SandboxOptions:
    """How the compiler is confined. Sizes in bytes, times in seconds."""

    uid: int = 65534
    """The user the compiler runs as when the service is root (65534 is nobody)."""
    gid: int = 65534
    bubblewrap: bool = True
    """Use bubblewrap where a probe shows that it works."""
    namespaces: bool = True
    """Without bubblewrap: own process table and no network device, where the kernel allows it."""
    unix_sockets: bool = False
    """Without bubblewrap: AF_UNIX sockets. wine needs them; a model could then reach the named sockets
    of local services. Under bubblewrap there are none to reach, and they are always allowed."""
    require: tuple[str, ...] = ()
    """Layers (among bubblewrap, namespaces, uid, landlock, seccomp) without which no job may run."""
    max_memory: int = 8 * GIB
    """Address space of one process."""
    max_file: int = 4 * GIB
    max_folder: int = 16 * GIB
    """Disk space of the work directory, looked at every second."""
    max_entries: int = 100_000
    """Files and folders in the work directory."""
    max_processes: int = 256
    """Processes and threads of the sandbox's user."""
    max_open_files: int = 1024
    read_only: tuple[Path, ...] = ()
    """Further folders that the compiler may read."""


@dataclass(frozen=True)
class S3Options:
    """Where objects live. No endpoint: the embedded store is started under `data_dir`."""

    endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    port: int = 0
    """Port of the embedded store; 0 picks a free one and keeps it in `data_dir`."""


@dataclass(frozen=True)
class WorkerOptions:
    """How jobs are run. Times in seconds."""

    concurrency: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Attempts that run at the same time."""
    lease: float = 30.0
    """A claim is void this long after its last heartbeat."""
    heartbeat: float = 5.0
    poll: float = 0.05
    """Pause between two looks at running attempts."""
    housekeeping: float = 0.5
    """Pause between two looks at the store for changes made by others."""
    stop_grace: float = 10.0
    """From SIGTERM to SIGKILL."""
    max_attempts: int = 3
    """A job whose attempt was lost is run again until it has had this many."""
    default_max_runtime: int = 86_400
    """MaxRuntimeInSeconds of a job that states none."""


@dataclass(frozen=True)
class Settings:
    """Everything the service can be told."""

    data_dir: Path
    """Absolute; created on start. Holds all state."""
    host: str = "127.0.0.1"
    port: int = 9229
    """Port of the job API; 0 picks a free one."""
    account: str = "000000000000"
    """The account that ARNs carry."""
    region: str = "us-east-1"
    s3: S3Options = S3Options()
    limits: InputLimits = InputLimits()
    sandbox: SandboxOptions = SandboxOptions()
    worker: WorkerOptions = field(default_factory=WorkerOptions)
    allow_unverified: bool = False
    """Accept targets whose artifacts nothing on this machine can execute."""
    model_packages: Path | None = None
    """Folder of model packages; none: `model-packages` under `data_dir`."""
    compiler: tuple[str, ...] | None = None
    """Command that the worker starts with the work directory appended; none: this interpreter's
    `-m tinsmith.compiler`."""

    @staticmethod
    def under(data_dir: Path, **changes: Any) -> Settings:
        """Default settings with their state under `data_dir`, made absolute."""
        return Settings(data_dir=data_dir.absolute(), **changes)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the job store."""
        return f"sqlite:///{self.data_dir / 'jobs.db'}"

    @property
    def work_dir(self) -> Path:
        """One folder per running attempt; emptied on start."""
        return self.data_dir / "work"

    @property
    def logs_dir(self) -> Path:
        """`<job name>.jsonl` for each job."""
        return self.data_dir / "logs"

    @property
    def packages_dir(self) -> Path:
        """A JSON file for each model package."""
        return self.model_packages or self.data_dir / "model-packages"

    @property
    def objects_dir(self) -> Path:
        """State of the embedded object store."""
        return self.data_dir / "objects"

    @property
    def lock_file(self) -> Path:
        """Held by the one service that uses `data_dir`; says its process number."""
        return self.data_dir / "lock"

    @property
    def endpoints_file(self) -> Path:
        """Where the last service could be reached, as JSON; no secrets."""
        return self.data_dir / "endpoints.json"
