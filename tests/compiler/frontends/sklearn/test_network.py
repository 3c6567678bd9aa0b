"""The whole way of estimators that are no single ensemble of trees, up to an artifact."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

import tinsmith_runtime
from tests.compiler.frontends.sklearn.answers import answers, assert_agrees, expected, read_saved
from tinsmith.compiler.artifact.inspect import read_files
from tinsmith.compiler.frontends.sklearn import read
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.pipeline import Stages, compile_model
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest, WorkDirectory
from tinsmith_runtime.artifact import read_manifest

ROWS, CLASSES = make_classification(60, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=3)
ROWS = ROWS.astype(np.float32).astype(np.float64)
NAMES = np.array(["ant", "bee", "cow"])[CLASSES]


def network(estimator: Any, shape: tuple[int, ...] | None = None) -> Network:
    found = read_saved(estimator, shape)
    assert isinstance(found, Network)
    return found


def test_names_labels_and_one_row_where_nothing_is_said() -> None:
    found = network(make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, NAMES))
    assert (found.framework, found.kind) == ("SKLEARN", "Pipeline")
    assert found.producer.startswith("scikit-learn 1.")
    assert found.class_labels == ("ant", "bee", "cow")
    assert [(i.name, i.dtype, i.shape) for i in found.inputs] == [("data", "float32", (1, 5))]
    assert [(o.name, o.dtype, o.shape) for o in found.outputs] == [("probabilities", "float64", (1, 3))]
    names = [node.name for node in found.graph.graph]
    assert any("steps[0] (standardscaler)" in str(name) for name in names)


@pytest.mark.parametrize(
    ("estimator", "name", "shape"),
    [
        (LinearSVC(), "scores", (60, 3)),
        (LinearRegression(), "prediction", (60,)),
        (StandardScaler(), "features", (60, 5)),
    ],
)
def test_an_output_is_named_after_the_method(estimator: Any, name: str, shape: tuple[int, ...]) -> None:
    found = assert_agrees(estimator.fit(ROWS, CLASSES), ROWS)
    assert isinstance(found, Network)
    assert [(output.name, output.shape) for output in found.outputs] == [(name, shape)]


def test_classes_without_scores_are_labels_or_numbers() -> None:
    members = [("a", LogisticRegression()), ("b", LinearSVC())]
    assert_agrees(VotingClassifier(members).fit(ROWS, CLASSES * 10), ROWS)
    voting = VotingClassifier(members).fit(ROWS, NAMES)
    found = network(voting, ROWS.shape)
    (numbers,) = answers(found, ROWS.astype(np.float32))
    assert (np.array(found.class_labels)[numbers] == voting.predict(ROWS)).all()
    assert "number of the class" in found.warnings[-1]


def test_several_outputs() -> None:
    both = np.stack([CLASSES, CLASSES > 0], axis=1).astype(int)
    found = assert_agrees(MultiOutputClassifier(LogisticRegression()).fit(ROWS, both), ROWS)
    assert isinstance(found, Network)
    assert [output.name for output in found.outputs] == ["probabilities_0", "probabilities_1"]
    assert_agrees(KNeighborsClassifier().fit(ROWS, both), ROWS)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ('{"x": [4, 7]}', "expected [4, 5]"),
        ('{"a": [1, 5], "b": [1, 5]}', "names 2 inputs, expected one"),
        ('{"a": [0, 5]}', "expected a dimension of 1 to"),
    ],
)
def test_a_wrong_input_config_says_what_the_model_wants(config: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LinearRegression().fit(ROWS, CLASSES)))
    request = CompileRequest("SKLEARN", "model", device="ml_c4", data_input_config=config)
    with pytest.raises(ClientError) as caught:
        read(tmp_path, request)
    assert caught.value.area == "InputConfiguration"
    assert text in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(("config", "rows"), [('{"x": [4, 5]}', 4), ('{"x": [-1, 5]}', 1), ('{"x": [5]}', 1)])
def test_any_name_and_any_rank_do(config: str, rows: int, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LinearRegression().fit(ROWS, CLASSES)))
    found = read(tmp_path, CompileRequest("SKLEARN", "model", device="ml_c4", data_input_config=config))
    assert isinstance(found, Network)
    assert found.inputs[0].shape == (rows, 5)


def test_columns_that_the_file_does_not_tell() -> None:
    dummy = DummyRegressor().fit(ROWS, ROWS[:, 0])
    dummy.__dict__.pop("n_features_in_", None)
    assert network(dummy, (3, 5)).inputs[0].shape == (3, 5)
    with pytest.raises(ClientError, match="does not tell how many columns it takes: give a DataInputConfig"):
        network(dummy)


def test_missing_numbers_stay_missing() -> None:
    rows = ROWS[:2].astype(np.float32)
    rows[0, 1] = np.nan
    found = network(make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, CLASSES), rows.shape)
    (probabilities,) = answers(found, rows)
    assert np.isnan(probabilities[0]).all()
    assert np.isfinite(probabilities[1]).all()


def compiled(estimator: Any, folder: Path, shape: tuple[int, ...]) -> Path:
    """The artifact of `estimator`, verified by the compiler."""
    work = WorkDirectory(folder)
    work.input.mkdir(exist_ok=True)
    (work.input / "model.pkl").write_bytes(pickle.dumps(estimator))
    config = json.dumps({"data": list(shape)})
    request = CompileRequest("SKLEARN", "model", device="ml_c4", data_input_config=config)
    report = compile_model(request, work, Stages())
    assert report.artifact is not None
    return work.output / report.artifact


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*probability.*:FutureWarning")
@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)),
        SVC(probability=True),
        KNeighborsClassifier(weights="distance"),
    ],
    ids=["pipeline", "svc", "neighbours"],
)
def test_the_artifact_answers_what_scikit_learn_does(estimator: Any, tmp_path: Path) -> None:
    estimator.fit(ROWS, NAMES)
    rows = ROWS[:7].astype(np.float32)
    artifact = compiled(estimator, tmp_path, rows.shape)
    model = tinsmith_runtime.load(artifact)
    (wanted,) = expected(estimator, rows)
    np.testing.assert_allclose(model.run({"data": rows})["probabilities"], wanted, rtol=1e-8, atol=1e-9)
    assert read_manifest(artifact).class_labels == ("ant", "bee", "cow")


@pytest.mark.slow
def test_texts_are_numbered_in_the_metadata(tmp_path: Path) -> None:
    table = np.empty((60, 2), object)
    table[:, 0], table[:, 1] = NAMES, ROWS[:, 0]
    estimator = make_pipeline(
        ColumnTransformer([("text", OneHotEncoder(), [0]), ("number", StandardScaler(), [1])]),
        LogisticRegression(),
    ).fit(table, CLASSES)
    artifact = compiled(estimator, tmp_path, (60, 2))
    columns = json.loads(read_files(artifact)["compiled.meta"])["DataTransform"]["Input"]["ColumnTransform"]
    assert columns == [
        {"Type": "CategoricalString", "Map": [{"ant": 0, "bee": 1, "cow": 2}]},
        {"Type": "Float"},
    ]
    rows = np.stack([CLASSES, ROWS[:, 0]], axis=1).astype(np.float32)
    found = tinsmith_runtime.load(artifact).run({"data": rows})["probabilities"]
    np.testing.assert_allclose(found, estimator.predict_proba(table), rtol=1e-8)
