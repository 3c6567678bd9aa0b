"""A service that tells of its jobs elsewhere: one trace of each by OTLP, logs and metrics in CloudWatch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.service import Service, until
from tests.ministack import MiniStack, ministack
from tests.otlp import Collector, attributes, collecting

GROUP = "/aws/sagemaker/CompilationJobs"
ROLE = "arn:aws:iam::000000000000:role/tinsmith"
STAGES = ["download", "extract", "compile", "take", "upload"]
INNER = ["read", "tune", "emit", "reference", "build", "package", "verify"]


@dataclass
class Place:
    """A service and whom it tells."""

    service: Service
    collector: Collector
    cloud: MiniStack
    model: bytes

    def create(self, name: str, model: bytes) -> str:
        """The id of the request."""
        uri = self.service.put(f"in/{name}.tar.gz", model)
        client = self.service.client("sagemaker")
        reply = client.create_compilation_job(**self.service.request(name, uri))
        return str(reply["ResponseMetadata"]["RequestId"])

    def spans(self, name: str, *, requested: bool = True) -> list[Any]:
        """Of the trace of a job, once it is told, with the request's if that is; the same span once."""

        def root() -> Any:
            named = [it for it in self.collector.spans if attributes(it).get("tinsmith.job.name") == name]
            return named[0] if named else None

        trace = until(root).trace_id

        def of_trace() -> list[Any]:
            return [span for span in self.collector.spans if span.trace_id == trace]

        until(lambda: not requested or any(span.name.startswith("SageMaker") for span in of_trace()))
        return list({span.span_id: span for span in of_trace()}.values())

    def forwarded(self, name: str) -> list[str]:
        """Lines that CloudWatch has of a job."""
        logs = self.cloud.client("logs")
        try:
            reply = logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True)
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in reply["events"]]

    def lines(self, name: str) -> list[str]:
        """Those that the service has."""
        path = self.service.data_dir / "logs" / f"{name}.jsonl"
        return [json.loads(line)["line"] for line in path.read_text().splitlines()]


def prepare(cloud: MiniStack) -> None:
    """The role that jobs name, which root may assume."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    actions = {"Effect": "Allow", "Action": ["logs:*", "cloudwatch:*"], "Resource": "*"}
    iam.create_role(RoleName="tinsmith", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    iam.put_role_policy(
        RoleName="tinsmith", PolicyName="telemetry", PolicyDocument=json.dumps({"Statement": [actions]})
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("telling")
    model = (corpus / "xgboost-cfb-ep" / "model.tar.gz").read_bytes()
    with collecting() as collector, ministack(folder) as cloud:
        prepare(cloud)
        environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
        }
        options = ["--forward-logs", cloud.url, "--forward-metrics", cloud.url, "--forward-sts", cloud.url]
        with Service(folder / "data", *options, environment=environment) as service:
            yield Place(service, collector, cloud, model)


@pytest.fixture(scope="module")
def told(place: Place) -> str:
    """The id of the request for the job "told", which is completed."""
    request_id = place.create("told", place.model)
    place.service.await_status("told", "COMPLETED")
    return request_id


def test_a_job_is_one_trace_from_its_request_to_its_upload(place: Place, told: str) -> None:
    spans = place.spans("told")
    named = {span.name: span for span in spans}
    assert set(named) == {
        "SageMaker.CreateCompilationJob", "compilation job", "queued", "attempt", *STAGES, *INNER,
    }  # fmt: skip
    assert len(spans) == len(named)
    request, root, attempt = (
        named[it] for it in ("SageMaker.CreateCompilationJob", "compilation job", "attempt")
    )
    assert attributes(request)["aws.request_id"] == told
    assert root.parent_span_id == request.span_id
    said = attributes(root)
    assert said["tinsmith.job.outcome"] == "COMPLETED"
    assert (said["tinsmith.job.framework"], said["tinsmith.job.target"]) == ("XGBOOST", "ml_c4")
    assert named["queued"].parent_span_id == attempt.parent_span_id == root.span_id
    assert all(named[it].parent_span_id == attempt.span_id for it in STAGES)
    assert all(named[it].parent_span_id == named["compile"].span_id for it in INNER)
    begins = [named[it].start_time_unix_nano for it in ("queued", "attempt", *STAGES)]
    assert begins == sorted(begins)
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
    inner = [named[it] for it in INNER]
    assert all(named["compile"].start_time_unix_nano <= it.start_time_unix_nano for it in inner)
    assert named["upload"].end_time_unix_nano <= root.end_time_unix_nano + 1_000_000


@pytest.mark.usefixtures("told")
def test_the_figures_of_metrics_come_too(place: Place) -> None:
    def created() -> bool:
        requests = place.collector.metrics.get("tinsmith_requests")
        points = [] if requests is None else requests.sum.data_points
        return any(attributes(it)["operation"] == "SageMaker.CreateCompilationJob" for it in points)

    until(created)
    assert {"tinsmith_request_seconds", "tinsmith_jobs"} <= set(place.collector.metrics)


@pytest.mark.usefixtures("told")
def test_its_logs_and_metrics_are_in_cloudwatch_by_its_role(place: Place) -> None:
    lines = place.lines("told")
    assert "attempt 1 begins" in lines
    until(lambda: place.forwarded("told") == lines)
    metrics = place.cloud.client("cloudwatch")

    def names() -> set[str]:
        found = metrics.list_metrics(Namespace="Tinsmith/CompilationJobs")["Metrics"]
        return {metric["MetricName"] for metric in found if metric["Dimensions"]}

    until(lambda: names() == {"JobsCompleted", "Duration"})


def test_what_happened_while_nobody_listened_is_told_after_kill_9(place: Place) -> None:
    place.collector.status = 503
    place.cloud.kill()
    place.create("unheard", b"no tarball")
    place.service.await_status("unheard", "FAILED")
    until(lambda: b"not delivered" in place.service.log.read_bytes())
    place.service.kill()
    place.cloud.start()
    prepare(place.cloud)
    place.collector.status = 200
    place.service.start()
    lines = place.lines("unheard")
    until(lambda: place.forwarded("unheard") == lines)
    named = [it.name for it in place.spans("unheard", requested=False) if "SageMaker" not in it.name]
    assert named == ["compilation job", "queued", "attempt", "download", "extract"]
