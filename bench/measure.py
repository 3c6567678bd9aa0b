"""Measures the engines on one model, interleaved, and prints JSON.

    python -m bench.measure FOLDER THREADS SKIPPED_ENGINES

Every round times every engine once on the same rows; a timing is the mean of enough calls to fill two
milliseconds. The figure of an engine is the median of its rounds, in microseconds per call.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.engines import ENGINES, Predict

BATCHES = (1, 10, 100, 1000, 10_000)
ROUNDS = 11
LEAST_ROUNDS = 3
BUDGET = 4.0  # seconds per batch size and engine, after which its rounds end


def main(folder: Path, threads: int, skipped: set[str]) -> dict[str, Any]:
    """{"times": {batch: {engine: us}}, "difference": {engine: max abs}, "failures": {engine: reason}}"""
    rows = np.load(folder / "rows.npy")
    engines, failures = load(folder, threads, skipped)
    expected = columns(engines["reference"](rows[:1000]))
    difference = {
        name: float(np.abs(columns(run(rows[:1000])) - expected).max()) for name, run in engines.items()
    }
    times = {batch: interleave(engines, np.ascontiguousarray(rows[:batch])) for batch in BATCHES}
    return {"times": times, "difference": difference, "failures": failures}


def load(folder: Path, threads: int, skipped: set[str]) -> tuple[dict[str, Predict], dict[str, str]]:
    """Every engine that takes the model, and why the others do not."""
    engines: dict[str, Predict] = {}
    failures: dict[str, str] = {}
    probe = np.load(folder / "rows.npy")[:2]
    for name, prepare in ENGINES.items():
        if name in skipped:
            failures[name] = "left out to bound the run time: it compiles every node to code"
            continue
        try:
            predict = prepare(folder, threads)
            predict(probe)
            engines[name] = predict
        except Exception as error:
            if name == "reference":
                raise
            failures[name] = f"{type(error).__name__}: {error}".splitlines()[0][:160]
    return engines, failures


def columns(values: Any) -> np.ndarray:
    """Predictions as a matrix; the probability of the second class alone where there are two."""
    matrix = np.asarray(values, dtype=np.float64)
    matrix = matrix.reshape(matrix.shape[0], -1)
    return matrix[:, -1:] if matrix.shape[1] == 2 else matrix


def interleave(engines: dict[str, Predict], rows: np.ndarray) -> dict[str, float]:
    """Median microseconds per call of each engine."""
    repeats = {name: calls_for(run, rows) for name, run in engines.items()}
    samples: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(ROUNDS):
        for name, run in engines.items():
            if turn < LEAST_ROUNDS or sum(samples[name]) * repeats[name] < BUDGET * 1e6:
                samples[name].append(timed(run, rows, repeats[name]))
    return {name: round(median(values), 3) for name, values in samples.items()}


def calls_for(run: Predict, rows: np.ndarray) -> int:
    """Calls that fill two milliseconds."""
    run(rows)
    return max(1, int(2000 / timed(run, rows, 1)))


def timed(run: Predict, rows: np.ndarray, calls: int) -> float:
    """Mean microseconds per call."""
    start = time.perf_counter()
    for _ in range(calls):
        run(rows)
    return (time.perf_counter() - start) / calls * 1e6


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), set(sys.argv[3].split(",")))))
