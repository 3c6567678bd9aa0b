from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinsmith.worker.processes import (
    ProcessId,
    kill_group,
    kill_user,
    read_pid_file,
    resident_bytes,
    threads_of,
    unlinked_bytes,
    write_pid_file,
)


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while ProcessId.of(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_process_is_told_from_the_next_one_with_its_number(tmp_path: Path) -> None:
    with sleeper() as process:
        write_pid_file(tmp_path / "pid", process.pid)
        recorded = read_pid_file(tmp_path / "pid")
        assert recorded is not None
        assert recorded.alive
        assert not ProcessId(recorded.pid, recorded.started + 1).alive
        process.kill()
    assert not recorded.alive


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["/bin/true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert ProcessId.of(process.pid) is None


def test_odd_pid_files_name_nobody(tmp_path: Path) -> None:
    assert read_pid_file(tmp_path / "none") is None
    for text in ("", "12", "a b", "1 2 3"):
        (tmp_path / "pid").write_text(text)
        assert read_pid_file(tmp_path / "pid") is None


def test_signals_to_nobody_are_no_error() -> None:
    with sleeper() as process:
        kill_group(process.pid, signal.SIGKILL)
        process.wait()
        kill_group(process.pid, signal.SIGKILL)


FAMILY = """
import os, subprocess, sys, time
from tinsmith.worker.processes import adopt_orphans, kill_descendants
adopt_orphans()
script = "sleep 600 & setsid sleep 600 & (setsid sleep 600 &) ; echo ready; wait"
child = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE)
child.stdout.readline()
found = lambda: [p for p in os.listdir("/proc") if p.isdigit() and below(p)]
def below(pid):
    while pid not in ("0", "1"):
        try: pid = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
        except OSError: return False
        if pid == str(os.getpid()): return True
    return False
print(len(found()), flush=True)
kill_descendants()
print(len(found()), flush=True)
"""


def test_descendants_are_killed_wherever_they_went() -> None:
    answer = subprocess.run([sys.executable, "-c", FAMILY], capture_output=True, text=True, check=True)
    before, after = map(int, answer.stdout.split())
    assert before >= 4
    assert after == 0


CHILD = """
import os, sys, time
from tinsmith.worker.processes import die_with_parent
die_with_parent(int(sys.argv[1]))
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARENT = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
time.sleep(600)
"""


def test_a_child_dies_with_its_parent() -> None:
    command = [sys.executable, "-c", PARENT, CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        assert gone(child)


def test_a_child_whose_parent_is_gone_already_dies() -> None:
    answer = subprocess.run([sys.executable, "-c", CHILD, "1"], capture_output=True)
    assert answer.returncode == -signal.SIGKILL


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_all_processes_of_a_user_are_killed_and_nobody_else() -> None:
    uid = 0x70000000 + os.getpid()
    theirs = [subprocess.Popen(["/bin/sleep", "600"], user=uid, start_new_session=True) for _ in range(3)]
    with subprocess.Popen(["/bin/sleep", "600"], user=uid + 1) as other:
        assert threads_of(uid) == 3
        kill_user(uid)
        assert [process.wait(10) for process in theirs] == [-signal.SIGKILL] * 3
        assert threads_of(uid) == 0
        assert other.poll() is None
        other.kill()


def test_memory_and_nameless_files_of_descendants_are_counted(tmp_path: Path) -> None:
    program = (
        "import os, sys; file = open(sys.argv[1], 'wb'); file.write(bytes(1 << 20)); file.flush();"
        "os.unlink(sys.argv[1]); hoard = b'x' * (32 << 20); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "file")]
    device = tmp_path.stat().st_dev
    memory, disk = resident_bytes(os.getpid()), unlinked_bytes(os.getpid(), device)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert resident_bytes(os.getpid()) - memory > 32 << 20
        assert unlinked_bytes(os.getpid(), device) - disk == 1 << 20
        assert unlinked_bytes(os.getpid(), device + 1) == 0
