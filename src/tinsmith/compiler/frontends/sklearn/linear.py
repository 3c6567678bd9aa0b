"""Linear models: x @ coef + intercept, what regressors make of it and what classifiers do."""

from __future__ import annotations

from tinsmith.compiler.frontends.sklearn.arrays import Array, table, vector
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, unsupported
from tinsmith.compiler.frontends.sklearn.responses import (
    normalised,
    or_one,
    respond,
    responds,
    two_columns,
)
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, where

REGRESSORS = (
    *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
    *("Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"),
    *("OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV", "ARDRegression", "BayesianRidge"),
    *("MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV"),
    *("HuberRegressor", "TheilSenRegressor", "QuantileRegressor", "SGDRegressor"),
    *("PassiveAggressiveRegressor", "LinearSVR"),
)
LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")
CLASSIFIERS = (
    *(*LOGISTIC, "LinearSVC", "Perceptron", "PassiveAggressiveClassifier", "SGDClassifier"),
    *("RidgeClassifier", "RidgeClassifierCV", "LinearDiscriminantAnalysis"),
)
LOG_LOSSES = {"log", "log_loss"}


def affine(estimator: Estimator, x: Tensor) -> Tensor:
    """x @ coef_ + intercept_: a column per row of coef_, a vector where coef_ is one."""
    coef = table(estimator, "coef_")
    scores = x @ coef.T.copy()
    intercept = vector(estimator, "intercept_")
    if intercept.any():
        scores = scores + intercept
    return scores


def flat(scores: Tensor, columns: int) -> Tensor:
    """One column as a vector, more as they are."""
    return scores.column(0) if columns == 1 else scores


@responds("predict", *REGRESSORS)
def regression(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows] or, for several targets, [rows, targets]."""
    coef = estimator.get("coef_")
    scores = affine(estimator, x)
    return flat(scores, 1) if getattr(coef, "ndim", 2) == 1 else scores


@responds("predict", "PoissonRegressor", "GammaRegressor", "TweedieRegressor")
def generalised(estimator: Estimator, x: Tensor) -> Tensor:
    """The inverse of the link function, logarithm or identity."""
    scores = flat(affine(estimator, x), 1)
    if estimator.kind != "TweedieRegressor":
        return scores.exp()
    link = estimator.get("link")
    if link == "auto":
        link = "identity" if estimator.number("power") <= 0 else "log"
    if link not in ("identity", "log"):
        raise unsupported(estimator, f"link={describe(link)}")
    return scores.exp() if link == "log" else scores


@responds("predict", "RANSACRegressor")
def inner(estimator: Estimator, x: Tensor) -> Tensor:
    """The estimator that the inliers gave."""
    return respond(estimator.child("estimator_"), "predict", x)


@responds("decision_function", *CLASSIFIERS)
def scores(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per class, or a vector for two."""
    return flat(affine(estimator, x), len(table(estimator, "coef_")))


@responds("decision_function", "SGDOneClassSVM")
def one_class(estimator: Estimator, x: Tensor) -> Tensor:
    """Negative for outliers."""
    return flat(x @ table(estimator, "coef_").T.copy() - vector(estimator, "offset_"), 1)


@responds("predict_proba", *LOGISTIC)
def logistic(estimator: Estimator, x: Tensor) -> Tensor:
    """Sigmoid for two classes; for more softmax, or sigmoids that are made to add up to 1 (one against the
    rest, which versions before 1.8 had)."""
    found = scores(estimator, x)
    count = len(table(estimator, "coef_"))
    kind = estimator.get("multi_class", default="auto")
    solver = estimator.get("solver", default="lbfgs")
    against_rest = kind in ("ovr", "warn") or (kind in ("auto", "deprecated") and solver == "liblinear")
    if count > 1:
        return one_against_rest(found) if against_rest else found.softmax()
    return two_columns((found * 2.0 if kind == "multinomial" else found).sigmoid())


def one_against_rest(scores: Tensor) -> Tensor:
    """Sigmoids that are made to add up to 1."""
    return normalised(scores.sigmoid())


@responds("predict_proba", "LinearDiscriminantAnalysis")
def discriminant(estimator: Estimator, x: Tensor) -> Tensor:
    """Sigmoid for two classes, softmax for more."""
    found = scores(estimator, x)
    return found.softmax() if len(table(estimator, "coef_")) > 1 else two_columns(found.sigmoid())


@responds("predict_proba", "SGDClassifier", when=lambda e: e.get("loss") in {*LOG_LOSSES, "modified_huber"})
def stochastic(estimator: Estimator, x: Tensor) -> Tensor:
    """Of the logistic and the modified Huber loss."""
    found = scores(estimator, x)
    several = len(table(estimator, "coef_")) > 1
    if estimator.get("loss") in LOG_LOSSES:
        return one_against_rest(found) if several else two_columns(found.sigmoid())
    fraction = (found.clip(-1.0, 1.0) + 1.0) / 2.0
    if not several:
        return two_columns(fraction)
    total = fraction.sum(keep=True)
    return where(total.equals(0.0), 1.0 / _classes(estimator), fraction / or_one(total))


def _classes(estimator: Estimator) -> float:
    weights: Array = table(estimator, "coef_")
    return float(len(weights))
