from __future__ import annotations

import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tinsmith.compiler.artifact.samples import Sample, Samples, from_files, to_files
from tinsmith.errors import ClientError
from tinsmith_runtime.manifest import Tensor

INPUTS = (Tensor("x", "float32", (2, 2)), Tensor("h", "bfloat16", (3,)), Tensor("n", "int64", ()))
OUTPUTS = (Tensor("y", "float8_e5m2", (2,)), Tensor("z", "bool", (-1, 2), (5, 2)))


@pytest.fixture
def samples() -> Samples:
    def run(count: int) -> Sample:
        return Sample(
            "normal",
            (
                np.array([[np.nan, -0.0], [np.inf, 1e-45]], np.float32),
                np.array([1.5, np.nan, -np.inf], ml_dtypes.bfloat16),
                np.array(-7),
            ),
            (np.array([0.5, 1.75], ml_dtypes.float8_e5m2), np.ones((count, 2), np.bool_)),
        )

    return Samples((run(0), run(4)), {"reference": "by hand"})


def test_files_and_back(samples: Samples) -> None:
    files = to_files(samples)
    assert all(name.startswith("evidence/") for name in files)
    found = from_files(files, INPUTS, OUTPUTS)
    assert found.claim["reference"] == "by hand"
    for before, after in zip(samples.runs, found.runs, strict=True):
        assert before.kind == after.kind
        for a, b in zip((*before.inputs, *before.outputs), (*after.inputs, *after.outputs), strict=True):
            assert a.tobytes() == b.tobytes()
            assert (a.shape, a.dtype) == (b.shape, b.dtype)


def test_files_need_numpy_alone(samples: Samples, tmp_path: Any) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(to_files(samples)["evidence/0/input-1.npy"])
    assert np.load(path, allow_pickle=False).tolist() == [0x3FC0, 0x7FC0, 0xFF80]


def test_names_every_missing_file(samples: Samples) -> None:
    files = to_files(samples)
    del files["evidence/0/input-2.npy"], files["evidence/1/output-0.npy"]
    with pytest.raises(ClientError, match=r"lacks evidence/0/input-2\.npy, evidence/1/output-0\.npy"):
        from_files(files, INPUTS, OUTPUTS)
    del files["evidence/verification.json"]
    with pytest.raises(ClientError, match=r"lacks evidence/verification\.json"):
        from_files(files, INPUTS, OUTPUTS)


@pytest.mark.parametrize("name", ["evidence/0/input-0.npy", "evidence/verification.json"])
@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"\x80\x04K\x01.", b"{", b"PK\x05\x06" + bytes(18), b"[]"]
)
def test_refuses_damaged_files(samples: Samples, name: str, content: bytes) -> None:
    with pytest.raises(ClientError, match="evidence is damaged"):
        from_files(to_files(samples) | {name: content}, INPUTS, OUTPUTS)


@pytest.mark.parametrize("runs", [None, 3, "ab", {}])
def test_refuses_claims_without_runs(samples: Samples, runs: object) -> None:
    claim = {"evidence/verification.json": json.dumps({"runs": runs}).encode()}
    with pytest.raises(ClientError, match="a list 'runs'"):
        from_files(to_files(samples) | claim, INPUTS, OUTPUTS)


@pytest.mark.parametrize(
    "tensor",
    [Tensor("x", "float64", (2, 2)), Tensor("x", "float32", (2, 3)), Tensor("x", "float32", (4,))],
)
def test_refuses_arrays_of_another_tensor(samples: Samples, tensor: Tensor) -> None:
    with pytest.raises(ClientError, match=r"input-0\.npy: expected .* of 'x', found float32 \(2, 2\)"):
        from_files(to_files(samples), (tensor, *INPUTS[1:]), OUTPUTS)
