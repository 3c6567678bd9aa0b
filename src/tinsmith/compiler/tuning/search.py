"""The search: every layer tries its candidates at once, one build of the network after the other.

A layer is measured inside the network, where its weights are as cold and its pixels as warm as they will be.
What a layer gains is small and noise is not, so all that is found must show again, in two builds of their
own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from tinsmith.compiler.backends.native.networks.choices import Book
from tinsmith.compiler.backends.native.networks.kernels.schedule import Geometry, Schedule, candidates
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.tuning.trial import Changes, Measured, Workshop
from tinsmith.spec.targets import Target

MARGIN = 0.03
"""Share of a layer's time that a schedule must save, when it is tried and again when it is confirmed; else
the default stays."""
NOISE = 0.01
"""Share of a network's time that its measurement cannot tell; a layer's gain is often less."""
HEAVY = 0.005
"""Least share of the network's time of a layer that is worth a search."""
TRIAL_SECONDS, CONFIRM_SECONDS = 2.0, 4.0
CONFIRMATIONS = 2
CONFIRM_COST = 1.3
"""Time of a confirmation, which is measured longer, in trials."""
RESERVE = CONFIRMATIONS * CONFIRM_COST
"""Trials for whose time the search stops before its end."""


@dataclass(frozen=True)
class Gain:
    """A better schedule of a layer."""

    schedule: Schedule
    gain: float
    """Share of the layer's time that it saves, as confirmed."""
    share: float
    """Of the layer in the time of all layers."""


@dataclass(frozen=True)
class Found:
    """What a search found."""

    instruction_set: str
    layers: dict[Geometry, Gain]
    searched: int
    """Layers that were heavy enough."""
    trials: int
    """Builds that were measured."""
    seconds: float
    complete: bool
    """False: the time was over before everything was tried."""
    whole: float
    """Time of the network with what was found, as a share of that without, but for NOISE; 1 where nothing was
    found."""


@dataclass
class _State:
    """What is known of one layer."""

    current: Schedule
    open: list[Schedule]
    tried: dict[Schedule, float] = field(default_factory=dict)

    def best(self) -> Schedule | None:
        """The fastest of those that gain enough."""
        good = [schedule for schedule, ratio in self.tried.items() if ratio < 1 - MARGIN]
        return min(good, key=lambda schedule: self.tried[schedule], default=None)

    def combined(self) -> Schedule | None:
        """The best choice of every field that gains something by itself; None where that is no new one."""
        schedule = self.current
        for schedule_ in sorted(self.tried, key=lambda one: -self.tried[one]):
            if self.tried[schedule_] < 1 - MARGIN / 2:
                changed = {
                    item.name: getattr(schedule_, item.name)
                    for item in fields(Schedule)
                    if getattr(schedule_, item.name) != getattr(self.current, item.name)
                }
                schedule = replace(schedule, **changed)
        return None if schedule in (self.current, *self.tried) else schedule


def search(
    network: Network,
    target: Target,
    instruction_set: str,
    book: Book,
    folder: Path,
    seconds: float,
    log: Callable[[str], None] = lambda line: None,
    only_code: bool = False,
) -> Found:
    """Better schedules than those of `book` for the layers of `network` on this machine, which has the one
    processor of `target`. Takes about `seconds` at most, and works in `folder`, which must be empty.

    `only_code`: what the weights and work items depend on stays, as other processors share them.
    """
    shop = Workshop(network, target, instruction_set, book, folder)
    return _Search(shop, instruction_set, book, seconds, log, only_code).run()


class _Search:
    def __init__(
        self,
        shop: Workshop,
        instruction_set: str,
        book: Book,
        seconds: float,
        log: Callable[[str], None],
        only_code: bool,
    ) -> None:
        self._shop, self._set, self._book, self._log = shop, instruction_set, book, log
        self._only_code = only_code
        self._start = time.monotonic()
        self._end = self._start + seconds
        self._longest = 0.0
        self._trials = 0
        self._complete = True

    def run(self) -> Found:
        start = time.monotonic()
        self._default = self._shop.build("default", {})
        self._kernels = self._shop.kernels
        first = self._shop.measure(self._default, self._default, TRIAL_SECONDS)
        self._longest = time.monotonic() - start
        self._states = {
            geometry: self._state(geometry)
            for geometry in self._shop.kernels
            if first.shares[geometry] >= HEAVY
        }
        self._try_all()
        self._try({g: schedule for g, state in self._states.items() if (schedule := state.combined())})
        return self._confirm(first)

    def _state(self, geometry: Geometry) -> _State:
        (current,) = self._book.schedules(geometry, (self._set,))
        open_to = candidates(geometry, self._set, current)
        if self._only_code:
            open_to = [schedule for schedule in open_to if schedule.shared == current.shared]
        return _State(current, open_to)

    def _try_all(self) -> None:
        """Round by round, the next candidate of every layer."""
        while any(state.open for state in self._states.values()) and self._complete:
            self._try({geometry: state.open.pop(0) for geometry, state in self._states.items() if state.open})

    def _try(self, changes: Changes) -> None:
        if not changes:
            return
        if time.monotonic() + (1 + RESERVE) * self._longest > self._end:
            self._complete = False
            return
        start = time.monotonic()
        measured = self._measure(changes, TRIAL_SECONDS)
        self._longest = max(self._longest, time.monotonic() - start)
        for geometry, schedule in changes.items():
            if self._shop.kernels[geometry] != self._kernels[geometry]:  # else the cost model says the same
                self._states[geometry].tried[schedule] = measured.ratios[geometry]

    def _measure(self, changes: Changes, seconds: float) -> Measured:
        self._trials += 1
        library = self._shop.build(f"trial-{self._trials}", changes)
        measured = self._shop.measure(self._default, library, seconds)
        library.unlink()
        self._log(f"tuning: trial {self._trials}: {len(changes)} layers, network x {measured.whole:.3f}")
        return measured

    def _confirm(self, first: Measured) -> Found:
        """What shows its gain again in two builds, in one of which at least the network is no slower."""
        best = {g: schedule for g, state in self._states.items() if (schedule := state.best())}
        wholes: list[float] = []
        layers: dict[Geometry, Gain] = {}
        while best and len(wholes) < CONFIRMATIONS:
            if not wholes and time.monotonic() + RESERVE * self._longest > self._end:
                break
            measured = self._measure(best, CONFIRM_SECONDS)
            layers = {
                geometry: Gain(schedule, 1 - measured.ratios[geometry], first.shares[geometry])
                for geometry, schedule in best.items()
                if measured.ratios[geometry] < 1 - MARGIN
            }
            wholes.append(measured.whole)
            best = {geometry: gain.schedule for geometry, gain in layers.items()}
        whole = min(wholes, default=1.0)
        if len(wholes) < CONFIRMATIONS or whole > 1 + NOISE or not layers:
            whole, layers = 1.0, {}
        seconds = time.monotonic() - self._start
        return Found(self._set, layers, len(self._states), self._trials, seconds, self._complete, whole)
