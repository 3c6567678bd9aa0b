from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tinsmith.worker.guard import REFUSED, GuardPolicy


@pytest.fixture
def policy(tmp_path: Path) -> GuardPolicy:
    """As weak as can be, so that each test sees the one thing it adds."""
    return GuardPolicy(folder=str(tmp_path), read_only=("/",), read_write=(str(tmp_path),), limits={})


def guarded(policy: GuardPolicy, *command: str) -> subprocess.CompletedProcess[str]:
    guard = [sys.executable, "-I", "-m", "tinsmith.worker.guard", policy.to_json()]
    return subprocess.run([*guard, *command], capture_output=True, text=True, timeout=60)


def test_a_policy_survives_the_command_line(policy: GuardPolicy) -> None:
    full = replace(policy, limits={"AS": 1 << 40}, uid=1, gid=2, keep_search=True, outer=("x",), parent=3)
    assert GuardPolicy.from_json(full.to_json()) == full


def test_the_command_runs_in_the_folder_with_its_exit_code(policy: GuardPolicy) -> None:
    answer = guarded(policy, "/bin/sh", "-c", "pwd; exit 7")
    assert (answer.returncode, answer.stdout) == (7, policy.folder + "\n")
    assert answer.stderr.startswith("sandbox: rlimits ")


@pytest.mark.parametrize("command", ["/no/such/program", "/etc/passwd"])
def test_what_cannot_run_is_refused_by_name(policy: GuardPolicy, command: str) -> None:
    answer = guarded(policy, command)
    assert answer.returncode == REFUSED
    assert answer.stderr.splitlines()[-1].startswith("guard: ")
    assert command in answer.stderr.splitlines()[-1]


def test_a_missing_folder_is_refused(policy: GuardPolicy) -> None:
    answer = guarded(replace(policy, folder=policy.folder + "/none"), "/bin/true")
    assert (answer.returncode, answer.stdout) == (REFUSED, "")


def test_limits_are_lowered_for_good_and_never_raised(policy: GuardPolicy) -> None:
    limits = {"NOFILE": 64, "CORE": 0, "FSIZE": 1 << 20}
    answer = guarded(replace(policy, limits=limits), "/bin/sh", "-c", "ulimit -Hn; ulimit -Hc; ulimit -Sn")
    assert answer.stdout.split() == ["64", "0", "64"]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    answer = guarded(replace(policy, limits={"NOFILE": hard + 1}), "/bin/sh", "-c", "ulimit -Hn")
    assert answer.stdout.split() == [str(hard)]


def test_no_descriptor_of_the_service_is_inherited(policy: GuardPolicy, tmp_path: Path) -> None:
    secret = os.open(tmp_path / "secret", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(secret, True)
    program = f"import os; os.fstat({secret})"
    guard = [sys.executable, "-I", "-m", "tinsmith.worker.guard", policy.to_json()]
    command = [*guard, sys.executable, "-I", "-c", program]
    answer = subprocess.run(command, capture_output=True, text=True, pass_fds=[secret])
    os.close(secret)
    assert "Bad file descriptor" in answer.stderr


def test_descriptors_beyond_the_limit_are_closed_too(policy: GuardPolicy, tmp_path: Path) -> None:
    """The limit is lowered first: what it says is open at most lies below a descriptor that is."""
    secret = os.open(tmp_path / "secret", os.O_RDWR | os.O_CREAT)
    high = fcntl.fcntl(secret, fcntl.F_DUPFD, 200)
    program = f"import os; os.fstat({high})"
    guard = [
        sys.executable,
        "-I",
        "-m",
        "tinsmith.worker.guard",
        replace(policy, limits={"NOFILE": 64}).to_json(),
    ]
    answer = subprocess.run(
        [*guard, sys.executable, "-I", "-c", program], capture_output=True, text=True, pass_fds=[high]
    )
    os.close(secret)
    os.close(high)
    assert "Bad file descriptor" in answer.stderr


def test_a_layer_that_is_expected_and_missing_is_refused(policy: GuardPolicy) -> None:
    answer = guarded(replace(policy, expect=("rlimits", "bubblewrap")), "/bin/echo", "ran")
    assert (answer.returncode, answer.stdout) == (REFUSED, "")
    assert "not in force any more: bubblewrap" in answer.stderr
    assert guarded(replace(policy, expect=("rlimits", "landlock")), "/bin/true").returncode == 0


def test_what_is_left_out_is_not_in_force(policy: GuardPolicy) -> None:
    answer = guarded(replace(policy, without=("landlock", "seccomp")), "/bin/true")
    assert answer.stderr.split() == ["sandbox:", "rlimits", "no_new_privs"]


def test_modes_outside_the_folder_stay_as_they_are(policy: GuardPolicy, tmp_path: Path) -> None:
    """Landlock does not decide about them; a read-only mount does."""
    other = tmp_path / "other"
    inner = tmp_path / "inner"
    for folder in (other, inner):
        folder.mkdir(mode=0o700)
    script = f"chmod 755 {inner} && chmod 777 {other}"
    inside = replace(policy, folder=str(inner), read_write=(str(inner),), parent=os.getpid())
    answer = guarded(inside, "/bin/sh", "-c", script)
    if "namespaces+readonly" not in answer.stderr:
        pytest.skip("no mount namespace is allowed here")
    assert "Read-only file system" in answer.stderr
    assert (other.stat().st_mode & 0o777, inner.stat().st_mode & 0o777) == (0o700, 0o755)


def test_signals_that_python_ignores_are_back(policy: GuardPolicy) -> None:
    answer = guarded(policy, "/bin/sh", "-c", "grep SigIgn /proc/self/status")
    assert int(answer.stdout.split()[1], 16) == 0


def test_no_new_privileges(policy: GuardPolicy) -> None:
    answer = guarded(policy, "/bin/sh", "-c", "grep -E 'NoNewPrivs|^Seccomp:' /proc/self/status")
    assert answer.stdout.split() == ["NoNewPrivs:", "1", "Seccomp:", "2"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")
@pytest.mark.parametrize("keep_search", [False, True])
def test_the_user_is_dropped_with_every_capability_but_one(policy: GuardPolicy, keep_search: bool) -> None:
    dropped = replace(policy, uid=65534, gid=65534, keep_search=keep_search, folder="/")
    status = guarded(dropped, "/bin/cat", "/proc/self/status").stdout
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert "Gid:\t65534\t65534\t65534\t65534" in status
    assert "Groups:\t \n" in status
    capabilities = {
        line.split()[0]: int(line.split()[1], 16) for line in status.splitlines() if "Cap" in line
    }
    wanted = 1 << 2 if keep_search else 0
    assert capabilities["CapEff:"] == capabilities["CapPrm:"] == capabilities["CapBnd:"] == wanted


def test_the_guard_dies_when_its_parent_is_gone_already(policy: GuardPolicy) -> None:
    answer = guarded(replace(policy, parent=1), "/bin/echo", "ran")
    assert (answer.returncode, answer.stdout) == (-9, "")
