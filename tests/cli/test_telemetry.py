from __future__ import annotations

from typing import Any

import pytest
import typer

from tinsmith.cli import telemetry
from tinsmith.cli.telemetry import forwarding, opentelemetry

URL = "http://127.0.0.1:4318"


def test_forwarders_and_where_their_sessions_come_from() -> None:
    assert forwarding(None, None, None, "http://sts") == {}
    assert forwarding("aws", None, None, "http://sts") == {"forward_logs": "aws", "forward_sts": "http://sts"}
    assert forwarding(None, URL, "aws", None) == {"forward_metrics": URL, "forward_sts": "aws"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("aws", None, None, None), "goes with --forward-sts or --sts-endpoint"),
        (("amazon", None, "aws", None), "expected a URL or 'aws', found 'amazon'"),
        ((None, None, "aws", None), "goes with --forward-logs or --forward-metrics"),
    ],
)
def test_what_does_not_fit_together(arguments: Any, text: str) -> None:
    with pytest.raises(typer.BadParameter, match=text):
        forwarding(*arguments)


@pytest.mark.parametrize(
    ("environment", "traces", "metrics"),
    [
        ({}, False, False),
        ({"OTEL_SERVICE_NAME": "x"}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL}, True, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": URL}, True, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_METRICS_EXPORTER": "none"}, True, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "true"}, False, False),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, False, True),
    ],
)
def test_the_standard_variables_decide(environment: dict[str, str], traces: bool, metrics: bool) -> None:
    chosen = opentelemetry(environment)
    assert (chosen.get("traces", False), chosen.get("otlp_metrics", False)) == (traces, metrics)


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, "expected otlp or none, found 'console'"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "expected http/protobuf",
        ),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "1 minute"}, "expected milliseconds, found '1 minute'"),
    ],
)
def test_what_cannot_be_done_is_refused(environment: dict[str, str], text: str) -> None:
    with pytest.raises(typer.BadParameter, match=text):
        opentelemetry(environment)


def test_the_interval_is_in_milliseconds() -> None:
    assert opentelemetry({})["otlp_interval"] == 60
    assert opentelemetry({"OTEL_METRIC_EXPORT_INTERVAL": "1500"})["otlp_interval"] == 1.5


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "PACKAGE", "opentelemetry_that_is_not_here.exporter")
    with pytest.raises(typer.BadParameter, match=r"pip install 'tinsmith\[otel\]'"):
        opentelemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": URL})
    assert opentelemetry({})["traces"] is False
