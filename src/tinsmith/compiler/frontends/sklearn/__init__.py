"""scikit-learn models: from a pickle or joblib file to the IR. scikit-learn itself is never imported.

Compiled are models saved by scikit-learn 0.22 to 1.9: one ensemble of trees becomes a `Model`, everything
else a `Network` that computes in float64. Classifiers give `predict_proba`, those without it
`decision_function`, regressors and clusterers `predict`, outlier detectors `decision_function`, of which
their `predict` is the sign, and what only transforms gives `transform`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, malformed
from tinsmith.compiler.frontends.sklearn.input_config import check_input_config
from tinsmith.compiler.frontends.sklearn.locate import find_model
from tinsmith.compiler.frontends.sklearn.network import NAMES, read_network
from tinsmith.compiler.frontends.sklearn.readers import READERS
from tinsmith.compiler.frontends.sklearn.unsupported import find_unsupported, is_supported, refuse
from tinsmith.compiler.frontends.sklearn.wrappers import unwrap
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.request import CompileRequest

# What a file whose fields contradict each other provokes in code that takes it at its word.
_CONTRADICTIONS = (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError)
SUPPORTED = NAMES | READERS.keys()


def read(directory: Path, request: CompileRequest) -> Model | Network:
    """The model in the one pickle or joblib file under `directory`.

    Raises ClientError: "InputConfiguration" for files that are missing, ambiguous, damaged or no
    estimator and for a DataInputConfig that contradicts the model; "OperatorNotImplemented", naming all
    estimators at fault, for what is not compiled.
    """
    path = find_model(directory)
    place = str(path.relative_to(directory))
    value = load(path, place)
    if not isinstance(value, Record):
        raise refuse(value, place, SUPPORTED)
    inner, inner_place = unwrap(value, place)
    if not is_supported(inner, SUPPORTED) or find_unsupported(value, SUPPORTED):
        raise refuse(value, place, SUPPORTED)
    estimator = Estimator.of(inner, inner_place, value.fields.get("_sklearn_version"))
    try:
        if estimator.kind not in READERS:
            return read_network(estimator, path, directory, request)
        model = READERS[estimator.kind](estimator)
    except (*_CONTRADICTIONS, RecursionError, np.linalg.LinAlgError) as error:
        text = f"its fields are not those of a trained {estimator.kind}: {type(error).__name__}: {error}"
        raise malformed(inner_place, text) from error
    check_input_config(request.data_input_config, model)
    return replace(model, files=(path.relative_to(directory).as_posix(),))
