"""One classifier or regressor per class, pair of classes, code bit or output."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import table
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.kernels import squared_distances
from tinsmith.compiler.frontends.sklearn.responses import (
    CLASS_INDEX,
    class_count,
    class_index,
    has,
    or_one,
    respond,
    responds,
)
from tinsmith.compiler.frontends.sklearn.svm import votes
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat


def _all_have(method: str, estimator: Estimator) -> bool:
    return all(has(member, method) for member in estimator.members())


def _binary(member: Estimator, x: Tensor) -> Tensor:
    """[rows, 1]: the score of a binary classifier, else its probability; the prediction of a regressor."""
    if has(member, "decision_function"):
        return respond(member, "decision_function", x).as_table()
    if has(member, "predict_proba"):
        return respond(member, "predict_proba", x).columns([1])
    return respond(member, "predict", x).as_table()


def _repeated(value: float, x: Tensor) -> Tensor:
    """[rows] of one number."""
    return x.column(0).filled(value)


@responds("decision_function", "_ConstantPredictor")
@responds("predict", "_ConstantPredictor")
def constant(estimator: Estimator, x: Tensor) -> Tensor:
    """The one class that training had."""
    return _repeated(estimator.number("y_"), x)


@responds("predict_proba", "_ConstantPredictor")
def certain(estimator: Estimator, x: Tensor) -> Tensor:
    """1 for it."""
    value = estimator.number("y_")
    return concat([_repeated(1.0 - value, x).unsqueeze(1), _repeated(value, x).unsqueeze(1)])


@responds("predict_proba", "OneVsRestClassifier", when=lambda e: _all_have("predict_proba", e))
def rest_probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """Made to add up to 1, but for labels of which several may be true."""
    members = estimator.members()
    found = concat([respond(member, "predict_proba", x).columns([1]) for member in members])
    if len(members) == 1:
        return concat([1.0 - found, found])
    if str(_label_kind(estimator)).startswith("multilabel"):
        return found
    return found / or_one(found.sum(keep=True))


@responds("decision_function", "OneVsRestClassifier", when=lambda e: _all_have("decision_function", e))
def rest_scores(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per class."""
    members = estimator.members()
    if len(members) == 1:
        return respond(members[0], "decision_function", x)
    return concat([_binary(member, x) for member in members])


@responds(CLASS_INDEX, "OneVsRestClassifier", when=lambda e: not str(_label_kind(e)).startswith("multilabel"))
def rest_class(estimator: Estimator, x: Tensor) -> Tensor:
    """The class of the largest score."""
    members = estimator.members()
    found = concat([_binary(member, x) for member in members])
    if len(members) > 1:
        return found.argmax()
    scored = has(members[0], "decision_function")
    return found.column(0).greater(0.0 if scored else 0.5).cast("int64")


def _label_kind(estimator: Estimator) -> object:
    return estimator.child("label_binarizer_").get("y_type_", default="")


@responds("decision_function", "OneVsOneClassifier")
def one_scores(estimator: Estimator, x: Tensor) -> Tensor:
    """Votes of the pairs, and their confidence between them."""
    members, count = estimator.members(), class_count(estimator)
    if len(members) != count * (count - 1) // 2:
        raise malformed(estimator.place, f"{len(members)} estimators_ for {count} classes")
    predicted = concat([class_index(member, x).double().unsqueeze(1) for member in members])
    confidences = concat([_binary(member, x) for member in members])
    won, confidence = votes(predicted, confidences, count)
    return (won + confidence).column(1) if count == 2 else won + confidence


@responds(CLASS_INDEX, "OneVsOneClassifier")
def one_class(estimator: Estimator, x: Tensor) -> Tensor:
    """The class of the largest score."""
    found = one_scores(estimator, x)
    if class_count(estimator) > 2:
        return found.argmax()
    scored = has(estimator.members()[0], "decision_function")
    return found.greater(0.0 if scored else 0.5).cast("int64")


@responds(CLASS_INDEX, "OutputCodeClassifier")
def coded_class(estimator: Estimator, x: Tensor) -> Tensor:
    """The class of the nearest code."""
    bits = concat([_binary(member, x) for member in estimator.members()])
    return squared_distances(bits, table(estimator, "code_book_")).argmin()


@responds("predict", "MultiOutputRegressor")
def outputs(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per output."""
    return concat([respond(member, "predict", x).unsqueeze(1) for member in estimator.members()])


def output_probabilities(estimator: Estimator, x: Tensor) -> list[Tensor]:
    """MultiOutputClassifier: the probabilities of every output."""
    return [respond(member, "predict_proba", x) for member in estimator.members()]


@responds("predict", "MultiOutputClassifier")
def output_classes(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per output."""
    return concat([respond(member, "predict", x).unsqueeze(1) for member in estimator.members()])


def _chain(estimator: Estimator, method: str, x: Tensor) -> Tensor:
    """Every member also sees what those before it gave; the columns are in the order of the outputs."""
    members = estimator.members()
    order = np.asarray(estimator.get("order_"), np.int64)
    if sorted(order.tolist()) != list(range(len(members))):
        raise malformed(estimator.place, "order_ does not fit estimators_")
    passed = str(estimator.get("chain_method_", default="predict"))
    seen, given = x, []
    for member in members:
        given.append(_chained(member, method, seen))
        seen = concat([seen, given[-1] if passed == method else _chained(member, passed, seen)])
    return concat([given[place] for place in np.argsort(order)])


def _chained(member: Estimator, method: str, x: Tensor) -> Tensor:
    found = respond(member, method, x)
    return found.columns([1]) if method == "predict_proba" else found.unsqueeze(1)


def _chain_responds(method: str, name: str) -> None:
    def run(estimator: Estimator, x: Tensor) -> Tensor:
        return _chain(estimator, method, x)

    responds(method, name, when=lambda e: method == "predict" or _all_have(method, e))(run)


for _method in ("predict_proba", "decision_function", "predict"):
    _chain_responds(_method, "ClassifierChain")
_chain_responds("predict", "RegressorChain")


@responds("predict_proba", "DummyClassifier", when=lambda e: not np.ndim(e.get("n_outputs_", default=1)))
def dummy_probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """The same for every row."""
    from tinsmith.compiler.frontends.sklearn.gradient_boosting import class_prior

    if estimator.number("n_outputs_") != 1:
        raise unsupported(estimator, "several outputs")
    return _repeated(0.0, x).unsqueeze(1) + class_prior(estimator)


@responds("predict", "DummyRegressor")
def dummy(estimator: Estimator, x: Tensor) -> Tensor:
    """The same for every row."""
    constants = table(estimator, "constant_")
    if constants.size == 1:
        return _repeated(float(constants[0, 0]), x)
    return _repeated(0.0, x).unsqueeze(1) + constants
