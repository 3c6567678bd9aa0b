"""Lets a framework answer for a model, run by run. Runs in the framework's environment, with numpy alone.

    python answering.py SCRIPT ARGUMENT... INPUTS.npz OUTPUTS.npz

SCRIPT defines `answer(runs, ARGUMENT...)`, which takes a list of arrays for every run and gives, run by run,
as many arrays as the model has outputs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
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
    write(found, module.answer(read(given), *own))
    print(json.dumps({}))


def write(path: str, runs: Iterable[Iterable[Any]]) -> None:
    """The arrays of every run, named RUN/NUMBER, and how many runs there are."""
    arrays = [list(map(np.asarray, run)) for run in runs]
    named = {f"{run}/{at}": array for run, found in enumerate(arrays) for at, array in enumerate(found)}
    np.savez(path, allow_pickle=False, runs=np.int64(len(arrays)), **named)


def read(path: str) -> list[list[Any]]:
    """The arrays of every run."""
    with np.load(path, allow_pickle=False) as stored:
        runs: list[list[Any]] = [[] for _ in range(int(stored["runs"]))]
        places = (tuple(map(int, name.split("/"))) for name in stored.files if name != "runs")
        for run, at in sorted(places):
            runs[run].append(stored[f"{run}/{at}"])
    return runs


if __name__ == "__main__":
    main(*sys.argv[1:])
