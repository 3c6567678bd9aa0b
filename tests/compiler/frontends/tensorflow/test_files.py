"""Which file is the model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.compiler.frontends.tensorflow.graphs import DATA, convert, graph, node, placeholder, read_folder
from tinsmith.errors import ClientError


def problem(folder: Path) -> str:
    with pytest.raises(ClientError) as caught:
        read_folder(folder)
    assert caught.value.area == "InputConfiguration"
    (text,) = caught.value.problems
    return text


def test_no_file(tmp_path: Path) -> None:
    assert problem(tmp_path).startswith("Exactly one .pb or .pbtxt file is allowed for TensorFlow models")
    (tmp_path / "weights.h5").write_bytes(b"x")
    assert problem(tmp_path).endswith("found none among: weights.h5.")


def test_two_graphs(tmp_path: Path) -> None:
    for name in ("a.pb", "b.pbtxt"):
        (tmp_path / name).write_bytes(b"x")
    assert problem(tmp_path).endswith("found 2: a.pb, b.pbtxt.")


def test_a_saved_model_may_lie_deeper(tmp_path: Path) -> None:
    shutil.copytree(DATA / "second", tmp_path / "export" / "Servo" / "1700000000")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "other.pb").write_bytes(b"x")
    model, _ = read_folder(tmp_path, {"image": [1, 6, 5, 2]})
    assert [value.name for value in model.graph.output] == ["logits", "scores"]


def test_a_saved_model_without_variables(tmp_path: Path) -> None:
    shutil.copy(DATA / "second" / "saved_model.pb", tmp_path)
    with pytest.raises(
        ClientError, match=r"reads the variable '.*', but there is no variables/variables.index"
    ):
        read_folder(tmp_path, {"image": [1, 6, 5, 2]})


def test_a_graph_that_is_not_frozen(tmp_path: Path) -> None:
    made = graph(
        placeholder("x", 2, 2),
        node("VariableV2", "w", dtype=1, shape=(2, 2)),
        node("MatMul", "y", ["x", "w"]),
    )
    with pytest.raises(ClientError, match="the graph is not frozen: turn its variables into constants"):
        convert(tmp_path, made)


def test_a_saved_model_by_another_name(tmp_path: Path) -> None:
    shutil.copy(DATA / "second" / "saved_model.pb", tmp_path / "model.pb")
    assert "it is a SavedModel: name it saved_model.pb" in problem(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4 no graph", b"\x89HDF\r\n\x1a\n", b"version https://git-lfs"]
)
@pytest.mark.parametrize("name", ["model.pb", "model.pbtxt", "saved_model.pb"])
def test_no_tensorflow_model(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    found = problem(tmp_path)
    assert found.startswith(f"{name}: No valid TensorFlow model found in input files. Please make sure the ")
