"""The service's settings: one frozen record, parsed once at the command line and handed down.

Nothing below the command line reads the environment or guesses a default. A service is

    Settings(data_dir=Path(...))            everything at its default
    Settings.under(Path(...), port=0)       the same with changes, for tests

Folders and files under `data_dir` are named here and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
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

    first_uid: int | None = 0x7000_0000
    """When the service is root, every attempt runs as a user and group of its own: this number plus the
    attempt's process id. The range that begins here is nobody's in systemd's division of user ids. None, or a
    range that this machine's user namespace has not: all run as `uid` and `gid`."""
    uid: int = 65534
    gid: int = 65534
    cgroup: bool = True
    """Limit what all processes of a job use together, where control groups can be written."""
    bubblewrap: bool = True
    """Use bubblewrap where a probe shows that it works."""
    namespaces: bool = True
    """Without bubblewrap: own process table and no network device, where the kernel allows it."""
    unix_sockets: bool = False
    """Without bubblewrap: AF_UNIX sockets. No compiler needs them; a model could then reach the named
    sockets of local services. Under bubblewrap there are none to reach, and they are always allowed."""
    require: tuple[str, ...] = ()
    """Layers (`sandbox.LAYERS`) without which no job may run."""
    max_memory: int = 8 * GIB
    """Of all processes of a job together, by its cgroup."""
    max_address_space: int | None = 8 * GIB
    """Of one process. None, which drivers that map much more than they use need: only with a cgroup."""
    max_cpus: float | None = None
    """Processors that all processes of a job get together, by its cgroup; None: all."""
    max_file: int = 4 * GIB
    max_folder: int = 16 * GIB
    """Disk space of the work directory, looked at every second."""
    max_entries: int = 100_000
    """Files and folders in the work directory."""
    min_free: int = 256 * MIB
    """Disk space that a job must leave free beside its folder."""
    max_processes: int = 256
    """Processes and threads of a job."""
    max_open_files: int = 1024
    read_only: tuple[Path, ...] = ()
    """Further folders that the compiler may read."""


@dataclass(frozen=True)
class S3Options:
    """Where objects live. No endpoint: the embedded store is started under `data_dir`."""

    endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    proxy: str | None = None
    """URL of an HTTP proxy through which everything goes."""
    patience: float = 120.0
    """Seconds that a job waits for a store which does not answer, at its download and at its upload."""
    port: int = 0
    """Port of the embedded store; 0 picks a free one and keeps it in `data_dir`."""
    sts_endpoint_url: str | None = None
    """Where jobs get the credentials of their roles. None: they run with the keys above, as they are."""


@dataclass(frozen=True)
class IdentityOptions:
    """Who is let in, and how."""

    authenticate: bool = True
    """Off: everybody who reaches the port may do everything."""
    master_key: Path | None = None
    """File of the key that secrets are sealed with; none: `master.key` under `data_dir`."""
    tls_certificate: Path | None = None
    """PEM file, the chain included; with `tls_key` the API speaks TLS."""
    tls_key: Path | None = None


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
class Placement:
    """What an attempt is expected to need, and what it may take. See `worker.engines.options`."""

    cpus: float = 1
    memory: int = 0
    """Bytes; 0: nothing is asked for."""
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    slurm: tuple[str, ...] = ()
    """Options of sbatch."""
    disk: int = 0
    """Bytes; 0: nothing is asked for. Counts on the engine "local"."""
    max_memory: int | None = None
    """This and the next two replace those of SandboxOptions; None: as they are there."""
    max_folder: int | None = None
    max_cpus: float | None = None


@dataclass(frozen=True)
class Machine:
    """What the jobs of the engine "local" share. Sizes in bytes; None: what is found here."""

    cpus: float | None = None
    memory: int | None = None
    disk: int | None = None


@dataclass(frozen=True)
class EngineOptions:
    """Where attempts run."""

    kind: str = "local"
    """"local": processes of this machine; "ray", "slurm": those of a cluster."""
    mailbox: str | None = None
    """s3://bucket/prefix for what the service and attempts elsewhere tell each other; none: the bucket
    `tinsmith-mailbox` of the embedded store."""
    placements: Mapping[str, Placement] = field(default_factory=dict)
    """By target, framework, architecture, or "default"."""
    machine: Machine = Machine()
    python: str | None = None
    """The interpreter with Tinsmith on the machines of a cluster; none: the path of this one."""
    work_dir: str | None = None
    """Scratch space on those machines; none: their temporary folder."""
    ray_address: str = "auto"
    """Address of a Ray cluster's head, host:port; auto: the one of this machine."""


@dataclass(frozen=True)
class TelemetryOptions:
    """Who is told of jobs."""

    webhooks: tuple[str, ...] = ()
    """URLs."""
    webhook_secret: bytes | None = field(default=None, repr=False)
    event_bus: str | None = None
    """Name of an EventBridge bus."""
    open_metrics: bool = False
    """Show /metrics to other machines too."""
    events_endpoint: str | None = None
    """Where the bus is; none: Amazon's own."""
    forward_logs: str | None = None
    """Where the jobs' logs go too: URL of a CloudWatch Logs endpoint, or "aws" for Amazon's own."""
    forward_metrics: str | None = None
    """The same of CloudWatch, for metrics."""
    forward_sts: str | None = None
    """Where the sessions of roles for that come from: URL, or "aws"."""
    traces: bool = False
    """Jobs and requests are told as OpenTelemetry traces, as OTEL_* environment variables say."""
    otlp_metrics: bool = False
    """The figures of /metrics are told by OTLP too."""
    otlp_interval: float = 60.0
    """Seconds between that."""


@dataclass(frozen=True)
class Rate:
    """Requests that an account may send: `burst` at once, and `per_second` for as long as it likes."""

    per_second: float
    burst: float


@dataclass(frozen=True)
class Quota:
    """What one account may have and do. None: as much as it likes."""

    unfinished: int | None = None
    """Jobs that are queued or run; more are refused."""
    running: int | None = None
    """Jobs that run at once; more wait in the queue."""
    stored: int | None = None
    """Jobs of whatever status; more are refused."""
    mutating: Rate | None = None
    """Requests that change something."""
    reading: Rate | None = None
    """Requests that describe or list."""


@dataclass(frozen=True)
class QuotaOptions:
    """The quotas of all accounts."""

    default: Quota = Quota()
    accounts: Mapping[str, Quota] = field(default_factory=dict)
    """Those of accounts that have their own."""

    def of(self, account: str) -> Quota:
        """The quota of `account`."""
        return self.accounts.get(account, self.default)

    @property
    def limit_running(self) -> bool:
        """Whether some account may run so many jobs at once only."""
        return any(quota.running is not None for quota in (self.default, *self.accounts.values()))


NO_QUOTAS = QuotaOptions()


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
    identity: IdentityOptions = IdentityOptions()
    limits: InputLimits = InputLimits()
    sandbox: SandboxOptions = SandboxOptions()
    worker: WorkerOptions = field(default_factory=WorkerOptions)
    database: str | None = field(default=None, repr=False)
    """SQLAlchemy URL of the job store; none: SQLite under `data_dir`. May hold a password."""
    engine: EngineOptions = field(default_factory=EngineOptions)
    networks: Path | None = None
    """File that says which network a VpcConfig means; none: VpcConfig is not acted upon."""
    telemetry: TelemetryOptions = TelemetryOptions()
    quotas: QuotaOptions = NO_QUOTAS
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
        return self.database or f"sqlite:///{self.data_dir / 'jobs.db'}"

    @property
    def work_dir(self) -> Path:
        """One folder per running attempt; emptied on start."""
        return self.data_dir / "work"

    @property
    def logs_dir(self) -> Path:
        """See `log_file`."""
        return self.data_dir / "logs"

    def log_file(self, account: str, region: str, name: str) -> Path:
        """The log of the job `name`; those of other accounts and regions than our own have folders."""
        if (account, region) == (self.account, self.region):
            return self.logs_dir / f"{name}.jsonl"
        return self.logs_dir / account / region / f"{name}.jsonl"

    @property
    def packages_dir(self) -> Path:
        """A JSON file for each model package."""
        return self.model_packages or self.data_dir / "model-packages"

    @property
    def master_key_file(self) -> Path:
        """The key that secrets are sealed with; back it up apart from the database."""
        return self.identity.master_key or self.data_dir / "master.key"

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
