"""XGBoost's estimators, alone or inside pipelines: their boosters are read by the frontend of XGBoost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.forests import model_answer
from tinsmith.compiler.frontends.sklearn.responses import responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat
from tinsmith.compiler.frontends.xgboost import model_of
from tinsmith.compiler.frontends.xgboost.files import parse
from tinsmith.compiler.frontends.xgboost.saved import Saved, Trees
from tinsmith.compiler.ir.model import Linear, Model

CLASSIFIERS = ("XGBClassifier", "XGBRFClassifier")
REGRESSORS = ("XGBRegressor", "XGBRFRegressor", "XGBRanker")


def _model(estimator: Estimator) -> Model:
    missing = estimator.get("missing", default=np.nan)
    if missing is not None and not np.isnan(missing):
        raise unsupported(estimator, f"missing={describe(missing)}; NaN is compiled")
    booster = estimator.child("_Booster")
    raw = booster.get("handle", default=None)
    if not isinstance(raw, bytes | bytearray) or not raw:
        raise malformed(booster.place, "the pickled Booster holds no trained model")
    return model_of(_until_best(estimator, parse(bytes(raw), booster.place)))


def _until_best(estimator: Estimator, saved: Saved) -> Saved:
    """The trees up to the best iteration: `predict` of these estimators uses no others."""
    best = saved.attributes.get("best_iteration")
    if best is None or not isinstance(saved.body, Trees):
        return saved
    body = saved.body
    vector = bool(body.trees) and body.trees[0].leaf_values.shape[1] > 1
    parallel = estimator.get("num_parallel_tree", default=None) or 1
    kept = (int(best) + 1) * int(parallel) * (1 if vector else saved.num_outputs)
    weight = None if body.weight is None else body.weight[:kept]
    body = replace(body, trees=body.trees[:kept], output=body.output[:kept], weight=weight)
    return replace(saved, body=body)


def _answer(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, outputs] in float64, of sums in float32."""
    model = _model(estimator)
    if isinstance(model.body, Linear):
        raise unsupported(estimator, "booster='gblinear' is compiled by Framework XGBOOST")
    return model_answer(estimator, model, x).double()


def width_of(estimator: Estimator) -> int:
    """Columns of the input."""
    return _model(estimator).input.shape[-1]


@responds("predict", *REGRESSORS)
def regression(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows], or a column per output."""
    found = _answer(estimator, x)
    return found if len(_model(estimator).output.shape) > 1 else found.column(0)


@responds("predict_proba", *CLASSIFIERS)
def probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per class."""
    objective = _model(estimator).kind.split()[-1]
    if objective not in ("binary:logistic", "multi:softprob"):
        raise unsupported(
            estimator, f"objective={objective}; compiled are binary:logistic and multi:softprob"
        )
    found = _answer(estimator, x)
    return concat([1.0 - found, found]) if objective == "binary:logistic" else found
