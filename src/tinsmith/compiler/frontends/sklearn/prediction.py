"""From a forest to a model: names, types and shapes of input and output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.compiler.ir.model import Forest, Model, TensorSpec, Transform

OLDEST, NEWEST = (0, 22), (1, 9)
"""Versions of scikit-learn whose files are covered by tests."""


def classifier(
    estimator: Estimator,
    forest: Forest,
    transform: Transform = Transform.IDENTITY,
    parameters: Mapping[str, float] | None = None,
    warnings: Sequence[str] = (),
) -> Model:
    """A model that gives `predict_proba`: float64, a column per class, in the order of `classes_`."""
    labels = estimator.class_labels
    output = TensorSpec("probabilities", "float64", (-1, len(labels)))
    return _model(estimator, forest, output, transform, parameters or {}, labels, warnings)


def regressor(
    estimator: Estimator,
    forest: Forest,
    transform: Transform = Transform.IDENTITY,
    parameters: Mapping[str, float] | None = None,
    warnings: Sequence[str] = (),
) -> Model:
    """A model that gives `predict` (or a score): float64, (rows,), or (rows, outputs) for several outputs."""
    shape = (-1, forest.num_outputs) if forest.num_outputs > 1 else (-1,)
    output = TensorSpec("prediction", "float64", shape)
    return _model(estimator, forest, output, transform, parameters or {}, (), warnings)


def _model(
    estimator: Estimator,
    forest: Forest,
    output: TensorSpec,
    transform: Transform,
    parameters: Mapping[str, float],
    labels: tuple[str, ...],
    warnings: Sequence[str],
) -> Model:
    return Model(
        framework="SKLEARN",
        producer=f"scikit-learn {estimator.saved_by}" if estimator.saved_by else "scikit-learn",
        kind=estimator.kind,
        input=TensorSpec("data", "float32", (-1, forest.num_features)),
        output=output,
        body=forest,
        transform=transform,
        parameters=parameters,
        class_labels=labels,
        feature_names=estimator.feature_names,
        warnings=(*version_warnings(estimator), *warnings),
    )


def version_warnings(estimator: Estimator) -> tuple[str, ...]:
    """What to say of the version that saved the file."""
    version = estimator.version
    tested = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]} are tested"
    if version is None:
        return (f"{estimator.place}: the file does not tell which scikit-learn saved it ({tested})",)
    if not OLDEST <= version <= NEWEST:
        return (f"{estimator.place}: saved by scikit-learn {estimator.saved_by}; {tested}",)
    return ()
