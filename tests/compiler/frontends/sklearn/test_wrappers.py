"""Objects that predict what the one estimator inside them predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.compiler.frontends.sklearn.answers import assert_agrees
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

Training = dict[str, NDArray[Any]]
FOREST = RandomForestClassifier(n_estimators=2, max_depth=3, random_state=0)

CASES: dict[str, Any] = {
    "pipeline of one": make_pipeline(FOREST),
    "steps that pass through": Pipeline([("a", "passthrough"), ("b", None), ("forest", FOREST)]),
    "grid": GridSearchCV(FOREST, {"max_depth": [2, 4]}, cv=2),
    "random search": RandomizedSearchCV(FOREST, {"max_depth": [2]}, n_iter=1, cv=2),
    "pipeline in a grid": GridSearchCV(make_pipeline(FOREST), {}, cv=2),
}


@pytest.mark.parametrize("name", CASES)
def test_predicts_what_the_wrapper_predicts(name: str, frontend: Frontend, training: Training) -> None:
    wrapper = CASES[name].fit(training["rows"], training["two"])
    model = frontend.model(wrapper)
    assert model.kind == "RandomForestClassifier"
    assert model.class_labels == ("no", "yes")
    frontend.assert_agrees(model, training["rows"], wrapper.predict_proba(training["rows"]))


def test_other_steps_are_not_dropped(training: Training) -> None:
    wrapper = GridSearchCV(make_pipeline(StandardScaler(), FOREST), {}, cv=2)
    assert_agrees(wrapper.fit(training["rows"].astype(float), training["two"]), training["rows"])


def test_search_that_was_not_refitted(frontend: Frontend, training: Training) -> None:
    search = GridSearchCV(FOREST, {"max_depth": [2]}, cv=2, refit=False).fit(
        training["rows"], training["two"]
    )
    with pytest.raises(ClientError, match="has no attribute best_estimator_"):
        frontend.model(search)
