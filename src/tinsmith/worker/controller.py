"""Runs jobs: claims them, has an engine run an attempt for each, watches it, and records how it ended.

What the store says follows the attempts, never the other way round. STOPPED, FAILED or a release is
written after the attempt is dead, so that nothing can be uploaded behind it; COMPLETED after the
attempt has uploaded and said so in its result. When something dies instead:

- an attempt, with or without its machine: its job is run again, up to WorkerOptions.max_attempts, and
  then FAILED;
- the service: the next one takes over what the engine still runs and the results of what had finished, and
  runs the other jobs again. A second run uploads the same bytes to the same name;
- the store's lease and attempt number keep out whoever comes late.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tinsmith.errors import ClientError, InternalError, failure_reason
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.store import StaleAttempt, Store, WrongStatus
from tinsmith.settings import S3Options, Settings
from tinsmith.worker.deadlines import Deadline, max_runtime, pending_deadline, running_deadline
from tinsmith.worker.engines import make_engine
from tinsmith.worker.engines.options import limited, placement_of
from tinsmith.worker.engines.port import Active, Ended, Engine, EngineUnavailable
from tinsmith.worker.logs import JobLog
from tinsmith.worker.networks import Network, network_of
from tinsmith.worker.order import AttemptOrder, AttemptResult, attempt_name

SHUTDOWN = "the service was stopped"
UNPLACED = "it could not be placed"
"""Causes of releases that say nothing against the job begin with one of these."""
RETRY_SECONDS = 1.0
UNAVAILABLE_SECONDS = 5.0
OVERDUE_SECONDS = 5.0
logger = logging.getLogger(__name__)

Credentials = Callable[[Job, int], S3Options]
"""The object store with the keys that a job gets for that many seconds."""


@dataclass
class Running:
    """An attempt under watch. Times are those of the controller's clock."""

    job: Job
    name: str
    deadline: float
    next_heartbeat: float
    ending: str | None = None
    """Why it was asked to end: "stop", "timeout", "stale" (the job is not ours any more) or "shutdown"."""
    kill_at: float = 0.0


class Controller:
    """The worker inside a service; the only one on its data folder. All launches are made by one thread."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        engine: Engine | None = None,
        credentials: Credentials | None = None,
        keys: Callable[[Job], str] | None = None,
        networks: Sequence[Network] | None = None,
    ) -> None:
        """What jobs get beside the request itself, whereby ClientError fails one.

        `credentials` gives a job's own for the object store; without it all jobs have the service's. `keys`
        gives the ARN that a KmsKeyId means; without it the store knows. `networks` are those that a
        VpcConfig may mean; without them it means nothing.
        """
        self._store = store
        self._credentials = credentials or (lambda _job, _seconds: settings.s3)
        self._keys = keys
        self._networks = networks
        self._settings = settings
        self._options = settings.worker
        self._clock = clock
        self._given_engine = engine
        self._engine: Engine
        self._owner = ""
        self._running: list[Running] = []
        self._adopted = False
        self._claim_at = 0.0
        self._housekeeping_at = 0.0
        self._overdue_at = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Settles what a former service left, then works in a thread of its own.

        Raises InternalError when no attempt can ever run here, for want of a sandbox or an engine.
        """
        self._settings.logs_dir.mkdir(parents=True, exist_ok=True)
        self._owner = owner_of(self._settings.data_dir)
        self._engine = self._given_engine or make_engine(self._settings, self._owner)
        self._engine.open()
        try:
            self._adopt()
        except EngineUnavailable as error:
            logger.warning("jobs wait: %s", error)
        self._thread = threading.Thread(target=self._work, name="controller", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Gives all jobs back to the queue that the engine cannot finish without us. May be called twice."""
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
                logger.exception("the controller will try again")
                self._stopping.wait(RETRY_SECONDS)
            self._stopping.wait(self._options.poll)  # a flood of new jobs must not keep this thread busy
            changed = self._store.changed.wait(0 if self._running else self._options.housekeeping)
            self._store.changed.clear()
        try:
            self._shut_down()
        finally:
            self._engine.close()

    def _step(self, changed: bool) -> None:
        if not self._adopted:
            self._adopt()
        for running in list(self._running):
            try:
                self._watch(running)
                changed |= self._settle_if_dead(running)
            except Exception:  # one job's trouble is not that of the others
                logger.exception(
                    "job %s: the controller will try again",
                    running.job.key.name,
                    extra={"job": running.job.key.name},
                )
                self._stopping.wait(RETRY_SECONDS)
        now = self._clock()
        if changed or now >= self._housekeeping_at:
            self._housekeeping_at = now + self._options.housekeeping
            self._look_for_stops(now)
            self._fill_slots()
        else:
            self._engine.rest()
        if now >= self._overdue_at:
            self._overdue_at = now + OVERDUE_SECONDS
            self._fail_overdue(now)

    def _adopt(self) -> None:
        """Goes on with the jobs of a former service on this data folder."""
        held = {attempt_name(job): job for job in self._store.held(self._owner)}
        adopted = self._engine.adopt({name: self._log_path(job.key) for name, job in held.items()})
        self._adopted = True
        for name, job in held.items():
            if name in adopted:
                self._running.append(Running(job, name, self._deadline(job).at, next_heartbeat=0))
            else:
                self._conclude(job, None, Ended(None, "the service was killed"))

    def _watch(self, running: Running) -> None:
        now = self._clock()
        if running.ending is not None:
            if now >= running.kill_at:
                self._engine.signal(running.name, signal.SIGKILL)
        elif now >= running.deadline:
            self._end(running, "timeout", grace=0)
        elif now >= running.next_heartbeat:
            try:
                until = now + self._options.lease
                self._store.heartbeat(running.job.key, running.job.attempt, self._owner, until)
                running.next_heartbeat = now + self._options.heartbeat
            except StaleAttempt:
                self._end(running, "stale", grace=0)

    def _end(self, running: Running, why: str, grace: float) -> None:
        running.ending = why
        running.kill_at = self._clock() + grace
        self._engine.signal(running.name, signal.SIGTERM if grace else signal.SIGKILL)

    def _settle_if_dead(self, running: Running) -> bool:
        status = self._engine.status(running.name)
        if isinstance(status, Active):
            return False
        if running.ending != "stale":
            self._conclude(running.job, running.ending, status)
        self._running.remove(running)
        self._engine.discard(running.name)
        return True

    def _conclude(self, job: Job, ending: str | None, end: Ended) -> None:
        """Records how the dead attempt of `job` ended. A stop that came before wins over its result."""
        try:
            if end.result is not None and end.result.attempt == job.attempt:
                self._record(job, end.result)
            elif ending == "timeout":
                self._fail(job, self._deadline(job).reason)
            elif ending == "shutdown":
                self._store.release(job.key, job.attempt, self._clock(), SHUTDOWN)
            elif self._store.get(job.key).status is Status.STOPPING:
                self._stopped(job)
            else:
                self._lost(job, end.cause)
        except WrongStatus as error:
            if error.job.status is Status.STOPPING:
                self._stopped(job)
        except StaleAttempt as error:
            logger.warning("%s", error)

    def _record(self, job: Job, result: AttemptResult) -> None:
        now = self._clock()
        if result.artifact_uri is None or result.digest is None:
            reason = result.failure_reason or "InternalError: the attempt gave no reason"
            self._store.fail(job.key, job.attempt, now, reason, result.stages)
        else:
            derived, stages = result.derived_data_input_config, result.stages
            uri, digest = result.artifact_uri, result.digest
            self._store.complete(job.key, job.attempt, now, uri, digest, derived, stages)

    def _lost(self, job: Job, cause: str) -> None:
        if self._losses(job) >= self._options.max_attempts:
            self._fail(job, self._given_up(cause))
        else:
            self._note(job, f"attempt {job.attempt} was lost ({cause}); the job will be run again")
            self._store.release(job.key, job.attempt, self._clock(), cause)

    def _losses(self, job: Job) -> int:
        """Attempts of `job` so far, without those that ended for the service's own reasons."""
        harmless = 0
        for event in self._store.events(job.key):
            harmless += str(event.detail.get("cause", "")).startswith((SHUTDOWN, UNPLACED))
            if event.kind == "created":
                harmless = 0
        return job.attempt - harmless

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
                self._engine.discard(attempt_name(job))
                self._conclude(job, "stop", Ended(None))

    def _fail_overdue(self, now: float) -> None:
        for job in self._store.pending_too_long(now):
            deadline = pending_deadline(job)
            assert deadline is not None
            try:
                self._fail(job, deadline.reason)
            except (StaleAttempt, WrongStatus):
                continue

    def _fill_slots(self) -> None:
        while len(self._running) < self._options.concurrency and not self._stopping.is_set():
            if self._clock() < self._claim_at or self._is_silent():
                return
            job = self._store.claim(
                self._owner,
                self._options.lease,
                self._clock(),
                lambda job: self._engine.fits(job.request),
            )
            if job is None:
                return
            try:
                self._begin(job)
            except EngineUnavailable as error:
                logger.warning("job %s: %s", job.key.name, error, extra={"job": job.key.name})
                self._claim_at = self._clock() + UNAVAILABLE_SECONDS
                self._store.release(job.key, job.attempt, self._clock(), f"{UNPLACED}: {error}")
            except OSError as error:
                self._conclude(job, None, Ended(None, f"it could not be started: {error}"))
                raise

    def _is_silent(self) -> bool:
        """Whether a heartbeat is overdue: the store was away, and a claim could take our own job from us."""
        overdue = self._clock() - self._options.heartbeat
        return any(running.ending is None and running.next_heartbeat < overdue for running in self._running)

    def _begin(self, job: Job) -> None:
        now = self._clock()
        deadline = self._deadline(job)
        if job.attempt > 1:  # it may still run where its former controller could not reach it
            self._engine.discard(attempt_name(job, job.attempt - 1))
        if job.attempt > self._options.max_attempts and self._losses(job) > self._options.max_attempts:
            self._fail(job, self._given_up("the service was killed"))
        elif now >= deadline.at:
            self._fail(job, deadline.reason)
        else:
            self._note(job, f"attempt {job.attempt} begins")
            try:
                order = self._order(job)
            except ClientError as error:
                self._fail(job, failure_reason(error))
                return
            except InternalError as error:
                self._lost(job, str(error))
                return
            self._engine.launch(order)
            self._running.append(Running(job, attempt_name(job), deadline.at, now + self._options.heartbeat))

    def _order(self, job: Job) -> AttemptOrder:
        """Raises ClientError for a role, key or network that the job cannot have."""
        request, output = job.request, job.request["OutputConfig"]
        if self._keys is not None and output.get("KmsKeyId"):
            request = {**request, "OutputConfig": {**output, "KmsKeyId": self._keys(job)}}
        network = None
        if self._networks is not None and request.get("VpcConfig"):
            network = network_of(self._networks, request["VpcConfig"])
        s3 = self._credentials(job, self._max_runtime(job))
        if network is not None:
            s3 = replace(s3, endpoint_url=network.s3_endpoint or s3.endpoint_url, proxy=network.proxy)
        placement = placement_of(job.request, self._settings.engine.placements)
        return AttemptOrder(
            name=attempt_name(job),
            attempt=job.attempt,
            request=request,
            namespace=None if network is None else network.namespace,
            log=self._log_path(job.key),
            compiler=self._settings.compiler or (),
            cpu_seconds=self._max_runtime(job) * (os.cpu_count() or 1) + 60,
            limits=self._settings.limits,
            sandbox=limited(self._settings.sandbox, placement),
            allow_unverified=self._settings.allow_unverified,
            s3=s3,
        )

    def _shut_down(self) -> None:
        if self._engine.survives:
            return  # the next service on this data folder, or whoever gets the jobs then, goes on
        for running in self._running:
            if running.ending is None:
                self._end(running, "shutdown", self._options.stop_grace)
        while self._running:
            for running in list(self._running):
                if self._clock() >= running.kill_at:
                    self._engine.signal(running.name, signal.SIGKILL)
                self._settle_if_dead(running)
            time.sleep(self._options.poll if self._running else 0)

    def _note(self, job: Job, line: str) -> None:
        log = JobLog(self._log_path(job.key), job.attempt, self._clock)
        log.write(line)
        log.close()

    def _log_path(self, key: JobKey) -> Path:
        return self._settings.log_file(key.account, key.region, key.name)

    def _deadline(self, job: Job) -> Deadline:
        return running_deadline(job, self._options.default_max_runtime)

    def _max_runtime(self, job: Job) -> int:
        return max_runtime(job, self._options.default_max_runtime)


def owner_of(data_dir: Path) -> str:
    """The name of this data folder's worker, the same for every service on it."""
    path = data_dir / "worker"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.write_text(f"{uuid.uuid4()}\n")
        return path.read_text().strip()
