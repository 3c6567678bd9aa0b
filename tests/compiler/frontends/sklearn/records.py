"""Saved estimators as records, with fields of other versions, and what the frontend makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.compiler.frontends.sklearn.answers import Array, answers
from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.compiler.frontends.sklearn.network import read_network
from tinsmith.spec.request import CompileRequest


def resaved(content: bytes, version: str, fields: Mapping[str, Any], without: Sequence[str] = ()) -> Record:
    """A pickled estimator as `version` would have saved it."""
    record = load(content)
    assert isinstance(record, Record)
    record.fields |= {"_sklearn_version": version, **fields}
    for name in without:
        del record.fields[name]
    return record


def answer(record: Record, rows: Array) -> Array:
    """The one output of the network of a record."""
    config = json.dumps({"data": list(rows.shape)})
    request = CompileRequest("SKLEARN", "model", device="ml_c4", data_input_config=config)
    found = read_network(Estimator.of(record, "model"), Path("x/model.pkl"), Path("x"), request)
    (output,) = answers(found, rows.astype(np.float32))
    return output
