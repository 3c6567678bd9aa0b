"""Estimators made of estimators: voting, stacking, bagging, boosting, calibration."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array, vector
from tinsmith.compiler.frontends.sklearn.curves import piecewise
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, labels_of, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.responses import (
    CLASS_INDEX,
    class_count,
    class_index,
    classes,
    has,
    or_one,
    respond,
    responds,
    two_columns,
)
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat, where


def _voting_weights(estimator: Estimator, count: int) -> Array:
    """Of the members that were not dropped; they add up to 1."""
    given = estimator.get("weights", default=None)
    if given is None:
        return np.full(count, 1.0 / count)
    kept = [entry[1] != "drop" and entry[1] is not None for entry in estimator.get("estimators")]
    weights = vector(estimator, "weights", size=len(kept))[kept]
    if len(weights) != count:
        raise malformed(estimator.place, "weights do not fit estimators_")
    return np.asarray(weights / weights.sum())


def _added(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@responds("predict_proba", "VotingClassifier", when=lambda e: e.get("voting") == "soft")
def soft_vote(estimator: Estimator, x: Tensor) -> Tensor:
    """The weighted mean of the members' probabilities."""
    members = estimator.members()
    weights = _voting_weights(estimator, len(members))
    parts = [respond(m, "predict_proba", x) * w for m, w in zip(members, weights, strict=True)]
    return _added(parts)


@responds(CLASS_INDEX, "VotingClassifier")
def vote(estimator: Estimator, x: Tensor) -> Tensor:
    """The class with the most votes, or the largest mean probability."""
    if estimator.get("voting") == "soft":
        return soft_vote(estimator, x).argmax()
    members, size = estimator.members(), class_count(estimator)
    weights = _voting_weights(estimator, len(members))
    parts = [
        respond(m, "predict", x).cast("int64").of(np.eye(size) * w)
        for m, w in zip(members, weights, strict=True)
    ]
    return _added(parts).argmax()


@responds("predict", "VotingRegressor")
def mean(estimator: Estimator, x: Tensor) -> Tensor:
    """The weighted mean of the members' predictions."""
    members = estimator.members()
    weights = _voting_weights(estimator, len(members))
    return _added([respond(m, "predict", x) * w for m, w in zip(members, weights, strict=True)])


def _stacked(estimator: Estimator, x: Tensor) -> Tensor:
    """What the final estimator of a stack sees."""
    members = estimator.members()
    methods = estimator.get("stack_method_", default=["predict"] * len(members))
    is_classifier = estimator.kind == "StackingClassifier"
    columns = []
    for member, method in zip(members, [m for m in methods if m is not None], strict=True):
        found = respond(member, str(method), x)
        if method == "predict_proba" and class_count(estimator) == 2:
            found = found.columns([1])
        elif method == "predict" or (method == "decision_function" and class_count(estimator) == 2):
            found = found.as_table()
        columns.append(found)
    if estimator.get("passthrough", default=False):
        columns.append(x)
    if is_classifier and isinstance(estimator.get("_label_encoder", default=None), list):
        raise unsupported(estimator, "a stack with several outputs")
    return concat(columns)


def _final(method: str) -> None:
    names = ("StackingRegressor",) if method == "predict" else ("StackingClassifier",)

    def run(estimator: Estimator, x: Tensor) -> Tensor:
        return respond(estimator.child("final_estimator_"), method, _stacked(estimator, x))

    responds(method, *names, when=lambda e: has(e.child("final_estimator_"), method))(run)


for _method in ("predict_proba", "decision_function", "predict"):
    _final(_method)


@responds(CLASS_INDEX, "StackingClassifier")
def stack_class(estimator: Estimator, x: Tensor) -> Tensor:
    """The final estimator's labels are the numbers of the classes."""
    return class_index(estimator.child("final_estimator_"), _stacked(estimator, x))


def _bags(estimator: Estimator, x: Tensor) -> list[tuple[Estimator, Tensor]]:
    """The members, and the columns that each sees."""
    members, width = estimator.members(), estimator.num_features
    features = estimator.get("estimators_features_", default=None)
    if features is None:
        return [(member, x) for member in members]
    chosen = [np.asarray(numbers) for numbers in features]
    if len(chosen) != len(members) or any(numbers.dtype.kind not in "iu" for numbers in chosen):
        raise malformed(estimator.place, "estimators_features_ does not fit estimators_")
    every = np.arange(width)
    return [
        (member, x if np.array_equal(numbers, every) else x.columns(numbers))
        for member, numbers in zip(members, chosen, strict=True)
    ]


@responds("predict", "BaggingRegressor")
def bagged(estimator: Estimator, x: Tensor) -> Tensor:
    """The mean of the members' predictions."""
    bags = _bags(estimator, x)
    return _added([respond(member, "predict", rows) for member, rows in bags]) / float(len(bags))


@responds("predict_proba", "BaggingClassifier")
def bagged_probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """The mean of the members' probabilities, or of their votes."""
    bags, size = _bags(estimator, x), class_count(estimator)
    parts = []
    for member, rows in bags:
        own = np.asarray(classes(member)).astype(np.int64)
        spread = np.eye(size)[own]
        if has(member, "predict_proba"):
            found = respond(member, "predict_proba", rows)
            parts.append(found if len(own) == size else found @ spread)
        else:
            parts.append(class_index(member, rows).of(spread))
    return _added(parts) / float(len(bags))


@responds("decision_function", "BaggingClassifier", when=lambda e: has(e.members()[0], "decision_function"))
def bagged_scores(estimator: Estimator, x: Tensor) -> Tensor:
    """The mean of the members' scores."""
    bags = _bags(estimator, x)
    return _added([respond(member, "decision_function", rows) for member, rows in bags]) / float(len(bags))


@responds(CLASS_INDEX, "BaggingClassifier")
def bagged_class(estimator: Estimator, x: Tensor) -> Tensor:
    """Of the largest mean probability."""
    return bagged_probabilities(estimator, x).argmax()


@responds("decision_function", "AdaBoostClassifier")
def boosted_scores(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per class, or a vector for two."""
    members, labels = estimator.members(), labels_of(estimator.get("classes_"))
    size = len(labels)
    real = estimator.get("algorithm", default="SAMME") == "SAMME.R"
    weights = vector(estimator, "estimator_weights_")[: len(members)]
    total = 0.0
    parts = []
    for member, weight in zip(members, weights, strict=True):
        total += float(weight)
        if real:
            p = respond(member, "predict_proba", x).op("Max", np.finfo(np.float64).eps).log()
            parts.append((p - p.mean(keep=True)) * (size - 1.0))
            continue
        own = [labels.index(label) for label in classes(member) or ()]
        votes = np.where(np.eye(size)[own] == 1.0, weight, -weight / (size - 1.0))
        parts.append(class_index(member, x).of(votes))
    found = _added(parts) / total
    if size == 2:
        return found.column(1) - found.column(0)
    return found


@responds("predict_proba", "AdaBoostClassifier")
def boosted(estimator: Estimator, x: Tensor) -> Tensor:
    """Softmax of the scores."""
    size, found = class_count(estimator), boosted_scores(estimator, x)
    if size > 2:
        return (found / (size - 1.0)).softmax()
    return two_columns(found.sigmoid())


@responds("predict", "AdaBoostRegressor")
def weighted_median(estimator: Estimator, x: Tensor) -> Tensor:
    """The median of the members' predictions by their weights."""
    members = estimator.members()
    weights = vector(estimator, "estimator_weights_")[: len(members)]
    every = concat([respond(member, "predict", x).unsqueeze(1) for member in members])
    ordered, which = every.smallest(len(members))
    growing = which.of(weights).op("CumSum", np.array(1))
    reached = growing.op("GreaterOrEqual", growing.max(keep=True) * 0.5).double()
    place = reached.argmax().unsqueeze(1)
    return ordered.op("GatherElements", place, axis=1).reshape(-1)


@responds("predict_proba", "CalibratedClassifierCV")
def calibrated(estimator: Estimator, x: Tensor) -> Tensor:
    """The mean over the calibrated members."""
    members = estimator.children("calibrated_classifiers_")
    if not members:
        raise malformed(estimator.place, "it has no calibrated_classifiers_")
    return _added([respond(member, "predict_proba", x) for member in members]) / float(len(members))


@responds("predict_proba", "_CalibratedClassifier")
def calibrated_member(estimator: Estimator, x: Tensor) -> Tensor:
    """One classifier, with a calibration per class."""
    labels = labels_of(estimator.get("classes", "classes_"))
    member = estimator.child("estimator", "base_estimator")
    method = "decision_function" if has(member, "decision_function") else "predict_proba"
    scores = respond(member, method, x)
    own = classes(member) or []
    kind = estimator.get("method")
    if kind == "temperature":
        return _temperature(estimator.children("calibrators")[0], scores, method, len(own))
    calibrators = estimator.children("calibrators", "calibrators_")
    binary = len(labels) == 2
    if binary:
        score = scores if method == "decision_function" else scores.column(1)
        return two_columns(_calibration(calibrators[0], score))
    columns: list[Tensor] = [scores.column(0).unsqueeze(1).filled(0.0)] * len(labels)
    for index, (label, calibrator) in enumerate(zip(own, calibrators, strict=True)):
        columns[labels.index(label)] = _calibration(calibrator, scores.column(index)).unsqueeze(1)
    found = concat(columns)
    total = found.sum(keep=True)
    return where(total.equals(0.0), 1.0 / len(labels), found / or_one(total))


def _calibration(calibrator: Estimator, score: Tensor) -> Tensor:
    if calibrator.kind == "_SigmoidCalibration":
        return (-(score * calibrator.number("a_") + calibrator.number("b_"))).sigmoid()
    return isotonic(calibrator, score)


def _temperature(calibrator: Estimator, scores: Tensor, method: str, count: int) -> Tensor:
    beta = calibrator.number("beta_")
    if method == "predict_proba":
        return ((scores + 1e-12).log() * beta).softmax()
    return two_columns((scores * (2.0 * beta)).sigmoid()) if count == 2 else (scores * beta).softmax()


def isotonic(estimator: Estimator, x: Tensor) -> Tensor:
    """Of a vector; NaN outside of the training data where scikit-learn gives NaN or refuses."""
    knots = vector(estimator, "X_thresholds_", "_necessary_X_")
    values = vector(estimator, "y_thresholds_", "_necessary_y_", size=len(knots))
    found = piecewise(x, knots, values)
    if estimator.get("out_of_bounds") == "clip":
        return found
    return where(x.less(knots[0]).op("Or", x.greater(knots[-1])), np.nan, found)


@responds("predict", "IsotonicRegression")
@responds("transform", "IsotonicRegression")
def isotonic_table(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows] of a table of one column."""
    return isotonic(estimator, x.column(0))


@responds(CLASS_INDEX, "FixedThresholdClassifier", "TunedThresholdClassifierCV")
def threshold(estimator: Estimator, x: Tensor) -> Tensor:
    """The positive class where its score reaches the threshold."""
    member = estimator.child("estimator_", "estimator")
    tuned = estimator.kind == "TunedThresholdClassifierCV"
    method = estimator.get(
        "_response_method" if tuned else "response_method", "response_method", default="auto"
    )
    if method == "auto" or not isinstance(method, str):
        method = "predict_proba" if has(member, "predict_proba") else "decision_function"
    limit = estimator.get("best_threshold_" if tuned else "threshold")
    if limit == "auto":
        limit = 0.5 if method == "predict_proba" else 0.0
    scores = respond(member, method, x)
    positive = estimator.get("pos_label", default=None)
    labels = classes(member) or []
    first = positive is not None and labels.index(positive) == 0
    score = scores.column(0 if first else 1) if method == "predict_proba" else (-scores if first else scores)
    reached = score.op("GreaterOrEqual", float(limit)).cast("int64")
    return 1 - reached if first else reached
