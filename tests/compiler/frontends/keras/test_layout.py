"""DataInputConfig: channels first as the service asks, channels last where nothing else can be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compiler.frontends.keras.conftest import read_folder
from tests.compiler.frontends.keras.files import IMAGE_WEIGHTS, image_layers, save, sequential
from tinsmith.errors import ClientError


@pytest.fixture
def image(tmp_path: Path) -> Path:
    save(tmp_path / "model.h5", sequential(image_layers()), IMAGE_WEIGHTS)
    return tmp_path


@pytest.mark.parametrize("shape", [[2, 3, 8, 8], [2, 8, 8, 3]])
@pytest.mark.parametrize("name", ["conv_input", "conv_input:0", None])
def test_either_layout(image: Path, shape: list[int], name: str | None) -> None:
    network = read_folder(image, {name: shape} if name else [shape])
    assert [(spec.name, spec.shape) for spec in network.inputs] == [("conv_input", (2, 8, 8, 3))]
    assert [(spec.name, spec.shape) for spec in network.outputs] == [("conv", (2, 8, 8, 2))]


def test_channels_first_is_meant_where_both_fit(tmp_path: Path) -> None:
    save(tmp_path / "model.h5", sequential(image_layers(shape=(None, None, None, 3))), IMAGE_WEIGHTS)
    assert read_folder(tmp_path, [[1, 3, 5, 3]]).inputs[0].shape == (1, 5, 3, 3)


def test_a_model_with_channels_first_keeps_them(tmp_path: Path) -> None:
    layers = image_layers("channels_first", (None, 3, 8, 6))
    save(tmp_path / "model.h5", sequential(layers), IMAGE_WEIGHTS)
    assert read_folder(tmp_path, [[1, 3, 8, 6]]).inputs[0].shape == (1, 3, 8, 6)


def test_no_config(image: Path) -> None:
    network = read_folder(image)
    assert network.inputs[0].shape == (1, 8, 8, 3)
    assert "does not tell the batch size" in network.warnings[0]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"conv_input": [1, 4, 8, 8]},
            "Input conv_input has wrong shape in Input Shape dictionary. Input shapes should be provided in "
            "NCHW format. Found [1, 4, 8, 8], expected [?, 3, 8, 8]: the model stores it as [?, 8, 8, 3]; it "
            "takes float32",
        ),
        (
            {"image": [1, 3, 8, 8]},
            "names 'image', which is no input of the model; its inputs are 'conv_input'",
        ),
        ({"conv_input": [3, 8, 8]}, "NCHW format. Found [3, 8, 8], expected [?, 3, 8, 8]"),
        ('{"conv_input": [null, 3, 8, 8]}', "expected a dimension (a whole number), found null"),
        ({"conv_input": [-1, 3, 8, 8]}, "expected one shape without ranges and without -1"),
        ([[1, 3, 8, 8], [1, 3]], "2 shapes without names, expected 1"),
    ],
)
def test_a_config_that_does_not_fit(image: Path, config: Any, said: str) -> None:
    with pytest.raises(ClientError, match="InputConfiguration") as failure:
        read_folder(image, config)
    assert said in str(failure.value)


def test_a_shape_that_is_missing(tmp_path: Path) -> None:
    save(tmp_path / "model.h5", sequential(image_layers(shape=(None, None, 8, 3))), IMAGE_WEIGHTS)
    with pytest.raises(ClientError, match=r"unable to extract DataInputConfig .*'conv_input'"):
        read_folder(tmp_path)


def test_a_type_that_is_unknown(tmp_path: Path) -> None:
    layers = image_layers()
    layers[0]["config"]["dtype"] = "complex64"
    save(tmp_path / "model.h5", sequential(layers), IMAGE_WEIGHTS)
    with pytest.raises(ClientError, match="'conv_input' is of the type 'complex64', expected numbers"):
        read_folder(tmp_path)
