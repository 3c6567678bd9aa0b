from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tinsmith.compiler.verify.calls import (
    BATCHES,
    Call,
    Interface,
    make_calls,
    make_dlr_calls,
    read_answers,
    write_plan,
)
from tinsmith.errors import InternalError

INTERFACE = Interface(features=2, outputs=3, margins=1, dtype="float64")
FACTS = struct.pack("<5q", 1, 2, 3, 1, 11)


def test_calls_of_every_size_for_both_results() -> None:
    calls = make_calls(1800)
    assert {call.count for call in calls} == {*BATCHES, 1800}
    for margin in (False, True):
        assert {call.count for call in calls if call.margin is margin} == {*BATCHES, 1800}
    assert {call.gap for call in calls if call.count == 1800} == {False, True}
    assert all(call.first + call.count <= 1800 for call in calls)


def test_dlr_takes_whole_rows_and_gives_predictions() -> None:
    calls = make_dlr_calls(1800)
    assert not any(call.gap or call.margin for call in calls)
    assert len({call.count for call in calls}) > 10


def test_few_rows_mean_smaller_batches() -> None:
    calls = make_calls(6)
    assert {call.count for call in calls} == {1, 2, 3, 4, 5, 6}
    assert all(call.first + call.count <= 6 for call in calls)


def test_plan_holds_each_call_s_rows(tmp_path: Path) -> None:
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    calls = [Call(1, 3), Call(2, 2, gap=True, margin=True)]
    write_plan(rows, calls, tmp_path / "plan")
    data = (tmp_path / "plan").read_bytes()
    count, elements = struct.unpack_from("<2q", data)
    assert count == 2
    floats = np.frombuffer(data, "<f4", elements, 16 + 32 * count)
    for number, call in enumerate(calls):
        offset, size, stride, flags = struct.unpack_from("<4q", data, 16 + 32 * number)
        assert size == call.count
        assert flags == call.margin
        assert stride == (5 if call.gap else 2)
        for row in range(size):
            start = offset + row * stride
            np.testing.assert_array_equal(floats[start : start + 2], rows[call.first + row])
        if call.gap:
            assert np.isnan(floats[offset + 2 : offset + stride]).all()


def test_reads_answers(tmp_path: Path) -> None:
    calls = [Call(0, 2), Call(0, 1, margin=True), Call(0, 9), Call(1, 1)]
    path = tmp_path / "result"
    path.write_bytes(
        FACTS
        + struct.pack("<q6d", 0, *range(6))
        + struct.pack("<qd", 0, 7.5)
        + struct.pack("<q", 1)
        + struct.pack("<q3d", 0, 1, 2, 3)
    )
    answers = read_answers(path, calls, INTERFACE)
    assert [answer.call for answer in answers] == calls
    assert [answer.status for answer in answers] == [0, 0, 1, 0]
    assert [answer.out.tolist() for answer in answers] == [[[0, 1, 2], [3, 4, 5]], [[7.5]], [], [[1, 2, 3]]]


@pytest.mark.parametrize("place", range(5))
def test_refuses_a_library_with_another_interface(tmp_path: Path, place: int) -> None:
    facts = [1, 2, 3, 1, 11]
    facts[place] += 1
    (tmp_path / "result").write_bytes(struct.pack("<5q", *facts))
    with pytest.raises(InternalError, match="the library has ABI"):
        read_answers(tmp_path / "result", [], INTERFACE)


@pytest.mark.parametrize("length", [0, 39, 40, 47, 48, 71])
def test_refuses_answers_that_are_cut_off(tmp_path: Path, length: int) -> None:
    whole = FACTS + struct.pack("<q3d", 0, 1, 2, 3)
    (tmp_path / "result").write_bytes(whole[:length])
    with pytest.raises(InternalError, match=r"cut off|no answer"):
        read_answers(tmp_path / "result", [Call(0, 1)], INTERFACE)
