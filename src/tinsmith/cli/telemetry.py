"""Options of `tinsmith serve` about who is told of jobs, and what OTEL_* environment variables say of it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

AWS = "aws"
EXPORTER, ENDPOINT, PROTOCOL = (
    "OTEL_{}_EXPORTER",
    "OTEL_EXPORTER_OTLP_{}ENDPOINT",
    "OTEL_EXPORTER_OTLP_{}PROTOCOL",
)
PACKAGE = "opentelemetry.exporter.otlp.proto.http"

OpenMetrics = Annotated[bool, typer.Option("--open-metrics", help="Show /metrics to other machines too.")]
Webhooks = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="Where changes of jobs are POSTed, as events; may be repeated."),
]
WebhookSecret = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="File of the secret that those events are signed with."),
]
Bus = Annotated[
    str | None, typer.Option(metavar="NAME", help="EventBridge bus that gets changes of jobs by PutEvents.")
]
EventsEndpoint = Annotated[
    str | None, typer.Option(metavar="URL", help="Where that bus is, unless at Amazon's.")
]
ForwardLogs = Annotated[
    str | None,
    typer.Option(
        metavar="URL|aws", help="CloudWatch Logs endpoint that gets the logs of jobs too, in their roles."
    ),
]
ForwardMetrics = Annotated[
    str | None,
    typer.Option(
        metavar="URL|aws", help="CloudWatch endpoint that gets the metrics of jobs too, in their roles."
    ),
]
ForwardSts = Annotated[
    str | None,
    typer.Option(
        metavar="URL|aws",
        show_default="--sts-endpoint",
        help="STS endpoint that gives those two the sessions of roles, called with boto3's usual keys.",
    ),
]


def forwarding(
    logs: str | None, metrics: str | None, sts: str | None, sts_endpoint: str | None
) -> dict[str, Any]:
    """The members of TelemetryOptions that say where logs and metrics go. Raises BadParameter."""
    given = {"forward_logs": logs, "forward_metrics": metrics, "forward_sts": sts}
    for name, value in given.items():
        if value is not None and value != AWS and urlsplit(value).scheme not in ("http", "https"):
            raise typer.BadParameter(f"expected a URL or {AWS!r}, found {value!r}", param_hint=_option(name))
    if sts is not None and logs is None and metrics is None:
        raise typer.BadParameter("goes with --forward-logs or --forward-metrics", param_hint="--forward-sts")
    if (logs is not None or metrics is not None) and sts is None:
        if sts_endpoint is None:
            option = _option("forward_logs" if logs is not None else "forward_metrics")
            raise typer.BadParameter(
                "goes with --forward-sts or --sts-endpoint, where jobs get sessions of their roles",
                param_hint=option,
            )
        given["forward_sts"] = sts_endpoint
    return {name: value for name, value in given.items() if value is not None}


def opentelemetry(environment: Mapping[str, str]) -> dict[str, Any]:
    """The members of TelemetryOptions that OTEL_* variables decide, by OpenTelemetry's rules.

    On is what has an endpoint or is asked for by OTEL_TRACES_EXPORTER=otlp, OTEL_METRICS_EXPORTER=otlp.
    Raises BadParameter for what cannot be done.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return {}
    return {
        "traces": _is_on("TRACES", environment),
        "otlp_metrics": _is_on("METRICS", environment),
        "otlp_interval": _interval(environment),
    }


def _is_on(signal: str, environment: Mapping[str, str]) -> bool:
    chosen = environment.get(EXPORTER.format(signal), "").strip()
    endpoints = (environment.get(ENDPOINT.format(which)) for which in ("", f"{signal}_"))
    if chosen == "none" or (not chosen and not any(endpoints)):
        return False
    if chosen not in ("", "otlp"):
        raise typer.BadParameter(
            f"expected otlp or none, found {chosen!r}", param_hint=EXPORTER.format(signal)
        )
    for name in (PROTOCOL.format(f"{signal}_"), PROTOCOL.format("")):
        protocol = environment.get(name)
        if protocol not in (None, "", "http/protobuf"):
            raise typer.BadParameter(f"expected http/protobuf, found {protocol!r}", param_hint=name)
        if protocol:
            break
    if not _is_installed():
        raise typer.BadParameter(
            "needs a package that is not installed: pip install 'tinsmith[otel]'",
            param_hint=EXPORTER.format(signal) if chosen else ENDPOINT.format(""),
        )
    return True


def _interval(environment: Mapping[str, str]) -> float:
    name = "OTEL_METRIC_EXPORT_INTERVAL"
    text = environment.get(name, "").strip() or "60000"
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise typer.BadParameter(f"expected milliseconds, found {text!r}", param_hint=name)
    return int(text) / 1000


def _is_installed() -> bool:
    try:
        return find_spec(PACKAGE) is not None
    except ModuleNotFoundError:
        return False


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def announcing(
    webhooks: list[str] | None, secret: Path | None, event_bus: str | None, events_endpoint: str | None
) -> dict[str, Any]:
    """The members of TelemetryOptions that say who is told of changes of jobs."""
    return {
        "webhooks": tuple(webhooks or ()),
        "webhook_secret": secret.read_bytes().strip() if secret else None,
        "event_bus": event_bus,
        "events_endpoint": events_endpoint,
    }
