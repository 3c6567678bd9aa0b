"""JSON and UBJSON models, whole and damaged."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinsmith.compiler.ir.model import Forest, Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.errors import ClientError

FOLDER = Path(__file__).parents[3] / "data" / "xgboost"
FILES = [path.read_bytes() for path in sorted(FOLDER.glob("*.json")) + sorted(FOLDER.glob("*.ubj"))]

Read = Callable[..., Model]


def document(name: str = "2.1.4-squarederror.json") -> Any:
    """A parsed model."""
    return json.loads((FOLDER / name).read_text())


def tree(root: Any, number: int = 0) -> Any:
    """A tree of the parsed model."""
    return root["learner"]["gradient_booster"]["model"]["trees"][number]


def test_numbers_that_json_lacks_are_read(read_files: Read) -> None:
    root = document()
    tree(root)["base_weights"][0] = float("nan")
    tree(root)["split_conditions"][0] = float("-inf")
    model = read_files(json.dumps(root).encode())
    assert isinstance(model.body, Forest)
    assert model.body.cut[0] == -np.inf


def test_an_infinite_leaf_is_allowed_and_a_leaf_that_is_no_number_refused(read_files: Read) -> None:
    root = document()
    leaf = tree(root)["left_children"].index(-1)
    tree(root)["split_conditions"][leaf] = 1e300
    assert isinstance(read_files(json.dumps(root).encode()), Model)
    tree(root)["split_conditions"][leaf] = float("nan")
    with pytest.raises(ClientError, match=r"Tree 0, node \d+: the value of the leaf is NaN"):
        read_files(json.dumps(root).encode())


def set_in(path: str, value: Any) -> Callable[[Any], None]:
    """A change of the parsed model: the value at `path`, or, for None, its absence."""

    def change(root: Any) -> None:
        *way, last = path.split(".")
        for key in way:
            root = root[int(key)] if isinstance(root, list) else root[key]
        if value is None:
            del root[last]
        else:
            root[int(last) if isinstance(root, list) else last] = value

    return change


TREES = "learner.gradient_booster.model.trees"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (set_in("learner", None), "no XGBoost model"),
        (
            set_in("learner.gradient_booster", None),
            r"learner\.gradient_booster: expected a value, found nothing",
        ),
        (set_in("learner", []), "learner: expected an object, found an array of 0"),
        (set_in("learner.objective", None), r"learner\.objective"),
        (set_in("learner.objective.name", 3), r"learner\.objective\.name: expected a string, found 3"),
        (set_in("learner.learner_model_param.num_feature", "x"), "num_feature: expected a whole number"),
        (set_in("learner.learner_model_param.num_feature", "-1"), "num_feature: expected a number from 0"),
        (set_in("learner.learner_model_param.num_feature", "2147483647"), "2147483647 features, expected 1"),
        (set_in("learner.learner_model_param.num_class", "2147483647"), "2147483647 outputs, expected 1"),
        (set_in("learner.learner_model_param.base_score", "abc"), "base_score: expected a number"),
        (set_in("learner.learner_model_param.base_score", "[1,2]"), "base_score has 2 values, expected 1"),
        (set_in("learner.learner_model_param.base_score", float("nan")), "base score of output 0 is NaN"),
        (set_in(f"{TREES}.0.left_children", "abc"), r"trees\[0\]\.left_children: expected an array"),
        (set_in(f"{TREES}.0.left_children.0", 2**40), r"trees\[0\]\.left_children: expected numbers of 32"),
        (set_in(f"{TREES}.0.left_children.0", 1.5), r"trees\[0\]\.left_children: expected an array of whole"),
        (set_in(f"{TREES}.1.left_children.0", 99), "tree 1, node 0: children 99"),
        (set_in(f"{TREES}.1.right_children.0", -7), "tree 1, node 0: children 1 and -7"),
        (set_in(f"{TREES}.1.left_children.1", 0), r"Tree 1, node 0: 1 nodes lead to it, expected 0"),
        (set_in(f"{TREES}.1.left_children.1", 2), r"Tree 1, node \d+: 2 nodes lead to it, expected 1"),
        (set_in(f"{TREES}.2.split_indices.0", 4), "Tree 2, node 0: feature 4, expected 0 to 3"),
        (set_in(f"{TREES}.2.split_indices.0", -1), "Tree 2, node 0"),
        (set_in(f"{TREES}.2.split_indices", [0]), r"trees\[2\]\.split_indices: expected \d+ whole numbers"),
        (set_in(f"{TREES}.2.split_type.0", 1), "categories_nodes: expected every node of split_type 1"),
        (set_in(f"{TREES}.2.categories_nodes", [0]), "categories_segments"),
        (set_in("learner.gradient_booster.model.tree_info.3", 5), "Tree 3: it adds to output 5"),
        (set_in("learner.gradient_booster.model.tree_info", [0]), "tree_info: expected 4 whole numbers"),
        (set_in(TREES, [{}] * 4), r"trees\[0\]\.left_children"),
        (set_in(TREES, [3]), r"trees\[0\]: expected an object, found 3"),
    ],
)
def test_what_is_wrong_is_named(read_files: Read, change: Callable[[Any], None], text: str) -> None:
    root = document()
    change(root)
    with pytest.raises(ClientError, match=text) as caught:
        read_files(json.dumps(root).encode())
    assert caught.value.area == "InputConfiguration"


def test_categories_of_a_data_frame_are_pointed_out(read_files: Read) -> None:
    root = document("3.4.1-squarederror.json")
    assert read_files(json.dumps(root).encode()).warnings == ()
    cats = {
        "enc": [{"offsets": [0, 1], "values": [97], "type": 0}],
        "feature_segments": [0, 1],
        "sorted_idx": [0],
    }
    root["learner"]["gradient_booster"]["model"]["cats"] = cats
    (warning,) = read_files(json.dumps(root).encode()).warnings
    assert "data frame with categories" in warning


def test_a_forest_without_trees_is_refused(read_files: Read) -> None:
    root = document()
    model = root["learner"]["gradient_booster"]["model"]
    model["trees"], model["tree_info"] = [], []
    with pytest.raises(ClientError, match="has no trees"):
        read_files(json.dumps(root).encode())


def test_unknown_objectives_and_boosters_are_named(read_files: Read) -> None:
    for path, value in [("objective", "my:loss"), ("gradient_booster", "gbforest")]:
        root = document()
        root["learner"][path]["name"] = value
        with pytest.raises(ClientError, match=f"'{value}' is not known") as caught:
            read_files(json.dumps(root).encode())
        assert caught.value.area == "OperatorNotImplemented"


def test_leaf_vectors_must_fit(read_files: Read) -> None:
    for name in ("2.1.4-vector.json", "3.4.1-vector.json"):
        for key in ("base_weights", "leaf_weights"):
            root = document(name)
            if key in tree(root) and not (key == "base_weights" and "leaf_weights" in tree(root)):
                tree(root)[key].pop()
                with pytest.raises(ClientError, match=key):
                    read_files(json.dumps(root).encode())
    root = document("2.1.4-vector.json")
    root["learner"]["learner_model_param"]["num_target"] = "3"
    with pytest.raises(ClientError, match=r"leaves have \[2\] values, expected 1 or 3"):
        read_files(json.dumps(root).encode())


def test_a_deep_chain_is_refused_quickly(read_files: Read) -> None:
    depth, root = 200_000, document()
    chain = tree(root)
    nodes = 2 * depth + 1
    chain["left_children"] = [i + 1 if i % 2 == 0 else -1 for i in range(nodes - 1)] + [-1]
    chain["right_children"] = [i + 2 if i % 2 == 0 else -1 for i in range(nodes - 1)] + [-1]
    for key in ("split_indices", "split_conditions", "default_left", "split_type"):
        chain[key] = [0] * nodes
    with pytest.raises(ClientError, match="Tree 0, node 399999: 200000 splits lead to it, at most 4096"):
        read_files(json.dumps(root).encode())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_a_client_error_or_a_model(read_files: Read, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    with contextlib.suppress(ClientError):
        model = read_files(bytes(content))
        if model.input.shape[1] < 1000:
            evaluate(model, np.zeros((2, model.input.shape[1]), np.float32))
