"""The search on layers whose times are made up, so that what is right is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinsmith.compiler.backends.native.networks.choices import Book
from tinsmith.compiler.backends.native.networks.kernels.schedule import (
    DEFAULT,
    Geometry,
    Schedule,
    candidates,
)
from tinsmith.compiler.tuning import search as searching
from tinsmith.compiler.tuning.search import Found, search
from tinsmith.compiler.tuning.trial import Changes, Measured

LAYER = Geometry("conv", (28, 28), 128, 256, (3, 3), winograd=True)
OTHER = Geometry("gemm", (1, 197), 192, 576)
LIGHT = Geometry("gemm", (1, 1), 8, 8)

Time = Callable[[Geometry, Schedule, int], float]
"""Of a layer with a schedule, as a share of its usual time, in a build with this number."""


class Made:
    """A workshop that builds nothing."""

    def __init__(self, time: Time, same: Callable[[Schedule], bool] = lambda _: False) -> None:
        self.time, self.same = time, same
        self.builds: list[Changes] = []
        self.kernels: dict[Geometry, set[str]] = {}

    def build(self, name: str, changes: Changes) -> Path:
        self.builds.append(changes)
        chosen = {layer: changes.get(layer, DEFAULT) for layer in (LAYER, OTHER, LIGHT)}
        self.kernels = {
            layer: {str(layer), "" if self.same(schedule) else str(schedule)}
            for layer, schedule in chosen.items()
        }
        return Path(__file__).parent / "no-such-library"

    def measure(self, first: Path, second: Path, seconds: float) -> Measured:
        changes, number = self.builds[-1], len(self.builds) - 1
        ratios = {
            layer: self.time(layer, changes.get(layer, DEFAULT), number) for layer in (LAYER, OTHER, LIGHT)
        }
        shares = {LAYER: 0.6, OTHER: 0.399, LIGHT: 0.001}
        return Measured(ratios, sum(ratios[layer] * shares[layer] for layer in ratios), shares)


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Found, Made]]:
    """A search with made-up times."""

    def found(time: Time, seconds: float = 1e6, only_code: bool = False, **more: Any) -> tuple[Found, Made]:
        made = Made(time, **more)
        monkeypatch.setattr(searching, "Workshop", lambda *_: made)
        monkeypatch.setattr(Path, "unlink", lambda _: None)
        nothing: Any = None
        return search(nothing, nothing, "avx2", Book(), tmp_path, seconds, only_code=only_code), made

    return found


Find = Callable[..., tuple[Found, Made]]


def test_the_best_choices_are_found_and_combined(find: Find) -> None:
    def time(layer: Geometry, schedule: Schedule, build: int) -> float:
        if layer == OTHER:
            return 1.0
        return (0.8 if schedule.vectors == 4 else 1) * (0.9 if schedule.passes == 1 else 1)

    found, made = find(time)
    assert {layer: gain.schedule for layer, gain in found.layers.items()} == {
        LAYER: Schedule(vectors=4, passes=1)
    }
    assert found.layers[LAYER].gain == pytest.approx(0.28)
    assert found.whole == pytest.approx(1 - 0.28 * 0.6)
    assert (found.complete, found.searched, found.trials) == (True, 2, len(made.builds) - 1)
    assert all(LIGHT not in changes for changes in made.builds)


def test_ties_and_small_gains_go_to_the_default(find: Find) -> None:
    found, _ = find(lambda layer, schedule, build: 1.0 if schedule == DEFAULT else 0.98)
    assert (found.layers, found.whole) == ({}, 1.0)


def test_what_does_not_show_again_is_dropped(find: Find) -> None:
    tries = max(len(candidates(layer, "avx2")) for layer in (LAYER, OTHER))

    def time(layer: Geometry, schedule: Schedule, build: int) -> float:
        if schedule.vectors != 4:
            return 1.0
        return 0.5 if layer == LAYER or build <= tries else 1.0

    found, made = find(time)
    assert set(found.layers) == {LAYER}
    assert made.builds[-1] == {LAYER: Schedule(vectors=4)}
    assert made.builds[-2] == {LAYER: Schedule(vectors=4), OTHER: Schedule(vectors=4)}


def test_what_slows_the_network_is_dropped(find: Find) -> None:
    def time(layer: Geometry, schedule: Schedule, build: int) -> float:
        return 0.9 if layer == OTHER and schedule.vectors == 4 else 1.0 if schedule == DEFAULT else 1.2

    found, _ = find(time)
    assert set(found.layers) == {OTHER}

    def neighbours(layer: Geometry, schedule: Schedule, build: int) -> float:
        return 0.9 if schedule.vectors == 4 else 1.5

    assert find(neighbours)[0].whole == pytest.approx(0.9, abs=0.01)
    assert (
        find(lambda layer, schedule, build: 0.9 if schedule.rows and layer == OTHER else 1.1)[0].layers == {}
    )


def test_the_same_code_cannot_win(find: Find) -> None:
    def time(layer: Geometry, schedule: Schedule, build: int) -> float:
        return 0.5 if schedule.order else 1.0

    assert find(time)[0].layers != {}
    assert find(time, same=lambda schedule: bool(schedule.order) or schedule == DEFAULT)[0].layers == {}


def test_a_search_keeps_to_its_time(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    def time(layer: Geometry, schedule: Schedule, build: int) -> float:
        clock[0] += 2.0  # there are three layers
        return 0.8 if schedule.vectors else 1.0

    found, made = find(time, seconds=45)
    assert (found.complete, set(found.layers)) == (False, {LAYER, OTHER})
    assert found.seconds <= 45
    assert len(made.builds) == 6  # the default, what leaves time for two confirmations, and those
    short, made = find(time, seconds=8)
    assert (short.layers, short.complete, len(made.builds)) == ({}, False, 1)


def test_what_processors_share_stays(find: Find) -> None:
    def time(layer: Geometry, schedule: Schedule, build: int) -> float:
        return 0.5 if schedule.algorithm or schedule.split else 1.0

    assert set(find(time)[0].layers) == {LAYER, OTHER}
    found, made = find(time, only_code=True)
    assert found.layers == {}
    assert all(schedule.shared == DEFAULT for changes in made.builds for schedule in changes.values())
