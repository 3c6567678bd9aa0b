"""What is not one ensemble of trees: an ONNX message in float64, from one table of float32 rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from tinsmith.compiler.frontends.sklearn import families
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, unsupported
from tinsmith.compiler.frontends.sklearn.input_config import INPUT, read_input_config
from tinsmith.compiler.frontends.sklearn.prediction import version_warnings
from tinsmith.compiler.frontends.sklearn.responses import (
    METHODS,
    all_refusals,
    class_index,
    classes,
    has,
    is_classifier,
    numeric_classes,
    respond,
)
from tinsmith.compiler.frontends.sklearn.tensor import Tensor
from tinsmith.compiler.frontends.sklearn.widths import names_of, told_width, width_of
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.compiler.shaping.builder import Builder
from tinsmith.spec.request import CompileRequest

NAMES = families.NAMES
OUTPUTS = {
    "predict_proba": "probabilities",
    "decision_function": "scores",
    "predict": "prediction",
    "transform": "features",
}
Texts = dict[int, dict[str, int]]


def read_network(estimator: Estimator, path: Path, directory: Path, request: CompileRequest) -> Network:
    """The network of a fitted estimator. Raises ClientError as `__init__.read` says."""
    config = request.data_input_config or ""
    told = told_width(estimator)
    rows, asked = read_input_config(config, estimator.kind, told) if config.strip() else (1, None)
    width = width_of(estimator, asked)
    with all_refusals():
        message, labels, texts, warnings = build_message(estimator, rows, width)
    network = shape(message, Origin("SKLEARN", directory, path), None)
    version = f"scikit-learn {estimator.saved_by}" if estimator.saved_by else "scikit-learn"
    return replace(
        network,
        producer=version,
        kind=estimator.kind,
        class_labels=labels,
        feature_names=names_of(estimator, width),
        texts=texts,
        warnings=(*version_warnings(estimator), *network.warnings, *warnings),
    )


def build_message(
    estimator: Estimator, rows: int, width: int
) -> tuple[onnx.ModelProto, tuple[str, ...], Texts, tuple[str, ...]]:
    """The message, the labels of the classes, the texts of columns, and warnings."""
    builder = Builder(Tensor, number=np.float64)
    builder.scope = estimator.place
    given = builder.input(INPUT, np.float32, (rows, width))
    columns: tuple[dict[str, int], ...] = tuple({} for _ in range(width))
    x = replace(given.double(), sources=columns)

    def message(answers: Mapping[str, Tensor]) -> onnx.ModelProto:
        return builder.model(estimator.kind, [given], answers, "scikit-learn")

    several = families.several_outputs(estimator)
    if several is not None:
        tables = several(estimator, x)
        names = [f"{OUTPUTS['predict_proba']}_{number}" for number in range(len(tables))]
        return message(dict(zip(names, tables, strict=True))), (), {}, ()
    method = next((method for method in METHODS if has(estimator, method)), None)
    if method is None:
        raise unsupported(estimator, "it neither predicts nor transforms new rows")
    labels = tuple(map(str, classes(estimator) or ())) if is_classifier(estimator) else ()
    warnings: tuple[str, ...] = ()
    if labels and method == "predict":
        answer, numbers = class_index(estimator, x), numeric_classes(estimator)
        if numbers is not None:
            answer = answer.of(numbers)
        else:
            warnings = (f"{estimator.place}: it predicts the number of the class in class_labels",)
    else:
        answer = respond(estimator, method, x)
    texts = {index: column for index, column in enumerate(columns) if column}
    if texts:
        warnings += (
            f"{estimator.place}: columns {sorted(texts)} hold text; the artifact takes the numbers "
            "that compiled.meta gives them",
        )
    return message({OUTPUTS[method]: answer}), labels, texts, warnings
