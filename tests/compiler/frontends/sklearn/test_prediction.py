"""What a model says of itself."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.frontends.sklearn.averaging import read_tree
from tinsmith.compiler.frontends.sklearn.estimator import Estimator


@pytest.mark.parametrize(
    ("version", "warning", "producer"),
    [
        ("0.22", None, "scikit-learn 0.22"),
        ("1.9.1", None, "scikit-learn 1.9.1"),
        ("0.21.3", "saved by scikit-learn 0.21.3; 0.22 to 1.9 are tested", "scikit-learn 0.21.3"),
        ("1.10.0", "saved by scikit-learn 1.10.0; 0.22 to 1.9 are tested", "scikit-learn 1.10.0"),
        (None, "does not tell which scikit-learn saved it", "scikit-learn"),
    ],
)
def test_untested_versions_get_a_warning(
    version: str | None, warning: str | None, producer: str, training: dict[str, NDArray[Any]]
) -> None:
    tree = DecisionTreeRegressor(max_depth=1).fit(training["rows"], training["pair"])
    record = load(pickle.dumps(tree))
    del record.fields["_sklearn_version"]
    if version:
        record.fields["_sklearn_version"] = version
    model = read_tree(Estimator.of(record, "model"))
    assert model.producer == producer
    assert len(model.warnings) == (warning is not None)
    assert warning is None or warning in model.warnings[0]
    assert model.output.shape == (-1, 2)
