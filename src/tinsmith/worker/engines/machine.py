"""What the jobs of this machine share, and whether it is enough for some of them together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tinsmith.settings import Machine, Placement

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""A container's limit of memory, in version 2 and 1 of control groups."""
ROUNDING = 1e-9


def found(machine: Machine, work_dir: Path) -> Machine:
    """`machine` with what it does not say: usable processors, memory, free disk space at `work_dir`."""
    return Machine(
        len(os.sched_getaffinity(0)) if machine.cpus is None else machine.cpus,
        _memory() if machine.memory is None else machine.memory,
        shutil.disk_usage(work_dir).free if machine.disk is None else machine.disk,
    )


def has_room(machine: Machine, placements: Sequence[Placement]) -> bool:
    """Whether `machine` has as much as all of `placements` ask for together."""
    asked = (
        (machine.cpus, sum(placement.cpus for placement in placements)),
        (machine.memory, sum(placement.memory for placement in placements)),
        (machine.disk, sum(placement.disk for placement in placements)),
    )
    return all(there is None or wanted <= there + ROUNDING for there, wanted in asked)


def _memory() -> int:
    """Bytes of the machine, or of the container that this is."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in LIMITS:
        if path.exists() and (text := path.read_text().strip()).isdigit():
            sizes.append(int(text))
    return min(sizes)
