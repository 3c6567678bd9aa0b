"""The models of the benchmark: made once from fixed seeds, kept in a folder.

Each folder holds `model.json` (XGBoost) or `model.pkl` (scikit-learn), `model.tar.gz` for the compiler,
and `rows.npy`: 10,000 float32 rows that the model was not trained on.
"""

from __future__ import annotations

import pickle
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 10_000


@dataclass(frozen=True)
class Spec:
    """What to train."""

    name: str
    title: str
    framework: str
    features: int
    train_rows: int = 20_000
    missing: float = 0.05
    parameters: dict[str, Any] = field(default_factory=dict)
    rounds: int = 0
    classes: int = 2
    estimator: str = ""
    corpus: str = ""


def xgboost_spec(name: str, rounds: int, depth: int, features: int, **more: Any) -> Spec:
    """A histogram-trained XGBoost classifier on noisy synthetic rows with 5 % missing values."""
    classes = more.pop("classes", 2)
    train_rows = more.pop("train_rows", 20_000)
    objective = "binary:logistic" if classes == 2 else "multi:softprob"
    parameters = {
        "max_depth": depth,
        "objective": objective,
        "tree_method": "hist",
        "max_bin": 256,
        "eta": 0.1,
    }
    if classes > 2:
        parameters["num_class"] = classes
    title = f"{rounds} rounds, depth {depth}, {features} features" + (
        f", {classes} classes" if classes > 2 else ""
    )
    return Spec(
        name,
        title,
        "XGBOOST",
        features,
        train_rows,
        rounds=rounds,
        classes=classes,
        parameters={**parameters, **more},
    )


def forest_spec(name: str, estimator: str, **parameters: Any) -> Spec:
    """A scikit-learn forest of 100 trees grown to the end."""
    title = f"{estimator}, 100 trees, unpruned, 30 features"
    return Spec(
        name, title, "SKLEARN", 30, 8_000, 0.0, {"n_estimators": 100, **parameters}, estimator=estimator
    )


SPECS = (
    xgboost_spec("XS", 20, 3, 13),
    xgboost_spec("S", 100, 6, 30),
    xgboost_spec("M", 500, 6, 50),
    xgboost_spec("M8", 500, 8, 30),
    xgboost_spec("L", 1000, 8, 100, train_rows=100_000, min_child_weight=0.1),
    xgboost_spec("MC", 500, 6, 30, classes=5),
    xgboost_spec("DART", 100, 6, 30, booster="dart", rate_drop=0.1),
    xgboost_spec("LOSSG", 200, 0, 30, grow_policy="lossguide", max_leaves=255),
    forest_spec("RF", "RandomForestClassifier"),
    forest_spec("ET", "ExtraTreesClassifier"),
    Spec("nfl-xpass", "corpus: pass probability", "XGBOOST", 19, corpus="xgboost-nfl-xpass"),
    Spec("cfb-ep", "corpus: expected points, 7 classes", "XGBOOST", 8, corpus="xgboost-cfb-ep", classes=7),
)


def make(spec: Spec, folder: Path, corpus: Path) -> None:
    """Write the files of `spec` into `folder`, unless they are there."""
    if (folder / "model.tar.gz").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(spec.name) * 1000 + spec.features)
    rows, labels = data(spec, rng, spec.train_rows + ROWS)
    np.save(folder / "rows.npy", rows[spec.train_rows :])
    if spec.corpus:
        file = booster_from_corpus(corpus / spec.corpus, folder)
    elif spec.framework == "XGBOOST":
        file = train_xgboost(spec, rows[: spec.train_rows], labels[: spec.train_rows], folder)
    else:
        file = train_sklearn(spec, rows[: spec.train_rows], labels[: spec.train_rows], folder)
    part = folder / "part"
    with tarfile.open(part, "w:gz", compresslevel=1) as tar:
        tar.add(file, file.name)
    part.rename(folder / "model.tar.gz")


def data(spec: Spec, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels: a noisy nonlinear score of the first features, cut into classes."""
    rows = rng.normal(size=(count, spec.features)).astype(np.float32)
    score = rows[:, 0] * rows[:, 1] + np.sin(2 * rows[:, 2]) + rows[:, 3:8].sum(axis=1) * 0.4
    score = score + rng.normal(scale=1.0, size=count)
    edges = np.quantile(score, np.linspace(0, 1, spec.classes + 1)[1:-1])
    labels = np.searchsorted(edges, score)
    rows[rng.random(rows.shape) < spec.missing] = np.nan
    return rows, labels


def train_xgboost(spec: Spec, rows: np.ndarray, labels: np.ndarray, folder: Path) -> Path:
    """model.json."""
    import xgboost

    parameters = {"nthread": 2, "seed": 1, **spec.parameters}
    booster = xgboost.train(parameters, xgboost.DMatrix(rows, labels), spec.rounds)
    booster.save_model(folder / "model.json")
    return folder / "model.json"


def booster_from_corpus(entry: Path, folder: Path) -> Path:
    """A corpus model re-saved as model.json, which every peer reads."""
    import xgboost

    booster = xgboost.Booster(model_file=next(iter((entry / "files").iterdir())))
    booster.save_model(folder / "model.json")
    return folder / "model.json"


def train_sklearn(spec: Spec, rows: np.ndarray, labels: np.ndarray, folder: Path) -> Path:
    """model.pkl."""
    from sklearn import ensemble

    estimator = getattr(ensemble, spec.estimator)(random_state=1, n_jobs=2, **spec.parameters).fit(
        rows, labels
    )
    estimator.n_jobs = 1
    (folder / "model.pkl").write_bytes(pickle.dumps(estimator))
    return folder / "model.pkl"
