"""The list of arrays, in all its versions."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.compiler.frontends.mxnet.conftest import V1, V2, V3, params_file
from tinsmith.compiler.frontends.mxnet.params import DTYPES, read
from tinsmith.errors import ClientError


def parsed(folder: Path, content: bytes) -> dict[str, NDArray[Any]]:
    path = folder / "n.params"
    path.write_bytes(content)
    return read(path, "n.params")


def problem(folder: Path, content: bytes) -> str:
    with pytest.raises(ClientError) as caught:
        parsed(folder, content)
    assert caught.value.area == "InputConfiguration"
    (text,) = caught.value.problems
    return text


@pytest.mark.parametrize("version", [0, V1, V2, V3])
@pytest.mark.parametrize("prefix", ["arg:", "aux:", ""])
def test_versions_and_prefixes(tmp_path: Path, version: int, prefix: str) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "w": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.ones(4, np.float16),
    }
    found = parsed(tmp_path, params_file(arrays, version, prefix))
    assert list(found) == ["w", "b"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=lambda dtype: np.dtype(dtype).name)
def test_element_types(tmp_path: Path, dtype: type) -> None:
    array: NDArray[Any] = np.array([[0, 1, 1]]).astype(dtype)
    found = parsed(tmp_path, params_file({"w": array}))["w"]
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found.astype(np.float32), array.astype(np.float32))


def test_a_scalar_and_an_array_without_shape(tmp_path: Path) -> None:
    content = params_file({"s": np.array(3, np.float32)}, V3)
    assert parsed(tmp_path, content)["s"] == 3
    nothing = struct.pack("<QQQIiiQQ", 0x112, 0, 1, V2, 0, 0, 1, 1) + b"n"
    assert parsed(tmp_path, nothing) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"PK\x03\x04" + b"\0" * 40, "it begins with 0x4034b50, expected 0x112"),
        (struct.pack("<QQQ", 0x112, 0, 2**60), "arrays do not fit into 24 bytes"),
        (params_file({"w": np.ones(3, np.float32)}, storage=1), "array 0 is sparse (row_sparse)"),
        (params_file({"w": np.ones(3, np.float32)}, storage=7), "has the storage type 7"),
        (params_file({"w": np.ones(3, np.float32)})[:-1], "name 0 has 5 bytes from byte"),
        (struct.pack("<QQQII", 0x112, 0, 1, 77, 0), "array 0 has 77 dimensions, expected at most 32"),
        (
            struct.pack("<QQQIiiqiii", 0x112, 0, 1, V2, 0, 1, 2**62, 1, 0, 0),
            "array 0 of shape [4611686018427387904]",
        ),
        (struct.pack("<QQQIiiqiii", 0x112, 0, 1, V2, 0, 1, -1, 1, 0, 0), "expected no size below zero"),
        (struct.pack("<QQQIiiqiii", 0x112, 0, 1, V2, 0, 1, 1, 1, 0, 99), "the element type 99"),
        (struct.pack("<QQQQ", 0x112, 0, 0, 1), "1 names for 0 arrays"),
    ],
)
def test_what_is_no_list_of_arrays(tmp_path: Path, content: bytes, words: str) -> None:
    text = problem(tmp_path, content)
    assert text.startswith("n.params: ")
    assert words in text


def test_names_that_are_there_twice_or_no_text(tmp_path: Path) -> None:
    content = params_file({"a": np.ones(1, np.float32), "b": np.ones(1, np.float32)})
    assert "'a' is there twice" in problem(tmp_path, content[:-1] + b"a")
    assert "name 1 is no UTF-8 text" in problem(tmp_path, content[:-1] + b"\xff")


def test_bfloat16_is_that_of_ml_dtypes() -> None:
    assert DTYPES[12] is ml_dtypes.bfloat16
