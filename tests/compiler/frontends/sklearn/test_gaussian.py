"""Gaussian processes with all their kernels; mixtures, discriminants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import digamma as reference
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    PairwiseKernel,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from tests.compiler.frontends.sklearn.answers import assert_agrees, read_saved
from tests.compiler.frontends.sklearn.estimators import PAIR, ROWS, SCORE, THREE, TWO
from tinsmith.compiler.frontends.sklearn.gaussian import digamma
from tinsmith.errors import ClientError

FIXED: dict[str, Any] = {"optimizer": None, "alpha": 100.0}
KERNELS = [
    ConstantKernel(2.0) * RBF([1.0, 2.0, 1.0, 0.5, 3.0]) + WhiteKernel(0.3),
    Matern(nu=0.5) + Matern(nu=1.5) * Matern(nu=2.5) + Matern(nu=np.inf),
    RationalQuadratic(1.2, 0.7) ** 2,
    ExpSineSquared(1.0, 2.0) + DotProduct(0.5),
    PairwiseKernel(metric="laplacian", gamma=0.4),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_processes(kernel: Any) -> None:
    assert_agrees(GaussianProcessRegressor(kernel, normalize_y=True, **FIXED).fit(ROWS, SCORE), ROWS * 1.1)


def test_several_targets() -> None:
    assert_agrees(GaussianProcessRegressor(RBF(), **FIXED).fit(ROWS, PAIR), ROWS * 1.1)


@pytest.mark.parametrize("kernel", [*KERNELS[:2], DotProduct() ** 2 + 1.5], ids=str)
def test_classifying_processes(kernel: Any) -> None:
    assert_agrees(GaussianProcessClassifier(kernel, optimizer=None).fit(ROWS, TWO), ROWS * 1.1)


def test_other_smoothness_is_refused() -> None:
    with pytest.raises(ClientError, match=r"kernel_: .*Matern: nu=0.7"):
        read_saved(GaussianProcessRegressor(Matern(nu=0.7), **FIXED).fit(ROWS, SCORE))


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])
@pytest.mark.filterwarnings("ignore")
def test_mixtures(cls: Any, kind: str) -> None:
    assert_agrees(cls(n_components=3, covariance_type=kind, random_state=0).fit(ROWS), ROWS)


@pytest.mark.filterwarnings("ignore")
def test_mixture_with_a_distribution_of_weights() -> None:
    prior = "dirichlet_distribution"
    assert_agrees(
        BayesianGaussianMixture(n_components=3, weight_concentration_prior_type=prior, random_state=0).fit(
            ROWS
        ),
        ROWS,
    )


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (LinearDiscriminantAnalysis(), TWO),
        (LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), THREE),
        (QuadraticDiscriminantAnalysis(reg_param=0.1), TWO),
    ],
    ids=lambda value: "" if isinstance(value, np.ndarray) else str(value),
)
def test_discriminants(estimator: Any, target: Any) -> None:
    assert_agrees(estimator.fit(ROWS, target), ROWS)


def test_digamma() -> None:
    x = np.concatenate([np.linspace(1e-3, 20, 400), [1e3, 1e8]])
    np.testing.assert_allclose(digamma(x), reference(x), rtol=2e-13, atol=1e-13)
