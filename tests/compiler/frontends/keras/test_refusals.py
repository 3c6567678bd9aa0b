"""What is not compiled is named, all of it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.keras.conftest import read_folder
from tests.compiler.frontends.keras.files import dense, functional, save, sequential
from tinsmith.errors import ClientError

GIVEN = {
    "class_name": "InputLayer",
    "config": {"name": "x", "batch_input_shape": [None, 4], "dtype": "float32"},
}


def layer(kind: str, name: str = "odd", **fields: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name}, **fields}


def refusal(folder: Path, *layers: dict[str, Any]) -> str:
    save(folder / "model.h5", sequential([GIVEN, *layers]))
    with pytest.raises(ClientError) as failure:
        read_folder(folder)
    assert failure.value.area == "OperatorNotImplemented"
    return str(failure.value)


def test_all_layers_are_named_at_once(tmp_path: Path) -> None:
    text = refusal(
        tmp_path, layer("Odd", "one"), dense(3, "fine"), layer("Odd", "two"), layer("Lambda", "three")
    )
    assert "Operator Odd is not supported for frontend Keras" in text
    assert "'one', 'two'" in text
    assert "'three'" in text
    assert "Python code inside the model file, which is never run" in text
    assert "'fine'" not in text


def test_a_custom_class_of_keras_3(tmp_path: Path) -> None:
    text = refusal(tmp_path, layer("Dense", module="my.package", registered_name="mine>Dense"))
    assert "custom class (my.package), whose code is not in the file" in text


def test_text(tmp_path: Path) -> None:
    assert "it works on text" in refusal(tmp_path, layer("TextVectorization"))


def test_a_custom_activation(tmp_path: Path) -> None:
    text = refusal(tmp_path, dense(3, "custom", activation="my_activation"))
    assert "Dense with the activation 'my_activation'" in text


def test_a_quantised_layer(tmp_path: Path) -> None:
    policy = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}
    assert "Dense quantised as int8" in refusal(tmp_path, dense(3, "small", dtype=policy))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("compat.v1.boolean_mask", "the shape of its result depends on the data"),
        ("py_function", "no function that"),
    ],
)
def test_functions(tmp_path: Path, function: str, said: str) -> None:
    given = {**GIVEN, "name": "x", "inbound_nodes": []}
    call = {
        "class_name": "TFOpLambda",
        "config": {"name": "f", "function": function},
        "name": "f",
        "inbound_nodes": [["x", 0, 0, {}]],
    }
    save(tmp_path / "model.h5", functional([given, call], ["x"], ["f"]))
    with pytest.raises(ClientError, match=f"Operator tf.{function} is not supported.*{said}.*'f'"):
        read_folder(tmp_path)


def test_a_layer_inside_another(tmp_path: Path) -> None:
    wrapped = {"class_name": "TimeDistributed", "config": {"name": "t", "layer": layer("Odd")}}
    assert "'t/layer'" in refusal(tmp_path, wrapped)


def test_stateful_layers_are_told(tmp_path: Path) -> None:
    config = {
        "name": "rnn",
        "units": 2,
        "activation": "tanh",
        "stateful": True,
        "batch_input_shape": [1, 3, 4],
    }
    weights = {"rnn": [np.ones((4, 2), np.float32), np.ones((2, 2), np.float32), np.ones(2, np.float32)]}
    save(tmp_path / "model.h5", sequential([{"class_name": "SimpleRNN", "config": config}]), weights)
    assert "stateful layers start every run from zero: rnn" in read_folder(tmp_path).warnings[0]
