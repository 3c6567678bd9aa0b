"""Single trees and averaging forests against scikit-learn itself: every bit of the float64 output."""

from __future__ import annotations

import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.frontends.sklearn.averaging import read_forest
from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

Training = dict[str, NDArray[Any]]

CASES: dict[str, tuple[Any, str]] = {
    "gini": (DecisionTreeClassifier(), "four"),
    "entropy, pruned": (DecisionTreeClassifier(criterion="entropy", ccp_alpha=0.01), "two"),
    "best first": (DecisionTreeClassifier(max_leaf_nodes=7, class_weight="balanced"), "four"),
    "monotonic": (DecisionTreeClassifier(monotonic_cst=[1, 0, 0, -1, 0, 0], max_depth=4), "two"),
    "one class": (DecisionTreeClassifier(), "one"),
    "bool labels": (DecisionTreeClassifier(max_depth=2), "flag"),
    "squared error": (DecisionTreeRegressor(), "number"),
    "absolute error": (DecisionTreeRegressor(criterion="absolute_error", max_depth=5), "number"),
    "poisson": (DecisionTreeRegressor(criterion="poisson", max_depth=5), "count"),
    "two outputs": (DecisionTreeRegressor(max_depth=6), "pair"),
    "stump": (DecisionTreeRegressor(max_depth=1), "number"),
    "extra tree": (ExtraTreeClassifier(random_state=1), "four"),
    "extra tree regressor": (ExtraTreeRegressor(random_state=1), "number"),
    "forest": (RandomForestClassifier(n_estimators=13, random_state=0), "four"),
    "forest of one": (RandomForestClassifier(n_estimators=1, random_state=0), "two"),
    "forest of one class": (RandomForestClassifier(n_estimators=3, random_state=0), "one"),
    "weighted forest": (
        RandomForestClassifier(n_estimators=7, class_weight="balanced_subsample", random_state=0),
        "four",
    ),
    "forest regressor": (RandomForestRegressor(n_estimators=11, random_state=0), "number"),
    "forest of two outputs": (RandomForestRegressor(n_estimators=6, random_state=0, max_depth=6), "pair"),
    "extra trees": (ExtraTreesClassifier(n_estimators=9, random_state=0), "four"),
    "extra trees regressor": (ExtraTreesRegressor(n_estimators=7, random_state=0, bootstrap=True), "number"),
}


def output(estimator: Any, rows: NDArray[np.float32]) -> Any:
    """What the compiled model shall give."""
    return (estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.predict)(rows)


def unchecked_output(estimator: Any, rows: NDArray[np.float32]) -> Any:
    """The same without the check that refuses infinity: the trees' own outputs, added as the forest does."""
    members = getattr(estimator, "estimators_", [estimator])
    total: Any = 0.0
    for member in members:
        predict = member.predict_proba if hasattr(member, "predict_proba") else member.predict
        total = total + predict(rows, check_input=False)
    return total / len(members)


@pytest.mark.parametrize("name", CASES)
def test_is_identical_to_sklearn(name: str, frontend: Frontend, training: Training) -> None:
    estimator, target = CASES[name]
    estimator.fit(training["rows"], training[target], sample_weight=training["weight"])
    model = frontend.model(estimator)
    for rows in (training["rows"], frontend.edge_rows(model)):
        frontend.assert_agrees(model, rows, frontend.ask(partial(output, estimator), rows))
    rows = frontend.edge_rows(model, infinite=True)
    assert np.isinf(rows).any()
    frontend.assert_agrees(model, rows, unchecked_output(estimator, rows))
    assert model.warnings == ()


# scikit-learn refuses missing values for these two.
@pytest.mark.parametrize("name", [name for name in CASES if name not in ("monotonic", "absolute error")])
def test_missing_values_take_the_learned_side(name: str, frontend: Frontend, training: Training) -> None:
    estimator, target = CASES[name]
    estimator.fit(training["missing"], training[target])
    model = frontend.model(estimator)
    for rows in (training["missing"], frontend.edge_rows(model, missing=True)):
        frontend.assert_agrees(model, rows, frontend.ask(partial(output, estimator), rows))


def test_missing_values_unseen_in_training(frontend: Frontend, training: Training) -> None:
    """The trees decide it, although the estimator refuses such rows."""
    estimator = DecisionTreeRegressor().fit(training["rows"], training["number"])
    model = frontend.model(estimator)
    rows = frontend.edge_rows(model, missing=True)
    frontend.assert_agrees(model, rows, estimator.predict(rows, check_input=False))


@pytest.mark.parametrize(
    "how", ["pickle2", "pickle3", "pickle4", "pickle5", "plain", "zlib", "gzip", "bz2", "xz", "lzma"]
)
def test_every_way_to_save(how: str, frontend: Frontend, training: Training) -> None:
    estimator = RandomForestClassifier(n_estimators=3, max_depth=4).fit(training["rows"], training["two"])
    model = frontend.model(estimator, how)
    frontend.assert_agrees(model, training["rows"], estimator.predict_proba(training["rows"]))


def test_names_and_shapes(frontend: Frontend, training: Training) -> None:
    estimator = RandomForestClassifier(n_estimators=2, max_depth=2).fit(training["rows"], training["four"])
    estimator.feature_names_in_ = np.array(["a", "b", "c", "d", "e", "f"], object)
    model = frontend.model(estimator)
    assert (model.input.name, model.input.dtype, model.input.shape) == ("data", "float32", (-1, 6))
    assert (model.output.name, model.output.shape) == ("probabilities", (-1, 4))
    assert model.class_labels == ("0.0", "2.0", "4.0", "6.0")
    assert model.feature_names == ("a", "b", "c", "d", "e", "f")
    assert model.framework == "SKLEARN"
    assert model.kind == "RandomForestClassifier"
    assert model.producer.startswith("scikit-learn 1.")


@pytest.mark.parametrize(
    ("target", "labels"), [("two", ("no", "yes")), ("flag", ("False", "True")), ("one", ("0",))]
)
def test_class_labels(target: str, labels: tuple[str, ...], frontend: Frontend, training: Training) -> None:
    estimator = DecisionTreeClassifier(max_depth=2).fit(training["rows"], training[target])
    assert frontend.model(estimator).class_labels == labels


def test_classifier_of_several_outputs_is_refused(frontend: Frontend, training: Training) -> None:
    targets = np.stack([training["flag"], training["four"] > 1], axis=1)
    estimator = DecisionTreeClassifier().fit(training["rows"], targets)
    with pytest.raises(ClientError, match="DecisionTreeClassifier: a classifier of 2 outputs") as caught:
        frontend.model(estimator)
    assert caught.value.area == "OperatorNotImplemented"


def test_class_counts_of_a_resaved_model_become_fractions(training: Training) -> None:
    """A file that holds counts but claims a version of fractions: loaded and saved across versions."""
    estimator = RandomForestClassifier(n_estimators=3, max_depth=3).fit(training["rows"], training["two"])
    record = load(pickle.dumps(estimator))
    expected = read_forest(Estimator.of(record, "model"))
    for member in record.fields["estimators_"]:
        member.fields["tree_"].fields["values"] = member.fields["tree_"].fields["values"] * 64.0
    model = read_forest(Estimator.of(record, "model"))
    np.testing.assert_array_max_ulp(model.body.leaf_values, expected.body.leaf_values, 1)  # type: ignore[union-attr]
    assert "leaves hold class counts" in model.warnings[0]


GRID = st.integers(-8, 8).map(lambda n: np.float32(n) / 4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=arrays(np.float32, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=GRID), data=st.data()
)
def test_any_small_training_set(frontend: Frontend, rows: NDArray[np.float32], data: st.DataObject) -> None:
    target = data.draw(arrays(np.int64, len(rows), elements=st.integers(0, 3)))
    kind = data.draw(st.sampled_from([RandomForestClassifier, ExtraTreesRegressor]))
    estimator = kind(n_estimators=2, random_state=0).fit(rows, target)
    model = frontend.model(estimator)
    asked = data.draw(
        arrays(
            np.float32,
            (8, rows.shape[1]),
            elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
        )
    )
    for matrix in (rows, asked):
        frontend.assert_agrees(model, matrix, frontend.ask(partial(output, estimator), matrix))
