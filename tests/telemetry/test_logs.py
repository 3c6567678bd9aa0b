from __future__ import annotations

from typing import Any

import pytest

from tests.telemetry.conftest import Clock
from tinsmith.identity.owner import Owner
from tinsmith.telemetry.logs import DAY_MS, LogsError, LogStore, Piece, Rejected, Span
from tinsmith.telemetry.patterns import parse_pattern

OURS, THEIRS = Owner("000000000000", "us-east-1"), Owner("111111111111", "us-east-1")
GROUP = "/aws/sagemaker/CompilationJobs"
NOW = 1_700_000_000_000
EVERYTHING = Span()


@pytest.fixture(autouse=True)
def streams(logs: LogStore) -> None:
    logs.create_group(OURS, GROUP)
    for name in ("a", "b"):
        logs.create_stream(OURS, GROUP, name)


def messages(logs: LogStore, span: Span = EVERYTHING, limit: int = 100, **options: Any) -> list[str]:
    return [event.message for event in logs.read(OURS, GROUP, span, limit, **options)]


def refused(code: str) -> pytest.RaisesExc[LogsError]:
    return pytest.RaisesExc(LogsError, check=lambda error: error.code == code)


def test_streams_are_read_in_the_order_of_time(logs: LogStore) -> None:
    logs.put(OURS, GROUP, "a", [(NOW, "1"), (NOW + 20, "3"), (NOW + 20, "4")])
    logs.put(OURS, GROUP, "b", [(NOW + 10, "2"), (NOW + 30, "5")])
    assert messages(logs) == ["1", "2", "3", "4", "5"]
    assert messages(logs, streams=["a"]) == ["1", "3", "4"]
    assert messages(logs, prefix="b") == ["2", "5"]
    assert messages(logs, prefix="c") == []
    assert messages(logs, Span(NOW + 10, NOW + 30)) == ["2", "3", "4"]
    assert messages(logs, limit=2) == ["1", "2"]
    assert messages(logs, limit=2, newest=True) == ["4", "5"]
    assert messages(logs, pattern=parse_pattern("?2 ?5")) == ["2", "5"]


@pytest.mark.parametrize("newest", [False, True])
def test_pages_leave_nothing_out_and_repeat_nothing(logs: LogStore, newest: bool) -> None:
    lines = [(NOW + number // 7, str(number)) for number in range(2_500)]
    logs.put(OURS, GROUP, "a", lines[:1_300])
    logs.put(OURS, GROUP, "a", lines[1_300:])
    found: list[str] = []
    span = Span()
    while events := logs.read(OURS, GROUP, span, 333, newest=newest):
        texts = [event.message for event in events]
        found = texts + found if newest else found + texts
        span = Span(before=events[0].place) if newest else Span(after=events[-1].place)
    assert found == [message for _, message in lines]


def test_a_rare_line_is_found_among_many(logs: LogStore) -> None:
    for start in range(0, 6_000, 2_000):
        logs.put(OURS, GROUP, "a", [(NOW + start + it, "dull") for it in range(2_000)])
    logs.put(OURS, GROUP, "a", [(NOW + 7_000, "a needle")])
    assert messages(logs, pattern=parse_pattern("needle"), limit=5) == ["a needle"]


def test_events_must_come_in_the_order_of_time(logs: LogStore) -> None:
    with refused("InvalidParameterException"):
        logs.put(OURS, GROUP, "a", [(NOW + 1, "2"), (NOW, "1")])
    assert messages(logs) == []


def test_events_of_another_time_are_rejected_and_the_others_taken(logs: LogStore) -> None:
    events = [(NOW - 15 * DAY_MS, "old"), (NOW, "now"), (NOW + 3 * 3_600_000, "new")]
    assert logs.put(OURS, GROUP, "a", events) == Rejected(old_end=1, new_start=2)
    assert messages(logs) == ["now"]
    assert logs.put(OURS, GROUP, "a", [(NOW, "again")]) == Rejected()


def test_names_are_taken_once(logs: LogStore) -> None:
    with refused("ResourceAlreadyExistsException"):
        logs.create_group(OURS, GROUP)
    with refused("ResourceAlreadyExistsException"):
        logs.create_stream(OURS, GROUP, "a")


def test_what_is_not_there_is_said(logs: LogStore) -> None:
    with pytest.raises(LogsError, match="The specified log group does not exist"):
        logs.create_stream(OURS, "other", "a")
    with pytest.raises(LogsError, match="The specified log stream does not exist"):
        logs.put(OURS, GROUP, "c", [(NOW, "")])
    with pytest.raises(LogsError, match="The specified log stream does not exist"):
        messages(logs, streams=["a", "c"])


def test_another_account_sees_nothing(logs: LogStore) -> None:
    logs.put(OURS, GROUP, "a", [(NOW, "secret")])
    assert logs.groups(THEIRS) == []
    with refused("ResourceNotFoundException"):
        logs.read(THEIRS, GROUP, Span(), 10)
    logs.create_group(THEIRS, GROUP)
    assert logs.read(THEIRS, GROUP, Span(), 10) == []


def test_groups_and_streams_tell_what_they_hold(logs: LogStore) -> None:
    assert [(stream.name, stream.first_event) for stream in logs.streams(OURS, GROUP)] == [
        ("a", None),
        ("b", None),
    ]
    logs.put(OURS, GROUP, "a", [(NOW, "one"), (NOW + 5, "two")])
    logs.put(OURS, GROUP, "a", [(NOW - 5, "late")])
    first = logs.streams(OURS, GROUP)[0]
    assert (first.first_event, first.last_event, first.last_ingestion) == (NOW - 5, NOW + 5, NOW)
    assert [(group.name, group.stored_bytes) for group in logs.groups(OURS)] == [(GROUP, 10)]


def test_what_is_deleted_is_gone(logs: LogStore) -> None:
    logs.put(OURS, GROUP, "a", [(NOW, "1")])
    logs.put(OURS, GROUP, "b", [(NOW, "2")])
    logs.delete_stream(OURS, GROUP, "a")
    assert messages(logs) == ["2"]
    logs.delete_group(OURS, GROUP)
    assert logs.groups(OURS) == []
    logs.create_group(OURS, GROUP)
    assert messages(logs) == []


def test_events_are_kept_as_long_as_their_group_says(logs: LogStore, clock: Clock) -> None:
    logs.put(OURS, GROUP, "a", [(NOW, "1"), (NOW + DAY_MS // 2 // 12, "2")])
    assert logs.expire() == 0
    logs.keep(OURS, GROUP, 1)
    clock.now += 86_400.0
    assert logs.expire() == 0
    clock.now += 1.0
    assert logs.expire() == 1
    assert messages(logs) == ["2"]
    logs.keep(OURS, GROUP, None)
    clock.now += 10 * 86_400.0
    assert logs.expire() == 0


def test_a_log_that_is_fed_twice_is_stored_once(logs: LogStore) -> None:
    assert logs.feed(OURS, "new", "job", Piece("a", 0, 10), [(NOW, "1")]) == 10
    assert logs.feed(OURS, "new", "job", Piece("a", 0, 10), [(NOW, "1")]) == 10
    assert logs.feed(OURS, "new", "job", Piece("a", 20, 30), [(NOW, "3")]) == 10
    assert logs.feed(OURS, "new", "job", Piece("a", 10, 20), [(NOW, "2")]) == 20
    assert [event.message for event in logs.read(OURS, "new", Span(), 10)] == ["1", "2"]


def test_a_job_that_another_service_takes_over_has_two_logs(logs: LogStore) -> None:
    assert logs.feed(OURS, "new", "job", Piece("a", 0, 10), [(NOW, "1")]) == 10
    assert logs.feed(OURS, "new", "job", Piece("b", 0, 4), [(NOW, "2")]) == 4
    assert logs.feed(OURS, "new", "job", Piece("a", 10, 20), [(NOW, "3")]) == 20
    assert [event.message for event in logs.read(OURS, "new", Span(), 10)] == ["1", "2", "3"]
    assert (logs.fed(OURS, "new", "a"), logs.fed(OURS, "new", "b")) == ({"job": 20}, {"job": 4})
    assert logs.fed(OURS, "new", "c") == logs.fed(THEIRS, "new", "a") == {}


def test_a_group_knows_the_bytes_that_it_holds(logs: LogStore, clock: Clock) -> None:
    def stored() -> int:
        (group,) = logs.groups(OURS)
        return group.stored_bytes

    assert stored() == 0
    logs.put(OURS, GROUP, "a", [(NOW, "ä" * 10), (NOW, "x")])
    logs.feed(OURS, GROUP, "b", Piece("here", 0, 1), [(NOW - 2 * DAY_MS, "old"), (NOW, "new!")])
    assert stored() == 28
    logs.keep(OURS, GROUP, 1)
    assert logs.expire() == 1
    assert stored() == 25
    logs.delete_stream(OURS, GROUP, "a")
    assert stored() == 4
