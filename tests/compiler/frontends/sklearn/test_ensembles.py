"""Estimators made of estimators, with options beyond the defaults that estimators.py goes over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    RandomTreesEmbedding,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Perceptron, Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.compiler.frontends.sklearn.answers import assert_agrees
from tests.compiler.frontends.sklearn.estimators import PAIR, ROWS, SCORE, THREE, TWO

LABELS = np.stack([TWO, ROWS[:, 3] > 0, ROWS[:, 0] > 0], axis=1).astype(int)
TREE, LOGISTIC = DecisionTreeClassifier(max_depth=3, random_state=0), LogisticRegression()


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (
            VotingClassifier([("a", LOGISTIC), ("b", TREE), ("c", "drop")], voting="soft", weights=[1, 3, 9]),
            THREE,
        ),
        (VotingClassifier([("a", LOGISTIC), ("b", TREE), ("c", GaussianNB())], weights=[1, 3, 1]), THREE),
        (VotingRegressor([("a", Ridge()), ("b", SVR())], weights=[1, 3]), SCORE),
        (StackingClassifier([("a", LOGISTIC), ("b", TREE)], passthrough=True), TWO),
        (StackingClassifier([("a", LOGISTIC), ("b", Perceptron())], final_estimator=LinearSVC()), THREE),
        (StackingRegressor([("a", Ridge()), ("b", SVR())], final_estimator=DecisionTreeRegressor()), SCORE),
        (BaggingClassifier(LOGISTIC, 4, max_features=0.6, random_state=0), THREE),
        (BaggingClassifier(Perceptron(), 4, random_state=0), THREE),
        (BaggingRegressor(SVR(), 4, max_features=0.6, random_state=0), SCORE),
        (AdaBoostClassifier(n_estimators=5, random_state=0), TWO),
        (AdaBoostClassifier(TREE, n_estimators=5, random_state=0), THREE),
        (AdaBoostRegressor(n_estimators=7, random_state=0), SCORE),
        (CalibratedClassifierCV(LinearSVC(), cv=3), TWO),
        (CalibratedClassifierCV(LinearSVC(), cv=3, method="isotonic"), THREE),
        (CalibratedClassifierCV(GaussianNB(), cv=3), TWO),
        (CalibratedClassifierCV(GaussianNB(), cv=3, ensemble=False), THREE),
        (CalibratedClassifierCV(LinearSVC(), cv=3, method="temperature"), TWO),
        (CalibratedClassifierCV(GaussianNB(), cv=3, method="temperature"), THREE),
        (OneVsRestClassifier(LinearSVC()), THREE),
        (OneVsRestClassifier(GaussianNB()), TWO),
        (OneVsRestClassifier(LOGISTIC), LABELS),
        (OneVsOneClassifier(GaussianNB()), THREE),
        (OneVsOneClassifier(LOGISTIC), TWO),
        (OutputCodeClassifier(LOGISTIC, random_state=0), THREE),
        (ClassifierChain(LOGISTIC, order=[2, 0, 1]), LABELS),
        (ClassifierChain(LOGISTIC, chain_method="predict_proba"), LABELS),
        (RegressorChain(SVR(), order=[1, 0]), PAIR),
        (FixedThresholdClassifier(LOGISTIC, threshold=0.7), TWO),
        (RandomTreesEmbedding(4, max_depth=3, random_state=0), None),
    ],
    ids=lambda value: "" if isinstance(value, np.ndarray) else str(value)[:50],
)
@pytest.mark.filterwarnings("ignore")
def test_agrees(estimator: Any, target: Any) -> None:
    assert_agrees(estimator.fit(ROWS, target), ROWS)


def test_forests_of_old_pickles_in_ensembles() -> None:
    members = [("trees", ExtraTreesClassifier(5, random_state=0)), ("linear", LOGISTIC)]
    assert_agrees(VotingClassifier(members, voting="soft").fit(ROWS, THREE), ROWS)


@pytest.mark.parametrize("bounds", ["nan", "clip"])
def test_isotonic_beyond_the_training_data(bounds: str) -> None:
    rows = np.linspace(-9, 9, 50).reshape(-1, 1)
    assert_agrees(IsotonicRegression(out_of_bounds=bounds).fit(ROWS[:, 0], SCORE), rows)
