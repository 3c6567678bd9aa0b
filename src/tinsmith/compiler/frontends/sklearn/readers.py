"""The estimators that are one ensemble of trees, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinsmith.compiler.frontends.sklearn import (
    averaging,
    gradient_boosting,
    hist_gradient_boosting,
    isolation_forest,
)
from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.compiler.ir.model import Model

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
