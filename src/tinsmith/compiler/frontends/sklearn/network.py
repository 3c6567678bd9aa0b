"""What is not one ensemble of trees: an ONNX message in float64, from one table of float32 rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx
from onnx import helper

from tinsmith.compiler.frontends.sklearn import families
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.graph import ML, Graph, Tensor
from tinsmith.compiler.frontends.sklearn.prediction import version_warnings
from tinsmith.compiler.frontends.sklearn.responses import (
    METHODS,
    class_index,
    classes,
    has,
    is_classifier,
    numeric_classes,
    respond,
)
from tinsmith.compiler.frontends.sklearn.widths import names_of, width_of
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.compiler.shaping.inputs import Declared
from tinsmith.spec.data_input import FREE, InputConfig, Shape, parse
from tinsmith.spec.request import CompileRequest

NAMES = families.NAMES
INPUT = "data"
OUTPUTS = {
    "predict_proba": "probabilities",
    "decision_function": "scores",
    "predict": "prediction",
    "transform": "features",
}
ML_VERSION = 5
Texts = dict[int, dict[str, int]]


def read_network(estimator: Estimator, path: Path, directory: Path, request: CompileRequest) -> Network:
    """The network of a fitted estimator. Raises ClientError as `__init__.read` says."""
    config = request.data_input_config or ""
    rows, asked = _sizes(parse(config)) if config.strip() else (1, None)
    width = width_of(estimator, asked)
    message, labels, texts, warnings = build_message(estimator, rows, width)
    network = shape(message, Origin("SKLEARN", directory, path), config, _adapt)
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
    graph = Graph()
    graph.place = estimator.place
    x = Tensor(graph, INPUT).double()
    x.sources = tuple(range(width))
    several = families.several_outputs(estimator)
    if several is not None:
        tables = several(estimator, x)
        names = [f"{OUTPUTS['predict_proba']}_{number}" for number in range(len(tables))]
        return (
            _message(graph, estimator, (rows, width), dict(zip(names, tables, strict=True))),
            (),
            graph.texts,
            (),
        )
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
    if graph.texts:
        warnings += (
            f"{estimator.place}: columns {sorted(graph.texts)} hold text; the artifact takes the numbers "
            "that compiled.meta gives them",
        )
    return _message(graph, estimator, (rows, width), {OUTPUTS[method]: answer}), labels, graph.texts, warnings


def _message(
    graph: Graph, estimator: Estimator, size: tuple[int, int], answers: Mapping[str, Tensor]
) -> onnx.ModelProto:
    for name, answer in answers.items():
        graph.nodes.append(helper.make_node("Identity", [answer.name], [name], f"{estimator.place}/{name}"))
    given = helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, size)
    made = [helper.make_value_info(name, onnx.TypeProto()) for name in answers]
    proto = helper.make_graph(graph.nodes, estimator.kind, [given], made, graph.weights)
    versions = [helper.make_opsetid("", onnx.defs.onnx_opset_version()), helper.make_opsetid(ML, ML_VERSION)]
    return helper.make_model(proto, opset_imports=versions, producer_name="scikit-learn")


def _sizes(configs: Sequence[InputConfig]) -> tuple[int, int | None]:
    """Rows and columns that the customer asks for: a shape that is no matrix, or of any number of rows, means
    one row."""
    shape = configs[0].shapes[0] if configs and len(configs[0].shapes) == 1 else ()
    rows, columns = shape if len(shape) == 2 else (FREE, None)
    fixed = rows if isinstance(rows, int) and rows != FREE else 1
    return fixed, columns if isinstance(columns, int) else None


def _adapt(configs: Sequence[InputConfig], declared: Sequence[Declared]) -> Sequence[InputConfig]:
    """Any name does for the one input."""
    if len(configs) > 1:
        raise malformed(
            "DataInputConfig",
            f"it names {len(configs)} inputs, expected one: the model takes one table of rows",
        )
    return [
        replace(config, name=INPUT, shapes=tuple(_matrix(given, declared) for given in config.shapes))
        for config in configs
    ]


def _matrix(given: Shape, declared: Sequence[Declared]) -> Shape:
    if len(given) != 2:
        return tuple(size for size in declared[0].shape or () if isinstance(size, int))
    return (1 if given[0] == FREE else given[0], given[1])
