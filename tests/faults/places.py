"""The engines under fault: what of each can be killed, and how it comes back."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.worker.engines.ray_cluster import RayCluster
from tests.worker.engines.slurm_cluster import SlurmCluster
from tinsmith.settings import EngineOptions
from tinsmith.worker.processes import read_pid_file

Victim = Callable[[], bool]
"""Kills one; whether there was one."""


def of_family(folders: list[Path], chance: random.Random) -> Mapping[str, Victim]:
    """Attempts and whatever they started, whose folders are below one of `folders`."""

    def attempt() -> bool:
        found = [read_pid_file(path) for folder in folders for path in folder.glob("*/pid")]
        return shoot([each.pid for each in found if each is not None and each.alive], chance)

    def compiler() -> bool:
        marks = [os.fsencode(folder) for folder in folders]
        return shoot([pid for pid, command in commands() if any(mark in command for mark in marks)], chance)

    return {"attempt": attempt, "sandbox or compiler": compiler}


class Place(Protocol):
    """An engine that is up."""

    options: EngineOptions
    work_dirs: list[Path]
    """Where folders of attempts lie."""
    victims: dict[str, Victim]

    def tend(self) -> None:
        """What its operator would do."""

    def close(self) -> None:
        """Down with it."""


class Local:
    """This machine alone."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.options = EngineOptions()
        self.work_dirs = [folder / "data" / "work"]
        self.victims: dict[str, Victim] = dict(of_family(self.work_dirs, chance))

    def tend(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to end."""


class Slurm:
    """A Slurm of one node."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.cluster = SlurmCluster(folder / "slurm").__enter__()
        os.environ["SLURM_CONF"] = str(self.cluster.configuration)
        scratch = folder / "nodes"
        scratch.mkdir(mode=0o755)
        self.options = EngineOptions("slurm", work_dir=str(scratch))
        self.work_dirs = [scratch / f"tinsmith-{os.getuid()}"]
        self.victims: dict[str, Victim] = {
            **of_family(self.work_dirs, chance),
            "node (slurmd and its steps)": self._node,
            "slurmstepd": lambda: shoot(self.cluster.steps(), chance),
            "slurmctld": self._controller,
        }

    def tend(self) -> None:
        """Slurm drains a node that had a trouble, such as killed steps, until somebody has looked at it."""
        self.cluster.resume()

    def close(self) -> None:
        self.cluster.__exit__()

    def _node(self) -> bool:
        self.cluster.kill("slurmd")
        for pid in self.cluster.steps():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.cluster.start("slurmd")
        return True

    def _controller(self) -> bool:
        self.cluster.kill("slurmctld")
        time.sleep(1)
        self.cluster.start("slurmctld")
        return True


class Ray:
    """A Ray of a head and one node."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.cluster = RayCluster().__enter__()
        scratch = folder / "nodes"
        scratch.mkdir(mode=0o755)
        self.options = EngineOptions("ray", work_dir=str(scratch), ray_address=self.cluster.address)
        self.work_dirs = [scratch / f"tinsmith-{os.getuid()}"]
        self.victims: dict[str, Victim] = {
            **of_family(self.work_dirs, chance),
            "node (raylet and its workers)": self._node,
            "actor": lambda: shoot([pid for pid, command in commands() if b"ray::Runner" in command], chance),
            "our process in the cluster": lambda: shoot(
                [pid for pid, command in commands() if b"engines.ray_driver" in command], chance
            ),
        }

    def tend(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        self.cluster.__exit__()

    def _node(self) -> bool:
        self.cluster.kill_node()
        self.cluster.add_node()
        return True


PLACES: dict[str, Callable[[Path, random.Random], Place]] = {"local": Local, "slurm": Slurm, "ray": Ray}


def shoot(pids: list[int], chance: random.Random) -> bool:
    """SIGKILL to one of `pids`; whether there was one."""
    if not pids:
        return False
    with suppress(ProcessLookupError):
        os.kill(chance.choice(pids), signal.SIGKILL)
    return True


def commands() -> list[tuple[int, bytes]]:
    """Every process with its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (command := (entry / "cmdline").read_bytes()):
                found.append((int(entry.name), command))
    return found
