"""FrameworkVersion against what the file says of itself."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from tests.compiler.frontends.keras.files import save, sequential
from tests.compiler.frontends.tensorflow.graphs import graph, node, placeholder
from tests.compiler.frontends.tiny import keras_model, xgboost_model
from tinsmith.compiler import frontends
from tinsmith.compiler.framework_version import check_version, version_warnings
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.pipeline import run
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest, Report, WorkDirectory


def request(framework: str, version: str | None, config: str | None = None) -> CompileRequest:
    return CompileRequest(
        framework, "m", device="rasp4b", framework_version=version, data_input_config=config
    )


def test_an_unknown_version_fails_before_anything_is_read(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    work.input.mkdir()
    work.request.write_text(request("XGBOOST", "7.1").to_json())
    assert run(work) == 3
    assert Report.from_json(work.report.read_text()).failure_reason == (
        "ClientError: InputConfiguration: FrameworkVersion of XGBOOST: Value '7.1' at "
        "'inputConfig.frameworkVersion' failed to satisfy constraint: Member must satisfy enum value set: "
        "[0.90, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 2.0, 2.1, 3.0, 3.1, 3.2]"
    )


def test_darknet_has_none() -> None:
    with pytest.raises(ClientError, match=r"FrameworkVersion of DARKNET: .* enum value set: \[\]"):
        check_version(request("DARKNET", "1.0"))
    check_version(request("DARKNET", None))


def test_a_file_that_says_otherwise(tmp_path: Path) -> None:
    xgboost_model(tmp_path)
    model = frontends.load("XGBOOST")(tmp_path, request("XGBOOST", None))
    (warning,) = version_warnings(request("XGBOOST", "1.3"), model)
    assert warning.startswith("FrameworkVersion is 1.3, but the file was saved by xgboost 3.2.")
    assert version_warnings(request("XGBOOST", "3.2"), model) == ()
    assert version_warnings(request("XGBOOST", None), model) == ()


@pytest.mark.parametrize(("version", "shape"), [(None, None), ("1.3", None), ("1.4", ()), ("2.9", ())])
def test_a_graph_that_does_not_tell_its_version(
    version: str | None, shape: tuple[int, ...] | None, tmp_path: Path
) -> None:
    """A placeholder without dimensions is a scalar in newer versions and anything in older ones."""
    made = graph(placeholder("x"), node("Abs", "y", ["x"], T=1))
    made.versions.producer = 0
    (tmp_path / "m.pb").write_bytes(made.SerializeToString())
    read = frontends.load("TENSORFLOW")
    if shape is None:
        with pytest.raises(ClientError, match="of any rank"):
            read(tmp_path, request("TENSORFLOW", version))
    else:
        network = read(tmp_path, request("TENSORFLOW", version))
        assert isinstance(network, Network)
        assert network.inputs[0].shape == shape


@pytest.mark.parametrize(("version", "producer"), [(None, "Keras 1.0"), ("2.2.4", "Keras 2.2")])
def test_a_keras_file_that_does_not_tell_its_version(
    version: str | None, producer: str, tmp_path: Path
) -> None:
    keras_model(tmp_path)
    with h5py.File(tmp_path / "model.h5", "a") as file:
        del file.attrs["keras_version"]
    text = '{"x": [1, 3, 4, 4], "y": [1, 2]}'
    assert frontends.load("KERAS")(tmp_path, request("KERAS", version, text)).producer == producer


def test_the_file_decides(tmp_path: Path) -> None:
    layer = {
        "class_name": "Activation",
        "config": {"name": "a", "activation": "relu", "batch_input_shape": [1, 3]},
    }
    save(tmp_path / "m.h5", sequential([layer]), version="2.11.0")
    model = frontends.load("KERAS")(tmp_path, request("KERAS", "1.2"))
    assert model.producer == "Keras 2.11"
    assert "saved by Keras 2.11" in version_warnings(request("KERAS", "1.2"), model)[0]
