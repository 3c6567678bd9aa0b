"""The evidence inside the artifact of a tree model: rows, and what the model must answer on them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.errors import ClientError

FOLDER = "evidence"
"""A sub-folder, as DLR looks at every file name on the top level."""
CLAIM = f"{FOLDER}/verification.json"
_ARRAYS = ("rows", "margin", "prediction")


@dataclass(frozen=True)
class Evidence:
    """Rows and the reference's answers, for whoever wants to check the artifact later, on any machine."""

    rows: NDArray[np.float32]
    """(rows, features)"""
    margin: NDArray[Any]
    """(rows, margin columns), the accumulator's dtype."""
    prediction: NDArray[Any]
    """(rows, output columns), the accumulator's dtype."""
    claim: Mapping[str, Any]
    """What was compared and how closely; nothing about the machine that did it."""


def to_files(evidence: Evidence) -> dict[str, bytes]:
    """The files of `evidence` by their names in the artifact."""
    files = {f"{FOLDER}/{name}.npy": npy(getattr(evidence, name)) for name in _ARRAYS}
    return files | {CLAIM: json.dumps(evidence.claim, indent=1, sort_keys=True).encode() + b"\n"}


def from_files(files: Mapping[str, bytes]) -> Evidence:
    """The inverse of `to_files`. Raises ClientError InputConfiguration when a file is missing or damaged."""
    names = [f"{FOLDER}/{name}.npy" for name in _ARRAYS]
    missing = [name for name in (*names, CLAIM) if name not in files]
    if missing:
        raise ClientError("InputConfiguration", f"the artifact lacks {', '.join(missing)}")
    try:
        rows, margin, prediction = (
            np.lib.format.read_array(io.BytesIO(files[name]), allow_pickle=False) for name in names
        )
        claim = json.loads(files[CLAIM])
    except (ValueError, OSError, EOFError) as error:
        raise ClientError("InputConfiguration", f"the artifact's evidence is damaged: {error}") from None
    if not _consistent(rows, margin, prediction) or not isinstance(claim, dict):
        raise ClientError(
            "InputConfiguration",
            "the artifact's evidence is damaged: expected float32 rows and predictions and as many margins, "
            f"found {', '.join(f'{array.dtype} {array.shape}' for array in (rows, margin, prediction))}",
        )
    return Evidence(rows, margin, prediction, claim)


def _consistent(rows: NDArray[Any], margin: NDArray[Any], prediction: NDArray[Any]) -> bool:
    arrays = (rows, margin, prediction)
    return (
        all(array.ndim == 2 and array.size > 0 and len(array) == len(rows) for array in arrays)
        and rows.dtype == prediction.dtype == np.float32
        and margin.dtype in (np.float32, np.float64)
    )


def npy(array: NDArray[Any]) -> bytes:
    """The file that holds `array`, the same whatever numpy writes it."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
