"""Lets a framework answer for a model, run by run. Runs in the framework's environment, with numpy alone.

    python answering.py SCRIPT ARGUMENT... INPUTS.npz OUTPUTS.npz

SCRIPT defines `answer(runs, ARGUMENT...)`, which takes a list of arrays for every run and gives, run by run,
as many arrays as the model has outputs. In the files an array is named RUN/NUMBER.
"""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import numpy as np


def main(script: str, *arguments: str) -> None:
    """Reads, asks, writes."""
    *own, given, found = arguments
    spec = spec_from_file_location("script", script)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    answers = {
        f"{number}/{at}": np.asarray(array)
        for number, arrays in enumerate(module.answer(read(given), *own))
        for at, array in enumerate(arrays)
    }
    np.savez(found, allow_pickle=False, **answers)
    print(json.dumps({"answers": len(answers)}))


def read(path: str) -> list[list[Any]]:
    """The arrays of every run."""
    with np.load(path, allow_pickle=False) as stored:
        places = sorted(tuple(map(int, name.split("/"))) for name in stored.files)
        runs: list[list[Any]] = [[] for _ in range(1 + max(run for run, _ in places))]
        for run, at in places:
            runs[run].append(stored[f"{run}/{at}"])
    return runs


if __name__ == "__main__":
    main(*sys.argv[1:])
