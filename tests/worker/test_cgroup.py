from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinsmith.worker.cgroup import LEAF, GroupLimits, delegate, find

MIB = 1 << 20
LIMITS = GroupLimits(memory=64 * MIB, processes=20, cpus=0.5)
NO_GROUPS = pytest.mark.skipif(find()[0] is None, reason=f"no cgroup here: {find()[1]}")


def machine(root: Path, groups: str, mounts: list[tuple[str, str, str]]) -> Path:
    """A tree with the two files of /proc: `mounts` are place, kind and options."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    lines = [
        f"{30 + at} 23 0:{at} / {place} rw - {kind} none {options}"
        for at, (place, kind, options) in enumerate(mounts)
    ]
    (root / "proc/self/mountinfo").write_text("".join(line + "\n" for line in lines))
    return root


def unified(root: Path, own: str, controllers: str, enabled: str = "") -> Path:
    """A machine with version 2 alone; the folder of the group `own`."""
    machine(root, f"0::{own}\n", [("/sys/fs/cgroup", "cgroup2", "rw")])
    group = root / "sys/fs/cgroup" / own.lstrip("/")
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text(controllers)
    (group / "cgroup.subtree_control").write_text(enabled)
    (group / "cgroup.procs").write_text(f"{os.getpid()}\n")
    return group


def test_version_1_has_a_folder_for_each_controller(tmp_path: Path) -> None:
    mounts = [(f"/sys/fs/cgroup/{name}", "cgroup", f"rw,{name}") for name in ("memory", "pids", "cpu")]
    root = machine(tmp_path, "3:memory:/service\n2:pids:/\n1:cpu:/\n", mounts)
    for name in ("memory/service", "pids", "cpu"):
        (root / "sys/fs/cgroup" / name).mkdir(parents=True)
    wall, _ = find(root)
    assert wall is not None
    assert wall.controllers == ("memory", "pids", "cpu")
    assert [one.folder.relative_to(root / "sys/fs/cgroup").as_posix() for one in wall.hierarchies] == [
        "memory/service", "pids", "cpu"
    ]  # fmt: skip
    written = dict(setting for one in wall.hierarchies for setting in one.settings(LIMITS))
    assert written["memory.limit_in_bytes"] == str(64 * MIB)
    assert written["pids.max"] == "20"
    assert written["cpu.cfs_quota_us"] == "50000"


def test_version_2_needs_what_is_handed_on(tmp_path: Path) -> None:
    group = unified(tmp_path, "/app.slice/tinsmith", "cpu memory pids")
    wall, reason = find(tmp_path)
    assert wall is None
    assert "does not hand on memory" in reason
    (group / "cgroup.subtree_control").write_text("cpu memory pids")
    wall, _ = find(tmp_path)
    assert wall is not None
    (hierarchy,) = wall.hierarchies
    assert hierarchy.folder == group
    assert dict(hierarchy.settings(LIMITS)) == {
        "memory.max": str(64 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "20",
        "cpu.max": "50000 100000",
    }


def test_a_group_that_is_left_to_us_is_made_ready(tmp_path: Path) -> None:
    """The root of what is visible, as in a container. The kernel itself is not played."""
    group = unified(tmp_path, "/", "cpu memory pids")
    delegate(tmp_path)
    assert (group / LEAF / "cgroup.procs").read_text() == "0"
    assert (group / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"


def test_a_group_with_others_in_it_or_of_another_master_is_left_alone(tmp_path: Path) -> None:
    shared = unified(tmp_path / "shared", "/", "cpu memory pids")
    (shared / "cgroup.procs").write_text(f"{os.getpid()}\n1\n")
    delegate(tmp_path / "shared")
    foreign = unified(tmp_path / "foreign", "/user.slice/session.scope", "cpu memory pids")
    delegate(tmp_path / "foreign")
    for group in (shared, foreign):
        assert not (group / LEAF).exists()
        assert (group / "cgroup.subtree_control").read_text() == ""


def test_a_kernel_without_groups_is_seen(tmp_path: Path) -> None:
    wall, reason = find(machine(tmp_path, "", []))
    assert wall is None
    assert "the kernel offers no cgroup for memory" in reason
    delegate(tmp_path)


@NO_GROUPS
def test_a_command_and_its_children_are_inside_and_end_with_it() -> None:
    wall, _ = find()
    assert wall is not None
    pid = os.getpid()
    wall.make(pid, LIMITS)
    try:
        script = "sleep 600 & cat /proc/self/cgroup; echo $!"
        command = [*wall.joining(pid), "/bin/sh", "-c", script]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            *lines, left = _lines(process)
            assert sum(f"/tinsmith-{pid}" in line for line in lines) >= 1
    finally:
        wall.clear(pid)
    assert not any((one.folder / f"tinsmith-{pid}").exists() for one in wall.hierarchies)
    assert not Path(f"/proc/{left}").exists() or _state(int(left)) == "Z"


def _lines(process: subprocess.Popen[str]) -> list[str]:
    """Until the number of the child that goes on; it keeps the pipe open."""
    assert process.stdout
    lines: list[str] = []
    while not lines or not lines[-1].isdigit():
        lines.append(process.stdout.readline().strip())
    return lines


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@NO_GROUPS
def test_memory_of_all_processes_together_is_limited_and_the_cause_is_known() -> None:
    wall, _ = find()
    assert wall is not None
    pid = os.getpid()
    wall.make(pid, LIMITS)
    try:
        assert not wall.exhausted(pid)
        program = "import os, time\nfor _ in range(3): os.fork()\nhoard = b'x' * (20 << 20)\ntime.sleep(1)"
        subprocess.run([*wall.joining(pid), sys.executable, "-I", "-c", program], check=False, timeout=60)
        assert wall.exhausted(pid)
    finally:
        wall.clear(pid)


@NO_GROUPS
def test_a_limit_of_processors_is_kept() -> None:
    wall, _ = find()
    assert wall is not None
    if "cpu" not in wall.controllers:
        pytest.skip("no cgroup for cpu")
    pid = os.getpid()
    wall.make(pid, GroupLimits(64 * MIB, 20, cpus=0.2))
    try:
        program = "import time\nwhile time.process_time() < 0.3: pass"
        start = time.monotonic()
        subprocess.run(
            [*wall.joining(pid), sys.executable, "-I", "-S", "-c", program], check=True, timeout=60
        )
        assert time.monotonic() - start > 1.0
    finally:
        wall.clear(pid)


@NO_GROUPS
def test_groups_of_processes_that_are_gone_are_swept() -> None:
    wall, _ = find()
    assert wall is not None
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
    wall.make(gone.pid, LIMITS)
    wall.make(os.getpid(), LIMITS)
    with subprocess.Popen([*wall.joining(gone.pid), "/bin/sleep", "600"]) as left:
        while not _inside(wall.hierarchies[0].folder / f"tinsmith-{gone.pid}"):
            time.sleep(0.01)
        wall.sweep()
        assert left.wait(10) == -9
    assert not (wall.hierarchies[0].folder / f"tinsmith-{gone.pid}").exists()
    assert (wall.hierarchies[0].folder / f"tinsmith-{os.getpid()}").exists()
    wall.clear(os.getpid())


def _inside(group: Path) -> str:
    return (group / "cgroup.procs").read_text()
