from __future__ import annotations

from pathlib import Path

import pytest

from tinsmith.compiler.frontends.pytorch.files import find_model
from tinsmith.errors import ClientError


def found(folder: Path, *names: str) -> str:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    return find_model(folder).relative_to(folder).as_posix()


@pytest.mark.parametrize(
    "name", ["model.pt", "MODEL.PTH", "export/program.pt2", "m.jit", "pytorch_model.bin"]
)
def test_one_file_is_found(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, name, "code/inference.py", "code/helper.pt", "labels.txt", ".hidden.pt") == name


def test_a_suffix_of_pytorch_comes_first(tmp_path: Path) -> None:
    assert found(tmp_path, "model", "weights.bin", "model.pth") == "model.pth"


def test_none_and_several(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"No pth file found for PyTorch model\. .* found none and no file"):
        find_model(tmp_path)
    with pytest.raises(ClientError, match=r"found none among: graph\.pb"):
        found(tmp_path, "graph.pb")
    with pytest.raises(ClientError, match=r"Exactly one .* found 2: a\.pt, b\.pth"):
        found(tmp_path, "a.pt", "b.pth")
