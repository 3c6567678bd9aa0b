"""Runs jobs: claims them, starts an attempt for each, watches it, and records how it ended.

What the store says follows the processes, never the other way round. STOPPED, FAILED or a release is
written after the attempt is dead, so that nothing can be uploaded behind it; COMPLETED after the
attempt has uploaded and said so in its result. When the processes die instead:

- an attempt: its job is run again, up to WorkerOptions.max_attempts, and then FAILED;
- the service: its attempts die with it; the next service takes over the results of those that had
  finished and runs the other jobs again. A second run uploads the same bytes to the same name;
- the store's lease and attempt number keep out whoever comes late.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinsmith.errors import ClientError, InternalError, failure_reason
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.store import StaleAttempt, Store, WrongStatus
from tinsmith.settings import Settings
from tinsmith.worker.attempt import LOST, AttemptOrder, AttemptResult
from tinsmith.worker.folders import remove
from tinsmith.worker.logs import JobLog
from tinsmith.worker.processes import kill_group, read_pid_file, write_pid_file
from tinsmith.worker.sandbox import Sandbox, prepare

SHUTDOWN = "the service was stopped"
RETRY_SECONDS = 1.0
OVERDUE_SECONDS = 5.0
logger = logging.getLogger(__name__)


@dataclass
class Running:
    """An attempt under watch. Times are those of the supervisor's clock."""

    job: Job
    folder: Path
    process: subprocess.Popen[bytes]
    deadline: float
    next_heartbeat: float
    ending: str | None = None
    """Why it was asked to end: "stop", "timeout", "stale" (the job is not ours any more) or "shutdown"."""
    kill_at: float = 0.0


class Supervisor:
    """The worker inside a service; the only one on its data folder.

    All attempts are made by one thread, because the kernel kills a child that asked to die with its parent
    when the *thread* that made it ends.
    """

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._settings = settings
        self._options = settings.worker
        self._clock = clock
        self._owner = ""
        self._running: list[Running] = []
        self._spare: subprocess.Popen[bytes] | None = None
        """An attempt without a job yet: it has the half second of start-up behind it."""
        self._housekeeping_at = 0.0
        self._overdue_at = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._sandbox: Sandbox

    def start(self) -> None:
        """Settles what a former service left, then works in a thread of its own.

        Raises InternalError when no sandbox works here.
        """
        for folder in (self._settings.work_dir, self._settings.logs_dir):
            folder.mkdir(parents=True, exist_ok=True)
        self._owner = _owner(self._settings.data_dir / "worker")
        self._recover()
        self._settings.work_dir.chmod(0o711)  # the sandbox's user passes through to its own folder
        self._sandbox = prepare(self._settings.sandbox, self._settings.work_dir)
        logger.info("sandbox: %s", " ".join(self._sandbox.layers))
        self._thread = threading.Thread(target=self._work, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends all attempts and gives their jobs back to the queue. May be called twice."""
        self._stopping.set()
        self._store.changed.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        changed = True
        while not self._stopping.is_set():
            try:
                self._step(changed)
            except Exception:  # such as a full disk: nothing is lost, the next step tries again
                logger.exception("the supervisor will try again")
                self._stopping.wait(RETRY_SECONDS)
            self._stopping.wait(self._options.poll)  # a flood of new jobs must not keep this thread busy
            changed = self._store.changed.wait(0 if self._running else self._options.housekeeping)
            self._store.changed.clear()
        self._shut_down()

    def _step(self, changed: bool) -> None:
        for running in list(self._running):
            try:
                self._watch(running)
                changed |= self._settle_if_dead(running)
            except Exception:  # one job's trouble is not that of the others
                logger.exception("job %s: the supervisor will try again", running.job.key.name)
                self._stopping.wait(RETRY_SECONDS)
        now = self._clock()
        if changed or now >= self._housekeeping_at:
            self._housekeeping_at = now + self._options.housekeeping
            self._look_for_stops(now)
            self._fill_slots()
        elif self._spare is None:
            self._spare = _launch()
        if now >= self._overdue_at:
            self._overdue_at = now + OVERDUE_SECONDS
            self._fail_overdue(now)

    def _watch(self, running: Running) -> None:
        now = self._clock()
        if running.ending is not None:
            if now >= running.kill_at:
                kill_group(running.process.pid, signal.SIGKILL)
        elif now >= running.deadline:
            self._end(running, "timeout", grace=0)
        elif now >= running.next_heartbeat:
            running.next_heartbeat = now + self._options.heartbeat
            try:
                until = now + self._options.lease
                self._store.heartbeat(running.job.key, running.job.attempt, self._owner, until)
            except StaleAttempt:
                self._end(running, "stale", grace=0)

    def _end(self, running: Running, why: str, grace: float) -> None:
        running.ending = why
        running.kill_at = self._clock() + grace
        kill_group(running.process.pid, signal.SIGTERM if grace else signal.SIGKILL)

    def _settle_if_dead(self, running: Running) -> bool:
        code = running.process.poll()
        if code is None:
            return False
        if running.ending != "stale":
            self._conclude(running.job, running.folder, running.ending, _cause(code))
        self._running.remove(running)
        remove(running.folder)
        return True

    def _conclude(self, job: Job, folder: Path, ending: str | None, cause: str) -> None:
        """Records how the dead attempt of `job` ended. A stop that came before wins over its result."""
        try:
            result = AttemptResult.read(folder)
            if result is not None and result.attempt == job.attempt:
                self._record(job, result)
            elif ending == "timeout":
                self._fail(job, _timed_out(self._max_runtime(job)))
            elif ending == "shutdown":
                self._store.release(job.key, job.attempt, self._clock(), SHUTDOWN)
            elif self._store.get(job.key).status is Status.STOPPING:
                self._stopped(job)
            else:
                self._lost(job, cause)
        except WrongStatus as error:
            if error.job.status is Status.STOPPING:
                self._stopped(job)
        except StaleAttempt as error:
            logger.warning("%s", error)

    def _record(self, job: Job, result: AttemptResult) -> None:
        now = self._clock()
        if result.artifact_uri is None or result.digest is None:
            reason = result.failure_reason or "InternalError: the attempt gave no reason"
            self._store.fail(job.key, job.attempt, now, reason)
        else:
            derived = result.derived_data_input_config
            self._store.complete(job.key, job.attempt, now, result.artifact_uri, result.digest, derived)

    def _lost(self, job: Job, cause: str) -> None:
        if self._losses(job) >= self._options.max_attempts:
            self._fail(job, self._given_up(cause))
        else:
            self._note(job, f"attempt {job.attempt} was lost ({cause}); the job will be run again")
            self._store.release(job.key, job.attempt, self._clock(), cause)

    def _losses(self, job: Job) -> int:
        """Attempts of `job` so far, without those that the service ended when it was stopped."""
        shutdowns = 0
        for event in self._store.events(job.key):
            shutdowns += event.detail.get("cause") == SHUTDOWN
            if event.kind == "created":
                shutdowns = 0
        return job.attempt - shutdowns

    def _given_up(self, cause: str) -> str:
        attempts = self._options.max_attempts
        return failure_reason(
            InternalError(f"The job was given up after {attempts} lost attempts. The last one: {cause}.")
        )

    def _stopped(self, job: Job) -> None:
        self._note(job, "stopped")
        self._store.stopped(job.key, job.attempt, self._clock())

    def _fail(self, job: Job, reason: str) -> None:
        self._note(job, f"failed: {reason}")
        self._store.fail(job.key, job.attempt, self._clock(), reason)

    def _look_for_stops(self, now: float) -> None:
        asked = {job.key for job in self._store.held(self._owner) if job.status is Status.STOPPING}
        for running in self._running:
            if running.job.key in asked and running.ending is None:
                self._end(running, "stop", self._options.stop_grace)
        ours = {running.job.key for running in self._running}
        for job in self._store.stopping_unowned(now):
            if job.key not in ours:
                self._conclude(job, self._folder(job), "stop", "")

    def _fail_overdue(self, now: float) -> None:
        for job in self._store.pending_too_long(now):
            limit = job.request["StoppingCondition"]["MaxPendingTimeInSeconds"]
            problem = f"The job was pending for longer than MaxPendingTimeInSeconds ({limit} s)."
            try:
                self._fail(job, failure_reason(ClientError("TimeOut", problem)))
            except (StaleAttempt, WrongStatus):
                continue

    def _fill_slots(self) -> None:
        while len(self._running) < self._options.concurrency and not self._stopping.is_set():
            job = self._store.claim(self._owner, self._options.lease, self._clock())
            if job is None:
                return
            try:
                self._begin(job)
            except OSError as error:
                self._conclude(job, self._folder(job), None, f"it could not be started: {error}")
                raise

    def _begin(self, job: Job) -> None:
        assert job.start_time is not None
        now = self._clock()
        deadline = job.start_time + self._max_runtime(job)
        if job.attempt > self._options.max_attempts and self._losses(job) > self._options.max_attempts:
            self._fail(job, self._given_up("the service was killed"))
        elif now >= deadline:
            self._fail(job, _timed_out(self._max_runtime(job)))
        else:
            self._note(job, f"attempt {job.attempt} begins")
            folder = self._folder(job)
            process = self._spawn(job, folder)
            self._running.append(Running(job, folder, process, deadline, now + self._options.heartbeat))

    def _spawn(self, job: Job, folder: Path) -> subprocess.Popen[bytes]:
        remove(folder)
        folder.mkdir()
        folder.chmod(0o711)
        order = AttemptOrder(
            attempt=job.attempt,
            request=job.request,
            folder=folder,
            log=self._log_path(job.key),
            compiler=self._settings.compiler or (sys.executable, "-I", "-B", "-m", "tinsmith.compiler"),
            cpu_seconds=self._max_runtime(job) * (os.cpu_count() or 1) + 60,
            limits=self._settings.limits,
            sandbox=self._sandbox,
            allow_unverified=self._settings.allow_unverified,
            s3=self._settings.s3,
        )
        process = self._take_spare()
        write_pid_file(folder / "pid", process.pid)
        assert process.stdin is not None
        try:
            with process.stdin as stdin:
                stdin.write(order.to_json().encode())
        except BrokenPipeError:
            pass  # it died at once, which the next look finds
        return process

    def _take_spare(self) -> subprocess.Popen[bytes]:
        spare, self._spare = self._spare, None
        return spare if spare is not None and spare.poll() is None else _launch()

    def _recover(self) -> None:
        for folder in self._settings.work_dir.iterdir():
            leftover = read_pid_file(folder / "pid")
            while leftover is not None and leftover.alive:
                kill_group(leftover.pid, signal.SIGKILL)
                time.sleep(0.01)
        for job in self._store.held(self._owner):
            self._conclude(job, self._folder(job), None, "the service was killed")
        for folder in self._settings.work_dir.iterdir():
            remove(folder)

    def _shut_down(self) -> None:
        if self._spare is not None:
            self._spare.kill()
            self._spare.communicate()
        for running in self._running:
            if running.ending is None:
                self._end(running, "shutdown", self._options.stop_grace)
        for running in list(self._running):
            try:
                running.process.wait(max(0.0, running.kill_at - self._clock()))
            except subprocess.TimeoutExpired:
                kill_group(running.process.pid, signal.SIGKILL)
                running.process.wait()
            self._settle_if_dead(running)

    def _note(self, job: Job, line: str) -> None:
        log = JobLog(self._log_path(job.key), job.attempt, self._clock)
        log.write(line)
        log.close()

    def _log_path(self, key: JobKey) -> Path:
        return self._settings.logs_dir / f"{key.name}.jsonl"

    def _folder(self, job: Job) -> Path:
        return self._settings.work_dir / f"{job.key.name}-{job.attempt}"

    def _max_runtime(self, job: Job) -> int:
        limit = job.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
        return self._options.default_max_runtime if limit is None else int(limit)


def _launch() -> subprocess.Popen[bytes]:
    """An attempt that waits for its order on stdin."""
    command = [sys.executable, "-P", "-m", "tinsmith.worker.attempt", str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def _timed_out(limit: int) -> str:
    problem = f"The job did not complete within MaxRuntimeInSeconds ({limit} s)."
    return failure_reason(ClientError("TimeOut", problem))


def _cause(code: int) -> str:
    if code == LOST:
        return "the compiler was killed"
    return f"it was killed by signal {-code}" if code < 0 else f"it ended with exit code {code}"


def _owner(path: Path) -> str:
    """The name of this data folder's worker, the same for every service on it."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.write_text(f"{uuid.uuid4()}\n")
        return path.read_text().strip()
