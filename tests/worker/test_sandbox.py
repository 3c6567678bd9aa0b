from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tinsmith.errors import DiskFull, InternalError
from tinsmith.settings import SandboxOptions
from tinsmith.worker import sandbox as module
from tinsmith.worker.sandbox import LAYERS, MAX_LINE, Sandbox, examine, prepare, read_lines

ROOM = 1 << 50
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
MIB = 1 << 20
OPTIONS = SandboxOptions(
    max_memory=512 * MIB, max_address_space=2048 * MIB, max_file=64 * MIB, max_processes=48
)
ARRANGEMENTS = {
    "bubblewrap": OPTIONS,
    "guard": replace(OPTIONS, bubblewrap=False),
    "guard, shared namespaces": replace(OPTIONS, bubblewrap=False, namespaces=False, cgroup=False),
}
ROOT = os.geteuid() == 0


@pytest.fixture(scope="module", params=sorted(ARRANGEMENTS))
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    if request.param == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed here; the guard alone is tested")
    prepared = prepare(ARRANGEMENTS[request.param], tmp_path_factory.mktemp("probe"))
    yield prepared
    prepared.finish(os.getpid())


@pytest.fixture
def folder(sandbox: Sandbox, tmp_path: Path) -> Path:
    return work_folder(sandbox, tmp_path)


def work_folder(sandbox: Sandbox, parent: Path) -> Path:
    folder = parent / "work"
    folder.mkdir()
    sandbox.adopt(folder)
    return folder


def test_tmp_of_the_machine_is_out_of_reach(sandbox: Sandbox, folder: Path) -> None:
    name = f"/tmp/tinsmith-escape-{os.getpid()}"
    program = f"open({name!r}, 'w').write('x')"
    process = sandbox.start((sys.executable, "-I", "-c", program), folder, ENVIRONMENT)
    process.communicate(timeout=60)
    assert not Path(name).exists()


def test_the_work_folder_is_writable_and_the_environment_is_what_was_given(
    sandbox: Sandbox, folder: Path
) -> None:
    program = (
        "import os, tempfile, json; os.mkdir('a'); open('a/b', 'w').write('x'); os.rename('a/b', 'c');"
        "tempfile.TemporaryFile(dir='.').write(b'x'); print(json.dumps([os.getcwd(), dict(os.environ)]))"
    )
    environment = ENVIRONMENT | {"TMPDIR": str(folder)}
    command = (sys.executable, "-I", "-B", "-c", program)
    process = sandbox.start(command, folder, environment, stdout=subprocess.PIPE)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr.decode()
    cwd, seen = json.loads(stdout)
    assert cwd == str(folder)
    assert {name: seen[name] for name in environment} == environment
    assert set(seen) - set(environment) <= {"PWD", "LC_CTYPE"}
    assert (folder / "c").read_text() == "x"


def test_the_log_line_names_every_layer(sandbox: Sandbox, folder: Path) -> None:
    process = sandbox.start(("/bin/true",), folder, ENVIRONMENT)
    _, stderr = process.communicate(timeout=60)
    assert stderr.decode() == f"sandbox: {' '.join(sandbox.layers)}\n"
    assert "no_new_privs" in sandbox.layers
    assert "seccomp" in sandbox.layers


@pytest.mark.parametrize("end", ["exit code", "signal"])
def test_the_end_of_the_command_is_seen(sandbox: Sandbox, folder: Path, end: str) -> None:
    program = "import os; os._exit(3)" if end == "exit code" else "import os; os.kill(os.getpid(), 9)"
    process = sandbox.start((sys.executable, "-I", "-c", program), folder, ENVIRONMENT)
    process.communicate(timeout=60)
    assert process.returncode in ((3,) if end == "exit code" else (-9, 137))


def test_the_whole_family_dies_with_the_one_who_started_it(sandbox: Sandbox, folder: Path) -> None:
    if not {"bubblewrap", "namespaces"} & set(sandbox.layers):
        pytest.skip("needs a process table of its own; without one the attempt reaps its descendants")
    mark = f"tinsmith-family-{os.getpid()}-{time.monotonic_ns()}"
    inner = f"import os, time\nif os.fork() == 0: os.setsid()\nprint('{mark}', flush=True)\ntime.sleep(600)"
    starter = f"""
import subprocess, sys, time
from pathlib import Path, PosixPath
from tinsmith.settings import SandboxOptions
from tinsmith.worker.sandbox import Sandbox
sandbox = {sandbox!r}
sandbox.adopt(Path({str(folder)!r}))
process = sandbox.start({(sys.executable, "-I", "-c", inner)!r}, Path({str(folder)!r}), {{}}, stdout=None)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert [parent.stdout.readline(), parent.stdout.readline()] == [mark + "\n"] * 2
        assert running_with(mark)
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 10
        while running_with(mark) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not running_with(mark)
        sandbox.finish(parent.pid)


def running_with(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return [pid for pid in found if int(pid) != os.getpid()]


def test_a_missing_layer_that_is_required_is_an_error(tmp_path: Path) -> None:
    options = replace(OPTIONS, bubblewrap=False, require=("landlock", "bubblewrap"))
    with pytest.raises(
        InternalError, match=r"missing bubblewrap \(switched off in the settings\); in force: "
    ):
        prepare(options, tmp_path)


def test_no_sandbox_is_an_error_that_says_what_was_tried(tmp_path: Path) -> None:
    options = replace(OPTIONS, max_address_space=1 << 20)
    with pytest.raises(InternalError, match="none works on this machine"):
        prepare(options, tmp_path)


def test_a_layer_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="no layer is called landlok; there are cgroup, bubblewrap"):
        prepare(replace(OPTIONS, require=("landlok",)), tmp_path)


def test_bubblewrap_has_the_namespaces_that_are_required(tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed here")
    assert "bubblewrap" in prepare(replace(OPTIONS, require=("namespaces",)), tmp_path).layers


def test_work_folders_that_every_job_could_read_are_refused(tmp_path: Path) -> None:
    options = replace(OPTIONS, read_only=(tmp_path,))
    with pytest.raises(InternalError, match=f"{tmp_path}/work lies in {tmp_path}, which every job may read"):
        prepare(options, tmp_path / "work")


def test_memory_needs_a_limit(tmp_path: Path) -> None:
    options = replace(OPTIONS, max_address_space=None, cgroup=False)
    with pytest.raises(InternalError, match="neither max_address_space nor a cgroup"):
        prepare(options, tmp_path)


def test_every_missing_layer_comes_with_its_reason(tmp_path: Path) -> None:
    options = replace(OPTIONS, bubblewrap=False, namespaces=False, cgroup=False)
    sandbox, absent = examine(options, tmp_path)
    assert sandbox is not None
    assert set(absent) >= {"cgroup", "bubblewrap", "namespaces"}
    assert all(absent.values())
    assert {layer.partition(":")[0].partition("+")[0] for layer in sandbox.layers} == set(LAYERS) - set(
        absent
    )


def test_no_command_runs_with_fewer_layers_than_the_first(sandbox: Sandbox, folder: Path) -> None:
    more = replace(sandbox, layers=(*sandbox.layers, "another:1"))
    process = more.start(("/bin/touch", "ran"), folder, ENVIRONMENT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "guard: not in force any more: another" in stderr.decode()
    assert not (folder / "ran").exists()


@pytest.mark.skipif(not ROOT, reason="only root can give jobs users of their own")
def test_every_attempt_has_a_user_and_a_closed_folder_of_its_own(sandbox: Sandbox, folder: Path) -> None:
    assert sandbox.own_user
    assert sandbox.user(17) != sandbox.user(18)
    assert folder.stat().st_uid == sandbox.user(os.getpid())[0] == 0x70000000 + os.getpid()
    assert folder.stat().st_mode & 0o777 == 0o700
    shared = replace(sandbox, options=replace(sandbox.options, first_uid=None))
    assert shared.user(17) == shared.user(18) == (65534, 65534)


def test_what_is_left_behind_ends(sandbox: Sandbox, folder: Path) -> None:
    if not (sandbox.own_user or sandbox.cgroup):
        pytest.skip("without root and cgroups the attempt ends what it can see")
    mark = f"tinsmith-left-{os.getpid()}-{time.monotonic_ns()}"
    program = (
        "import os, time\n"
        "if os.fork() == 0:\n os.setsid()\n os.fork()\n"
        " for fd in range(3): os.close(fd)\n time.sleep(600)\n"
        f"time.sleep(0.3); '{mark}'"
    )
    process = sandbox.start((sys.executable, "-I", "-c", program), folder, ENVIRONMENT)
    process.communicate(timeout=60)
    sandbox.finish(os.getpid())
    deadline = time.monotonic() + 5
    while running_with(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running_with(mark)
    if sandbox.cgroup:
        assert not list(Path("/sys/fs/cgroup").glob(f"**/tinsmith-{os.getpid()}"))


def test_a_second_command_does_not_follow_what_the_first_made_of_tmp(sandbox: Sandbox, folder: Path) -> None:
    program = ("/bin/sh", "-c", "mv tmp former; ln -s / tmp")
    sandbox.start(program, folder, ENVIRONMENT).communicate(timeout=60)
    with pytest.raises(InternalError, match="tmp is not a folder any more"):
        sandbox.start(("/bin/true",), folder, ENVIRONMENT)


def test_excess_sees_files_without_a_name_and_memory(tmp_path: Path) -> None:
    unbounded = 1 << 40  # servers of other tests are children of this process too
    options = replace(OPTIONS, max_folder=1 * MIB, max_memory=unbounded)
    sandbox = Sandbox(options, None, False, False)
    assert sandbox.excess(tmp_path, ROOM) is None
    program = (
        "import os, sys; file = open(sys.argv[1], 'wb'); os.unlink(sys.argv[1]); file.write(bytes(2 << 20));"
        "file.flush(); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "gone")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert list(tmp_path.iterdir()) == []
        assert sandbox.excess(tmp_path, ROOM) == "more than 1048576 bytes"
        greedy = replace(sandbox, options=replace(sandbox.options, max_memory=1 * MIB, max_folder=unbounded))
        assert greedy.excess(tmp_path, ROOM) == "more than 1048576 bytes of memory"


@pytest.mark.parametrize(
    ("free", "room", "blamed"),
    [
        (6 * MIB, 10 * MIB, True),
        (6 * MIB, 13 * MIB, True),  # others took 3, the job 4
        (6 * MIB, 15 * MIB, False),  # others took 5
        (3 * MIB, 7 * MIB, False),  # without the job there would be too little, too
        (8 * MIB, 64 * MIB, None),
    ],
)
def test_a_full_disk_is_the_doing_of_whoever_took_more(
    free: int, room: int, blamed: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The memory is that of this process, which may be large.
    sandbox = Sandbox(replace(OPTIONS, min_free=8 * MIB, max_memory=1 << 60), None, False, False)
    (tmp_path / "large").write_bytes(bytes(4 * MIB))
    monkeypatch.setattr(module, "free_bytes", lambda _folder: free)
    if blamed is False:
        with pytest.raises(DiskFull, match="Less than 8388608 bytes of the disk are free, by others' doing"):
            sandbox.excess(tmp_path, room)
    else:
        assert sandbox.fills_disk(tmp_path, room) == bool(blamed)
        assert ("bytes of the disk are free" in (sandbox.excess(tmp_path, room) or "")) == bool(blamed)


@pytest.mark.parametrize("then", [0, 1 << 60])
def test_a_disk_that_others_fill_or_clear_meanwhile(
    then: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(replace(OPTIONS, min_free=8 * MIB), None, False, False)
    (tmp_path / "large").write_bytes(bytes(4 * MIB))
    answers = iter([7 * MIB, then])
    monkeypatch.setattr(module, "free_bytes", lambda _folder: next(answers))
    if then:
        assert not sandbox.fills_disk(tmp_path, 11 * MIB)
    else:
        with pytest.raises(DiskFull):
            sandbox.fills_disk(tmp_path, 11 * MIB)


def test_a_line_without_end_is_read_in_parts() -> None:
    lines = list(read_lines(io.BytesIO(b"a\n" + b"x" * (MAX_LINE + 1) + b"\nb")))
    assert [len(line) for line in lines] == [1, MAX_LINE, 1, 1]
