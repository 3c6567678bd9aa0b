"""Which files are models, and what is said of those that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.compiler.frontends.keras.conftest import read_folder
from tests.compiler.frontends.keras.files import IMAGE_WEIGHTS, archive, dense, image_layers, save, sequential
from tinsmith.errors import ClientError

DENSE = sequential([dense(2, "d", batch_input_shape=[None, 3])])
WEIGHTS = {"d": [np.ones((3, 2), np.float32), np.zeros(2, np.float32)]}


def failure(folder: Path) -> str:
    with pytest.raises(ClientError) as found:
        read_folder(folder)
    assert found.value.area == "InputConfiguration"
    return str(found.value)


@pytest.mark.parametrize("name", ["model.h5", "deep/er/model.hdf5", "model.keras", "weights"])
def test_the_name_does_not_matter(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    save(tmp_path / name, DENSE, WEIGHTS)
    (tmp_path / "notes.txt").write_text("not a model")
    (tmp_path / "code").mkdir()
    save(tmp_path / "code/other.h5", DENSE, WEIGHTS)
    assert read_folder(tmp_path).files == (name,)


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a model")
    assert "No h5 file provided in the input; found notes.txt" in failure(tmp_path)


def test_a_saved_model(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    assert "compile it with the framework TENSORFLOW" in failure(tmp_path)


def test_two_files(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        save(tmp_path / name, DENSE, WEIGHTS)
    assert "Multiple h5 files provided, a.h5, b.h5, when only one is allowed" in failure(tmp_path)


def test_weights_only(tmp_path: Path) -> None:
    save(tmp_path / "model.h5", None, WEIGHTS)
    assert "the file holds weights only" in failure(tmp_path)
    assert "save both by model.save()" in failure(tmp_path)


def test_another_hdf5_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["numbers"] = np.zeros(3)
    assert "no Keras model" in failure(tmp_path)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({}, "the layer 'd' (Dense) has 2 weights (kernel, bias), the file has 0 for it"),
        ({"d": [np.ones((3, 2))]}, "the file has 1 for it"),
        (
            {"d": [np.ones((4, 2)), np.zeros(2)]},
            "MatMul of tensors of the shapes [1, 3], [4, 2] is not possible",
        ),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, weights: Any, said: str) -> None:
    save(tmp_path / "model.h5", DENSE, weights)
    assert said in failure(tmp_path)


def test_weights_in_another_file(tmp_path: Path) -> None:
    save(tmp_path / "model.h5", DENSE, WEIGHTS)
    with h5py.File(tmp_path / "model.h5", "a") as file:
        del file["model_weights/d/d/weight0:0"]
        file["model_weights/d/d/weight0:0"] = h5py.ExternalLink("other.h5", "/secret")
    assert "is a link to another place" in failure(tmp_path)


def test_an_old_alignment_of_many_layers(tmp_path: Path) -> None:
    """Long lists of names are stored in pieces."""
    save(tmp_path / "model.h5", DENSE, WEIGHTS)
    with h5py.File(tmp_path / "model.h5", "a") as file:
        group = file["model_weights/d"]
        first, second = group.attrs["weight_names"]
        del group.attrs["weight_names"]
        group.attrs["weight_names0"], group.attrs["weight_names1"] = [first], [second]
    assert read_folder(tmp_path).outputs[0].shape == (1, 2)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "the model's config is no JSON"),
        ("[]", "the model's config is no dictionary"),
        ({"class_name": "Functional"}, "Functional has no config"),
        ({"class_name": "Dense", "config": {}}, "expected Functional or Sequential"),
        (sequential([]), "a Sequential model has no layers"),
        (sequential([dense(2, "d")]), "the input 'd_input' has no shape; build the model before it is saved"),
        (sequential([*DENSE["config"]["layers"], dense(2, "d")]), "two layers of the name 'd'"),
    ],
)
def test_configs_that_contradict_themselves(tmp_path: Path, config: Any, said: str) -> None:
    save(tmp_path / "model.h5", config, WEIGHTS)
    assert said in failure(tmp_path)


def test_a_field_of_the_wrong_type(tmp_path: Path) -> None:
    layers = image_layers()
    layers[0]["config"]["strides"] = "two"
    save(tmp_path / "model.h5", sequential(layers), IMAGE_WEIGHTS)
    assert "the layer 'conv' (Conv2D): its config, weights and inputs do not fit together" in failure(
        tmp_path
    )


def test_an_archive_without_weights(tmp_path: Path) -> None:
    archive(tmp_path / "model.keras", {"config.json": json.dumps(DENSE).encode(), "metadata.json": b"{}"})
    assert "it has no model.weights.h5" in failure(tmp_path)
