"""Save a trained estimator with the real libraries, read it back with the frontend, evaluate the model."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn import read
from tinsmith.compiler.ir.check import check
from tinsmith.compiler.ir.model import Forest, Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.spec.request import CompileRequest

REQUEST = CompileRequest("SKLEARN", "model", device="ml_c5")


class Frontend:
    """The frontend on one folder, and what a test does with the models that it reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> Model:
        """The model in the folder."""
        model = read(self.folder, REQUEST)
        assert isinstance(model, Model)
        check(model)
        return model

    def model(self, estimator: Any, how: str = "pickle") -> Model:
        """`estimator`, saved and read. `how`: "pickle", "pickle2", "plain" or a compressor of joblib."""
        for old in self.folder.iterdir():
            old.unlink()
        if how.startswith("pickle"):
            protocol = int(how[6:] or pickle.DEFAULT_PROTOCOL)
            (self.folder / "model.pkl").write_bytes(pickle.dumps(estimator, protocol))
        else:
            joblib.dump(estimator, self.folder / "model.joblib", compress=0 if how == "plain" else (how, 3))
        return self.read()

    def assert_agrees(self, model: Model, rows: NDArray[np.float32], expected: Any, ulps: int = 0) -> None:
        """The model's output has the shape of `expected` and is at most `ulps` float64 steps away."""
        expected = np.asarray(expected)
        prediction = evaluate(model, rows).prediction
        shape = tuple(len(rows) if size == -1 else size for size in model.output.shape)
        assert model.output.dtype == prediction.dtype == expected.dtype == np.float64
        np.testing.assert_array_max_ulp(prediction.reshape(shape), expected, ulps)

    @staticmethod
    def ask(method: Callable[[Any], Any], rows: NDArray[Any]) -> Any:
        """A method of scikit-learn on `rows`: it sums them to find NaN, and the sum may overflow."""
        with np.errstate(all="ignore"):
            return method(rows)

    def edge_rows(self, model: Model, missing: bool = False, infinite: bool = False) -> NDArray[np.float32]:
        """Rows of numbers at, just below and just above the cuts of their column, and of odd numbers."""
        assert isinstance(model.body, Forest)
        random = np.random.default_rng(0)
        tiny = np.finfo(np.float32).smallest_subnormal
        odd = [0.0, -0.0, tiny, -tiny, np.finfo(np.float32).max, np.finfo(np.float32).min, 1.5, -3.0]
        odd += [np.nan] * (2 * missing) + [np.inf, -np.inf] * infinite
        rows = np.empty((300, model.body.num_features), np.float32)
        for feature in range(rows.shape[1]):
            cut = model.body.cut[model.body.feature == feature]
            cut = cut[np.isfinite(cut)]
            near = [cut, np.nextafter(cut, np.float32(-np.inf)), np.nextafter(cut, np.float32(np.inf))]
            numbers = np.concatenate([*near, np.array(odd, np.float32)])
            numbers = numbers[
                np.isfinite(numbers) | (missing & np.isnan(numbers)) | (infinite & np.isinf(numbers))
            ]
            rows[:, feature] = random.choice(numbers, len(rows))
        return rows


@pytest.fixture
def frontend(tmp_path: Path) -> Frontend:
    folder = tmp_path / "input"
    folder.mkdir()
    return Frontend(folder)


@pytest.fixture(scope="session")
def training() -> dict[str, NDArray[Any]]:
    """`rows` (240, 6) with few distinct numbers per column, `missing`: the same with NaN, and targets."""
    random = np.random.default_rng(5)
    rows = np.round(random.normal(size=(240, 6)), 1).astype(np.float32)
    score = rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(0, 0.2, 240)
    return {
        "rows": rows,
        "missing": np.where(random.random(rows.shape) < 0.2, np.float32(np.nan), rows),
        "number": score,
        "count": np.round(np.exp(score)),
        "positive": np.exp(score),
        "pair": np.stack([score, rows[:, 3]], axis=1),
        "two": np.where(score > 0, "yes", "no"),
        "four": np.digitize(score, [-1, 0, 1]) * 2.0,
        "flag": score > 0,
        "one": np.zeros(240, np.int64),
        "weight": random.random(240),
    }
