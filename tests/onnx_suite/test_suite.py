"""All node tests of onnx natively, and a sample of them on every other kind of machine."""

from __future__ import annotations

import pytest

from tests.onnx_suite.cases import cases, sample
from tests.onnx_suite.native import find_target
from tests.onnx_suite.suite import EXCEPTIONS, HOST, OTHERS, run, surprises
from tests.wine import wine
from tinsmith.compiler.verify.execute import NoMachine, find_machine

SHARDS = 16
SAMPLE = 240


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_case(shard: int) -> None:
    assert surprises(run(cases()[shard::SHARDS], HOST)) == []


@pytest.mark.slow
@pytest.mark.parametrize("target", OTHERS)
def test_a_sample_on_other_machines(target: str) -> None:
    skip_without_machine(target)
    assert surprises(run(sample(SAMPLE), target)) == []


def skip_without_machine(name: str) -> None:
    target = find_target(name)
    if target.os == "windows" and wine() is None:
        pytest.skip("wine is not installed")
    try:
        find_machine(target)
    except NoMachine as reason:
        pytest.skip(str(reason))


def test_the_sample_is_spread_over_the_operators() -> None:
    chosen = sample(SAMPLE)
    assert len({case.name for case in chosen}) == SAMPLE
    assert {case.operator for case in chosen} == {case.operator for case in cases()}
    assert chosen == sample(SAMPLE)


def test_exceptions_are_cases() -> None:
    assert set(EXCEPTIONS) <= {case.name for case in cases()}


def test_at_least_95_of_100_pass() -> None:
    assert len(EXCEPTIONS) <= 0.05 * len(cases())
