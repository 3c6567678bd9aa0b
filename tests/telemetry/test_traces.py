from __future__ import annotations

from typing import Any

import pytest

from tests.jobs.conftest import make_job
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Event, Store
from tinsmith.telemetry.subjects import subject_of
from tinsmith.telemetry.traces import ROOT, Trace, trace_of

KEY = JobKey("000000000000", "us-east-1", "job")
PARENT = "00-0123456789abcdef0123456789abcdef-00000000000000aa-01"
REQUEST: dict[str, Any] = {"InputConfig": {"Framework": "ONNX"}, "OutputConfig": {"TargetDevice": "ml_c5"}}
STAGES = [("compile", 104.0, 107.0), ("download", 103.0, 104.0), ("compile.read", 104.5, 105.0)]


def told(store: Store) -> Trace:
    life = store.life(KEY)
    return trace_of(life, subject_of(store, life))


def shown(trace: Trace) -> list[tuple[str, str | None, float, float]]:
    """Names, names of parents, begins and ends."""
    names = {span.id: span.name for span in trace.spans}
    assert len(names) == len(trace.spans)
    return [(span.name, names.get(span.parent or 0), span.begin, span.end) for span in trace.spans]


@pytest.fixture(autouse=True)
def job(store: Store) -> None:
    store.add(make_job("job", created=100.0, **REQUEST), {}, PARENT)


def test_a_job_that_completes(store: Store) -> None:
    store.claim("worker", 30, 102.0)
    store.complete(KEY, 1, 108.0, "s3://b/k", "00", stages=STAGES)
    trace = told(store)
    assert (trace.id, trace.sampled) == (0x0123456789ABCDEF0123456789ABCDEF, True)
    assert shown(trace) == [
        (ROOT, None, 100, 108),
        ("queued", ROOT, 100, 102),
        ("attempt", ROOT, 102, 108),
        ("download", "attempt", 103, 104),
        ("compile", "attempt", 104, 107),
        ("read", "compile", 104.5, 105),
    ]
    root, _, attempt, *_ = trace.spans
    assert root.parent == 0xAA
    assert root.attributes == {
        "tinsmith.job.name": "job",
        "tinsmith.job.outcome": "COMPLETED",
        "tinsmith.job.attempts": 1,
        "tinsmith.job.framework": "ONNX",
        "tinsmith.job.target": "ml_c5",
        "cloud.account.id": "000000000000",
        "cloud.region": "us-east-1",
    }
    assert attempt.attributes == {"tinsmith.attempt": 1, "tinsmith.worker": "worker"}
    assert all(span.fault is None for span in trace.spans)
    assert told(store) == trace
    store.delete(KEY)
    assert told(store) == trace


def test_a_job_whose_attempts_are_lost_and_which_then_fails(store: Store) -> None:
    store.claim("one", 5, 101.0)
    store.release(KEY, 1, 102.0, "it was killed by signal 9")
    store.claim("two", 5, 103.0)
    store.claim("three", 5, 110.0)  # whose lease was over
    store.fail(KEY, 3, 111.0, "ClientError: x", [("download", 110.5, 111.0)])
    trace = told(store)
    assert shown(trace) == [
        (ROOT, None, 100, 111),
        ("queued", ROOT, 100, 101),
        ("attempt", ROOT, 101, 102),
        ("queued", ROOT, 102, 103),
        ("attempt", ROOT, 103, 110),
        ("attempt", ROOT, 110, 111),
        ("download", "attempt", 110.5, 111),
    ]
    assert [span.fault for span in trace.spans] == [
        "ClientError: x", None, "it was killed by signal 9", None, "its lease was over", "ClientError: x",
        None,
    ]  # fmt: skip
    assert trace.spans[-1].parent == trace.spans[-2].id


def test_a_job_that_is_stopped_before_it_begins(store: Store) -> None:
    store.request_stop(KEY, 105.0)
    store.stopped(KEY, 0, 106.0)
    trace = told(store)
    assert shown(trace) == [(ROOT, None, 100, 106), ("queued", ROOT, 100, 106)]
    assert trace.spans[0].moments == [("stop_requested", 105.0)]


def test_each_job_of_a_name_is_a_trace_of_its_own(store: Store) -> None:
    def end() -> None:
        store.request_stop(KEY, 105.0)
        store.stopped(KEY, 0, 106.0)
        store.delete(KEY)

    end()
    store.add(make_job("job", created=200.0), {})
    end()
    store.add(make_job("job", created=300.0), {}, "00-nothing-that-is-one-01")
    end()
    lives = [store.life(KEY, event.seq) for event in store.events() if event.kind == "stopped"]
    assert [[event.kind for event in life] for life in lives] == [
        ["created", "stop_requested", "stopped", "deleted"]
    ] * 3
    traces = [trace_of(life, subject_of(store, life)) for life in lives]
    assert len({trace.id for trace in traces}) == 3
    assert [trace.sampled for trace in traces] == [True, None, None]
    assert [trace.spans[0].begin for trace in traces] == [100, 200, 300]
    assert "tinsmith.job.framework" not in traces[1].spans[0].attributes


def test_an_unsampled_request_leaves_its_job_out(store: Store) -> None:
    life = [
        Event(1, KEY, 1.0, "created", {"trace": PARENT[:-1] + "0"}),
        Event(2, KEY, 2.0, "failed", {"status": "FAILED", "attempt": 0, "reason": "x"}),
    ]
    assert trace_of(life, None).sampled is False
