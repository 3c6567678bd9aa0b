from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tinsmith.compiler.ir.model import Linear, Model, Transform
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.compiler.verify.evidence import collect, expected, rows_to_execute
from tinsmith.errors import ClientError


@pytest.mark.parametrize("transform", [Transform.IDENTITY, Transform.SOFTMAX])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_holds_rows_and_the_reference_s_answers(
    make_model: Callable[..., Model], dtype: type, transform: Transform
) -> None:
    model = make_model(dtype=dtype, outputs=3, transform=transform)
    evidence = collect(model)
    wanted = evaluate(model, evidence.rows)
    assert evidence.margin.dtype == dtype
    np.testing.assert_array_equal(evidence.margin, wanted.margin)
    assert evidence.prediction.dtype == np.float32
    np.testing.assert_array_equal(evidence.prediction, wanted.prediction.astype(np.float32))
    assert sum(evidence.claim["evidence_rows"].values()) == len(evidence.rows)
    assert sum(evidence.claim["rows"].values()) > 1024
    assert evidence.claim["cuts"] == evidence.claim["cuts_exercised"] > 0


def test_enough_rows_for_every_cut_of_a_model_that_is_not_huge(make_model: Callable[..., Model]) -> None:
    chosen = rows_to_execute(make_model(trees=200, depth=6))
    assert chosen.cuts == chosen.cuts_exercised > 12_000


def test_many_features_mean_less_to_carry(make_model: Callable[..., Model]) -> None:
    features = 20_000
    linear = Linear(np.ones((features, 1), np.float32), np.zeros(1, np.float32))
    evidence = collect(replace(make_model(), body=linear))
    assert 20 <= len(evidence.rows) <= (1 << 19) // features + 1
    kinds = evidence.claim["evidence_rows"]
    assert sum(kinds.values()) == len(evidence.rows)
    assert min(kinds.values()) > 0


@pytest.mark.parametrize(
    ("transform", "dtype", "tolerance"),
    [
        (Transform.IDENTITY, np.float64, 0),
        (Transform.SIGMOID, np.float64, 1),
        (Transform.SIGMOID, np.float32, 2),
    ],
)
def test_rounding_narrows_the_tolerance(
    make_model: Callable[..., Model], transform: Transform, dtype: type, tolerance: int
) -> None:
    evidence = collect(make_model(transform=transform, dtype=dtype))
    assert expected(evidence).tolerance_ulps == tolerance


def test_a_malformed_claim_is_refused(make_model: Callable[..., Model]) -> None:
    evidence = collect(make_model())
    for claim in ({}, {"tolerance_ulps": "many", "near_one": False}):
        with pytest.raises(ClientError, match="claim is malformed"):
            expected(replace(evidence, claim=claim))
