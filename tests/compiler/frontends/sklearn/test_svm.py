"""Support vector machines: every kernel, every form of the decision, probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.multiclass import OneVsOneClassifier
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM

from tests.compiler.frontends.sklearn.answers import assert_agrees, read_saved
from tests.compiler.frontends.sklearn.estimators import ROWS, SCORE, THREE, TWO
from tinsmith.errors import ClientError

FOUR = np.digitize(SCORE, [-1, 0, 1])


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (SVC(), TWO),
        (SVC(), FOUR),
        (SVC(kernel="linear"), THREE),
        (SVC(kernel="poly", degree=2, coef0=0.5), THREE),
        (SVC(kernel="sigmoid", gamma=0.1, coef0=0.2), THREE),
        (SVC(decision_function_shape="ovo"), FOUR),
        (SVC(probability=True, random_state=0), TWO),
        (SVC(probability=True, random_state=0), FOUR),
        (NuSVC(nu=0.3, probability=True, random_state=0), THREE),
        (SVR(kernel="poly"), SCORE),
        (OneClassSVM(gamma="auto"), SCORE),
        (OneVsOneClassifier(SVC()), FOUR),
        (OneVsOneClassifier(SVC(break_ties=True)), TWO),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*probability.*:FutureWarning")
def test_agrees(estimator: Any, target: Any) -> None:
    assert_agrees(estimator.fit(ROWS, target), ROWS)


def test_support_vectors_of_a_sparse_table() -> None:
    estimator = SVC().fit(csr_matrix(ROWS), FOUR)
    found = read_saved(estimator, (9, 5))
    from tests.compiler.frontends.sklearn.answers import answers

    rows = ROWS[:9].astype(np.float32)
    wanted = estimator.decision_function(csr_matrix(rows.astype(np.float64)))
    np.testing.assert_allclose(answers(found, rows)[0], wanted, rtol=1e-10)


def test_own_kernels_are_refused() -> None:
    with pytest.raises(ClientError, match="compiled are linear, rbf, poly, sigmoid"):
        read_saved(SVC(kernel="precomputed").fit(ROWS @ ROWS.T, TWO))
