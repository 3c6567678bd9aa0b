from __future__ import annotations

import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tinsmith.compiler.verify.networks.calls import read_answers, write_plan
from tinsmith.errors import InternalError
from tinsmith_runtime.manifest import Tensor

INPUTS = (Tensor("a", "float32", (2,)), Tensor("b", "bool", ()))
OUTPUTS = (Tensor("y", "bfloat16", (3,)), Tensor("z", "int64", (-1, 2), (2, 2)))
WHOLE = (
    struct.pack("<qq", 1, 0)
    + struct.pack("<q", 3)
    + np.array([1, 2, 3], ml_dtypes.bfloat16).tobytes()
    + struct.pack("<qq4q", 1, 2, 7, 8, 0, 0)
)


def test_plan_holds_sizes_and_inputs(tmp_path: Path) -> None:
    runs = [(np.array([1, 2], np.float32), np.array(True)), (np.array([3, 4], np.float32), np.array(False))]
    write_plan(runs, INPUTS, OUTPUTS, tmp_path / "plan")
    data = (tmp_path / "plan").read_bytes()
    assert struct.unpack_from("<9q", data) == (2, 2, 2, 8, 1, 6, 1, 32, 2)
    assert data[72:] == struct.pack("<ff?ff?", 1, 2, True, 3, 4, False)


def test_reads_answers(tmp_path: Path) -> None:
    (tmp_path / "result").write_bytes(WHOLE)
    ((y, z),) = read_answers(tmp_path / "result", 1, OUTPUTS)
    assert y.dtype == ml_dtypes.bfloat16
    assert y.tolist() == [1, 2, 3]
    assert z.tolist() == [[7, 8]]


@pytest.mark.parametrize("length", [0, 7, 15, 23, 29, 45, len(WHOLE) - 17])
def test_refuses_answers_that_are_cut_off(tmp_path: Path, length: int) -> None:
    (tmp_path / "result").write_bytes(WHOLE[:length])
    with pytest.raises(InternalError, match="cut off"):
        read_answers(tmp_path / "result", 1, OUTPUTS)


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        (0, 2, "has ABI 2"),
        (8, 1, "run 0: status 1"),
        (8, -2, "run 0: status -2"),
        (16, 2, r"output 'y' has shape \(2,\), not \(3,\)"),
        (30, 3, r"output 'z' has shape \(3, 2\)"),
        (30, -1, r"output 'z' has shape \(-1, 2\)"),
    ],
)
def test_refuses_failures_and_impossible_shapes(tmp_path: Path, place: int, value: int, text: str) -> None:
    data = WHOLE[:place] + struct.pack("<q", value) + WHOLE[place + 8 :]
    (tmp_path / "result").write_bytes(data)
    with pytest.raises(InternalError, match=text):
        read_answers(tmp_path / "result", 1, OUTPUTS)
