"""`tinsmith serve` and `tinsmith env`: the service in one process with its children."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from tinsmith.cli.console import DataDir, say
from tinsmith.cli.endpoints import Endpoints, exclusive, is_running
from tinsmith.errors import InternalError
from tinsmith.settings import S3Options, Settings, WorkerOptions

if TYPE_CHECKING:
    from starlette.applications import Starlette

SHUTDOWN_SECONDS = 5


def serve(
    data_dir: DataDir,
    host: Annotated[str, typer.Option(help="Address of the job API; loopback only.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the job API; 0 takes a free one.")
    ] = 9229,
    s3_endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="S3 endpoint to use instead of the embedded store. Its keys are those of boto3: "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role.",
        ),
    ] = None,
    s3_port: Annotated[
        int, typer.Option(min=0, max=55535, help="Port of the embedded store; 0 keeps the last one.")
    ] = 0,
    region: Annotated[str, typer.Option(help="Region of jobs and buckets.")] = "us-east-1",
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, show_default="one per CPU", help="Jobs that run at the same time."),
    ] = None,
    allow_unverified: Annotated[
        bool, typer.Option("--allow-unverified", help="Accept targets that nothing here can execute.")
    ] = False,
    model_packages: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            show_default="model-packages in the data folder",
            help="Folder of model packages, each a file that `aws sagemaker describe-model-package` printed.",
        ),
    ] = None,
) -> None:
    """Run the compilation service until it is stopped by SIGTERM or Ctrl-C."""
    if not _is_loopback(host):
        raise typer.BadParameter(
            f"{host} is not a loopback address; requests are not authenticated yet", param_hint="--host"
        )
    settings = Settings.under(
        data_dir,
        host=host,
        port=port,
        region=region,
        s3=S3Options(endpoint_url=s3_endpoint, region=region, port=s3_port),
        worker=WorkerOptions() if concurrency is None else WorkerOptions(concurrency),
        allow_unverified=allow_unverified,
        model_packages=model_packages and model_packages.absolute(),
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
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
        settings, embedded = _with_object_store(settings, up)
        app = _service(settings, up)
        endpoints = Endpoints(
            pid=os.getpid(),
            sagemaker=_url(listener),
            s3=settings.s3.endpoint_url or "",
            embedded=embedded,
            account=settings.account,
            region=settings.region,
        )
        up.callback(say, "Stopping ...")
        endpoints.write(settings)
        for line in endpoints.exports(settings):
            typer.echo(line)
        say(f"Tinsmith is ready at {endpoints.sagemaker} (state in {settings.data_dir}; Ctrl-C stops it).")
        _answer(app, listener)


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


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _with_object_store(settings: Settings, up: ExitStack) -> tuple[Settings, bool]:
    """The settings with an S3 endpoint in them, the embedded store's where none is configured."""
    from dataclasses import replace

    if settings.s3.endpoint_url:
        return settings, False
    from tinsmith.storage.embedded import EmbeddedStore

    store = EmbeddedStore(settings.objects_dir, settings.s3.port, settings.region)
    up.enter_context(store)
    s3 = replace(
        settings.s3,
        endpoint_url=store.endpoint_url,
        access_key_id=store.credentials.access_key,
        secret_access_key=store.credentials.secret_key,
    )
    return replace(settings, s3=s3), True


def _service(settings: Settings, up: ExitStack) -> Starlette:
    """The job store, the workers and the API over them."""
    from tinsmith.api.app import build_app
    from tinsmith.api.protocol import ApiOptions
    from tinsmith.jobs.store import Store
    from tinsmith.worker.supervisor import Supervisor

    store = Store.open(settings.database_url)
    up.callback(store.close)
    supervisor = Supervisor(store, settings)
    supervisor.start()
    up.callback(supervisor.stop)
    options = ApiOptions(settings.account, settings.region, settings.packages_dir)
    return build_app(store, options, time.time)


def _answer(app: Starlette, listener: socket.socket) -> None:
    """Answer requests until a signal; those in hand are finished first."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # When a signal has ended it, uvicorn hands that signal on to our own handler.
    with suppress(_Stop):
        uvicorn.Server(config).run(sockets=[listener])
