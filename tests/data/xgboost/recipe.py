"""Make the model files of this folder: tiny models of made-up data, saved by one release of XGBoost each.

    python recipe.py                 with the release that is to save files: models and their margins
    python recipe.py 0.90 1.2.1      with XGBoost 1.7.6: margins of what these releases saved

Releases before 1.3 add the base score after the leaves; the margins of their files are those of 1.7.6,
which adds it first, like every later release.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

FOLDER = Path(__file__).parent
VERSION = xgboost.__version__


def made_up(count: int, seed: int) -> Any:
    """(count, 4) float32 rows of two decimals, some missing."""
    random = np.random.RandomState(seed)
    rows = np.round(random.normal(size=(count, 4)), 2).astype(np.float32)
    rows[random.uniform(size=rows.shape) < 0.1] = np.nan
    return rows


TRAINING, ROWS = made_up(200, 1), made_up(60, 2)
TARGET = np.nan_to_num(TRAINING) @ np.array([1, -2, 0.5, 0])
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "squarederror": (TARGET, {"base_score": 0.7}),
    "logistic": (TARGET > 0, {"objective": "binary:logistic", "base_score": 0.3}),
    "softprob": (np.digitize(TARGET, [-1, 1]), {"objective": "multi:softprob", "num_class": 3}),
    "poisson": (np.floor(np.abs(TARGET)), {"objective": "count:poisson", "base_score": 0.8}),
    "dart": (TARGET, {"booster": "dart", "rate_drop": 0.5}),
    "linear": (TARGET, {"booster": "gblinear", "updater": "coord_descent"}),
    "pruned": (TARGET, {"gamma": 20, "max_depth": 5, "tree_method": "exact"}),
}


def main(others: list[str]) -> None:
    """Save models of this release, or record the margins of others' models."""
    if not others:
        train_all()
    for version in others or [VERSION]:
        margins = {}
        for path in sorted(FOLDER.glob(version + "-*.model")) + sorted(FOLDER.glob(version + "-*.json")):
            booster = xgboost.Booster()
            booster.load_model(str(path))
            margins[path.stem] = booster.predict(xgboost.DMatrix(ROWS), output_margin=True)
        if others or VERSION not in ("0.90", "1.2.1"):
            np.savez_compressed(FOLDER / (version + ".npz"), rows=ROWS, **margins)


def train_all() -> None:
    """Each kind in one format that every release can read again, one kind in all formats."""
    kinds = dict(KINDS)
    if VERSION[0] in "23":
        pair = np.stack([TARGET, -TARGET], axis=1)
        kinds["vector"] = (pair, {"multi_strategy": "multi_output_tree", "tree_method": "hist"})
    for kind, (label, parameters) in kinds.items():
        settings = {"max_depth": 3, "nthread": 1, "seed": 3}
        settings.update(parameters)
        booster = xgboost.train(settings, xgboost.DMatrix(TRAINING, label), 4)
        stem = str(FOLDER / (VERSION + "-" + kind))
        booster.save_model(stem + (".json" if VERSION[0] in "23" else ".model"))
        if kind != "softprob":
            continue
        with open(stem + ".pkl", "wb") as stream:
            pickle.dump(booster, stream, 2)
        if VERSION[0] != "0":
            booster.save_model(stem + ".json")
        if VERSION[0] in "23" or VERSION == "1.7.6":
            booster.save_model(stem + ".ubj")
        if VERSION[0] == "2":
            booster.save_model(stem + ".deprecated")


if __name__ == "__main__":
    main(sys.argv[1:])
