from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tinsmith.errors import InternalError
from tinsmith.settings import SandboxOptions
from tinsmith.worker.sandbox import Sandbox, prepare

HERE = Path(__file__).parent
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
OPTIONS = SandboxOptions(max_memory=2 << 30, max_file=64 << 20, max_processes=48)
ARRANGEMENTS = {
    "bubblewrap": OPTIONS,
    "guard": replace(OPTIONS, bubblewrap=False),
    "guard, shared namespaces": replace(OPTIONS, bubblewrap=False, namespaces=False),
}
ROOT = os.geteuid() == 0


def load_hostile() -> ModuleType:
    specification = importlib.util.spec_from_file_location("hostile", HERE / "hostile.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


PROBES = sorted(load_hostile().PROBES)
ALONE = ["allocate", "fork_bomb", "huge_file", "kill_everyone"]
X86_ONLY = {"socket_of_32_bit_programs", "socket_of_x32_programs"}
if platform.machine() != "x86_64":
    PROBES = [name for name in PROBES if name not in X86_ONLY]
VISIBLE_WITHOUT_SANDBOX = [
    "tcp_connect", "tcp_listen", "udp_send", "other_families", "abstract_socket", "named_socket",
    "read_other_job", "list_other_jobs", "read_environments", "write_shared_folder", "kill_victim",
    "ptrace_traceme", "process_vm_readv", "clone3", "keyctl", "huge_file",
]  # fmt: skip


@pytest.fixture(scope="module", params=sorted(ARRANGEMENTS))
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    if request.param == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed here; the guard alone is tested")
    return prepare(ARRANGEMENTS[request.param], tmp_path_factory.mktemp("probe"))


@pytest.fixture
def folder(sandbox: Sandbox, tmp_path: Path) -> Path:
    return work_folder(sandbox, tmp_path)


def work_folder(sandbox: Sandbox, parent: Path) -> Path:
    folder = parent / "work"
    folder.mkdir()
    shutil.copy(HERE / "hostile.py", folder)
    sandbox.adopt(folder)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What there is to steal, reach and break, all of it as open as files and sockets can be."""
    place = tmp_path_factory.mktemp("world")
    place.chmod(0o755)
    other, shared = place / "other", place / "shared"
    for folder in (other, shared):
        folder.mkdir()
        folder.chmod(0o777)
    (other / "secret").write_text("secret of another job")
    (other / "secret").chmod(0o666)
    secret, abstract = f"TINSMITH_SECRET_{os.getpid()}", f"tinsmith-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as hidden,
        socket.socket(socket.AF_UNIX) as named,
        victim(secret) as neighbour,
    ):
        hidden.bind("\0" + abstract)
        named.bind(str(shared / "s"))
        (shared / "s").chmod(0o777)
        for listener in (hidden, named):
            listener.listen(100)
        yield {
            "tcp_port": tcp.getsockname()[1],
            "abstract": abstract,
            "named": str(shared / "s"),
            "secret_file": str(other / "secret"),
            "shared_folder": str(shared),
            "environment_secret": secret,
            "victim": neighbour.pid,
            "service": os.getpid(),
            "own_process_table": False,
            "processes": 200,
            "memory": 4 << 30,
            "file": 1 << 30,
        }
        neighbour.kill()


def victim(secret: str) -> subprocess.Popen[bytes]:
    """A process of the very user that the sandbox runs as, such as another job's."""
    sleep = ["/bin/sleep", "600"]
    return subprocess.Popen(sleep, env={"SECRET": secret}, user=OPTIONS.uid if ROOT else None)


@pytest.fixture(scope="module")
def verdicts(
    sandbox: Sandbox, world: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What every probe that harms no other one says, all tried by one process."""
    folder = work_folder(sandbox, tmp_path_factory.mktemp("together"))
    together = [name for name in PROBES if name not in ALONE]
    lines = attack(sandbox, folder, ",".join(together), world)
    return {line.split()[0]: line.split(" ", 1)[1] for line in lines}


def attack(sandbox: Sandbox, folder: Path, probes: str, world: dict[str, Any]) -> list[str]:
    own_table = not {"bubblewrap", "namespaces"}.isdisjoint(sandbox.layers)
    arguments = json.dumps(world | {"own_process_table": own_table})
    command = (sys.executable, "-I", "-B", str(folder / "hostile.py"), probes, arguments)
    process = sandbox.start(command, folder, ENVIRONMENT, stdout=subprocess.PIPE)
    stdout, stderr = process.communicate(timeout=60)
    assert stdout or process.returncode, stderr.decode()
    return stdout.decode().splitlines()


@pytest.mark.parametrize("probe", [name for name in PROBES if name not in ALONE])
def test_an_attack_is_held(verdicts: dict[str, str], probe: str) -> None:
    assert verdicts[probe].startswith("HELD")


@pytest.mark.parametrize("probe", ALONE)
def test_taking_everything_is_held(sandbox: Sandbox, folder: Path, world: dict[str, Any], probe: str) -> None:
    lines = attack(sandbox, folder, probe, world)
    assert not [line for line in lines if "ESCAPED" in line]
    assert lines or probe in ("huge_file", "kill_everyone")  # ended by SIGXFSZ, or by itself
    assert Path(f"/proc/{world['victim']}/stat").read_text().split()[2] in "RS"


@pytest.mark.parametrize("probe", VISIBLE_WITHOUT_SANDBOX)
def test_the_same_attack_succeeds_outside(tmp_path: Path, world: dict[str, Any], probe: str) -> None:
    command = [sys.executable, str(HERE / "hostile.py"), probe, json.dumps(world)]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert answer.stdout.startswith(f"{probe} ESCAPED"), answer


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
from pathlib import Path
from tinsmith.settings import SandboxOptions
from tinsmith.worker.sandbox import Sandbox
sandbox = {sandbox!r}
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
    with pytest.raises(InternalError, match=r"missing bubblewrap; in force: rlimits"):
        prepare(options, tmp_path)


def test_no_sandbox_is_an_error_that_says_what_was_tried(tmp_path: Path) -> None:
    options = replace(OPTIONS, max_memory=1 << 20)
    with pytest.raises(InternalError, match="none works on this machine"):
        prepare(options, tmp_path)
