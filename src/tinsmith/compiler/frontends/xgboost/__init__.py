"""XGBoost models, 0.90 to current: JSON, UBJSON, the old binary format, and pickles of any of them.

The arithmetic is that of `Booster.predict` over all trees: float32 sums from the base margin, tree by
tree. Where the library changed its mind about the meaning of a base score, the version that saved the
file decides.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.xgboost.files import find, parse
from tinsmith.compiler.frontends.xgboost.forest import forest_of
from tinsmith.compiler.frontends.xgboost.input_config import check_features
from tinsmith.compiler.frontends.xgboost.objectives import base_margin, objective_of
from tinsmith.compiler.frontends.xgboost.saved import Saved, Trees
from tinsmith.compiler.ir.check import check_size
from tinsmith.compiler.ir.model import Linear, Model, TensorSpec, Transform
from tinsmith.spec.request import CompileRequest


def read(directory: Path, request: CompileRequest) -> Model:
    """The one XGBoost model under `directory`.

    Raises ClientError: "InputConfiguration" for files that are missing, ambiguous or damaged and for a
    DataInputConfig that contradicts the model; "OperatorNotImplemented" for an objective or a booster
    that is not known.
    """
    path = find(directory)
    saved = parse(path.read_bytes(), str(path.relative_to(directory)))
    ignored = check_features(request.data_input_config, saved)
    model = model_of(saved)
    files = (path.relative_to(directory).as_posix(),)
    return replace(model, files=files, warnings=(*ignored, *model.warnings))


def model_of(saved: Saved) -> Model:
    """The IR of a model as saved. Raises ClientError as `read` does."""
    check_size(saved.num_feature, saved.num_outputs)
    objective = objective_of(saved)
    base = base_margin(saved, objective)
    body = forest_of(saved, saved.body, base) if isinstance(saved.body, Trees) else _linear(saved, base)
    columns = 1 if objective.transform is Transform.ARGMAX else saved.num_outputs
    return Model(
        framework="XGBOOST",
        producer=_producer(saved),
        kind=f"{saved.booster} {saved.objective}",
        input=TensorSpec("data", "float32", (-1, saved.num_feature)),
        output=TensorSpec("prediction", "float32", (-1,) if columns == 1 else (-1, columns)),
        body=body,
        transform=objective.transform,
        feature_names=saved.feature_names,
        warnings=tuple(_warnings(saved)),
    )


def _linear(saved: Saved, base: NDArray[np.float32]) -> Linear:
    """gblinear.cc starts every output from the first base score, whatever the others are."""
    assert not isinstance(saved.body, Trees)
    return Linear(weights=saved.body[:-1], base=saved.body[-1] + base[0])


def _producer(saved: Saved) -> str:
    version = ".".join(map(str, saved.version))
    return f"xgboost {version}" if saved.version >= (1,) else "xgboost before 1.0"


def _warnings(saved: Saved) -> list[str]:
    found = []
    if isinstance(saved.body, Trees) and saved.body.encoded:
        found.append(
            f"{saved.place}: the model was trained on a data frame with categories; the compiled model takes "
            "their numbers, in the order of the training data."
        )
    best = saved.attributes.get("best_iteration")
    if best is not None:
        found.append(
            f"{saved.place}: training stopped early at iteration {best:.20}; the compiled model uses all "
            "trees, as Booster.predict does."
        )
    return found
