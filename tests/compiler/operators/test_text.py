from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.onnx_suite.graphs import Side

FLOAT = onnx.TensorProto.FLOAT
POOL: dict[str, Any] = {
    "ngram_counts": [0, 4, 10],
    "ngram_indexes": [0, 1, 2, 3, 8, 5, 6, 7, 4],
    "pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8, 6, 7, 1, 2, 1, 3, 2, 2],
}


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
def test_n_grams_are_counted_as_by_onnxruntime(tmp_path: Path, mode: str) -> None:
    random, side = np.random.default_rng(0), Side(tmp_path)
    for least, most, skip in [(1, 1, 0), (2, 2, 0), (2, 2, 5), (1, 3, 1), (1, 2, 3)]:
        for x in (
            random.integers(1, 9, 12),
            random.integers(1, 9, (2, 7)).astype(np.int32),
            np.array([7], np.int64),
        ):
            side.add(
                "TfIdfVectorizer", {"x": x}, {"y": FLOAT}, mode=mode, min_gram_length=least,
                max_gram_length=most, max_skip_count=skip, weights=[1.0, 2.0, 0.5, 3.0, 1.5, 0.25, 4.0,
                0.125, 9.0], **POOL,
            )  # fmt: skip
    side.check()
