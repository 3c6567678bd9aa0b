from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.artifact.evidence import Evidence, from_files, to_files
from tinsmith.errors import ClientError


@pytest.fixture
def evidence() -> Evidence:
    rows = np.array([[np.nan, -0.0], [np.inf, 1e-45]], np.float32)
    return Evidence(rows, np.array([[1.5], [2]]), np.array([[1.5], [2]], np.float32), {"tolerance_ulps": 2})


def test_files_and_back(evidence: Evidence) -> None:
    found = from_files(to_files(evidence))
    for name in ("rows", "margin", "prediction"):
        before, after = getattr(evidence, name), getattr(found, name)
        assert before.tobytes() == after.tobytes()
        assert (before.shape, before.dtype) == (after.shape, after.dtype)
    assert found.claim == evidence.claim


def test_lies_in_a_sub_folder(evidence: Evidence) -> None:
    assert all(name.startswith("evidence/") for name in to_files(evidence))


def test_names_every_missing_file(evidence: Evidence) -> None:
    files = to_files(evidence)
    del files["evidence/margin.npy"], files["evidence/verification.json"]
    with pytest.raises(ClientError, match=r"lacks evidence/margin\.npy, evidence/verification\.json"):
        from_files(files)


@pytest.mark.parametrize("name", ["evidence/rows.npy", "evidence/verification.json"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x80\x04K\x01.", b"{", b"PK\x05\x06" + bytes(18)])
def test_refuses_damaged_files(evidence: Evidence, name: str, content: bytes) -> None:
    with pytest.raises(ClientError, match="evidence is damaged"):
        from_files(to_files(evidence) | {name: content})


@pytest.mark.parametrize(
    "change",
    [
        {"rows": np.zeros((3, 2), np.float32)},
        {"rows": np.zeros(2, np.float32)},
        {"rows": np.zeros((2, 2))},
        {"prediction": np.zeros((2, 1))},
        {"margin": np.zeros((2, 1), np.int32)},
        {"margin": np.zeros((2, 0))},
        {"claim": ["tolerance_ulps"]},
    ],
)
def test_refuses_arrays_that_do_not_belong_together(evidence: Evidence, change: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="evidence is damaged"):
        from_files(to_files(replace(evidence, **change)))
