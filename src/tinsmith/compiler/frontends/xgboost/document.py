"""The JSON and UBJSON formats of XGBoost 1.0 and later: one schema, two encodings."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tinsmith.compiler.formats import ubjson
from tinsmith.compiler.frontends.xgboost.fields import Fields
from tinsmith.compiler.frontends.xgboost.objectives import objective_problems
from tinsmith.compiler.frontends.xgboost.saved import Saved, Tree, Trees
from tinsmith.errors import ClientError

_CATEGORICAL = 1  # of split_type


def read_json(data: bytes, place: str) -> Saved:
    """The model in a JSON file. Raises ClientError ("InputConfiguration")."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _lenient_json(data, place)
    return _saved(value, place)


def read_ubjson(data: bytes, place: str) -> Saved:
    """The model in a UBJSON file. Raises ClientError ("InputConfiguration")."""
    return _saved(ubjson.load(data, place), place)


def _lenient_json(data: bytes, place: str) -> Any:
    """JSON with the NaN and Infinity that XGBoost writes."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ClientError("InputConfiguration", f"{place}: not readable as JSON: {error}"[:400]) from None


def _saved(value: Any, place: str) -> Saved:
    root = Fields(value, place)
    if "Model" in root.values:  # a serialised Booster holds the model beside its configuration
        root = root.child("Model")
    learner = root.child("learner")
    param, booster = learner.child("learner_model_param"), learner.child("gradient_booster")
    outputs = max(param.count("num_class", 0), param.count("num_target", 1), 1)
    features = param.count("num_feature")
    name = booster.text("name")
    body: Trees | NDArray[np.float32]
    if name == "gblinear":
        weights = booster.child("model").floats("weights", (features + 1) * outputs)
        body = weights.reshape(features + 1, outputs)
    elif name == "dart":
        body = _trees(booster.child("gbtree").child("model"), booster.floats("weight_drop"))
    elif name == "gbtree":
        body = _trees(booster.child("model"), None)
    else:
        text = f"{place}: the booster {name!r:.80} is not known; known are dart, gblinear, gbtree."
        objective = objective_problems(learner.child("objective").text("name"), place)
        raise ClientError("OperatorNotImplemented", [text, *objective])
    return Saved(
        place=place,
        version=tuple(root.integers("version").tolist()) if "version" in root.values else (1, 0),
        objective=learner.child("objective").text("name"),
        booster=name,
        num_feature=features,
        num_outputs=outputs,
        base_score=param.floats("base_score"),
        body=body,
        feature_names=learner.texts("feature_names"),
        attributes=learner.child("attributes").values if "attributes" in learner.values else {},
    )


def _trees(model: Fields, weight: NDArray[np.float32] | None) -> Trees:
    trees = tuple(_tree(fields) for fields in model.children("trees"))
    announced = model.child("gbtree_model_param").count("num_trees", len(trees))
    if trees and announced != len(trees):
        raise model.wrong("trees", f"{announced} trees", f"nothing but {len(trees)}")
    if "weight_drop" in model.values:  # where 3.4 and later keep the weights of dart
        weight = model.floats("weight_drop")
    if weight is not None and weight.size != len(trees):
        raise model.wrong("weight_drop", f"{len(trees)} weights", f"nothing but {weight.size}")
    categories = model.child("cats").items("enc", []) if model.values.get("cats") else []
    return Trees(trees, model.integers("tree_info", len(trees)), weight, bool(categories))


def _tree(fields: Fields) -> Tree:
    left = fields.integers("left_children")
    nodes = left.size
    right = fields.integers("right_children", nodes)
    cut = fields.floats("split_conditions", nodes)
    width = fields.child("tree_param").count("size_leaf_vector", 1)
    return Tree(
        left=left,
        right=right,
        feature=fields.integers("split_indices", nodes),
        cut=cut,
        default_left=fields.integers("default_left", nodes) != 0,
        leaf_values=cut[:, None] if width <= 1 else _leaf_vectors(fields, left, right, width),
        categories=_categories(fields, nodes),
    )


def _leaf_vectors(
    fields: Fields, left: NDArray[np.int32], right: NDArray[np.int32], width: int
) -> NDArray[np.float32]:
    """(nodes, width). Since 3.2 the leaves have a table of their own, which `right` points into."""
    if "leaf_weights" not in fields.values:
        return fields.floats("base_weights", left.size * width).reshape(left.size, width)
    table = fields.floats("leaf_weights")
    rows = np.where(left < 0, right, 0)
    if not table.size or table.size % width or rows.min() < 0 or rows.max() >= table.size // width:
        raise fields.wrong("leaf_weights", f"{width} values per leaf", f"nothing but {table.size} values")
    vectors: NDArray[np.float32] = table.reshape(-1, width)[rows]
    return vectors


def _categories(fields: Fields, nodes: int) -> dict[int, NDArray[np.int32]]:
    if "categories_nodes" not in fields.values:  # before 1.3
        return {}
    numbers = fields.integers("categories_nodes")
    starts = fields.integers("categories_segments", numbers.size)
    sizes = fields.integers("categories_sizes", numbers.size)
    codes = fields.integers("categories")
    found: dict[int, NDArray[np.int32]] = {}
    for node, start, size in zip(numbers.tolist(), starts.tolist(), sizes.tolist(), strict=True):
        if not (0 <= node < nodes and start >= 0 and 0 < size <= codes.size - start):
            raise fields.wrong("categories_segments", f"a range of {codes.size} codes", [node, start, size])
        found[node] = np.unique(codes[start : start + size])
    categorical = np.flatnonzero(fields.integers("split_type", nodes) == _CATEGORICAL)
    if set(categorical.tolist()) - set(found):
        raise fields.wrong("categories_nodes", "every node of split_type 1", numbers)
    return found
