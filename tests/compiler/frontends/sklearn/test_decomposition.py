"""Projections, kernels and iterated factorisations with options beyond the defaults of estimators.py."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import FeatureAgglomeration
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import NMF, PCA, DictionaryLearning, KernelPCA, MiniBatchNMF
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.kernel_approximation import AdditiveChi2Sampler, Nystroem, PolynomialCountSketch
from sklearn.kernel_ridge import KernelRidge

from tests.compiler.frontends.sklearn.answers import assert_agrees, expected, read_saved
from tests.compiler.frontends.sklearn.estimators import PAIR, POSITIVE, ROWS
from tests.compiler.frontends.sklearn.records import answer, resaved
from tinsmith.errors import ClientError


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(3, whiten=True),
        *(KernelPCA(3, kernel=k) for k in ("rbf", "poly", "sigmoid", "cosine", "linear")),
        *(
            Nystroem(kernel=k, n_components=20, random_state=0)
            for k in ("laplacian", "chi2", "additive_chi2")
        ),
        AdditiveChi2Sampler(sample_steps=3),
        PolynomialCountSketch(n_components=8, degree=3, coef0=1.5, gamma=0.5, random_state=0),
        *(FeatureAgglomeration(2, pooling_func=f) for f in (np.mean, np.max)),
        *(KernelRidge(kernel=k, gamma=0.2, coef0=0.5) for k in ("rbf", "poly", "laplacian")),
        TfidfTransformer(sublinear_tf=True, norm="l1"),
        NMF(3, alpha_W=0.01, l1_ratio=0.5, random_state=0),
        MiniBatchNMF(3, random_state=0),
        DictionaryLearning(
            4, transform_algorithm="threshold", transform_alpha=0.2, max_iter=3, random_state=0
        ),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value))[:60],
)
@pytest.mark.filterwarnings("ignore")
def test_agrees(estimator: Any) -> None:
    table = POSITIVE.round(1)
    assert_agrees(estimator.fit(table, PAIR), table)


def test_partial_least_squares_of_older_versions() -> None:
    model = PLSRegression().fit(ROWS, PAIR)
    scaled = model.coef_ * model._x_std
    (wanted,) = expected(model, ROWS.astype(np.float32))
    for version, fields, without in (
        ("1.2.2", {"_coef_": scaled}, ["coef_"]),
        ("1.0.2", {"coef_": scaled.T}, ["intercept_"]),
        ("0.22", {"coef_": scaled.T}, ["intercept_", "n_features_in_"]),
    ):
        record = resaved(pickle.dumps(model), version, fields, without)
        np.testing.assert_allclose(answer(record, ROWS), wanted, rtol=1e-10)


def test_what_solves_a_problem_per_row_is_refused() -> None:
    with pytest.raises(ClientError, match="transform_algorithm=str 'omp' solves a problem per row"):
        read_saved(DictionaryLearning(3, max_iter=2, random_state=0).fit(ROWS))
