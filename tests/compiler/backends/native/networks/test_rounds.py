from __future__ import annotations

import ctypes
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.onnx_suite.graphs import Side
from tinsmith.compiler.backends.native import networks
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.program import Program, Unit
from tinsmith.spec.targets import platforms

FLOAT = onnx.TensorProto.FLOAT
TIME, WIDTH = 4, 24
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_no_phase_begins_before_the_last_one_has_ended(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINSMITH_NUM_THREADS", str(threads))
    for header in (Path(networks.__file__).parent / "c").glob("*.h"):
        shutil.copy(header, tmp_path)
    shutil.copy(Path(__file__).parent / "c" / "rounds.c", tmp_path)
    (tmp_path / "model.h").write_text("")
    program = Program(tmp_path, (Unit("rounds.c", "rounds.o"),), ("watch",), {})
    build(program, platforms()["LINUX_X86_64"], tmp_path / "rounds.so")
    library = ctypes.CDLL(str(tmp_path / "rounds.so"))
    library.watch.argtypes = [ctypes.c_size_t] * 3 + [ctypes.c_double]
    assert library.watch(3000, 3, 64, 1e9) == threads
    assert library.watch(50, 1, 4, 1e9) == min(threads, 4)
    assert library.watch(50, 2, 64, 2.5 * 131072) == min(threads, 2)
    assert library.watch(50, 2, 64, 1000) == 1
    assert library.watch(0, 2, 64, 1000) == 1


def add(side: Side, op: str, units: int, batch: int, directions: int = 1, **attributes: Any) -> None:
    """A node with all inputs; weights and biases are constant."""
    random = np.random.default_rng(len(side.nodes))

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return (random.normal(size=shape) * 0.2).astype(np.float32)

    rows = GATES[op] * units
    inputs = {
        "x": normal(TIME, batch, WIDTH),
        "w": normal(directions, rows, WIDTH),
        "r": normal(directions, rows, units),
        "b": normal(directions, 2 * rows),
        "l": random.integers(1, TIME + 1, batch).astype(np.int32)
        if attributes.pop("lengths", False)
        else None,
        "h": normal(directions, batch, units),
    }
    if op == "LSTM":
        inputs |= {"c": normal(directions, batch, units), "p": normal(directions, 3 * units)}
    outputs = dict.fromkeys(["oy", "oh", *(["oc"] if op == "LSTM" else [])], FLOAT)
    attributes["direction"] = "bidirectional" if directions == 2 else "forward"
    side.add(op, inputs, outputs, "w r b p", hidden_size=units, **attributes)


def test_recurrent_networks_of_three_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINSMITH_NUM_THREADS", "3")
    side = Side(tmp_path)
    add(side, "LSTM", 256, 1)
    add(side, "LSTM", 100, 8, lengths=True)
    add(side, "LSTM", 128, 2, directions=2, lengths=True, clip=0.5)
    add(side, "GRU", 192, 3, directions=2)
    add(side, "GRU", 256, 1, lengths=True, linear_before_reset=1)
    add(side, "GRU", 70, 33, linear_before_reset=1)
    add(side, "RNN", 320, 2, lengths=True)
    side.check()
    source = (tmp_path / "network.c").read_text()
    rounds = re.findall(r"ts_run_recurrence\(run, recurrence_\d+, 4, (\d), (\d+), \d+\.0\);", source)
    assert [int(phases) for phases, _ in rounds] == [2] * 9
    assert all(int(most) > 1 for _, most in rounds)
