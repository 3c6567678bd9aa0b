"""Multi-layer perceptrons, and restricted Boltzmann machines."""

from __future__ import annotations

from tinsmith.compiler.frontends.sklearn.arrays import table, vector
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, finite, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.responses import responds, two_columns
from tinsmith.compiler.frontends.sklearn.tensor import Tensor

ACTIVATIONS = {
    "identity": lambda x: x,
    "logistic": Tensor.sigmoid,
    "tanh": lambda x: x.op("Tanh"),
    "relu": lambda x: x.op("Max", 0.0),
    "softmax": Tensor.softmax,
    "exp": Tensor.exp,
}


def _layers(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, outputs]."""
    weights, biases = estimator.get("coefs_"), estimator.get("intercepts_")
    if not isinstance(weights, list) or not isinstance(biases, list) or len(weights) != len(biases):
        raise malformed(estimator.place, "intercepts_ does not fit coefs_")
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        place = f"{estimator.place}.coefs_[{number}]"
        name = estimator.get("activation" if number < len(weights) - 1 else "out_activation_")
        if name not in ACTIVATIONS:
            raise unsupported(estimator, f"activation={describe(name)}")
        with x.builder.layer(place):
            x = ACTIVATIONS[name](x @ finite(weight, place) + finite(bias, place))
    return x


@responds("predict", "MLPRegressor")
def regression(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows], or a column per output."""
    found = _layers(estimator, x)
    return found.column(0) if estimator.number("n_outputs_") == 1 else found


@responds("predict_proba", "MLPClassifier")
def probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per class."""
    found = _layers(estimator, x)
    return two_columns(found.column(0)) if estimator.number("n_outputs_") == 1 else found


@responds("transform", "BernoulliRBM")
def hidden(estimator: Estimator, x: Tensor) -> Tensor:
    """The probabilities of the hidden units."""
    return (x @ table(estimator, "components_").T.copy() + vector(estimator, "intercept_hidden_")).sigmoid()
