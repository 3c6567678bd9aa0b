"""Runs libraries of one network by turns, in a process of its own, which may die without harm.

python -m tinsmith.compiler.tuning.child INPUTS RESULT SECONDS LIBRARY...
"""

from __future__ import annotations

import ctypes
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_ROUNDS, MAX_ROUNDS = 9, 2000
PATIENCE = 5
"""Times as long as on a machine of our own, where others want the processor too."""

Run = Callable[[], NDArray[np.uint64]]


def main(inputs_file: Path, result: Path, seconds: float, libraries: list[Path]) -> None:
    """Writes the array `cycles` [rounds, libraries, layers + 1] into the .npz file `result`; last come
    nanoseconds of processor time of the whole run.

    INPUTS holds the inputs as bytes, "0", "1" ..., and as "shape" JSON of `outputs`, the bytes of each, and
    `layers`, how many are timed.
    """
    with np.load(inputs_file, allow_pickle=False) as stored:
        shape = json.loads(stored["shape"].tobytes())
        inputs = [stored[str(number)] for number in range(len(stored.files) - 1)]
    runs = [_runner(library, inputs, shape["outputs"], shape["layers"]) for library in libraries]
    for run in runs:
        run()
    rounds: list[list[NDArray[np.uint64]]] = []
    order, draw = list(range(len(runs))), random.Random(1)
    end, late = time.process_time() + seconds, time.perf_counter() + PATIENCE * seconds
    while len(rounds) < MIN_ROUNDS or (
        time.process_time() < end and time.perf_counter() < late and len(rounds) < MAX_ROUNDS
    ):
        draw.shuffle(order)
        found = {number: runs[number]() for number in order}
        rounds.append([found[number] for number in range(len(runs))])
    np.savez(result, allow_pickle=False, cycles=np.array(rounds))


def _runner(path: Path, inputs: list[NDArray[Any]], outputs: list[int], layers: int) -> Run:
    library = ctypes.CDLL(str(path))
    cycles = np.ctypeslib.as_array((ctypes.c_uint64 * (layers + 1)).in_dll(library, "tinsmith_cycles"))
    results = [np.zeros(max(size, 1), np.uint8) for size in outputs]
    given, taken = _pointers(inputs), _pointers(results)

    def run(_owners: object = (inputs, results)) -> NDArray[np.uint64]:
        cycles[:] = 0
        start = time.process_time_ns()
        if status := library.tinsmith_run(given, taken, None, 0):
            raise RuntimeError(f"tinsmith_run: {status}")
        taken_ns = time.process_time_ns() - start
        found = cycles.copy()
        found[layers] = taken_ns
        return found

    return run


def _pointers(arrays: list[NDArray[Any]]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), [Path(name) for name in sys.argv[4:]])
