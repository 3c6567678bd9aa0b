"""Damaged files of estimators that become networks: cut short, with flipped bits, with odd fields."""

from __future__ import annotations

import copy
import pickle
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import AdaBoostRegressor
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import CategoricalNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from tests.compiler.frontends.sklearn.estimators import CODES, ROWS, SCORE, THREE, TWO
from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn import read
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

REQUEST = CompileRequest("SKLEARN", "model", device="ml_c4")
ODD: list[Any] = [
    *(None, -1, 0, 3, 1.5, "x", [], {}, (), float("nan"), True),
    *(np.zeros(0), np.zeros((2, 2)), np.array(["a"], object), np.full((5, 5), 1e9), Record("x.Y")),
]
ROUNDS = 24
"""Mutations of each kind, per estimator."""


def estimators() -> dict[str, Any]:
    columns = ColumnTransformer([("scale", StandardScaler(), [0, 1]), ("bins", KBinsDiscretizer(3), [2])])
    return {
        "pipeline": make_pipeline(columns, LogisticRegression()).fit(ROWS, THREE),
        "svm": SVC(probability=True).fit(ROWS, THREE),
        "neighbours": KNeighborsClassifier(weights="distance").fit(ROWS, THREE),
        "codes": make_pipeline(OneHotEncoder(), MLPClassifier((3,), max_iter=3)).fit(CODES, THREE),
        "calibrated": CalibratedClassifierCV(LinearSVC(), cv=2).fit(ROWS, THREE),
        "process": GaussianProcessClassifier(optimizer=None).fit(ROWS[:10], TWO[:10]),
        "boosted": AdaBoostRegressor(n_estimators=2).fit(ROWS, SCORE),
        "imputed": make_pipeline(KNNImputer(), SplineTransformer()).fit(ROWS),
        "categories": CategoricalNB().fit(CODES, THREE),
    }


@pytest.fixture(scope="module")
def saved() -> dict[str, bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: pickle.dumps(estimator) for name, estimator in estimators().items()}


NAMES = (
    "pipeline",
    "svm",
    "neighbours",
    "codes",
    "calibrated",
    "process",
    "boosted",
    "imputed",
    "categories",
)


def assert_bounded(folder: Path) -> None:
    """It is read, or refused by an error of the customer's; nothing else comes out."""
    with suppress(ClientError), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        read(folder, REQUEST)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_bytes(name: str, saved: dict[str, bytes], tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for number in range(ROUNDS):
        content = bytearray(saved[name])
        if number % 4 == 0:
            content = content[: random.integers(len(content))]
        else:
            content[random.integers(len(content))] ^= 1 << random.integers(8)
        (tmp_path / "model.pkl").write_bytes(content)
        assert_bounded(tmp_path)


def records(value: Any, depth: int = 12) -> list[Record]:
    """Every record with fields inside `value`."""
    if depth == 0:
        return []
    if isinstance(value, Record):
        own = [value] if value.fields else []
        return own + [r for part in value.fields.values() for r in records(part, depth - 1)]
    if isinstance(value, np.ndarray):
        value = value.reshape(-1).tolist() if value.dtype.hasobject else []
    if isinstance(value, list | tuple):
        return [r for part in value for r in records(part, depth - 1)]
    return []


@pytest.mark.parametrize("name", NAMES)
def test_odd_fields(
    name: str, saved: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04")
    random = np.random.default_rng(2)
    for _ in range(ROUNDS):
        record = load(saved[name])
        found = records(record)
        victim = found[random.integers(len(found))]
        field = sorted(victim.fields)[random.integers(len(victim.fields))]
        victim.fields[field] = copy.copy(ODD[random.integers(len(ODD))])
        monkeypatch.setattr(
            "tinsmith.compiler.frontends.sklearn.load", lambda path, place, record=record: record
        )
        assert_bounded(tmp_path)
