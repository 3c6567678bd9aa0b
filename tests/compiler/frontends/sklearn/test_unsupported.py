"""Refusals: what they name, and that nothing in a file runs."""

from __future__ import annotations

import builtins
import os
import pickle
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import LocallyLinearEmbedding
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.svm import SVC

from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

Training = dict[str, NDArray[Any]]
FOREST = RandomForestClassifier(n_estimators=2, max_depth=2, random_state=0)


class OwnTransformer(BaseEstimator):  # type: ignore[misc]
    """A customer's class, which the compiler cannot know."""

    def __init__(self, columns: int = 2) -> None:
        self.columns = columns


class OwnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A customer's classifier."""

    def fit(self, rows: Any, target: Any) -> OwnClassifier:
        self.classes_ = np.unique(target)
        return self

    def predict_proba(self, rows: Any) -> Any:
        return np.full((len(rows), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, rows: Any) -> Any:
        return np.repeat(self.classes_[0], len(rows))


class CallOnLoad:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def refusal(frontend: Frontend, value: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        frontend.model(value)
    return caught.value


CASES: dict[str, tuple[Any, list[str]]] = {
    "one estimator": (
        LatentDirichletAllocation(),
        ["model: sklearn.decomposition.LatentDirichletAllocation"],
    ),
    "pipeline": (
        Pipeline(
            [("words", LatentDirichletAllocation()), ("embed", LocallyLinearEmbedding()), ("clf", SVC())]
        ),
        [
            "steps[0] (words): sklearn.decomposition.LatentDirichletAllocation",
            "steps[1] (embed): sklearn.manifold.LocallyLinearEmbedding",
        ],
    ),
    "own class": (
        Pipeline([("own", OwnTransformer()), ("forest", FOREST)]),
        ["steps[0] (own): " + OwnTransformer.__module__ + ".OwnTransformer"],
    ),
    "columns": (
        make_pipeline(
            ColumnTransformer([("codes", OwnTransformer(), [0]), ("rest", "passthrough", [1])]), FOREST
        ),
        [f"steps[0] (columntransformer).transformers[0] (codes): {OwnTransformer.__module__}.OwnTransformer"],
    ),
    "text": (
        make_pipeline(
            FeatureUnion([("a", TfidfVectorizer()), ("b", CountVectorizer())]), LogisticRegression()
        ),
        [
            "steps[0] (featureunion).transformer_list[0] (a): "
            "sklearn.feature_extraction.text.TfidfVectorizer takes text; only numeric inputs are compiled",
            "steps[0] (featureunion).transformer_list[1] (b): "
            "sklearn.feature_extraction.text.CountVectorizer takes text; only numeric inputs are compiled",
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_names_everything_with_its_place(name: str, frontend: Frontend) -> None:
    value, problems = CASES[name]
    error = refusal(frontend, value)
    assert error.area == "OperatorNotImplemented"
    assert list(error.problems) == problems


def test_trained_members_stand_for_the_parameters(frontend: Frontend, training: Training) -> None:
    members = [("own", OwnClassifier()), ("forest", FOREST)]
    voting = VotingClassifier(members).fit(training["rows"], training["two"])
    name = f"{OwnClassifier.__module__}.OwnClassifier"
    assert list(refusal(frontend, voting).problems) == [f"estimators_[0]: {name}"]
    calibrated = CalibratedClassifierCV(OwnClassifier(), cv=5).fit(training["rows"], training["two"])
    assert list(refusal(frontend, calibrated).problems) == [
        "calibrated_classifiers_[0].estimator, calibrated_classifiers_[1].estimator, "
        f"calibrated_classifiers_[2].estimator and 2 more: {name}",
    ]


@pytest.mark.parametrize("name", ["lightgbm.sklearn.LGBMClassifier", "catboost.core.CatBoostRegressor"])
def test_other_boosters_are_refused_by_name(
    name: str, frontend: Frontend, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [("scale", Record("sklearn.preprocessing._data.StandardScaler")), ("model", Record(name))]
    pipeline = Record("sklearn.pipeline.Pipeline", fields={"steps": steps, "_sklearn_version": "1.5.2"})
    monkeypatch.setattr("tinsmith.compiler.frontends.sklearn.load", lambda path, place: pipeline)
    assert list(refusal(frontend, None).problems) == [f"steps[1] (model): {name}"]


def test_a_booster_of_xgboost_gets_a_hint(frontend: Frontend, training: Training) -> None:
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBRegressor(n_estimators=1).fit(training["rows"], training["number"]).get_booster()
    assert "compile it with Framework XGBOOST" in str(refusal(frontend, model))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"model": 1}, "a dict"),
        ([1, 2], "a list"),
        (None, "a NoneType"),
        (np.arange(3.0), r"an array of float64 of shape (3,)"),
        (np.linalg.norm, "norm"),
        (Path("x"), "Path"),
    ],
)
def test_not_an_estimator(value: Any, found: str, frontend: Frontend) -> None:
    error = refusal(frontend, value)
    assert error.area == "InputConfiguration"
    assert "model.pkl: expected a trained scikit-learn estimator, found" in str(error)
    assert found in str(error)


CALLS: dict[str, Any] = {
    "os.system": lambda mark: CallOnLoad(os.system, f"touch {mark}"),
    "eval": lambda mark: CallOnLoad(builtins.eval, f"open({str(mark)!r}, 'w')"),
    "exec": lambda mark: CallOnLoad(builtins.exec, f"open({str(mark)!r}, 'w')"),
    "subprocess": lambda mark: CallOnLoad(subprocess.Popen, ["touch", str(mark)]),
    "open": lambda mark: CallOnLoad(open, str(mark), "w"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("how", ["pickle2", "pickle4", "zlib"])
def test_nothing_runs(name: str, how: str, frontend: Frontend, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    error = refusal_of(frontend, CALLS[name](mark), how)
    assert not mark.exists()
    assert "which was not run or imported" in str(error)
    # The payload works: the library's own loader falls for it.
    pickle.loads(pickle.dumps(CallOnLoad(os.system, f"touch {mark}")))
    assert mark.exists()


def refusal_of(frontend: Frontend, value: Any, how: str) -> ClientError:
    with pytest.raises(ClientError) as caught:
        frontend.model(value, how)
    return caught.value


def test_nothing_runs_inside_a_model_that_compiles(
    frontend: Frontend, training: Training, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    forest = RandomForestClassifier(n_estimators=2, max_depth=3).fit(training["rows"], training["two"])
    forest.note = CallOnLoad(os.system, f"touch {mark}")
    model = frontend.model(forest)
    assert not mark.exists()
    frontend.assert_agrees(model, training["rows"], forest.predict_proba(training["rows"]))


def test_objects_that_contain_themselves(frontend: Frontend) -> None:
    own = OwnTransformer()
    own.loop = [own, {"again": own}]
    own.loop.append(own.loop)
    name = f"{OwnTransformer.__module__}.OwnTransformer"
    assert list(refusal(frontend, make_pipeline(own)).problems) == [f"steps[0] (owntransformer): {name}"]


@pytest.mark.parametrize("attribute", ["best_estimator_", "estimator_"])
def test_estimators_that_hold_themselves(
    attribute: str, frontend: Frontend, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = {"best_estimator_": "model_selection.GridSearchCV", "estimator_": "model_selection.X"}[attribute]
    record = Record(f"sklearn.{kind}".replace("X", "TunedThresholdClassifierCV"))
    record.fields |= {attribute: record, "n_features_in_": 2}
    monkeypatch.setattr("tinsmith.compiler.frontends.sklearn.load", lambda path, place: record)
    with pytest.raises(ClientError):
        frontend.model(None)


def test_deeply_nested_objects(frontend: Frontend) -> None:
    """Written by hand: the real pickle module cannot save them."""
    depth = 100_000
    state = b"}X\x04\x00\x00\x00deep" + b"]" * depth + b"a" * (depth - 1) + b"s"
    body = b"csklearn.svm._classes\nSVC\n)\x81" + state + b"b."
    (frontend.folder / "deep.pkl").write_bytes(b"\x80\x02" + body)
    with pytest.raises(ClientError, match=r"InputConfiguration|OperatorNotImplemented"):
        frontend.read()


def test_joblib_file_of_a_pipeline(frontend: Frontend) -> None:
    joblib.dump(CASES["pipeline"][0], frontend.folder / "pipe.joblib", compress=3)
    with pytest.raises(ClientError, match=r"steps\[0\] \(words\).*steps\[1\] \(embed\)"):
        frontend.read()
