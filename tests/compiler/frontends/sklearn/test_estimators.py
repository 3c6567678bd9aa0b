"""scikit-learn's own list of estimators: which ones agree, and why the others are refused."""

from __future__ import annotations

import pytest

from tests.compiler.frontends.sklearn.estimators import MINIMUM, judge, numeric

REFUSED = {
    **dict.fromkeys(
        ("DictionaryLearning", "MiniBatchDictionaryLearning", "SparseCoder"), "transform_algorithm"
    ),
    "LatentDirichletAllocation": "LatentDirichletAllocation",
    "LocallyLinearEmbedding": "LocallyLinearEmbedding",
}
"""And a word of the reason."""


@pytest.mark.parametrize("name", numeric())
def test_agrees_or_is_refused_for_its_reason(name: str) -> None:
    outcome = judge(name, numeric()[name])
    if name in REFUSED:
        assert outcome.verdict == "refused"
        assert REFUSED[name] in outcome.text
    else:
        assert (outcome.verdict, outcome.text) == ("agrees", "")


def test_enough_are_compiled() -> None:
    names = numeric()
    assert names.keys() >= REFUSED.keys()
    assert len(names) - len(REFUSED) >= MINIMUM * len(names)
