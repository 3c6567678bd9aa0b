"""Base scores of releases that differ in what they mean by them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinsmith.compiler.frontends.xgboost.objectives import base_margin, objective_of
from tinsmith.compiler.frontends.xgboost.saved import Saved, Trees
from tinsmith.errors import ClientError


def margin(objective: str, version: tuple[int, ...], *score: float, outputs: int = 1) -> list[float]:
    """The base margin of a model of that objective, release and base score."""
    saved = Saved(
        place="m",
        version=version,
        objective=objective,
        booster="gbtree",
        num_feature=1,
        num_outputs=outputs,
        base_score=np.array(score, np.float32),
        body=Trees((), np.empty(0, np.int32)),
    )
    found = base_margin(saved, objective_of(saved))
    assert found.dtype == np.float32
    assert found.shape == (outputs,)
    return [float(value) for value in found]


def test_before_1_0_the_base_score_is_a_margin() -> None:
    for objective in ("binary:logistic", "count:poisson", "binary:hinge", "gpu:reg:linear"):
        assert margin(objective, (0, 0), -3.25) == [-3.25]


def test_logitraw_took_a_probability_until_1_4() -> None:
    assert margin("binary:logitraw", (1, 3, 3), 0.75) == pytest.approx([math.log(3)], rel=1e-6)
    assert margin("binary:logitraw", (1, 4), 0.75) == [0.75]


def test_logistic_scores_at_the_edge() -> None:
    assert margin("binary:logistic", (3, 2, 0), 0.0) == pytest.approx([-13.8155], rel=1e-5)
    assert margin("binary:logistic", (3, 2, 0), 1.0) == pytest.approx([13.8629], rel=1e-2)
    assert margin("binary:logistic", (2, 1, 4), 1e-7) == pytest.approx([-16.1181], rel=1e-5)
    assert margin("binary:logistic", (2, 1, 4), 0.0) == [-math.inf]


def test_a_single_score_serves_every_output() -> None:
    assert margin("multi:softprob", (1, 7, 6), 0.5, outputs=3) == [0.5, 0.5, 0.5]
    assert margin("count:poisson", (3, 1, 0), 1.0, 0.0, outputs=2) == [0.0, -math.inf]
    with pytest.raises(ClientError, match="base_score has 2 values, expected 1 or 3"):
        margin("multi:softprob", (3, 1, 0), 0.5, 0.5, outputs=3)


def test_scores_outside_the_domain_are_refused() -> None:
    for objective in ("count:poisson", "reg:gamma", "survival:aft"):
        with pytest.raises(ClientError, match=r"base_score \[-1\.0\] is outside the domain"):
            margin(objective, (3, 2, 0), -1.0)
    with pytest.raises(ClientError, match="outside the domain of binary:logistic"):
        margin("binary:logistic", (2, 1, 4), 1.5)
