"""From a folder to a model: real models, damaged files, and the story as a whole."""

from __future__ import annotations

import copy
import json
import pickle
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)

from tests.compiler.frontends.sklearn.answers import answers
from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn import read
from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.compiler.frontends.sklearn.readers import READERS
from tinsmith.compiler.ir.check import check
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

Training = dict[str, NDArray[Any]]
REQUEST = CompileRequest("SKLEARN", "model", device="ml_c5")
REFERENCES = Path(__file__).parents[3] / "corpus"


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["sklearn-bacphlip", "sklearn-macrel-amp", "sklearn-macrel-hemo"])
def test_real_model_agrees_with_its_reference(name: str, corpus: Path) -> None:
    model = read(corpus / name / "files", REQUEST)
    assert isinstance(model, Model)
    check(model)
    entries = json.loads((REFERENCES / "manifest.json").read_text())["models"]
    (entry,) = [entry for entry in entries if entry["id"] == name]
    reference = np.load(REFERENCES / entry["reference"]["file"])
    assert model.class_labels == tuple(str(label) for label in entry["reference"]["class_order"])
    for sample in range(entry["reference"]["samples"]):
        prediction = evaluate(model, reference[f"s{sample}_in0"]).prediction
        # The reference is float32; the model's float64 rounds to exactly that.
        np.testing.assert_array_equal(prediction.astype(np.float32), reference[f"s{sample}_out1"])


@pytest.mark.corpus
def test_real_network_agrees_with_its_reference(corpus: Path) -> None:
    entries = json.loads((REFERENCES / "manifest.json").read_text())["models"]
    (entry,) = [entry for entry in entries if entry["id"] == "sklearn-profanity"]
    config = entry["data_input_config"] or '{"data": [8, 15442]}'
    request = CompileRequest("SKLEARN", "model", device="ml_c4", data_input_config=config)
    found = read(corpus / "sklearn-profanity" / "files", request)
    reference = np.load(REFERENCES / entry["reference"]["file"])
    for sample in range(entry["reference"]["samples"]):
        (prediction,) = answers(found, reference[f"s{sample}_in0"])
        wanted = reference[f"s{sample}_out{len(entry['reference']['outputs']) - 1}"]
        np.testing.assert_allclose(prediction, wanted, rtol=1e-6)


@pytest.mark.corpus
def test_real_vectorizer_is_refused(corpus: Path) -> None:
    text = "TfidfVectorizer takes text; only numeric inputs are compiled"
    with pytest.raises(ClientError, match=text) as caught:
        read(corpus / "sklearn-profanity-vectorizer" / "files", REQUEST)
    assert caught.value.area == "OperatorNotImplemented"


@pytest.fixture(scope="module")
def saved(training: Training) -> dict[str, bytes]:
    """One small pickle per family."""
    rows, small = training["rows"], {"random_state": 0}
    return {
        "forest": pickle.dumps(
            RandomForestClassifier(n_estimators=2, max_depth=2, **small).fit(rows, training["two"])
        ),
        "boosting": pickle.dumps(
            GradientBoostingClassifier(n_estimators=2, max_depth=2, **small).fit(rows, training["four"])
        ),
        "hist": pickle.dumps(
            HistGradientBoostingRegressor(
                max_iter=2, max_leaf_nodes=4, categorical_features=[1], **small
            ).fit(np.abs(rows * 10).round() % 8, training["number"])
        ),
        "isolation": pickle.dumps(IsolationForest(n_estimators=2, max_samples=8, **small).fit(rows)),
    }


FAMILIES = st.sampled_from(["forest", "boosting", "hist", "isolation"])
ODD = st.sampled_from(
    [
        None,
        -1,
        0,
        3,
        1.5,
        "x",
        [],
        {},
        (),
        np.nan,
        np.zeros(0),
        np.zeros((2, 2)),
        np.array(["a"], object),
        Record("x.Y"),
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_never_crash(data: st.DataObject, saved: dict[str, bytes], frontend: Frontend) -> None:
    content = bytearray(saved[data.draw(FAMILIES)])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (frontend.folder / "model.pkl").write_bytes(content)
    with suppress(ClientError):  # and nothing else
        frontend.read()


def records(root: Record) -> list[Record]:
    """Every record that attributes and lists lead to."""
    found, todo = [], [root]
    while todo:
        value: Any = todo.pop()
        if isinstance(value, Record):
            found.append(value)
            todo.extend(value.fields.values())
        elif isinstance(value, np.ndarray):
            todo.extend(value.reshape(-1).tolist() if value.dtype.hasobject else [])
        elif isinstance(value, list | tuple):
            todo.extend(value)
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_odd_fields_never_crash(
    data: st.DataObject, saved: dict[str, bytes], frontend: Frontend, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = load(saved[data.draw(FAMILIES)])
    victim = data.draw(st.sampled_from([entry for entry in records(record) if entry.fields]))
    victim.fields[data.draw(st.sampled_from(sorted(victim.fields)))] = copy.copy(data.draw(ODD))
    (frontend.folder / "model.pkl").write_bytes(b"\x80\x04")
    monkeypatch.setattr("tinsmith.compiler.frontends.sklearn.load", lambda path, name: record)
    with suppress(ClientError):  # and nothing else
        frontend.read()


def test_knows_its_file_and_checks_the_input_config(frontend: Frontend, training: Training) -> None:
    forest = RandomForestClassifier(n_estimators=1, max_depth=1).fit(training["rows"], training["two"])
    assert frontend.model(forest).files == ("model.pkl",)
    request = CompileRequest("SKLEARN", "model", device="ml_c5", data_input_config='{"data": [1, 9]}')
    with pytest.raises(ClientError, match="this RandomForestClassifier takes 6 features"):
        read(frontend.folder, request)


def test_contradictions_name_the_class(training: Training, frontend: Frontend) -> None:
    forest = RandomForestClassifier(n_estimators=1, max_depth=1).fit(training["rows"], training["two"])
    forest.feature_names_in_ = 7
    with pytest.raises(
        ClientError, match=r"model\.pkl: its fields are not those of a trained RandomForestClassifier"
    ):
        frontend.model(forest)


def test_every_reader_is_reached_by_its_class_name() -> None:
    import sklearn.ensemble
    import sklearn.tree

    for name in READERS:
        cls = getattr(sklearn.ensemble, name, None) or getattr(sklearn.tree, name)
        assert cls.__name__ == name
        with pytest.raises(ClientError, match=r"trained \(fit\)"):
            READERS[name](Estimator.of(load(pickle.dumps(cls())), "model"))
