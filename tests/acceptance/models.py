"""Small real models, as customers upload them."""

from __future__ import annotations

import io
import pickle
import tarfile
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

FEATURES = 6


@dataclass(frozen=True)
class Trained:
    """A trained model, the rows it is asked, and the file that it was saved to."""

    model: Any
    rows: NDArray[np.float32]
    file: str
    content: bytes

    @property
    def tarball(self) -> bytes:
        """model.tar.gz."""
        return tarball({self.file: self.content})


def rows(count: int = 64, seed: int = 1) -> NDArray[np.float32]:
    """Values on a grid, so that thresholds are met exactly; some are missing, infinite, zero, denormal."""
    random = np.random.default_rng(seed)
    values = (random.integers(-8, 8, (count, FEATURES)) / 4).astype(np.float32)
    values[::7, 0] = np.nan
    values[1::9, 1] = np.inf
    values[2::9, 2] = -np.inf
    values[3::9, 3] = -0.0
    values[4::9, 4] = 1e-42
    return values


@cache
def boosted(
    format: str = "json", trees: int = 8, depth: int = 3, objective: str = "binary:logistic"
) -> Trained:
    """An XGBoost classifier or regressor saved as "json", "ubj" or "deprecated" (the old binary format)."""
    random = np.random.default_rng(0)
    data = random.integers(-8, 8, (400, FEATURES)).astype(np.float32) / 4
    labels = (data[:, 0] + data[:, 1] * data[:, 2] + random.normal(size=400) / 4 > 0).astype(np.float32)
    parameters = {"objective": objective, "max_depth": depth, "nthread": 1, "seed": 0}
    booster = xgboost.train(parameters, xgboost.DMatrix(data, labels), trees)
    name = {"json": "model.json", "ubj": "model.ubj", "deprecated": "xgboost-model"}[format]
    return Trained(booster, rows(), name, bytes(booster.save_raw(format)))


@cache
def forest(trees: int = 8, depth: int = 4) -> Trained:
    """A scikit-learn random forest of three classes, pickled."""
    random = np.random.default_rng(0)
    data = random.integers(-8, 8, (400, FEATURES)).astype(np.float32) / 4
    labels = np.digitize(data[:, 0] + data[:, 1] * data[:, 2], [-0.5, 0.5])
    model = RandomForestClassifier(trees, max_depth=depth, random_state=0, n_jobs=1).fit(data, labels)
    finite = np.nan_to_num(rows(), nan=0.25, posinf=4, neginf=-4)
    return Trained(model, finite, "model.pkl", pickle.dumps(model, protocol=4))


def tarball(files: dict[str, bytes]) -> bytes:
    """A gzip-compressed tar of `files`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
