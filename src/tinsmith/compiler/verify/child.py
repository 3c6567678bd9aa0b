"""Uses an artifact as a customer would, in a process of its own, which may die without harm.

python -m tinsmith.compiler.verify.child TARBALL ROWS RESULT SECONDS
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinsmith_runtime

LARGE_BATCH = 10_000
"""Rows that every kernel shares among threads."""
MAX_ELEMENTS = 1 << 24


def main(tarball: Path, rows_file: Path, result: Path, seconds: float) -> None:
    """Writes answers, latency of one row and rows per second into the .npz file `result`.

    The answers "prediction" and "margin" are of the rows over and over, as one large batch.
    """
    few = np.load(rows_file, allow_pickle=False)
    times = min(-(-LARGE_BATCH // len(few)), max(1, MAX_ELEMENTS // few.size))
    rows = np.tile(few, (times, 1))
    model = tinsmith_runtime.load(tarball)
    name = model.inputs[0].name
    answers: dict[str, Any] = {
        "prediction": model.run({name: rows})[model.outputs[0].name],
        "margin": next(iter(model.run({name: rows}, margin=True).values())),
        "prediction_of_one": model.run({name: rows[:1]})[model.outputs[0].name],
    }
    one, inputs = {name: rows[-1:]}, {name: rows}
    answers["latency"] = np.float64(_fastest(lambda: model.run(one), seconds / 2))
    answers["rows_per_second"] = np.float64(len(rows) / _fastest(lambda: model.run(inputs), seconds / 2))
    np.savez(result, allow_pickle=False, **answers)


def _fastest(action: Callable[[], object], seconds: float) -> float:
    """The shortest of the times that `action` takes, in seconds; tried for about `seconds`."""
    fastest = float("inf")
    end = time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        action()
        now = time.perf_counter()
        fastest = min(fastest, now - start)
        if now > end:
            return fastest


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
