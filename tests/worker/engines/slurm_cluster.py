"""A real Slurm on this machine, without systemd: munged, slurmctld, one slurmd, in a folder of their own.

A job that began less than BatchStartTimeout before its node came back is believed to run there.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """\
ClusterName=tinsmith
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmctldTimeout=20
SlurmdTimeout=10
BatchStartTimeout=1
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 Features=x86 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Why no Slurm can be started here; None when it can."""
    absent = [program for program in PROGRAMS if _find(program) is None]
    if absent:
        return f"no {', '.join(absent)} here: apt-get install slurm-wlm munge"
    return None if os.getuid() == 0 else "slurmd needs root"


class SlurmCluster:
    """One node with `cpus` processors, as many as are wished for."""

    def __init__(self, folder: Path, cpus: int = 8) -> None:
        self.folder = folder
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.configuration = folder / "slurm.conf"
        controller_port, node_port = _free_ports()
        self.configuration.write_text(
            CONFIGURATION.format(
                host=socket.gethostname().split(".")[0],
                user="root",
                folder=folder,
                cpus=cpus,
                controller_port=controller_port,
                node_port=node_port,
            )
        )
        self._environment = os.environ | {"SLURM_CONF": str(self.configuration)}

    def __enter__(self) -> SlurmCluster:
        self.start("munged")
        self.start("slurmctld")
        self.start("slurmd")
        deadline = time.monotonic() + 60
        while "idle" not in self.run("sinfo", "--noheader", "--format=%T"):
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(subprocess.SubprocessError, AssertionError):
            self.run("scancel", "--me", "--signal=KILL", "--full")
        for program in ("slurmd", "slurmctld", "munged"):
            self.kill(program)
        for pid in self.steps():
            os.kill(pid, signal.SIGKILL)

    def start(self, program: str) -> None:
        """One of the three daemons."""
        options = {
            "munged": (
                "--force",
                f"--key-file={self.folder}/munge.key",
                f"--socket={self.folder}/munge.socket",
                f"--pid-file={self.folder}/munged.pid",
                f"--log-file={self.folder}/munged.log",
                f"--seed-file={self.folder}/munged.seed",
            ),
            "slurmctld": (),
            "slurmd": (),
        }
        path = _find(program)
        assert path is not None
        subprocess.run((path, *options[program]), env=self._environment, check=True, capture_output=True)

    def kill(self, program: str) -> None:
        """By SIGKILL; returns when it is gone."""
        try:
            pid = int((self.folder / f"{program}.pid").read_text())
            os.kill(pid, signal.SIGKILL)
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.01)
        except (OSError, ValueError):
            return

    def resume(self) -> None:
        """The node is back in service, should Slurm have drained it."""
        if any(state in self.run("sinfo", "--noheader", "--format=%T") for state in ("drain", "down")):
            host = socket.gethostname().split(".")[0]
            self.run("scontrol", "update", f"nodename={host}", "state=resume")

    def steps(self) -> list[int]:
        """The processes between slurmd and the jobs."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and (entry / "comm").read_text().strip() == "slurmstepd":
                    ours = f"SLURM_CONF={self.configuration}".encode() in (entry / "environ").read_bytes()
                    found += [int(entry.name)] if ours else []
        return found

    def run(self, *command: str) -> str:
        """Standard output of one of Slurm's commands."""
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout

    def logs(self) -> str:
        """What the daemons say."""
        return "\n".join(path.read_text() for path in self.folder.glob("*.log"))


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
