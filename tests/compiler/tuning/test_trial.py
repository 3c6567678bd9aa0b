from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.graph import Graph
from tests.onnx_suite.cases import as_network
from tests.onnx_suite.native import host
from tinsmith.compiler.backends.native.networks.choices import Book, instruction_sets
from tinsmith.compiler.backends.native.networks.kernels.schedule import Schedule
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.tuning import trial
from tinsmith.compiler.tuning.trial import Workshop
from tinsmith.errors import InternalError


@pytest.fixture
def network() -> Network:
    """Three layers, two of which are alike."""
    graph = Graph("rows")
    x = graph.input("x", (40, 96))
    for out in (96, 96, 200):
        x = graph.add("Relu", graph.dense(x, (96, out)))
    return as_network(graph.model(x), [np.zeros((40, 96), np.float32)])


def test_layers_are_measured_in_place(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = host()
    sets = instruction_sets(target)
    if len(sets) != 1:
        pytest.skip(f"there are no schedules for {target.cpu}")
    shop = Workshop(network, target, sets[0], Book(), tmp_path)
    default = shop.build("default", {})
    kernels = shop.kernels
    assert [str(layer) for layer in kernels] == ["gemm 96>96, rows 40", "gemm 96>200, rows 40"]
    slow = next(iter(kernels))
    lowest = shop.build("lowest", {slow: Schedule(rows=2, vectors=1 if sets[0] != "sse2" else 2)})
    assert shop.kernels[slow].isdisjoint(kernels[slow])
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []

    found = shop.measure(default, lowest, 0.05)
    assert found.shares.keys() == found.ratios.keys() == kernels.keys()
    assert sum(found.shares.values()) == pytest.approx(1, abs=0.3)
    assert all(ratio > 0 for ratio in (*found.ratios.values(), found.whole))


def test_whatever_favours_the_default_counts() -> None:
    first = np.array([[100.0], [100], [100], [100]])
    assert trial._ratios(first, first)[0] == 1
    mostly_slower = np.array([[90.0], [120], [120], [120]])
    assert trial._ratios(first, mostly_slower)[0] == pytest.approx(1.2)
    disturbed = np.array([[400.0], [90], [400], [400]])
    quiet_first = np.array([[500.0], [100], [500], [500]])
    assert trial._ratios(quiet_first, disturbed)[0] == pytest.approx(322.5 / 400, abs=0.1)


def test_a_library_that_dies_is_our_fault(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = host()
    shop = Workshop(network, target, "avx2", Book(), tmp_path)
    default = shop.build("default", {})
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(default.read_bytes()[:100])
    with pytest.raises(InternalError, match="tuning: exit status 1"):
        shop.measure(default, damaged, 0.01)
