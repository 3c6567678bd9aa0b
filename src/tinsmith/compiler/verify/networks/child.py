"""Uses an artifact as a customer would, in a process of its own, which may die without harm.

python -m tinsmith.compiler.verify.networks.child TARBALL INPUTS RESULT SECONDS
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinsmith_runtime
from tinsmith_runtime.networks import element_dtype

MIN_TIMES, MAX_TIMES = 3, 1000


def main(tarball: Path, inputs_file: Path, result: Path, seconds: float) -> None:
    """Writes all outputs of all runs in INPUTS, and the median latency of one run, into the .npz file
    `result`.

    Arrays are bytes, named by run and position: "0/input/1".
    """
    model = tinsmith_runtime.load(tarball)
    with np.load(inputs_file, allow_pickle=False) as stored:
        runs = [
            {
                tensor.name: stored[f"{number}/input/{index}"]
                .view(element_dtype(tensor.dtype))
                .reshape(tensor.shape)
                for index, tensor in enumerate(model.inputs)
            }
            for number in range(int(stored["runs"]))
        ]
    answers: dict[str, Any] = {}
    for number, run in enumerate(runs):
        for index, array in enumerate(model.run(run).values()):
            answers[f"{number}/output/{index}"] = _bytes(array)
            answers[f"{number}/shape/{index}"] = np.array(array.shape, np.int64)
    answers["latency"] = np.float64(_latency(model, runs[0], seconds))
    np.savez(result, allow_pickle=False, **answers)


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(array.tobytes(), np.uint8)


def _latency(model: tinsmith_runtime.Model, inputs: dict[str, NDArray[Any]], seconds: float) -> float:
    """The median time of a run, in seconds; measured for about `seconds`."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < MIN_TIMES or (time.perf_counter() < end and len(times) < MAX_TIMES):
        start = time.perf_counter()
        model.run(inputs)
        times.append(time.perf_counter() - start)
    return median(times)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
