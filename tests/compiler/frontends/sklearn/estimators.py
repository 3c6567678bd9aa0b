"""Every numeric estimator of scikit-learn, by its own all_estimators(): trained, saved, read, compared.

    python -m tests.compiler.frontends.sklearn.estimators [NAME ...]

prints a line per estimator and ends with `estimators: K of N agree, R refused`. Numeric are classifiers,
regressors, clusterers and outlier detectors that predict new rows, and transformers whose input and output
are tables of numbers.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR, LinearSVC
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import all_estimators

from tests.compiler.frontends.sklearn.answers import Array, answers, difference, expected, read_saved
from tinsmith.errors import ClientError

MINIMUM = 0.9
"""Of the numeric estimators, that have to agree."""
NOT_NUMERIC = {
    **dict.fromkeys(("CountVectorizer", "HashingVectorizer", "TfidfVectorizer"), "text"),
    **dict.fromkeys(("DictVectorizer", "FeatureHasher"), "dictionaries"),
    **dict.fromkeys(("LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer"), "labels, not tables"),
    "PatchExtractor": "images",
}
"""Estimators whose input is no table of numbers, and what it is."""
RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(80, 5)).astype(np.float32).round(2).astype(np.float64)
SCORE = ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] + RANDOM.normal(0, 0.2, 80)
THREE = np.digitize(SCORE, [-0.5, 0.5])
TWO = (SCORE > 0).astype(int)
PAIR = np.stack([SCORE, ROWS[:, 3]], axis=1)
POSITIVE = np.abs(ROWS)
CODES = (POSITIVE * 2).astype(int).astype(np.float64)
MISSING = np.where(RANDOM.random(ROWS.shape) < 0.15, np.nan, ROWS)
KERNEL = ROWS[:12] @ ROWS[:12].T
TABLES: dict[str, Array] = {
    **dict.fromkeys(("MultinomialNB", "ComplementNB", "NMF", "MiniBatchNMF", "BernoulliRBM"), POSITIVE),
    **dict.fromkeys(("LatentDirichletAllocation", "AdditiveChi2Sampler", "SkewedChi2Sampler"), POSITIVE),
    **dict.fromkeys(("TfidfTransformer",), POSITIVE),
    **dict.fromkeys(("CategoricalNB", "OneHotEncoder", "OrdinalEncoder", "TargetEncoder"), CODES),
    **dict.fromkeys(("SimpleImputer", "KNNImputer", "MissingIndicator", "IterativeImputer"), MISSING),
    "IsotonicRegression": ROWS[:, :1],
    "KernelCenterer": KERNEL.astype(np.float32).astype(np.float64),
}
"""Of estimators that do not take just any table."""
TARGETS: dict[str, Array] = {
    **dict.fromkeys(("PoissonRegressor", "GammaRegressor", "TweedieRegressor"), np.exp(SCORE)),
    **dict.fromkeys(("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso"), PAIR),
    **dict.fromkeys(("MultiTaskLassoCV", "MultiOutputRegressor", "RegressorChain"), PAIR),
    **dict.fromkeys(("CCA", "PLSCanonical", "PLSSVD", "PLSRegression"), PAIR),
    **dict.fromkeys(
        ("MultiOutputClassifier", "ClassifierChain"), np.stack([TWO, ROWS[:, 3] > 0], axis=1) * 1
    ),
    **dict.fromkeys(("TunedThresholdClassifierCV", "FixedThresholdClassifier"), TWO),
    "TargetEncoder": SCORE,
}
LOGISTIC, RIDGE = LogisticRegression(), Ridge()
SPECIAL: dict[str, Callable[[Any], Any]] = {
    "ColumnTransformer": lambda c: c(
        [("a", StandardScaler(), [0, 1]), ("b", "passthrough", [3])], remainder=FunctionTransformer(np.abs)
    ),
    "FeatureUnion": lambda c: c([("a", StandardScaler()), ("b", StandardScaler(with_mean=False))]),
    "Pipeline": lambda c: c([("a", StandardScaler()), ("b", LOGISTIC)]),
    "VotingClassifier": lambda c: c([("a", LOGISTIC), ("b", RandomForestClassifier(5))], voting="soft"),
    "VotingRegressor": lambda c: c([("a", RIDGE), ("b", DecisionTreeRegressor(max_depth=3))]),
    "StackingClassifier": lambda c: c([("a", LOGISTIC), ("b", LinearSVC())]),
    "StackingRegressor": lambda c: c([("a", RIDGE), ("b", SVR())]),
    **dict.fromkeys(
        ("GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"),
        lambda c: c(LOGISTIC, {"C": [1, 10]}),
    ),
    "RandomizedSearchCV": lambda c: c(LOGISTIC, {"C": [1, 10]}, n_iter=2),
    "LocalOutlierFactor": lambda c: c(novelty=True),
    "SparseCoder": lambda c: c(RANDOM.normal(size=(4, 5))),
    "RadiusNeighborsClassifier": lambda c: c(radius=2.5, outlier_label=0),
    "RadiusNeighborsRegressor": lambda c: c(radius=2.5),
    "FrozenEstimator": lambda c: c(LogisticRegression().fit(ROWS, THREE)),
    **dict.fromkeys(("SVC", "NuSVC"), lambda c: c(probability=True)),
    "SelectKBest": lambda c: c(k=3),
    "GenericUnivariateSelect": lambda c: c(mode="k_best", param=3),
    **dict.fromkeys(("GaussianRandomProjection", "SparseRandomProjection"), lambda c: c(n_components=3)),
    "SelfTrainingClassifier": lambda c: c(LOGISTIC),
    "RFE": lambda c: c(LOGISTIC, n_features_to_select=2),
    **dict.fromkeys(("RandomForestClassifier", "ExtraTreesClassifier"), lambda c: c(10, random_state=0)),
    "GaussianProcessClassifier": lambda c: c(max_iter_predict=20),
}
"""Estimators that need arguments."""


@dataclass(frozen=True)
class Outcome:
    """What became of one estimator."""

    name: str
    verdict: str
    """"agrees", "refused" or "differs"."""
    text: str = ""


def numeric() -> dict[str, Any]:
    """The estimators that count, by name."""
    return {
        name: cls
        for name, cls in all_estimators()
        if name not in NOT_NUMERIC and (hasattr(cls, "predict") or hasattr(cls, "transform"))
    }


def make(name: str, cls: Any) -> Any:
    """An untrained instance."""
    if name in SPECIAL:
        return SPECIAL[name](cls)
    parameters = inspect.signature(cls.__init__).parameters
    for argument in ("estimator", "regressor"):
        if argument in parameters and parameters[argument].default is inspect.Parameter.empty:
            return cls(RIDGE if "Regressor" in name else LOGISTIC)
    return cls()


def judge(name: str, cls: Any) -> Outcome:
    """Trains, saves, reads and compares one estimator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = make(name, cls)
        table = TABLES.get(name, ROWS)
        target = SCORE if is_regressor(estimator) else THREE
        estimator.fit(table, TARGETS.get(name, target)[: len(table)])
        rows = table[:12].astype(np.float32)
        wanted = expected(estimator, rows)
    try:
        wrong = difference(answers(read_saved(estimator, rows.shape), rows), wanted)
    except ClientError as error:
        return Outcome(name, "refused", str(error))
    return Outcome(name, "differs" if wrong else "agrees", wrong)


def main(names: list[str]) -> int:
    """The list; 1 when one differs or too few agree."""
    found = []
    for name, cls in numeric().items():
        if not names or name in names:
            found.append(outcome := judge(name, cls))
            print(f"{outcome.verdict:<8} {name:<32} {outcome.text[:150]}".rstrip(), flush=True)
    for name, reason in NOT_NUMERIC.items():
        print(f"{'left out':<8} {name:<32} {reason}")
    counts = {
        verdict: sum(o.verdict == verdict for o in found) for verdict in ("agrees", "refused", "differs")
    }
    share = counts["agrees"] / max(1, len(found))
    print(f"estimators: {counts['agrees']} of {len(found)} agree ({share:.1%}), {counts['refused']} refused")
    return 1 if counts["differs"] or share < MINIMUM else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
