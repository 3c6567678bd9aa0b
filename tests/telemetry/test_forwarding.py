"""Logs and metrics in their jobs' roles, to a MiniStack that enforces permissions."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.jobs.conftest import make_job
from tests.ministack import MiniStack, ministack
from tests.telemetry.conftest import Clock
from tinsmith.identity.owner import Owner
from tinsmith.jobs.job import Job
from tinsmith.jobs.store import Event, Store
from tinsmith.settings import S3Options
from tinsmith.telemetry.delivery import GIVE_UP, LEASE, Delivery, Undelivered
from tinsmith.telemetry.events import ENDS
from tinsmith.telemetry.feeding import GROUP
from tinsmith.telemetry.feeds import JobEvents, JobLines, Line
from tinsmith.telemetry.forwarding import MAX_BYTES, Clients, LogForwarder, MetricForwarder, Session, batches
from tinsmith.telemetry.job_metrics import NAMESPACE
from tinsmith.telemetry.logs import DAY_MS, LogStore, Piece
from tinsmith.worker.credentials import telemetry_session

ACCOUNT = "000000000000"
OURS = Owner(ACCOUNT, "us-east-1")
TELEMETRY = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "cloudwatch:PutMetricData"]


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


@dataclass
class Cloud:
    """A MiniStack with a user that may assume roles, as the service's operator has it."""

    server: MiniStack
    sts: S3Options = field(default_factory=S3Options)

    def prepare(self) -> None:
        """What it forgets when it is killed."""
        iam = self.server.client("iam")
        iam.create_user(UserName="service")
        self.allow("user", "service", "sts:AssumeRole")
        key = iam.create_access_key(UserName="service")["AccessKey"]
        self.sts = S3Options(
            access_key_id=key["AccessKeyId"],
            secret_access_key=key["SecretAccessKey"],
            sts_endpoint_url=self.server.url,
        )
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/service"}}
        for name in ("telling", "mute"):
            document = {"Version": "2012-10-17", "Statement": [trust | {"Action": "sts:AssumeRole"}]}
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
        self.allow("role", "telling", *TELEMETRY)

    def allow(self, kind: str, name: str, *actions: str) -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam = self.server.client("iam")
        put = iam.put_user_policy if kind == "user" else iam.put_role_policy
        put(**{f"{kind.title()}Name": name}, PolicyName="it", PolicyDocument=document)

    def session(self, name: str, owner: Owner) -> Session:
        return telemetry_session(name, owner, self.sts)

    def messages(self, stream: str) -> list[str]:
        """What CloudWatch Logs has of a job."""
        logs = self.server.client("logs")
        try:
            reply = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in reply["events"]]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with ministack(tmp_path_factory.mktemp("ministack")) as server:
        cloud = Cloud(server)
        cloud.prepare()
        yield cloud


@pytest.fixture
def cloud(started: Cloud) -> Cloud:
    """Without the logs of the test before."""
    logs = started.server.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        logs.delete_log_group(logGroupName=group["logGroupName"])
    return started


@pytest.fixture
def clock() -> Clock:
    """CloudWatch takes what happened lately."""
    clock = Clock()
    clock.now = float(int(time.time())) - 3600
    return clock


@pytest.fixture
def run(store: Store, clock: Clock) -> Callable[..., Job]:
    """Makes a job that runs."""

    def make(name: str, of_role: str = "telling") -> Job:
        request: dict[str, Any] = {
            "RoleArn": role(of_role),
            "InputConfig": {"Framework": "XGBOOST"},
            "OutputConfig": {"TargetDevice": "ml_c5"},
        }
        store.add(make_job(name, created=clock.now, **request), {})
        job = store.claim("worker", 30, clock.now)
        assert job is not None
        return job

    return make


@pytest.fixture
def say(logs: LogStore, clock: Clock) -> Callable[..., None]:
    """Writes lines into a job's log, one second after the other."""
    read: dict[str, int] = {}

    def write(job: Job, *lines: str) -> None:
        start = read.get(job.key.name, 0)
        events = []
        for line in lines:
            clock.now += 1
            events.append((int(clock.now * 1000), line))
        logs.feed(OURS, GROUP, job.key.name, Piece("here", start, start + len(lines)), events)
        read[job.key.name] = start + len(lines)

    return write


@pytest.fixture
def new(store: Store, cloud: Cloud, clock: Clock) -> Callable[[], Delivery[Line]]:
    """Another service's forwarder of logs."""

    def make() -> Delivery[Line]:
        clients = Clients("logs", cloud.server.url, cloud.session, clock)
        forwarder = LogForwarder(store, clients, "there")
        delivery = Delivery(store.database, JobLines(store.database), forwarder, clock)
        delivery.register()
        return delivery

    return make


def test_lines_arrive_in_order_under_their_jobs_names(
    cloud: Cloud, new: Callable[[], Delivery[Line]], run: Callable[..., Job], say: Callable[..., None]
) -> None:
    first, second = run("first"), run("second")
    say(first, "said before")
    delivery = new()
    say(first, "1", "2")
    say(second, "a")
    say(first, "ä")
    assert delivery.step() == 4
    say(first, "4")
    assert delivery.step() == 1
    assert delivery.step() == 0
    assert cloud.messages("first") == ["1", "2", "ä", "4"]
    assert cloud.messages("second") == ["a"]


def test_what_a_role_may_not_holds_up_its_own_job_alone(
    cloud: Cloud,
    new: Callable[[], Delivery[Line]],
    run: Callable[..., Job],
    say: Callable[..., None],
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    delivery = new()
    mute, first = run("silenced", "mute"), run("first")
    say(mute, "m1")
    say(first, "1")
    delivery.step()
    say(mute, "m2")
    say(first, "2")
    delivery.step()
    assert (cloud.messages("silenced"), cloud.messages("first")) == ([], ["1", "2"])
    assert f"in the role {role('mute')}: An error occurred (AccessDenied" in caplog.text
    cloud.allow("role", "mute", *TELEMETRY)
    restarted = new()  # after another service has died
    clock.now += LEASE
    say(mute, "m3")
    for _ in range(2):
        restarted.step()
    assert cloud.messages("silenced") == ["m1", "m2", "m3"]
    cloud.server.client("iam").delete_role_policy(RoleName="mute", PolicyName="it")


def test_what_is_refused_is_given_up_after_a_day(
    cloud: Cloud,
    new: Callable[[], Delivery[Line]],
    run: Callable[..., Job],
    say: Callable[..., None],
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    delivery = new()
    gone = run("gone", "unknown")
    say(gone, "1")
    delivery.step()
    assert "Could not assume role" in caplog.text
    clock.now += GIVE_UP + 1
    delivery.step()
    assert "1 of 000000000000/us-east-1/gone, from number" in caplog.text
    say(gone, "2")
    delivery.step()
    assert delivery._lease() is not None
    held = delivery._lease()
    assert held is not None
    assert held.parked == {"000000000000/us-east-1/gone": held.place - 1}


def test_nothing_is_lost_while_the_endpoint_is_down_and_the_service_dies(
    cloud: Cloud,
    new: Callable[[], Delivery[Line]],
    run: Callable[..., Job],
    say: Callable[..., None],
    store: Store,
    clock: Clock,
) -> None:
    delivery = new()
    job = run("first")
    say(job, "0")
    delivery.step()
    cloud.server.kill()
    try:
        expected = [str(number) for number in range(1, 2_501)]
        say(job, *expected)
        with pytest.raises(Undelivered):
            delivery.step()
        store.complete(job.key, job.attempt, clock.now, "s3://b/k", "00")
        store.delete(job.key)
    finally:
        cloud.server.start()
        cloud.prepare()
    clock.now += LEASE
    successor = new()
    while successor.step():
        pass
    logs = cloud.server.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, logStreamNames=["first"])
    assert [event["message"] for page in pages for event in page["events"]] == expected


def test_a_service_that_dies_before_it_said_so_tells_again(
    cloud: Cloud,
    new: Callable[[], Delivery[Line]],
    run: Callable[..., Job],
    say: Callable[..., None],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dying, successor = new(), new()
    say(run("first"), "1", "2")
    monkeypatch.setattr(dying, "_move", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        dying.step()
    assert successor.step() == 0
    clock.now += LEASE
    assert successor.step() == 2
    assert sorted(cloud.messages("first")) == ["1", "1", "2", "2"]


def test_lines_of_what_is_no_job_stay_here(
    cloud: Cloud, new: Callable[[], Delivery[Line]], logs: LogStore, clock: Clock
) -> None:
    delivery = new()
    logs.feed(OURS, GROUP, "somebody's", Piece("here", 0, 1), [(int(clock.now * 1000), "x")])
    logs.feed(OURS, "another-group", "first", Piece("here", 0, 1), [(int(clock.now * 1000), "x")])
    delivery.step()
    assert cloud.server.client("logs").describe_log_groups()["logGroups"] == []
    assert delivery.step() == 0


def test_a_session_is_for_telemetry_alone(cloud: Cloud) -> None:
    cloud.allow("role", "telling", "*")
    keys = dict(cloud.session(role("telling"), OURS).keys)
    logs = cloud.server.client("logs", **keys)
    logs.create_log_group(logGroupName=GROUP)
    actions: tuple[Callable[[], Any], ...] = (
        lambda: logs.create_log_group(logGroupName=GROUP + "Other"),
        lambda: logs.delete_log_group(logGroupName=GROUP),
        lambda: cloud.server.client("s3", **keys).list_buckets(),
    )
    for action in actions:
        with pytest.raises(ClientError, match="AccessDenied"):
            action()
    cloud.allow("role", "telling", *TELEMETRY)


def test_ends_become_metrics_in_the_jobs_role(
    cloud: Cloud, store: Store, run: Callable[..., Job], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clients = Clients("cloudwatch", cloud.server.url, cloud.session, clock)
    feed = JobEvents(store, ENDS)
    delivery: Delivery[Event] = Delivery(
        store.database, feed, MetricForwarder(store, clients, "there"), clock
    )
    delivery.register()
    for name, of_role in (("done", "telling"), ("silenced", "mute"), ("wrong", "telling")):
        job = run(name, of_role)
        if name == "wrong":
            store.fail(job.key, 1, clock.now + 2, "ClientError: x")
        else:
            store.complete(job.key, 1, clock.now + 9, "s3://b/k", "00")
    with caplog.at_level(logging.WARNING):
        assert delivery.step() == 3
    assert "us-east-1/silenced is not delivered" in caplog.text

    def total(name: str) -> float:
        begin = datetime.fromtimestamp(clock.now, UTC)
        reply = cloud.server.client("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=name,
            Dimensions=[{"Name": "Framework", "Value": "XGBOOST"}, {"Name": "Target", "Value": "ml_c5"}],
            StartTime=begin - timedelta(hours=1),
            EndTime=begin + timedelta(hours=1),
            Period=7200,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in reply["Datapoints"]))

    assert (total("JobsCompleted"), total("JobsFailed"), total("Duration")) == (1, 1, 11)


def test_batches_are_bound_by_size_and_by_a_day_and_in_order() -> None:
    line = "x" * (MAX_BYTES // 2 - 100)
    lines = [Line(OURS, "j", time, line) for time in (3, 1, 2)]
    assert [[line.time for line in batch] for batch in batches(lines)] == [[1, 2], [3]]
    days = [Line(OURS, "j", time, "x") for time in (0, DAY_MS - 1, DAY_MS)]
    assert [len(batch) for batch in batches(days)] == [2, 1]
