from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tinsmith.compiler.ir.network import Arrays, Network, Original
from tinsmith.compiler.verify.networks import reference
from tinsmith.compiler.verify.networks.examples import examples
from tinsmith.compiler.verify.networks.original import agree
from tinsmith.errors import ClientError, InternalError

Answer = Callable[[Sequence[Arrays]], list[Arrays]]


@pytest.fixture
def truth(network: Network) -> Answer:
    """What a framework that is right answers."""
    evaluate = reference.native(network).evaluate
    return lambda runs: [evaluate(inputs) for inputs in runs]


def test_without_the_framework_nothing_is_said(network: Network) -> None:
    assert agree(network, examples(network).runs) is None


def test_one_that_agrees_is_named_with_its_distance(network: Network, truth: Answer) -> None:
    found = agree(replace(network, original=Original("torch 2.13.0", truth)), examples(network).runs)
    assert found is not None
    assert found["name"] == "torch 2.13.0"
    assert found["runs"] == ["normal", "uniform"]
    assert found["max_relative_difference"] < 1e-5


def test_one_that_differs_ends_the_job(network: Network, truth: Answer) -> None:
    def wrong(runs: Sequence[Arrays]) -> list[Arrays]:
        return [(np.asarray(first) * 1.01, *rest) for first, *rest in truth(runs)]

    with pytest.raises(InternalError, match=r"original framework, torch 2: normal inputs: output 'scores'"):
        agree(replace(network, original=Original("torch 2", wrong)), examples(network).runs)


def test_one_that_rounds_on_the_fly_is_allowed_steps(network: Network, truth: Answer) -> None:
    def rounding(runs: Sequence[Arrays]) -> list[Arrays]:
        return [(np.asarray(first) * np.float32(1.01), *rest) for first, *rest in truth(runs)]

    original = Original("litert 2", rounding, rounds=True)
    assert agree(replace(network, original=original), examples(network).runs)
    far = Original(
        "litert 2", lambda runs: [(first * 1.5, *rest) for first, *rest in truth(runs)], rounds=True
    )
    with pytest.raises(InternalError, match="litert 2: normal inputs"):
        agree(replace(network, original=far), examples(network).runs)


def test_where_the_reference_is_no_number_each_has_its_ways(network: Network, truth: Answer) -> None:
    (first, *_) = examples(network).runs
    exact = (np.full_like(first.wanted.exact[0], np.nan), *first.wanted.exact[1:])
    runs = [replace(first, wanted=replace(first.wanted, exact=exact, native=None))]
    assert agree(replace(network, original=Original("torch 2", truth)), runs)


def test_so_does_one_with_other_outputs(network: Network, truth: Answer) -> None:
    def fewer(runs: Sequence[Arrays]) -> list[Arrays]:
        return [outputs[:-1] for outputs in truth(runs)]

    with pytest.raises(InternalError, match="gives 3 outputs, expected 4"):
        agree(replace(network, original=Original("torch 2", fewer)), examples(network).runs)


def test_one_that_cannot_answer_says_why(network: Network) -> None:
    def unable(runs: Sequence[Arrays]) -> list[Arrays]:
        raise ClientError("InputConfiguration", "no kernel for this input")

    found = agree(replace(network, original=Original("torch 2", unable)), examples(network).runs)
    assert found == {"name": "torch 2", "unable": "InputConfiguration: no kernel for this input"}
