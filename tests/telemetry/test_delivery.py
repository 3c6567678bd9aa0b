from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.jobs.conftest import make_job
from tests.telemetry.conftest import Clock
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Event, Store
from tinsmith.telemetry.delivery import GIVE_UP, LEASE, Delivery, Undelivered
from tinsmith.telemetry.destinations import Announcer
from tinsmith.telemetry.events import KINDS
from tinsmith.telemetry.feeds import JobEvents


class Recorder:
    """A destination that remembers, and refuses while it is told to."""

    name = "recorder"

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.refusing = False

    def send(self, event: Mapping[str, Any]) -> None:
        if self.refusing:
            raise Undelivered("refused")
        self.told.append((event["detail"]["CompilationJobName"], event["detail"]["CompilationJobStatus"]))
        self.ids.append(event["id"])


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def new(store: Store, recorder: Recorder, clock: Clock) -> Callable[[], Delivery[Event]]:
    """Another service's delivery to the same destination."""

    def make() -> Delivery[Event]:
        delivery = Delivery(
            store.database, JobEvents(store, KINDS), Announcer(store, recorder, arn_of), clock
        )
        delivery.register()
        return delivery

    return make


def arn_of(key: JobKey) -> str:
    return f"arn:{key.name}"


def run(store: Store, name: str, now: float) -> None:
    """A job from its creation to its end."""
    store.add(make_job(name, created=now), {})
    job = store.claim("worker", 30, now + 1)
    assert job is not None
    store.complete(job.key, job.attempt, now + 2, f"s3://b/{name}", "00")


def test_states_are_told_in_order_and_once(
    store: Store, new: Callable[[], Delivery[Event]], recorder: Recorder, clock: Clock
) -> None:
    run(store, "before", clock.now)
    delivery = new()
    run(store, "first", clock.now)
    run(store, "second", clock.now)
    delivery.step()
    expected = [
        (name, state) for name in ("first", "second") for state in ("STARTING", "INPROGRESS", "COMPLETED")
    ]
    assert recorder.told == expected
    delivery.step()
    assert recorder.told == expected


def test_a_refused_event_is_told_later_and_none_before_it(
    store: Store, new: Callable[[], Delivery[Event]], recorder: Recorder, clock: Clock
) -> None:
    delivery = new()
    run(store, "first", clock.now)
    recorder.refusing = True
    for _ in range(2):
        with pytest.raises(Undelivered):
            delivery.step()
    recorder.refusing = False
    delivery.step()
    assert [state for _, state in recorder.told] == ["STARTING", "INPROGRESS", "COMPLETED"]


def test_an_event_that_nobody_takes_is_given_up_after_a_day(
    store: Store, new: Callable[[], Delivery[Event]], recorder: Recorder, clock: Clock
) -> None:
    delivery = new()
    run(store, "old", clock.now)
    clock.now += GIVE_UP + 10
    run(store, "young", clock.now)
    recorder.refusing = True
    with pytest.raises(Undelivered):
        delivery.step()
    recorder.refusing = False
    delivery.step()
    assert {name for name, _ in recorder.told} == {"young"}


def test_one_service_tells_and_another_goes_on_when_it_dies(
    store: Store, new: Callable[[], Delivery[Event]], recorder: Recorder, clock: Clock
) -> None:
    first, second = new(), new()
    run(store, "a", clock.now)
    assert first.step() == 3
    run(store, "b", clock.now)
    assert second.step() == 0
    clock.now += LEASE
    assert second.step() == 3
    run(store, "c", clock.now)
    assert first.step() == 0
    second.step()
    assert [name for name, _ in recorder.told] == ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    assert len(set(recorder.ids)) == 9


def test_a_service_that_died_before_it_said_so_has_its_event_told_again(
    store: Store, new: Callable[[], Delivery[Event]], recorder: Recorder, clock: Clock
) -> None:
    first, second = new(), new()
    run(store, "a", clock.now)
    sending = recorder.send

    def send_and_die(event: Mapping[str, Any]) -> None:
        sending(event)
        raise KeyboardInterrupt

    recorder.send = send_and_die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.step()
    recorder.send = sending  # type: ignore[method-assign]
    clock.now += LEASE
    second.step()
    assert [state for _, state in recorder.told] == ["STARTING", "STARTING", "INPROGRESS", "COMPLETED"]
    assert recorder.ids[0] == recorder.ids[1]


def test_deleted_jobs_are_still_told_of(
    store: Store, new: Callable[[], Delivery[Event]], recorder: Recorder, clock: Clock
) -> None:
    delivery = new()
    run(store, "gone", clock.now)
    store.delete(JobKey("000000000000", "us-east-1", "gone"))
    delivery.step()
    assert [state for _, state in recorder.told] == ["STARTING", "INPROGRESS", "COMPLETED"]


def test_the_thread_tells_by_itself(store: Store, recorder: Recorder) -> None:
    recipient = Announcer(store, recorder, arn_of)
    delivery = Delivery(store.database, JobEvents(store, KINDS), recipient, poll=0.01)
    delivery.start()
    run(store, "first", time.time())
    deadline = time.monotonic() + 20
    while len(recorder.told) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    delivery.stop()
    assert [state for _, state in recorder.told] == ["STARTING", "INPROGRESS", "COMPLETED"]
