"""An XGBoost model rewritten as a LightGBM text model, so that lleaves can take part.

XGBoost's `x < t` becomes LightGBM's `x <= previous float32 below t`; the base score goes into the first
round's leaves.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

NAN_IS_MISSING = 2 << 2
DEFAULT_LEFT = 2


def write(source: Path, destination: Path) -> None:
    """Rewrite a binary or single-output gbtree model.json; other models raise ValueError."""
    learner = json.loads(source.read_text())["learner"]
    booster = learner["gradient_booster"]
    if "model" not in booster or int(learner["learner_model_param"]["num_class"]) > 1:
        raise ValueError("only single-output gbtree models are rewritten")
    features = int(learner["learner_model_param"]["num_feature"])
    probability = float(json.loads(learner["learner_model_param"]["base_score"].replace("E", "e"))[0])
    margin = -math.log(1 / probability - 1)
    blocks = [
        tree_block(number, tree, margin if number == 0 else 0.0)
        for number, tree in enumerate(booster["model"]["trees"])
    ]
    sizes = " ".join(str(len(block)) for block in blocks)
    destination.write_text(
        header(features, sizes) + "\n".join(blocks) + "\nend of trees\n\npandas_categorical:null\n"
    )


def header(features: int, tree_sizes: str) -> str:
    """Everything above the trees."""
    names = " ".join(f"f{number}" for number in range(features))
    return (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={features - 1}\nobjective=binary sigmoid:1\nfeature_names={names}\n"
        f"feature_infos={' '.join(['[-inf:inf]'] * features)}\ntree_sizes={tree_sizes}\n\n"
    )


def tree_block(number: int, tree: dict[str, Any], offset: float) -> str:
    """One tree."""
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    leaf = left < 0
    number_of = np.where(
        leaf, -np.cumsum(leaf), np.cumsum(~leaf) - 1
    )  # leaf i is -(i + 1), as LightGBM counts
    value = np.array(tree["split_conditions"], np.float32)
    below = np.nextafter(value, np.float32(-np.inf))
    kind = NAN_IS_MISSING + DEFAULT_LEFT * np.array(tree["default_left"], int)
    fields = {
        "num_leaves": int(leaf.sum()),
        "num_cat": 0,
        "split_feature": text(np.array(tree["split_indices"])[~leaf]),
        "split_gain": text(np.zeros((~leaf).sum(), int)),
        "threshold": " ".join(repr(float(item)) for item in below[~leaf]),
        "decision_type": text(kind[~leaf]),
        "left_child": text(number_of[left[~leaf]]),
        "right_child": text(number_of[right[~leaf]]),
        "leaf_value": " ".join(repr(float(item) + offset) for item in value[leaf]),
        "is_linear": 0,
        "shrinkage": 1,
    }
    return f"Tree={number}\n" + "\n".join(f"{key}={item}" for key, item in fields.items()) + "\n\n"


def text(values: Any) -> str:
    """Space-separated integers."""
    return " ".join(str(int(value)) for value in values)
