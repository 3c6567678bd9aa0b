"""All families of estimators: importing them registers what their classes answer."""

from __future__ import annotations

from collections.abc import Callable

from tinsmith.compiler.frontends.sklearn import (
    bayes,
    boosters,
    clusters,
    compose,
    decomposition,
    encoders,
    ensembles,
    factorisation,
    forests,
    functions,
    gaussian,
    imputers,
    linear,
    multiclass,
    neighbours,
    neural,
    scaling,
    selection,
    splines,
    svm,
)
from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.compiler.frontends.sklearn.responses import has, known
from tinsmith.compiler.frontends.sklearn.tensor import Tensor

FAMILIES = (
    *(bayes, boosters, clusters, compose, decomposition, encoders, ensembles, factorisation, forests),
    *(functions, gaussian, imputers, linear, multiclass, neighbours, neural, scaling, selection, splines),
    svm,
)
NAMES = known()
"""Every class that is compiled."""


def several_outputs(estimator: Estimator) -> Callable[[Estimator, Tensor], list[Tensor]] | None:
    """What gives the probabilities of a classifier with several outputs, a table each; None for all else."""
    if estimator.kind == "MultiOutputClassifier":
        members = estimator.children("estimators_")
        return multiclass.output_probabilities if all(has(m, "predict_proba") for m in members) else None
    if estimator.kind == "KNeighborsClassifier" and estimator.get("outputs_2d_", default=False):
        return neighbours.output_probabilities
    return None
