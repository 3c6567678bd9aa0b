"""Attempts as batch jobs of Slurm, by its own commands: sbatch, squeue, scancel.

The job's name is the attempt's, its comment `tinsmith:<owner>/<attempt>`. Slurm never runs a job again by
itself (--no-requeue): another run is another attempt, with a number that the store knows. Batch scripts lie
on Slurm's disks, so they hold sealed envelopes. MaxRuntimeInSeconds is the controller's to keep; Slurm's
own time limit, in minutes, is the partition's.
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping

from tinsmith.errors import InternalError
from tinsmith.settings import Placement
from tinsmith.worker.attempt import cause_of
from tinsmith.worker.engines.port import EngineUnavailable

COMMANDS = ("sbatch", "squeue", "scancel")
COMMAND_SECONDS = 60
COMMENT = "tinsmith:"
ACTIVE = {
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT",
    "RESIZING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD",
}  # fmt: skip
CAUSES = {
    "NODE_FAIL": "its node failed",
    "OUT_OF_MEMORY": "Slurm ended it for want of memory",
    "CANCELLED": "it was cancelled in Slurm",
    "PREEMPTED": "Slurm preempted it",
    "TIMEOUT": "it reached the time limit of its Slurm partition",
    "BOOT_FAIL": "its node did not boot",
    "COMPLETED": "it ended without a result",
    "DEADLINE": "it reached a deadline of Slurm's",
}
"""States of jobs, as squeue spells them, and what they say of an attempt without a result."""
UNREACHABLE = ("Unable to contact", "Socket timed out", "Connection refused", "Zero Bytes", "Communication")
"""Parts of what the commands say when the controller of Slurm is away."""


class SlurmScheduler:
    """The Slurm cluster that the commands on PATH talk to."""

    keeps_orders = True
    poll = 1.0

    def __init__(self, owner: str, python: str) -> None:
        """`owner` tells this controller's jobs from others'; `python` is an interpreter on the nodes."""
        self._owner = owner
        self._python = python

    def open(self) -> None:
        """Raises InternalError when Slurm's commands are not here."""
        if missing := [command for command in COMMANDS if shutil.which(command) is None]:
            raise InternalError(f"Slurm: no {', '.join(missing)} here; install Slurm's client commands")

    def submit(self, name: str, envelope: str, placement: Placement) -> None:
        """One batch job."""
        if self._jobs(name):
            return
        program = shlex.join([self._python, "-P", "-m", "tinsmith.worker.engines.node", name])
        script = f"#!/bin/sh\nexec {program} <<'ENVELOPE'\n{envelope}\nENVELOPE\n"
        comment = f"--comment={COMMENT}{self._owner}/{name}"
        fixed = (f"--job-name={name}", comment, "--no-requeue", "--output=/dev/null", "--chdir=/")
        self._run("sbatch", "--parsable", *fixed, *_needs(placement), script=script)

    def states(self) -> Mapping[str, str | None]:
        """One squeue for all of them; Slurm forgets jobs that ended MinJobAge ago."""
        found: dict[str, str | None] = {}
        for line in self._squeue("State:|,exit_code:|,Comment:|"):
            state, code, comment = line.split("|")[:3]
            owner, _, name = comment.removeprefix(COMMENT).partition("/")
            if comment.startswith(COMMENT) and owner == self._owner:
                found[name] = None if state in ACTIVE else _cause(state, code)
        return found

    def terminate(self, name: str) -> None:
        """SIGTERM to the attempt itself; a job that does not run yet is cancelled."""
        for job, state in self._jobs(name).items():
            if state == "PENDING":
                self._run("scancel", job)
            else:
                self._run("scancel", "--signal=TERM", "--batch", job)

    def remove(self, name: str) -> None:
        """SIGKILL at once, where a mere scancel would be kind for as long as KillWait."""
        for job, state in self._jobs(name).items():
            if state in ACTIVE:
                self._run("scancel", "--signal=KILL", "--full", job)
                self._run("scancel", job)

    def close(self) -> None:
        """There is nothing to let go."""

    def _jobs(self, name: str) -> dict[str, str]:
        """Ids and states of the jobs of that name."""
        lines = self._squeue("JobID:|,State:|", f"--name={name}")
        return {job: state for job, state, *_ in (line.split("|") for line in lines)}

    def _squeue(self, form: str, *options: str) -> list[str]:
        text = self._run("squeue", "--noheader", "--states=all", "--me", f"--Format={form}", *options)
        return text.splitlines()

    def _run(self, command: str, *arguments: str, script: str = "") -> str:
        # The environment goes into the job and onto Slurm's disks: nothing of the service's own may be in it.
        kept = ("PATH", "HOME", "USER", "LANG", "SLURM_CONF", "SLURM_CLUSTERS")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        try:
            done = subprocess.run(
                (command, *arguments),
                input=script,
                env=environment,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineUnavailable(f"{command}: {error}") from None
        said = done.stderr.strip()
        if done.returncode == 0:
            return done.stdout
        if command == "scancel" and ("Invalid job id" in said or "already completing" in said):
            return ""
        if command != "sbatch" or any(part in said for part in UNREACHABLE):
            raise EngineUnavailable(f"{command}: {said}")
        raise OSError(f"{command}: {said}")


def _needs(placement: Placement) -> list[str]:
    options = [f"--cpus-per-task={math.ceil(placement.cpus)}"]
    if placement.memory:
        options.append(f"--mem={math.ceil(placement.memory / (1 << 20))}M")
    if placement.labels:
        options.append(f"--constraint={'&'.join(placement.labels.values())}")
    if placement.resources:
        counts = (f"{name}:{count:g}" for name, count in placement.resources.items())
        options.append(f"--gres={','.join(counts)}")
    return [*options, *placement.slurm]


def _cause(state: str, code: str) -> str:
    if state in CAUSES:
        return CAUSES[state]
    return cause_of(os.waitstatus_to_exitcode(int(code)))
