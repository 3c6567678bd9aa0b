"""Reading model files into checked models, and rows that try what matters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from tinsmith.compiler.frontends.xgboost import read
from tinsmith.compiler.ir.check import check
from tinsmith.compiler.ir.model import Forest, Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.spec.request import CompileRequest

Read = Callable[..., Model]
Agree = Callable[[xgboost.Booster, Model, NDArray[np.float32]], None]


@pytest.fixture
def read_files(tmp_path: Path) -> Read:
    """`read_files({name: content}, config) -> Model`, or `read_files(content)` for one file."""

    def read_them(files: dict[str, bytes] | bytes | bytearray, config: str | None = None) -> Model:
        folder = tmp_path / f"input{len(list(tmp_path.iterdir()))}"
        for name, content in (files if isinstance(files, dict) else {"xgboost-model": files}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        folder.mkdir(exist_ok=True)
        model = read(folder, CompileRequest("XGBOOST", "m", device="ml_c5", data_input_config=config))
        check(model)
        return model

    return read_them


def rows_for(model: Model, count: int = 300, seed: int = 0) -> NDArray[np.float32]:
    """Normal numbers with missing values, the thresholds of the model and their neighbours, extremes."""
    random = np.random.default_rng(seed)
    features = model.input.shape[1]
    rows = random.normal(scale=2, size=(count, features)).astype(np.float32)
    body = model.body
    if isinstance(body, Forest):
        for feature in range(features):
            cuts = body.cut[(body.feature == feature) & np.isfinite(body.cut)]
            if cuts.size:
                near = np.concatenate([cuts, np.nextafter(cuts, -np.inf), np.nextafter(cuts, np.inf)])
                chosen = random.random(count) < 0.6
                rows[chosen, feature] = random.choice(near, chosen.sum())
            codes = [body.categories[n] for n in np.unique(body.category[body.feature == feature]) if n >= 0]
            if codes:
                odd = [-1, -0.5, 0.5, 2.75, 31, 32, 1e6, 2**24 - 1, 2**24, 1e30]
                rows[:, feature] = random.choice(np.concatenate([*codes, odd, np.arange(9)]), count)
    special = np.array([0, -0.0, 1e-45, -1e-45, 1e-38, 3.4028235e38, -3.4028235e38], np.float32)
    some = random.random(rows.shape) < 0.08
    rows[some] = random.choice(special, some.sum())
    rows[random.random(rows.shape) < 0.15] = np.nan
    rows[:2] = np.nan
    return rows


def bits(values: Any) -> NDArray[np.int32]:
    """The float32 bits, with one zero and one NaN."""
    floats = np.asarray(values, np.float32)
    return np.where(np.isnan(floats), np.float32(np.nan), floats + np.float32(0)).view(np.int32)


def ulps(found: Any, expected: Any) -> int:
    """The largest distance, in steps from one float32 to the next."""
    ordered = [np.where(b < 0, -(b & 0x7FFFFFFF), b).astype(np.int64) for b in (bits(found), bits(expected))]
    return int(np.abs(ordered[0] - ordered[1]).max())


@pytest.fixture
def agree() -> Agree:
    """`agree(booster, model, rows)`: margins are bit-identical, predictions within 1 ulp (softmax: 3)."""

    def compare(booster: xgboost.Booster, model: Model, rows: NDArray[np.float32]) -> None:
        types = booster.feature_types
        data = xgboost.DMatrix(
            rows,
            feature_names=booster.feature_names,
            feature_types=types,
            enable_categorical="c" in (types or []),
            nthread=1,
        )
        found = evaluate(model, rows)
        margin = booster.predict(data, output_margin=True).reshape(found.margin.shape)
        np.testing.assert_array_equal(bits(found.margin), bits(margin))
        prediction = booster.predict(data).reshape(found.prediction.shape)
        assert ulps(found.prediction, prediction) <= (3 if model.transform.value == "softmax" else 1)
        assert found.prediction.dtype == np.float32

    return compare


@pytest.fixture
def make_rows() -> Callable[..., NDArray[np.float32]]:
    """`rows_for`."""
    return rows_for
