"""Which layers stand between a model and the machine: what is tried, from nothing to the default."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tinsmith.settings import SandboxOptions
from tinsmith.worker.guard import GuardPolicy
from tinsmith.worker.sandbox import Sandbox

HERE = Path(__file__).parent
MIB = 1 << 20
LIMITS = SandboxOptions(
    max_memory=384 * MIB,
    max_address_space=1024 * MIB,
    max_cpus=0.25,
    max_file=64 * MIB,
    max_folder=48 * MIB,
    max_entries=300,
    max_processes=48,
    max_open_files=256,
)
"""Small, so that going over them costs the machine little."""
FIRST_USER = 1_900_000_000
"""From here on ordinary users, for services that are not root; nobody's on any machine."""


@dataclass(frozen=True)
class Weakened(Sandbox):
    """A sandbox that leaves layers out which no setting does."""

    without: tuple[str, ...] = ()
    """Of guard's layers; "guard" is all of it."""

    def _policy(self, folder: Path, cpu_seconds: int | None) -> GuardPolicy:
        return replace(super()._policy(folder, cpu_seconds), without=self.without)

    def start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], **streams: Any
    ) -> subprocess.Popen[bytes]:
        if "guard" not in self.without:
            return super().start(command, folder, environment, **streams)
        streams = {"stderr": subprocess.PIPE} | streams
        streams.pop("cpu_seconds", None)
        (folder / "tmp").mkdir(exist_ok=True)
        self.adopt(folder / "tmp")
        user = str(self.user(os.getpid())[0])
        drop = (sys.executable, str(HERE / "as_user.py"), user) if self.drop_user else ()
        return subprocess.Popen(  # type: ignore[return-value]  # bytes, since `text` is not among the streams
            [*self._join_group(), *drop, *command],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **streams,
        )


@dataclass(frozen=True)
class Arrangement:
    """A column of the table."""

    name: str
    meaning: str
    root: bool = True
    """Whether the service is root."""
    bubblewrap: bool = False
    namespaces: bool = False
    user: bool = False
    """Whether jobs run as users of their own."""
    cgroup: bool = False
    guard: bool = True
    without: tuple[str, ...] = ()
    must_hold: bool = False
    """What `prepare` chooses: nothing may escape."""

    def sandbox(self, bwrap: str | None, closed: bool, cgroup: bool) -> Weakened:
        """`closed`: the interpreter's folder is closed to other users than root."""
        options = replace(LIMITS, bubblewrap=self.bubblewrap, namespaces=self.namespaces, cgroup=self.cgroup)
        return Weakened(
            options,
            bwrap if self.bubblewrap else None,
            drop_user=self.root and self.user,
            keep_search=self.root and self.user and closed and not self.bubblewrap and self.guard,
            cgroup=self.cgroup and cgroup,
            without=self.without if self.guard else ("guard",),
        )


ARRANGEMENTS = (
    Arrangement("none", "no sandbox: the control", guard=False),
    Arrangement("u", "jobs run as a user of their own, nothing else", guard=False, user=True),
    Arrangement("c", "cgroup alone", guard=False, cgroup=True),
    Arrangement("g", "guard, as root", namespaces=False),
    Arrangement("gu", "guard", user=True),
    Arrangement("gu-l", "guard without Landlock", user=True, without=("landlock",)),
    Arrangement("gu-s", "guard without seccomp", user=True, without=("seccomp",)),
    Arrangement("gu-r", "guard without rlimits", user=True, without=("rlimits",)),
    Arrangement("gn", "guard with namespaces, as root", namespaces=True),
    Arrangement("gnu", "guard with namespaces", namespaces=True, user=True),
    Arrangement(
        "gnuc",
        "guard with namespaces and cgroup: **the default without bubblewrap**",
        namespaces=True,
        user=True,
        cgroup=True,
        must_hold=True,
    ),
    Arrangement("bg", "bubblewrap, guard, as root", bubblewrap=True),
    Arrangement("bgu", "bubblewrap, guard", bubblewrap=True, user=True),
    Arrangement(
        "bguc", "bubblewrap, guard, cgroup: **the default**", True, True, False, True, True, must_hold=True
    ),
    Arrangement(
        "bguc-l", "the default without Landlock", True, True, False, True, True, without=("landlock",)
    ),
    Arrangement("bguc-s", "the default without seccomp", True, True, False, True, True, without=("seccomp",)),
    Arrangement("bguc-r", "the default without rlimits", True, True, False, True, True, without=("rlimits",)),
    Arrangement(
        "bguc-ls",
        "the default without Landlock and seccomp: bubblewrap and limits",
        True,
        True,
        False,
        True,
        True,
        without=("landlock", "seccomp"),
    ),
    Arrangement("U none", "no sandbox", root=False, guard=False),
    Arrangement("U g", "guard", root=False),
    Arrangement(
        "U gn",
        "guard with namespaces: **the default without bubblewrap**",
        root=False,
        namespaces=True,
        must_hold=True,
    ),
    Arrangement("U bg", "bubblewrap, guard: **the default**", root=False, bubblewrap=True, must_hold=True),
)


def to_fields(sandbox: Weakened) -> dict[str, Any]:
    """For JSON."""
    return asdict(sandbox)


def from_fields(fields: dict[str, Any]) -> Weakened:
    """The inverse of `to_fields`."""
    without = tuple(fields.pop("without"))
    plain = Sandbox.from_fields(fields)
    return Weakened(**{name: getattr(plain, name) for name in fields}, without=without)


def interpreter_is_closed() -> bool:
    """Whether other users than root cannot get at this Python."""
    folder = Path(os.path.realpath(sys.executable))
    return any(not parent.stat().st_mode & 0o001 for parent in folder.parents)
