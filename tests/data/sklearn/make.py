"""Train small models with the scikit-learn at hand and save them with what they predict.

The files beside this one were made by

    python make.py .        # once in an environment of each version: scikit-learn==0.22.2.post1, 0.24.2, ...

in a folder named after the version: one pickle or joblib file per model, and `expected.npz` with the
input (`rows`; `missing`: the same with NaN) and the outputs (`<model>`, `<model>-missing` where that
version takes NaN, `<model>-margin` before the transform). All numbers lie on a grid, so that rows meet
the thresholds exactly.
"""

import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
from numpy.random import RandomState

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting  # noqa: F401

from sklearn import dummy, ensemble, tree  # noqa: E402


def models() -> "dict[str, tuple[Any, str]]":
    """Name: untrained model and the target it learns."""
    few: dict[str, Any] = {"n_estimators": 3, "max_depth": 3, "random_state": 0}
    hist: dict[str, Any] = {"max_iter": 3, "max_leaf_nodes": 5, "min_samples_leaf": 5}
    found = {
        "tree": (tree.DecisionTreeClassifier(max_depth=3, random_state=0), "three"),
        "extra-tree": (tree.ExtraTreeRegressor(max_depth=3, random_state=0), "number"),
        "forest": (ensemble.RandomForestClassifier(**few), "words"),
        "forest-outputs": (ensemble.RandomForestRegressor(**few), "pair"),
        "extra-trees": (ensemble.ExtraTreesClassifier(class_weight="balanced", **few), "three"),
        "boosting": (ensemble.GradientBoostingClassifier(**few), "words"),
        "boosting-three": (ensemble.GradientBoostingClassifier(**few), "three"),
        "boosting-exponential": (ensemble.GradientBoostingClassifier(loss="exponential", **few), "words"),
        "boosting-zero": (ensemble.GradientBoostingClassifier(init="zero", **few), "three"),
        "boosting-certain": (
            ensemble.GradientBoostingClassifier(init=dummy.DummyClassifier(strategy="most_frequent"), **few),
            "three",
        ),
        "boosting-number": (ensemble.GradientBoostingRegressor(loss="quantile", **few), "number"),
        "hist": (ensemble.HistGradientBoostingClassifier(**hist), "words"),
        "hist-three": (ensemble.HistGradientBoostingClassifier(**hist), "three"),
        "isolation": (ensemble.IsolationForest(n_estimators=5, max_samples=20, random_state=0), "none"),
        "isolation-columns": (
            ensemble.IsolationForest(n_estimators=4, max_samples=9, max_features=2, random_state=0),
            "none",
        ),
    }
    if VERSION >= (0, 23):
        found["hist-poisson"] = (ensemble.HistGradientBoostingRegressor(loss="poisson", **hist), "count")
    if VERSION >= (0, 24):
        categorical = ensemble.HistGradientBoostingRegressor(categorical_features=[1, 4], **hist)
        found["hist-categories"] = (categorical, "number")
    return found


def output(model: Any, rows: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """What the compiled model shall give."""
    for method in ("predict_proba", "decision_function", "predict"):
        if hasattr(model, method):
            return np.asarray(getattr(model, method)(rows))
    raise TypeError(model)


def main(folder: Path) -> None:
    """Write one version's files."""
    folder = folder / sklearn.__version__
    folder.mkdir(parents=True, exist_ok=True)
    random = RandomState(7)
    train = (random.randint(0, 24, (120, 5)) / 4).astype(np.float32)
    train[:, [1, 4]] = random.randint(0, 9, (120, 2))
    score = train[:, 0] * 2 - train[:, 1] + (train[:, 4] % 3) * 3 + random.randint(0, 4, 120)
    targets = {
        "words": np.where(score > 5, "yes", "no"),
        "three": np.digitize(score, [2, 9]),
        "number": score,
        "pair": np.stack([score, train[:, 2]], axis=1),
        "count": np.maximum(score, 0),
        "none": None,
    }
    rows = (random.randint(-2, 52, (60, 5)) / 8).astype(np.float32)
    rows[:, [1, 4]] = random.randint(0, 11, (60, 2))
    missing = np.where(random.rand(60, 5) < 0.2, np.float32(np.nan), rows)
    expected = {"rows": rows, "missing": missing}
    for i, (name, (model, target)) in enumerate(models().items()):
        model.fit(train, targets[target])
        if i == 0:
            (folder / (name + ".pkl")).write_bytes(pickle.dumps(model))
        else:
            kinds: list[Any] = [0, ("zlib", 9), ("gzip", 9), ("bz2", 9), ("xz", 9), ("lzma", 9)]
            joblib.dump(model, folder / (name + ".joblib"), compress=kinds[0 if i == 1 else i % 5 + 1])
        expected[name] = output(model, rows)
        if isinstance(model, ensemble.GradientBoostingClassifier):
            expected[name + "-margin"] = model.decision_function(rows)
        try:
            expected[name + "-missing"] = output(model, missing)
        except ValueError:
            print(sklearn.__version__, name, "refuses NaN")
    np.savez_compressed(str(folder / "expected.npz"), **expected)  # type: ignore[arg-type]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
