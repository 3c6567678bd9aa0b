"""Feature selection: which columns are kept is computed here, as scikit-learn would on every call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.arrays import dense
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, finite, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.responses import responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor

Mask = NDArray[np.bool_]
UNIVARIATE = (
    *("SelectKBest", "SelectPercentile", "SelectFpr", "SelectFdr", "SelectFwe"),
    "GenericUnivariateSelect",
)
MODES = {
    "percentile": "SelectPercentile",
    "k_best": "SelectKBest",
    "fpr": "SelectFpr",
    "fdr": "SelectFdr",
    "fwe": "SelectFwe",
}


def _keep(estimator: Estimator, x: Tensor, mask: Any) -> Tensor:
    kept = np.asarray(mask)
    if kept.dtype != np.bool_ or kept.ndim != 1:
        raise malformed(estimator.place, f"expected a mask of columns, found {describe(mask)}")
    if not kept.any():
        raise malformed(estimator.place, "it keeps no column")
    return x if kept.all() else x.columns(np.flatnonzero(kept))


@responds("transform", "RFE", "RFECV", "SequentialFeatureSelector")
def stored(estimator: Estimator, x: Tensor) -> Tensor:
    """The mask that training left."""
    return _keep(estimator, x, estimator.get("support_"))


@responds("transform", "VarianceThreshold")
def variance(estimator: Estimator, x: Tensor) -> Tensor:
    """Columns that vary more than the threshold."""
    return _keep(estimator, x, np.asarray(estimator.get("variances_")) > estimator.number("threshold"))


@responds("transform", *UNIVARIATE)
def univariate(estimator: Estimator, x: Tensor) -> Tensor:
    """By the scores or p-values of the columns."""
    kind, parameter = estimator.kind, None
    if kind == "GenericUnivariateSelect":
        kind, parameter = MODES[estimator.get("mode")], estimator.get("param")
    if kind in ("SelectKBest", "SelectPercentile"):
        raw = np.asarray(estimator.get("scores_"), np.float64)
        scores = np.where(np.isnan(raw), np.finfo(np.float64).min, raw)
        if kind == "SelectKBest":
            return _keep(estimator, x, _best(scores, estimator.get("k") if parameter is None else parameter))
        share = estimator.number("percentile") if parameter is None else float(parameter)
        return _keep(estimator, x, _percentile(scores, share))
    alpha = estimator.number("alpha") if parameter is None else float(parameter)
    return _keep(estimator, x, _significant(np.asarray(estimator.get("pvalues_"), np.float64), kind, alpha))


def _best(scores: NDArray[np.float64], count: Any) -> Mask:
    if count == "all":
        return np.ones(len(scores), bool)
    mask = np.zeros(len(scores), bool)
    mask[np.argsort(scores, kind="mergesort")[len(scores) - int(count) :]] = True
    return mask


def _percentile(scores: NDArray[np.float64], share: float) -> Mask:
    if share in (0, 100):
        return np.full(len(scores), share == 100)
    threshold = np.percentile(scores, 100 - share)
    mask: Mask = scores > threshold
    ties = np.flatnonzero(scores == threshold)
    mask[ties[: max(0, int(len(scores) * share / 100) - int(mask.sum()))]] = True
    return mask


def _significant(pvalues: NDArray[np.float64], kind: str, alpha: float) -> Mask:
    count = len(pvalues)
    if kind == "SelectFpr":
        return np.asarray(pvalues < alpha)
    if kind == "SelectFwe":
        return np.asarray(pvalues < alpha / count)
    ordered = np.sort(pvalues)
    selected = ordered[ordered <= alpha / count * np.arange(1, count + 1)]
    return np.asarray(pvalues <= selected.max()) if selected.size else np.zeros(count, bool)


@responds("transform", "SelectFromModel")
def from_model(estimator: Estimator, x: Tensor) -> Tensor:
    """By the coefficients or the importances that an estimator gives its columns."""
    inner = estimator.child("estimator_", "estimator")
    scores = _importances(estimator, inner)
    limit = estimator.get("max_features_", "max_features", default=None)
    mask = np.ones(len(scores), bool)
    if estimator.get("max_features", default=None) is not None:
        mask = np.zeros(len(scores), bool)
        mask[np.argsort(-scores, kind="mergesort")[: int(limit)]] = True
    mask[scores < _threshold(estimator, inner, scores)] = False
    return _keep(estimator, x, mask)


def _importances(estimator: Estimator, inner: Estimator) -> NDArray[np.float64]:
    getter = estimator.get("importance_getter", default="auto")
    if getter not in ("auto", "coef_", "feature_importances_"):
        raise unsupported(estimator, f"importance_getter={describe(getter)}")
    if getter != "feature_importances_" and inner.has("coef_"):
        place = f"{inner.place}.coef_"
        coef = finite(dense(inner.get("coef_"), place), place)
        order = estimator.get("norm_order", default=1)
        found: NDArray[np.float64] = (
            np.abs(coef) if coef.ndim == 1 else np.linalg.norm(coef, axis=0, ord=order)
        )
        return found
    if inner.has("estimators_"):
        members = [m.child("tree_") for m in _members(inner)]
        boosted = inner.kind.startswith("GradientBoosting")
        parts = [
            _tree_importances(m, inner.num_features, not boosted) for m in members if len(m.get("nodes")) > 1
        ]
        total = np.mean(parts, axis=0) if parts else np.zeros(inner.num_features)
        return np.asarray(total / (total.sum() or 1.0))
    if inner.has("tree_"):
        return _tree_importances(inner.child("tree_"), inner.num_features, True)
    raise unsupported(
        estimator, f"importances of {inner.record.name}; save a pipeline with the chosen columns"
    )


def _members(inner: Estimator) -> list[Estimator]:
    table = inner.get("estimators_")
    flat = table.reshape(-1).tolist() if isinstance(table, np.ndarray) else table
    return [inner.inside(f"estimators_[{i}]", value) for i, value in enumerate(flat)]


def _tree_importances(tree: Estimator, width: int, normalise: bool) -> NDArray[np.float64]:
    """How much every column lowers the impurity."""
    nodes = tree.get("nodes")
    inner = nodes["left_child"] >= 0
    loss = nodes["weighted_n_node_samples"] * nodes["impurity"]
    left, right = nodes["left_child"][inner], nodes["right_child"][inner]
    gain = loss[inner] - loss[left] - loss[right]
    found = np.bincount(nodes["feature"][inner], gain, minlength=width) / nodes["weighted_n_node_samples"][0]
    return np.asarray(found / (found.sum() or 1.0) if normalise else found)


def _threshold(estimator: Estimator, inner: Estimator, scores: NDArray[np.float64]) -> float:
    threshold = estimator.get("threshold", default=None)
    if threshold is None:
        threshold = 1e-5 if _is_sparse(inner) else "mean"
    if not isinstance(threshold, str):
        return float(threshold)
    factor, _, reference = threshold.rpartition("*")
    middle = {"mean": float(np.mean(scores)), "median": float(np.median(scores))}[reference.strip()]
    return float(factor or 1.0) * middle


def _is_sparse(inner: Estimator) -> bool:
    """Whether training sets coefficients to zero (an L1 penalty)."""
    if "Lasso" in inner.kind or inner.get("penalty", default=None) == "l1":
        return True
    ratio = {"ElasticNet": "l1_ratio", "ElasticNetCV": "l1_ratio_"}
    ratio |= {"LogisticRegression": "l1_ratio", "LogisticRegressionCV": "l1_ratio_"}
    value = inner.get(ratio.get(inner.kind, ""), default=None)
    return value is not None and bool(np.all(np.isclose(np.asarray(value, np.float64), 1.0)))
