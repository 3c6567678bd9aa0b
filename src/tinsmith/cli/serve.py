"""`tinsmith serve` and `tinsmith env`: the service in one process with its children."""

from __future__ import annotations

import gc
import ipaddress
import os
import signal
import socket
from contextlib import ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from tinsmith.cli.assembly import assemble
from tinsmith.cli.console import Database, DataDir, say
from tinsmith.cli.endpoints import Endpoints, exclusive, is_running
from tinsmith.cli.log_format import LogFormat, configure
from tinsmith.cli.telemetry import (
    Bus,
    EventsEndpoint,
    ForwardLogs,
    ForwardMetrics,
    ForwardSts,
    OpenMetrics,
    Webhooks,
    WebhookSecret,
    announcing,
    forwarding,
    opentelemetry,
)
from tinsmith.errors import InternalError
from tinsmith.settings import (
    NO_QUOTAS,
    IdentityOptions,
    S3Options,
    SandboxOptions,
    Settings,
    TelemetryOptions,
    WorkerOptions,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp


SHUTDOWN_SECONDS = 5
IDLE_SECONDS = 120
"""Until an unused connection is closed: longer than clients keep theirs (Go 90 s), because one that sends a
request just then gets an error."""


class Engine(StrEnum):
    """The engines, as `worker.engines` names them."""

    local = "local"
    ray = "ray"
    slurm = "slurm"


EngineKind = Annotated[Engine, typer.Option(help="Where jobs run: on this machine or in a cluster.")]
EngineConfig = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False, exists=True, help="TOML file about the engine and what each target needs of it."
    ),
]

S3Endpoint = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="S3 endpoint to use instead of the embedded store. Its keys are those of boto3: "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role.",
    ),
]
StsEndpoint = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="STS endpoint of that S3 endpoint, where each job gets credentials of its role. Without it "
        "jobs use the service's own keys.",
    ),
]
ModelPackages = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        show_default="model-packages in the data folder",
        help="Folder of model packages, each a file that `aws sagemaker describe-model-package` printed.",
    ),
]
QuotaFile = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        exists=True,
        help="TOML file about the jobs that accounts may have and the requests that they may send.",
    ),
]
TlsCertificate = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Certificate chain (PEM): the job API speaks TLS."),
]
TlsKey = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Private key (PEM) of --tls-cert.")
]
MasterKey = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        show_default="master.key in the data folder",
        help="File of the key that secrets are sealed with, made where it is missing.",
    ),
]
Required = Annotated[
    list[str] | None,
    typer.Option(
        "--sandbox-require",
        metavar="LAYER",
        help="Do not start where the sandbox lacks this layer (see `tinsmith doctor`); may be repeated.",
    ),
]
NoAuthentication = Annotated[
    bool,
    typer.Option(
        "--insecure-no-auth",
        help="Let everybody who reaches the port do everything. For a laptop; loopback only.",
    ),
]

Format = Annotated[LogFormat, typer.Option(help="How the service's own log is written, to stderr.")]
Networks = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="TOML file: which network the subnets of a VpcConfig lie in."
    ),
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of the job API; 0 takes a free one.")]
S3Patience = Annotated[
    float, typer.Option(min=0, help="Seconds that a job waits for an object store that does not answer.")
]
S3Port = Annotated[
    int, typer.Option(min=0, max=55535, help="Port of the embedded store; 0 keeps the last one.")
]
Concurrency = Annotated[
    int | None, typer.Option(min=1, show_default="one per CPU", help="Jobs that run at the same time.")
]
Unverified = Annotated[
    bool, typer.Option("--allow-unverified", help="Accept targets that nothing here can execute.")
]


def serve(
    data_dir: DataDir,
    host: Annotated[str, typer.Option(help="Address of the job API.")] = "127.0.0.1",
    port: Port = 9229,
    database: Database = None,
    s3_endpoint: S3Endpoint = None,
    sts_endpoint: StsEndpoint = None,
    s3_port: S3Port = 0,
    s3_patience: S3Patience = S3Options.patience,
    region: Annotated[str, typer.Option(help="Region of jobs and buckets.")] = "us-east-1",
    concurrency: Concurrency = None,
    engine: EngineKind = Engine.local,
    engine_config: EngineConfig = None,
    allow_unverified: Unverified = False,
    require: Required = None,
    model_packages: ModelPackages = None,
    quota_file: QuotaFile = None,
    tls_cert: TlsCertificate = None,
    tls_key: TlsKey = None,
    master_key: MasterKey = None,
    insecure_no_auth: NoAuthentication = False,
    networks: Networks = None,
    events_webhook: Webhooks = None,
    events_secret: WebhookSecret = None,
    event_bus: Bus = None,
    events_endpoint: EventsEndpoint = None,
    forward_logs: ForwardLogs = None,
    forward_metrics: ForwardMetrics = None,
    forward_sts: ForwardSts = None,
    open_metrics: OpenMetrics = False,
    log_format: Format = LogFormat.text,
) -> None:
    """Run the compilation service until it is stopped by SIGTERM or Ctrl-C."""
    _check_exposure(host, authenticate=not insecure_no_auth, tls=tls_cert is not None)
    _check_limits(host, quota_file)
    _check_pairs(tls_cert, tls_key, s3_endpoint, sts_endpoint)
    told = announcing(events_webhook, events_secret, event_bus, events_endpoint)
    told |= forwarding(forward_logs, forward_metrics, forward_sts, sts_endpoint) | opentelemetry(os.environ)
    from tinsmith.cli.quotas import read_quotas
    from tinsmith.worker.engines.options import engine_options

    settings = Settings.under(
        data_dir,
        host=host,
        port=port,
        region=region,
        s3=S3Options(s3_endpoint, region, port=s3_port, sts_endpoint_url=sts_endpoint, patience=s3_patience),
        database=database,
        identity=IdentityOptions(not insecure_no_auth, _absolute(master_key), tls_cert, tls_key),
        worker=WorkerOptions() if concurrency is None else WorkerOptions(concurrency),
        engine=engine_options(engine.value, engine_config),
        quotas=read_quotas(quota_file) if quota_file else NO_QUOTAS,
        allow_unverified=allow_unverified,
        sandbox=SandboxOptions(require=tuple(require or ())),
        networks=_absolute(networks),
        telemetry=TelemetryOptions(open_metrics=open_metrics, **told),
        model_packages=_absolute(model_packages),
    )
    configure(log_format)
    run(settings)


def env(data_dir: DataDir) -> None:
    """Print shell lines for boto3 and the AWS CLI: eval "$(tinsmith env)"."""
    settings = Settings.under(data_dir)
    endpoints = Endpoints.read(settings)
    if not is_running(settings):
        say(f"The service on {settings.data_dir} is not running; these are its last endpoints.")
    for line in endpoints.exports(settings):
        typer.echo(line)


def run(settings: Settings) -> None:
    """Everything up in order, the API until a signal, everything down in reverse order."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _stop_on_signals()
    with suppress(_Stop), ExitStack() as up:
        up.enter_context(exclusive(settings))
        listener = up.enter_context(_listen(settings))
        assembly = assemble(settings, up)
        settings = assembly.settings
        endpoints = Endpoints(
            pid=os.getpid(),
            sagemaker=_url(listener, settings.identity.tls_certificate is not None),
            s3=settings.s3.endpoint_url or "",
            embedded=assembly.embedded,
            account=settings.account,
            region=settings.region,
        )
        up.callback(say, "Stopping ...")
        endpoints.write(settings)
        for line in endpoints.exports(settings):
            typer.echo(line)
        say(f"Tinsmith is ready at {endpoints.sagemaker} (state in {settings.data_dir}; Ctrl-C stops it).")
        _answer(assembly.app, listener, settings.identity)


def _check_exposure(host: str, authenticate: bool, tls: bool) -> None:
    """Says what a choice means; refuses the one that would let strangers in."""
    if not authenticate:
        if not _is_loopback(host):
            raise typer.BadParameter(
                f"{host} is not a loopback address, and --insecure-no-auth is for loopback only",
                param_hint="--host",
            )
        say("WARNING: --insecure-no-auth: everybody on this machine may do everything with this service.")
    elif not _is_loopback(host) and not tls:
        say(f"WARNING: {host} is served without TLS: use --tls-cert, or a proxy in front that speaks it.")


def _check_limits(host: str, quota_file: Path | None) -> None:
    if quota_file is None and not _is_loopback(host):
        say("Accounts may queue jobs and send requests without a limit: there is no --quota-file.")


def _check_pairs(
    tls_cert: Path | None, tls_key: Path | None, s3_endpoint: str | None, sts_endpoint: str | None
) -> None:
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("goes with --tls-key, and --tls-key with it", param_hint="--tls-cert")
    if sts_endpoint and not s3_endpoint:
        raise typer.BadParameter("goes with --s3-endpoint only", param_hint="--sts-endpoint")


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _stop_on_signals() -> None:
    """The first signal unwinds the service in order; a second one ends it at once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise _Stop

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


class _Stop(BaseException):
    """A signal asked the service to stop."""


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise InternalError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Choose another --port."
        ) from None
    listener.listen(2048)
    return listener


def _url(listener: socket.socket, tls: bool) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{'https' if tls else 'http'}://{place}"


def _answer(app: ASGIApp, listener: socket.socket, identity: IdentityOptions) -> None:
    """Answer requests until a signal; those in hand are finished first."""
    import uvicorn

    from tinsmith.api.connections import WholeReplies

    config = uvicorn.Config(
        app,
        http=WholeReplies,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,  # whoever connects could write them
        ssl_certfile=identity.tls_certificate,
        ssl_keyfile=identity.tls_key,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # What the service consists of stays: looking through it for garbage holds requests up for tens of ms.
    gc.freeze()
    # When a signal has ended it, uvicorn hands that signal on to our own handler.
    with suppress(_Stop):
        uvicorn.Server(config).run(sockets=[listener])
