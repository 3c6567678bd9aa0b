"""What there is to steal, reach and break, and how it is seen from outside whether that happened."""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.hostile.arrangements import FIRST_USER, LIMITS, MIB, Arrangement, interpreter_is_closed, to_fields
from tinsmith.worker import cgroup

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CPU_SECONDS = 2
PATIENCE = 60.0
TAKEN_ALONG = "died or hung"
_WORLDS = itertools.count(os.getpid() % 1000 * 20)


class Starter:
    """A worker's process of one service, under one arrangement."""

    def __init__(self, arrangement: Arrangement, place: Path, user: int) -> None:
        sandbox = arrangement.sandbox(
            shutil.which("bwrap"), interpreter_is_closed(), cgroup.find()[0] is not None
        )
        command = [sys.executable, "-m", "tests.hostile.starter", json.dumps(to_fields(sandbox), default=str)]
        as_user = [] if arrangement.root else [sys.executable, "-m", "tests.hostile.as_user", str(user)]
        self.place = place
        self.process = subprocess.Popen(
            [*as_user, *command, str(place)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "SECRET": "nothing", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = int(self._answer()["pid"])
        self._number = 0

    def order(self, command: list[str], **more: Any) -> None:
        """Starts a run."""
        assert self.process.stdin
        self._number += 1
        order = {
            "name": f"job{self._number}-{self.pid}",
            "command": command,
            "cpu_seconds": CPU_SECONDS,
        } | more
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """How the run went; {"ended": TAKEN_ALONG} when it took this process with it."""
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        watch = threading.Timer(PATIENCE, self.process.kill)
        watch.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watch.cancel()
        answer: dict[str, Any] = json.loads(line) if line else {"ended": TAKEN_ALONG, "lines": []}
        return answer

    def close(self) -> None:
        """Ends it with all that it started."""
        self.process.kill()
        self.process.communicate()


class Listener(threading.Thread):
    """Counts who arrives at a socket."""

    def __init__(self, opened: socket.socket) -> None:
        super().__init__(daemon=True)
        self.socket, self.arrived = opened, 0
        if opened.type == socket.SOCK_STREAM:
            opened.listen(100)
        self.start()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def run(self) -> None:
        with suppress(OSError):
            while True:
                if self.socket.type == socket.SOCK_STREAM:
                    self.socket.accept()[0].close()
                else:
                    self.socket.recv(100)
                self.arrived += 1


class World:
    """All of it, for one arrangement. `facts` is what an attack is told."""

    def __init__(self, arrangement: Arrangement, place: Path, stack: ExitStack) -> None:
        self.arrangement, self.place, self.stack = arrangement, place, stack
        self.user = FIRST_USER + next(_WORLDS)
        """Of the service that is not root; every world's own, since some attacks end all that a user has."""
        self.secrets: dict[str, str] = {}
        """What would have to be printed for a probe to have read it."""
        self.listeners: dict[str, Listener] = {}
        self.changed: dict[str, tuple[Path, Any]] = {}
        """What a probe would change, and what that looks like untouched."""
        self.victims: dict[str, int] = {}
        self.facts: dict[str, Any] = {
            "processes": 3 * LIMITS.max_processes,
            "memory": 2 * (LIMITS.max_address_space or 0),
            "hoarders": 4,
            "hoard": 160 * MIB,
            "cpu_seconds": CPU_SECONDS,
            "cpus": LIMITS.max_cpus,
            "files": LIMITS.max_open_files + 200,
            "file": 4 * LIMITS.max_file,
            "fill": 2 * LIMITS.max_folder,
            "entries": 2 * LIMITS.max_entries,
            "report": 40 << 30,
            "flood": 64 * MIB,
            "planted": f"tinsmith_hostile_{secrets.token_hex(4)}.py",
            "daemon_mark": f"hostile-daemon-{secrets.token_hex(4)}",
            "packages": sysconfig.get_path("purelib"),
            "interpreter": sysconfig.get_path("stdlib"),
            "planted_module": str(ROOT / f"tinsmith_planted_{secrets.token_hex(4)}.py"),
        }
        self._sockets()
        self._files()
        self._begin()
        self._service()
        self._neighbour()

    def _begin(self) -> None:
        self.starter = Starter(self.arrangement, self.place / "data" / "work", self.user)
        self.stack.callback(self.starter.close)
        self.facts["attempt"] = self.starter.pid

    def _secret(self, *probes: str) -> str:
        secret = secrets.token_hex(16)
        self.secrets |= dict.fromkeys(probes, secret)
        return secret

    def _file(self, name: str, text: str = "", mode: int = 0o600) -> str:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        self._own(path)
        return str(path)

    def _own(self, path: Path) -> None:
        if not self.arrangement.root:
            os.chown(path, self.user, self.user)

    def _files(self) -> None:
        self.place.chmod(0o755)
        for name in ("data", "data/work", "shared"):
            (self.place / name).mkdir()
            self._own(self.place / name)
        (self.place / "data").chmod(0o711)
        (self.place / "data" / "work").chmod(0o711)
        (self.place / "shared").chmod(0o777)
        linked = [
            f"{kind}_is_a_{link}_to_a_secret"
            for kind in ("report", "artifact")
            for link in ("link", "hard_link")
        ]
        stolen = ("read_identities", "link_secret_into_folder", "output_is_a_link_to_another_folder", *linked)
        self.facts |= {
            "identities": self._file("data/identities.json", self._secret(*stolen)),
            "master_key": self._file("data/master.key", self._secret("read_master_key")),
            "database": self._file("data/jobs.db", self._secret("read_database")),
        }
        self._watch("write_database", "database_to_write", self._file("data/jobs.db-wal"))
        self._watch("open_secrets_to_all", "mode_file", self._file("data/mode"))
        for probe, fact, folder in (
            ("write_machines_tmp", "tmp_file", tempfile.gettempdir()),
            ("write_machines_shm", "shm_file", "/dev/shm"),
        ):
            self._watch(probe, fact, str(Path(folder) / f"tinsmith-hostile-{secrets.token_hex(4)}"))
        for probe, folder in (("write_packages", "packages"), ("write_interpreter", "interpreter")):
            self._watch(probe, "", str(Path(self.facts[folder]) / self.facts["planted"]))
        self._watch("import_from_folder_of_service", "", self.facts["planted_module"])
        self._home()

    def _home(self) -> None:
        home = Path.home() if self.arrangement.root else self.place / "home"
        folder = home / f".tinsmith-hostile-{secrets.token_hex(4)}"
        folder.mkdir(parents=True, mode=0o700)
        self._own(folder)
        self.stack.callback(shutil.rmtree, folder)
        key = folder / "id_ed25519"
        key.write_text(self._secret("read_home_key", "read_home_key_by_proc_root"))
        self._own(key)
        key.chmod(0o600)
        suid = self.place / "shared" / "cat"
        shutil.copy("/bin/cat", suid)
        suid.chmod(0o4755)
        secret_file = self.place / "root_file"
        secret_file.write_text(self._secret("run_set_user_id_program"))
        secret_file.chmod(0o600)
        self.facts |= {"home_key": str(key), "suid": str(suid), "root_file": str(secret_file)}

    def _watch(self, probe: str, fact: str, path: str) -> None:
        self.changed[probe] = (Path(path), _look(Path(path)))
        if fact:
            self.facts[fact] = path

    def _sockets(self) -> None:
        outside = _outside()
        wanted: dict[str, tuple[int, int, Any, str]] = {
            "tcp_to_local_service": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0), "tcp_port"),
            "tcp_to_outside": (socket.AF_INET, socket.SOCK_STREAM, (outside, 0), "outside_port"),
            "tcp_to_loopback_6": (socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0), "tcp6_port"),
            "tcp_fast_open": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0), "fast_port"),
            "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0), "udp_port"),
            "abstract_socket": (
                socket.AF_UNIX,
                socket.SOCK_STREAM,
                f"\0tinsmith-{secrets.token_hex(4)}",
                "abstract",
            ),
            "named_socket": (socket.AF_UNIX, socket.SOCK_STREAM, str(self.place / "socket"), "named"),
        }
        self.facts["outside"] = outside
        for probe, (family, kind, address, fact) in wanted.items():
            opened = socket.socket(family, kind)
            self.stack.callback(opened.close)
            opened.bind(address)
            self.listeners[probe] = Listener(opened)
            self.facts[fact] = (
                address[1:]
                if fact == "abstract"
                else address
                if fact == "named"
                else self.listeners[probe].port
            )
        (self.place / "socket").chmod(0o777)

    def _service(self) -> None:
        """A process of the service's user that holds what the service holds, and three to signal."""
        environ = self._secret("read_environ_of_service", "read_every_environ")
        memory = self._secret("read_memory_of_service", "read_proc_mem_of_service", "ptrace_service")
        spare = str(self.place / "shared" / "service")
        first = self._victim({"SECRET": f"SECRET={environ}"}, spare, memory)
        said = first.stderr.readline() if first.stderr else ""
        self.facts |= {"service": first.pid, "service_address": int(said.split()[1])}
        self.secrets["read_command_line_of_service"] = memory
        self.victims["signal_service"] = first.pid
        for probe, fact in (
            ("signal_by_pidfd", "second_victim"),
            ("signal_by_owner_of_pipe", "third_victim"),
        ):
            found = self._victim({}, spare, "-")
            self.facts[fact] = self.victims[probe] = found.pid

    def _victim(self, environment: dict[str, str], file: str, secret: str) -> subprocess.Popen[str]:
        user = [] if self.arrangement.root else [sys.executable, str(HERE / "as_user.py"), str(self.user)]
        found = subprocess.Popen(
            [*user, sys.executable, "-I", str(HERE / "victim.py"), file, secret],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stack.callback(found.communicate)
        self.stack.callback(found.kill)
        return found

    def _neighbour(self) -> None:
        """Another job, at the same time, under the same arrangement, of another attempt."""
        self.other = Starter(self.arrangement, self.place / "data" / "work", self.user)
        self.stack.callback(self.other.close)
        probes = (
            "read_memory_of_other_job",
            "read_proc_mem_of_other_job",
            "ptrace_other_job",
            "read_other_job",
        )
        secret = self._secret(*probes)
        shutil.copy(HERE / "victim.py", self.place / "data" / "work" / "victim.py")
        program = (HERE / "victim.py").read_text()
        self.other.order([sys.executable, "-I", "-c", program, "{folder}/secret", secret], cpu_seconds=600)
        folder = self.place / "data" / "work" / f"job1-{self.other.pid}"
        pid, address = _await_victim(folder / "log", secret)
        work = folder / "work"
        self.facts |= {"neighbour": pid, "neighbour_address": address, "job_file": str(work / "secret")}
        self.secrets["read_environ_of_other_job"] = str(work / "scratch")
        self.secrets["list_other_jobs"] = "scratch"
        self.victims["signal_other_job"] = pid
        (work / "to_write").touch()
        os.chown(work / "to_write", *_ids(work))
        self._watch("write_other_job", "job_file_to_write", str(work / "to_write"))
        self.changed["open_other_jobs_folder"] = (work, _look(work))

    def attack(self, probes: list[str], **more: Any) -> dict[str, tuple[bool, str]]:
        """Whether each probe, tried in one process after the other, escaped, and what is known of it."""
        facts = json.dumps(self.facts)
        before = {name: listener.arrived for name, listener in self.listeners.items()}
        command = [sys.executable, "-I", "-B", "{folder}/attacks", ",".join(probes), facts]
        self.starter.order(command, **more)
        answer = self.starter.answer()
        claims = _claims(answer["lines"])
        if answer["ended"] == TAKEN_ALONG:
            self._begin()
        return {probe: self._judge(probe, claims.get(probe), answer, before) for probe in probes}

    def _judge(
        self, probe: str, claim: tuple[bool, str] | None, answer: dict[str, Any], before: dict[str, int]
    ) -> tuple[bool, str]:
        ended = answer["ended"]
        claimed, detail = claim or (False, f"no answer; {ended}")
        if ended == TAKEN_ALONG:
            return True, "took the attempt with it"
        if probe in self.secrets:
            printed = detail if probe not in OUTPUTS else ended
            return self.secrets[probe] in printed, "the secret" if self.secrets[probe] in printed else printed
        if probe in self.listeners:
            arrived = self.listeners[probe].arrived > before[probe]
            return arrived, "arrived" if arrived else detail
        if probe in self.changed:
            return self._is_changed(probe), detail
        if probe in self.victims:
            return _signalled(self.victims[probe]), detail
        if probe in OUTPUTS:
            return _harm(probe, answer, self.place)
        if probe == "signal_attempt":
            return bool(answer["signals"]), detail
        if probe == "stay_behind":
            alive = _end_marked(self.facts["daemon_mark"])
            return alive, "it runs on" if alive else "gone with the compiler"
        if probe == "kill_everybody":
            dead = [pid for pid in self.victims.values() if _state(pid) in ("", "Z")]
            return bool(dead), f"{len(dead)} others died"
        return claimed, detail

    def _is_changed(self, probe: str) -> bool:
        path, untouched = self.changed[probe]
        if _look(path) == untouched:
            return False
        if untouched is None:
            path.unlink()
        else:
            self.changed[probe] = (path, _look(path))
        return True


GROUPS: dict[str, list[str]] = json.loads(
    subprocess.run([sys.executable, "-I", "-B", HERE / "attacks"], capture_output=True, check=True).stdout
)
"""The names of all probes by what they are about."""
OUTPUTS = frozenset(GROUPS["outputs"])
"""Probes whose aim is the service that takes over what they leave."""


def _harm(probe: str, answer: dict[str, Any], place: Path) -> tuple[bool, str]:
    """What became of the service's own part in it."""
    ended, text = str(answer["ended"]), "".join(answer["lines"]) + str(answer["ended"])
    if not ended.startswith(("refused: ", "lost: ", "FAILED ")):
        return True, ended
    if answer.get("left"):
        return True, "the work folder could not be removed"
    if answer["memory"] > 64 << 10 or answer["log_bytes"] > 16 << 20:
        return True, f"{answer['memory']} kB of memory, {answer['log_bytes']} bytes of log"
    if any(ord(character) < 32 or character in "\x7f\x9b\u202e" for character in text):
        return True, "control characters"
    if (place / "data" / "planted").exists():
        (place / "data" / "planted").unlink()
        return True, "wrote where the link led"
    return False, str(answer.get("again", ended))


def _claims(lines: list[str]) -> dict[str, tuple[bool, str]]:
    claims = {}
    for line in lines:
        with suppress(ValueError, TypeError):
            name, claimed, detail = json.loads(line)
            claims[str(name)] = (bool(claimed), str(detail))
    return claims


def _await_victim(log: Path, secret: str) -> tuple[int, int]:
    """Number, as seen here, and address of a victim once it runs."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError):
            if found := re.search(r"address (\d+) (\d+)", log.read_text()):
                return _newest(secret), int(found[1])
        time.sleep(0.02)
    raise AssertionError(log.read_text() if log.exists() else f"no {log}")


def _newest(mark: str) -> int:
    """The last process of those with `mark` on their command line: wrappers come before what they wrap."""
    return max(_marked(mark))


def _marked(mark: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and mark.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
    return found


def _end_marked(mark: str) -> bool:
    """Kills processes with `mark`; whether there were any."""
    found = [
        pid for pid in _marked(mark) if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(mark.encode())
    ]
    for pid in found:
        os.kill(pid, 9)
    return bool(found)


def _state(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def _signalled(pid: int) -> bool:
    """Whether `pid` was stopped or killed; it goes on."""
    for _ in range(20):
        state = _state(pid)
        if state in ("T", "t"):
            os.kill(pid, 18)
            return True
        if state in ("", "Z"):
            return True
        time.sleep(0.005)
    return False


def _look(path: Path) -> Any:
    with suppress(OSError):
        found = path.stat()
        return found.st_mode, found.st_size if path.is_file() else 0
    return None


def _ids(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


def _outside() -> str:
    """An address of this machine that is not its loopback; 127.0.0.2 where it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened, suppress(OSError):
        opened.connect(("192.0.2.1", 9))  # chooses a route, sends nothing
        return str(opened.getsockname()[0])
    return "127.0.0.2"


@contextmanager
def world(arrangement: Arrangement) -> Iterator[World]:
    """A world that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as place, ExitStack() as stack:
        yield World(arrangement, Path(place), stack)
