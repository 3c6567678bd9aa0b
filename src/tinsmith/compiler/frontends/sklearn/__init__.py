"""scikit-learn models: from a pickle or joblib file to the IR. scikit-learn itself is never imported.

Compiled are trees and ensembles of trees saved by scikit-learn 0.22 to 1.9. Classifiers give
`predict_proba`, regressors `predict`, IsolationForest gives `decision_function`, of which its `predict`
is the sign. NaN is a missing value and takes the side that training chose; the trees of versions
before 1.3, which refused NaN, send it right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn import (
    averaging,
    gradient_boosting,
    hist_gradient_boosting,
    isolation_forest,
)
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, malformed
from tinsmith.compiler.frontends.sklearn.input_config import check_input_config
from tinsmith.compiler.frontends.sklearn.locate import find_model
from tinsmith.compiler.frontends.sklearn.unsupported import is_supported, refuse
from tinsmith.compiler.frontends.sklearn.wrappers import unwrap
from tinsmith.compiler.ir.model import Model
from tinsmith.spec.request import CompileRequest

READERS: Mapping[str, Callable[[Estimator], Model]] = {
    "DecisionTreeClassifier": averaging.read_tree,
    "DecisionTreeRegressor": averaging.read_tree,
    "ExtraTreeClassifier": averaging.read_tree,
    "ExtraTreeRegressor": averaging.read_tree,
    "RandomForestClassifier": averaging.read_forest,
    "RandomForestRegressor": averaging.read_forest,
    "ExtraTreesClassifier": averaging.read_forest,
    "ExtraTreesRegressor": averaging.read_forest,
    "GradientBoostingClassifier": gradient_boosting.read_classifier,
    "GradientBoostingRegressor": gradient_boosting.read_regressor,
    "HistGradientBoostingClassifier": hist_gradient_boosting.read_classifier,
    "HistGradientBoostingRegressor": hist_gradient_boosting.read_regressor,
    "IsolationForest": isolation_forest.read,
}
"""One entry per class; the class name is unique within scikit-learn, its module moved between versions."""

# What a file whose fields contradict each other provokes in code that takes it at its word.
_CONTRADICTIONS = (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError)


def read(directory: Path, request: CompileRequest) -> Model:
    """The model in the one pickle or joblib file under `directory`.

    Raises ClientError: "InputConfiguration" for files that are missing, ambiguous, damaged or no
    estimator and for a DataInputConfig that contradicts the model; "OperatorNotImplemented", naming all
    estimators at fault, for what is not compiled.
    """
    path = find_model(directory)
    place = str(path.relative_to(directory))
    value = load(path, place)
    if not isinstance(value, Record):
        raise refuse(value, place, READERS)
    inner, inner_place = unwrap(value, place)
    if not is_supported(inner, READERS):
        raise refuse(value, place, READERS)
    estimator = Estimator.of(inner, inner_place, value.fields.get("_sklearn_version"))
    try:
        model = READERS[estimator.kind](estimator)
    except _CONTRADICTIONS as error:
        text = f"its fields are not those of a trained {estimator.kind}: {type(error).__name__}: {error}"
        raise malformed(inner_place, text) from error
    check_input_config(request.data_input_config, model)
    return replace(model, files=(path.relative_to(directory).as_posix(),))
