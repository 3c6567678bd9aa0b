from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tinsmith.api.errors import ApiError
from tinsmith.api.logs import HANDLERS, MODEL, LogsCall, answer
from tinsmith.api.model import operations
from tinsmith.api.validation import parse
from tinsmith.identity.owner import Owner
from tinsmith.jobs.engines import open_database
from tinsmith.telemetry.logs import LogStore

OPERATIONS = operations(MODEL, tuple(HANDLERS))
GROUP, NOW = "/aws/sagemaker/CompilationJobs", int(time.time() * 1000)
ARN = f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}"


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    """Asks for an operation with a request as it comes off the wire; the group has one stream."""
    logs = LogStore(open_database(f"sqlite:///{tmp_path / 'jobs.db'}"))
    owner = Owner("000000000000", "us-east-1")

    def ask(operation: str, **request: Any) -> Any:
        reply = answer(operation, LogsCall(logs, owner, parse(OPERATIONS[operation].input, request)))
        shape = OPERATIONS[operation].output
        assert (reply or {}).keys() <= (shape.members.keys() if shape else set())
        return reply

    ask("CreateLogGroup", logGroupName=GROUP)
    ask("CreateLogStream", logGroupName=GROUP, logStreamName="job")
    return ask


def put(ask: Any, *messages: str, stream: str = "job", start: int = NOW) -> Any:
    events = [{"timestamp": start + it, "message": message} for it, message in enumerate(messages)]
    return ask("PutLogEvents", logGroupName=GROUP, logStreamName=stream, logEvents=events)


def texts(reply: Any) -> list[str]:
    return [event["message"] for event in reply["events"]]


def message_of(call: Any) -> str:
    with pytest.raises(ApiError) as caught:
        call()
    return str(caught.value)


def test_get_reads_a_stream_to_its_end_where_the_token_stays(ask: Any) -> None:
    put(ask, *map(str, range(5)))
    where = {"logGroupName": GROUP, "logStreamName": "job", "limit": 2}
    page = ask("GetLogEvents", startFromHead=True, **where)
    found = texts(page)
    while True:
        following = ask("GetLogEvents", nextToken=page["nextForwardToken"], **where)
        if following["nextForwardToken"] == page["nextForwardToken"]:
            break
        page = following
        found += texts(page)
    assert found == list("01234")
    put(ask, "5", start=NOW + 100)
    assert texts(ask("GetLogEvents", nextToken=page["nextForwardToken"], **where)) == ["5"]


def test_get_reads_a_stream_backwards(ask: Any) -> None:
    put(ask, *map(str, range(5)))
    where = {"logGroupName": GROUP, "logStreamName": "job", "limit": 2}
    page = ask("GetLogEvents", **where)
    assert texts(page) == ["3", "4"]
    page = ask("GetLogEvents", nextToken=page["nextBackwardToken"], **where)
    assert texts(page) == ["1", "2"]
    page = ask("GetLogEvents", nextToken=page["nextBackwardToken"], **where)
    assert texts(page) == ["0"]
    last = ask("GetLogEvents", nextToken=page["nextBackwardToken"], **where)
    assert (texts(last), last["nextBackwardToken"]) == ([], page["nextBackwardToken"])
    assert texts(ask("GetLogEvents", nextToken=page["nextForwardToken"], **where)) == ["1", "2"]


def test_filter_goes_over_all_streams_page_by_page(ask: Any) -> None:
    ask("CreateLogStream", logGroupName=GROUP, logStreamName="other")
    put(ask, "a1", "a2", "a3")
    put(ask, "b1", "b2", "b3", stream="other")
    found: list[Any] = []
    token: dict[str, str] = {}
    while True:
        page = ask("FilterLogEvents", logGroupName=GROUP, limit=2, interleaved=True, **token)
        found += page["events"]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert [event["message"] for event in found] == ["a1", "b1", "a2", "b2", "a3", "b3"]
    assert len({event["eventId"] for event in found}) == 6
    assert texts(ask("FilterLogEvents", logGroupName=GROUP, filterPattern="?a1 ?b3")) == ["a1", "b3"]
    by_name = ask("FilterLogEvents", logGroupIdentifier=ARN, logStreamNames=["other"])
    assert texts(by_name) == ["b1", "b2", "b3"]
    assert texts(ask("FilterLogEvents", logGroupName=GROUP, startTime=NOW + 1, endTime=NOW + 1)) == [
        "a2",
        "b2",
    ]


def test_groups_and_streams_are_described(ask: Any) -> None:
    for name in ("x", "y"):
        ask("CreateLogGroup", logGroupName=f"/other/{name}")
    ask("PutRetentionPolicy", logGroupName="/other/x", retentionInDays=7)
    page = ask("DescribeLogGroups", limit=2)
    names = [group["logGroupName"] for group in page["logGroups"]]
    names += [it["logGroupName"] for it in ask("DescribeLogGroups", nextToken=page["nextToken"])["logGroups"]]
    assert names == [GROUP, "/other/x", "/other/y"]
    (found,) = ask("DescribeLogGroups", logGroupNamePrefix="/other/x")["logGroups"]
    assert (found["retentionInDays"], found["arn"]) == (7, ARN.replace(GROUP, "/other/x") + ":*")
    assert len(ask("DescribeLogGroups", logGroupNamePattern="COMPILATION")["logGroups"]) == 1
    ask("DeleteRetentionPolicy", logGroupName="/other/x")
    assert "retentionInDays" not in ask("DescribeLogGroups", logGroupNamePrefix="/other/x")["logGroups"][0]

    ask("CreateLogStream", logGroupName=GROUP, logStreamName="a-later-one")
    put(ask, "1")
    put(ask, "2", stream="a-later-one", start=NOW + 50)
    by_name = ask("DescribeLogStreams", logGroupName=GROUP)["logStreams"]
    assert [it["logStreamName"] for it in by_name] == ["a-later-one", "job"]
    by_time = ask("DescribeLogStreams", logGroupName=GROUP, orderBy="LastEventTime")["logStreams"]
    assert [it["logStreamName"] for it in by_time] == ["job", "a-later-one"]
    assert by_time[0]["lastEventTimestamp"] == NOW
    ask("DeleteLogStream", logGroupName=GROUP, logStreamName="job")
    ask("DeleteLogGroup", logGroupName="/other/x")


def test_rejected_events_are_named_by_their_index(ask: Any) -> None:
    reply = put(ask, "old", start=NOW - 15 * 86_400_000)
    assert reply["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    reply = put(ask, "new", start=NOW + 3 * 3_600_000)
    assert reply["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 0}
    assert "rejectedLogEventsInfo" not in put(ask, "now")


@pytest.mark.parametrize(
    ("operation", "request_", "text"),
    [
        ("GetLogEvents", {"logStreamName": "job"}, "Exactly one of logGroupName and logGroupIdentifier"),
        (
            "GetLogEvents",
            {"logGroupName": GROUP, "logStreamName": "job", "nextToken": "x"},
            "nextToken is invalid",
        ),
        ("GetLogEvents", {"logGroupName": GROUP, "logStreamName": "nowhere"}, "log stream does not exist"),
        ("FilterLogEvents", {"logGroupName": "nowhere"}, "log group does not exist"),
        (
            "FilterLogEvents",
            {"logGroupName": GROUP, "filterPattern": "{ $.a = 1 }"},
            "only terms are supported",
        ),
        ("FilterLogEvents", {"logGroupName": GROUP, "nextToken": "b/1/1"}, "nextToken is invalid"),
        ("DescribeLogGroups", {"nextToken": "-1"}, "nextToken is invalid"),
        ("PutRetentionPolicy", {"logGroupName": GROUP, "retentionInDays": 2}, "expected one of 1, 3, 5"),
        (
            "DescribeLogStreams",
            {"logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "a"},
            "Cannot order by LastEventTime",
        ),
    ],
)
def test_what_is_refused(ask: Any, operation: str, request_: dict[str, Any], text: str) -> None:
    assert text in message_of(lambda: ask(operation, **request_))


def test_a_batch_has_a_size(ask: Any) -> None:
    fits = [{"timestamp": NOW, "message": "x" * (262_144 - 26)}] * 4
    ask("PutLogEvents", logGroupName=GROUP, logStreamName="job", logEvents=fits)
    over = [*fits, {"timestamp": NOW, "message": "x"}]
    text = message_of(lambda: ask("PutLogEvents", logGroupName=GROUP, logStreamName="job", logEvents=over))
    assert "1048603 bytes exceeds limit of 1048576" in text
