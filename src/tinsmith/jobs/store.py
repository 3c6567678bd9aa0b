"""The job store: the only place where a job's state changes.

Every change is one transaction: read the row, check the transition, `UPDATE ... WHERE version = :v`,
append an event. Times come from the caller as epoch seconds; stored ones never run backwards.

    add ──► STARTING ─── claim ──► INPROGRESS ─── complete ──► COMPLETED
               │                    │  │   ▲ └───── fail ────► FAILED
               │                    │  └───┴─ claim, when the lease is over: attempt + 1
               └── request_stop ──► STOPPING ──── stopped ───► STOPPED
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, or_, select, update

from tinsmith.errors import InternalError
from tinsmith.jobs.database import Database
from tinsmith.jobs.engines import open_database
from tinsmith.jobs.errors import (
    MAX_TAGS,
    JobNotFound,
    NameInUse,
    QuotaExceeded,
    StaleAttempt,
    TooManyTags,
    WrongStatus,
)
from tinsmith.jobs.job import TERMINAL, TRANSITIONS, Event, Job, JobKey, Status
from tinsmith.jobs.query import Cursor, JobQuery, Page, cursor_of, page_select
from tinsmith.jobs.quotas import check_quota
from tinsmith.jobs.remembered import Remembered
from tinsmith.jobs.rows import (
    COLUMNS,
    SELECT_JOB,
    insert_event,
    insert_job,
    insert_tags,
    is_named,
    job_of,
    key_of,
    row_of,
    tags_of,
)
from tinsmith.jobs.schema import event as event_table
from tinsmith.jobs.schema import job as job_table
from tinsmith.jobs.schema import tag as tag_table
from tinsmith.jobs.turns import OLDEST, next_queued
from tinsmith.settings import NO_QUOTAS, QuotaOptions

__all__ = [
    "MAX_TAGS",
    "Cursor",
    "Event",
    "JobNotFound",
    "JobQuery",
    "NameInUse",
    "Page",
    "QuotaExceeded",
    "StaleAttempt",
    "Store",
    "TooManyTags",
    "WrongStatus",
]

ADD_TRIES = 3

T = TypeVar("T")
TOLD = ("RoleArn", "InputConfig", "OutputConfig")
"""Members of a request that are told of a job, also when it is gone."""
Stages = Sequence[tuple[str, float, float]]
"""What an attempt did: name, begin and end, in epoch seconds."""


class Store:
    """Jobs, tags and events in one database. Safe for threads and for several processes."""

    def __init__(self, database: Database, quotas: QuotaOptions = NO_QUOTAS, alone: bool = False) -> None:
        """`alone`: nobody else changes jobs in this database, so that those read need not be read again."""
        self.database = database
        self._quotas = quotas
        self._remembered = Remembered() if alone and not database.changed_by_others else None
        self.changed = threading.Event()
        """Set when a job was added or asked to stop here. The one who waits for it clears it."""

    @staticmethod
    def open(url: str, quotas: QuotaOptions = NO_QUOTAS, alone: bool = False) -> Store:
        """Opens the database at `url`, see `open_database`."""
        return Store(open_database(url), quotas, alone)

    def close(self) -> None:
        """Closes all connections."""
        self.database.close()

    def ping(self) -> None:
        """Raises what keeps the database from answering."""
        self.database.ping()

    def add(self, job: Job, tags: Mapping[str, str], trace: str = "") -> None:
        """Stores a new job; it is durable when this returns. Raises NameInUse, TooManyTags, QuotaExceeded.

        `trace`: the traceparent (W3C Trace Context) of what created it.
        """
        self.database.write(self._adding(job, tags, trace))
        self.changed.set()

    def add_soon(self, job: Job, tags: Mapping[str, str], trace: str = "") -> Future[None]:
        """As `add`, which the future waits for."""
        added = self.database.write_soon(self._adding(job, tags, trace))
        added.add_done_callback(lambda _: self.changed.set())
        return added

    def _adding(self, job: Job, tags: Mapping[str, str], trace: str) -> Callable[[Connection], None]:
        if len(tags) > MAX_TAGS:
            raise TooManyTags(len(tags))
        quota = self._quotas.of(job.key.account)
        detail = {"trace": trace} if trace else {}

        def change(connection: Connection) -> None:
            for _ in range(ADD_TRIES):
                if insert_job(connection, job, tags):
                    _append(connection, job, job.creation_time, "created", detail)
                    return check_quota(self.database, connection, job.key.account, quota)
                with suppress(JobNotFound):  # deleted meanwhile: the name is free again
                    raise NameInUse(_locked(connection, job.key))
            raise InternalError(f"job {job.key.name} can be neither added nor found")

        return change

    def get(self, key: JobKey) -> Job:
        """The job named `key`. Raises JobNotFound."""
        return self._remembered.get(key, self._read) if self._remembered else self._read(key)

    def _read(self, key: JobKey) -> Job:
        row = self.database.first(SELECT_JOB, key_of(key))
        if row is None:
            raise JobNotFound(key)
        return job_of(row)

    def counts(self) -> dict[Status, int]:
        """How many jobs have each status, of all accounts."""
        statement = select(job_table.c.status, func.count()).group_by(job_table.c.status)
        found = self.database.read(lambda connection: connection.execute(statement).all())
        return {Status(status): count for status, count in found}

    def list(self, query: JobQuery) -> Page:
        """One page of jobs; pages stay consistent while jobs are added or deleted."""
        select_page = page_select(query, COLUMNS)
        jobs = self.database.read(lambda connection: [job_of(row) for row in connection.execute(select_page)])
        more = len(jobs) > query.limit
        page = tuple(jobs[: query.limit])
        return Page(page, cursor_of(page[-1], query) if more else None)

    def request_stop(self, key: JobKey, now: float) -> Job:
        """STARTING or INPROGRESS to STOPPING; STOPPING stays. Raises JobNotFound, WrongStatus."""

        def change(connection: Connection) -> Job:
            before = _locked(connection, key)
            if before.status is Status.STOPPING:
                return before
            return _change(connection, before, now, "stop_requested", status=Status.STOPPING)

        after = self._write(key, change)
        self.changed.set()
        return after

    def delete(self, key: JobKey, now: float | None = None) -> None:
        """Removes a finished job and its tags; its events stay. Raises JobNotFound, WrongStatus."""

        def change(connection: Connection) -> None:
            job = _locked(connection, key)
            if job.status not in TERMINAL:
                raise WrongStatus(job)
            connection.execute(delete(job_table).where(is_named(**key_of(key))))
            time = job.last_modified_time if now is None else now
            request = {name: job.request[name] for name in TOLD if name in job.request}
            told = {"creation_time": job.creation_time, "request": request}
            _append(connection, job, time, "deleted", told)

        self._write(key, change)

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of the job `arn`, oldest first. Raises JobNotFound."""
        return self.database.read(lambda connection: tags_of(connection, _id_of(connection, arn)))

    def put_tags(self, arn: str, tags: Mapping[str, str]) -> dict[str, str]:
        """Adds or overwrites `tags`; all tags after that. Raises JobNotFound, TooManyTags."""

        def change(connection: Connection) -> dict[str, str]:
            job_id = _id_of(connection, arn, for_update=True)
            before = tags_of(connection, job_id)
            after = before | dict(tags)
            if len(after) > MAX_TAGS:
                raise TooManyTags(len(after))
            for key in before.keys() & tags.keys():
                connection.execute(_UPDATE_TAG, {"of_job": job_id, "of_key": key, "value": tags[key]})
            if added := {key: value for key, value in tags.items() if key not in before}:
                insert_tags(connection, job_id, added)
            return after

        return self.database.write(change)

    def remove_tags(self, arn: str, keys: Iterable[str]) -> None:
        """Removes the tags named `keys`; unknown ones are no error. Raises JobNotFound."""
        named = tag_table.c.key.in_(list(keys))

        def change(connection: Connection) -> None:
            job_id = _id_of(connection, arn, for_update=True)
            connection.execute(delete(tag_table).where(tag_table.c.job_id == job_id, named))

        self.database.write(change)

    def claim(
        self, owner: str, lease_seconds: float, now: float, fits: Callable[[Job], bool] = lambda _job: True
    ) -> Job | None:
        """Takes the oldest job whose lease is over, else the queued one whose turn it is (see `turns`).

        None when there is none, or when it does not fit: no other job overtakes it then.
        The job is INPROGRESS with the next attempt number, leased to `owner` until `now + lease_seconds`.
        `start_time` is set by the first claim: whole seconds, not before the creation.
        """

        def change(connection: Connection) -> Job | None:
            if self._quotas.limit_running:
                self.database.take_turns(connection, "claim")
            row = connection.execute(_EXPIRED, {"now": now}).first()
            before = job_of(row) if row is not None else next_queued(connection, self._quotas)
            if before is None or not fits(before):
                return None
            changes: dict[str, Any] = {"status": Status.INPROGRESS, "attempt": before.attempt + 1}
            if before.start_time is None:
                changes["start_time"] = changes["last_modified_time"] = _whole_second(before, now)
            changes |= {"lease_owner": owner, "lease_until": now + lease_seconds}
            ending.enter_context(self._changing(before.key))
            return _change(connection, before, now, "claimed", {"owner": owner}, **changes)

        with ExitStack() as ending:
            return self.database.write(change)

    def heartbeat(self, key: JobKey, attempt: int, owner: str, until: float) -> Job:
        """Extends the lease to `until`. The job returned tells when it is STOPPING.

        Raises StaleAttempt when the job is gone, finished, or another attempt's or owner's.
        """

        def change(connection: Connection) -> Job:
            before = _fenced(connection, key, attempt)
            if before.status in TERMINAL or before.lease_owner != owner:
                raise StaleAttempt(f"job {key.name}, attempt {attempt} is not leased to {owner}")
            after = replace(before, version=before.version + 1, lease_until=until)
            _compare_and_set(connection, before, after)
            return after

        return self._write(key, change)

    def complete(
        self,
        key: JobKey,
        attempt: int,
        now: float,
        artifact_uri: str,
        digest: str,
        derived: str | None = None,
        stages: Stages = (),
    ) -> Job:
        """INPROGRESS to COMPLETED. Raises StaleAttempt; WrongStatus, e.g. when a stop came first."""
        detail = {"artifact_uri": artifact_uri, **_stages(stages)}
        return self._finish(
            key,
            attempt,
            now,
            "completed",
            detail,
            status=Status.COMPLETED,
            artifact_uri=artifact_uri,
            artifact_digest=digest,
            derived_data_input_config=derived,
        )

    def fail(self, key: JobKey, attempt: int, now: float, reason: str, stages: Stages = ()) -> Job:
        """INPROGRESS, or STARTING with attempt 0, to FAILED. Raises StaleAttempt, WrongStatus."""
        detail = {"reason": reason, **_stages(stages)}
        return self._finish(key, attempt, now, "failed", detail, status=Status.FAILED, failure_reason=reason)

    def stopped(self, key: JobKey, attempt: int, now: float) -> Job:
        """STOPPING to STOPPED. Raises StaleAttempt, WrongStatus."""
        return self._finish(key, attempt, now, "stopped", {}, status=Status.STOPPED)

    def release(self, key: JobKey, attempt: int, now: float, cause: str = "") -> Job:
        """Gives up the lease, so that another claim may take the job at once.

        `cause` is kept in the event. Raises StaleAttempt, WrongStatus (the job is finished).
        """

        def change(connection: Connection) -> Job:
            before = _fenced(connection, key, attempt)
            if before.status in TERMINAL:
                raise WrongStatus(before)
            after = replace(before, version=before.version + 1, lease_owner=None, lease_until=None)
            _compare_and_set(connection, before, after)
            _append(connection, after, now, "released", {"cause": cause})
            return after

        return self._write(key, change)

    def held(self, owner: str) -> Sequence[Job]:
        """Jobs that `owner` has claimed and neither finished nor released, oldest first."""
        return self._jobs(job_table.c.status.in_(_LEASED), job_table.c.lease_owner == owner)

    def running(self) -> Sequence[Job]:
        """Jobs that somebody has claimed and that have not ended, oldest first."""
        return self._jobs(job_table.c.status.in_(_LEASED), job_table.c.attempt > 0)

    def stopping_unowned(self, now: float) -> Sequence[Job]:
        """STOPPING jobs that nobody runs: never claimed, released, or the lease is over."""
        return self._jobs(job_table.c.status == Status.STOPPING, _lease_over(now))

    def pending_too_long(self, now: float) -> Sequence[Job]:
        """STARTING jobs older than their MaxPendingTimeInSeconds or MaxWaitTimeInSeconds."""
        return self._jobs(job_table.c.pending_until <= now, job_table.c.status == Status.STARTING)

    def events(self, key: JobKey | None = None, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Events with `seq` above `after`, oldest first; of one name or of all.

        Of all: no event is ever added before the last one that was read, so that a reader may go on after it.
        """
        columns = event_table.c
        page = select(event_table).where(columns.seq > after).order_by(columns.seq).limit(limit)
        if key is not None:
            of_job = (columns.account == key.account, columns.region == key.region, columns.name == key.name)
            return self.database.read(lambda connection: _events(connection, page.where(*of_job)))
        with self.database.settled() as connection:
            return _events(connection, page)

    def newest_event(self) -> int:
        """The number of the last event, or 0; while others write, some before it may not be there yet."""
        newest = select(func.coalesce(func.max(event_table.c.seq), 0))
        return int(self.database.read(lambda connection: connection.execute(newest).scalar_one()))

    def life(self, key: JobKey, seq: int | None = None, time: float | None = None) -> Sequence[Event]:
        """The events, from creation to deletion, of the job that was called `key` when event `seq` happened.

        Or at `time`; the newest one without both. Empty: there was none.
        """
        columns = event_table.c
        named = (columns.account == key.account, columns.region == key.region, columns.name == key.name)
        births = select(columns.seq).where(*named, columns.kind == "created")
        last = births.order_by(columns.seq.desc()).limit(1)
        last = last if seq is None else last.where(columns.seq <= seq)
        last = last if time is None else last.where(columns.time <= time)

        def query(connection: Connection) -> Sequence[Event]:
            first = connection.execute(last).scalar()
            if first is None:
                return []
            following = births.where(columns.seq > first).order_by(columns.seq).limit(1)
            end = connection.execute(following).scalar()
            lived = select(event_table).where(*named, columns.seq >= first).order_by(columns.seq)
            return _events(connection, lived if end is None else lived.where(columns.seq < end))

        return self.database.read(query)

    def _finish(
        self, key: JobKey, attempt: int, now: float, kind: str, detail: Mapping[str, Any], **changes: Any
    ) -> Job:
        """The last change of a job, which ends its lease."""

        def change(connection: Connection) -> Job:
            before = _fenced(connection, key, attempt)
            end = _whole_second(before, now)
            ended = {"end_time": end, "last_modified_time": end, "lease_owner": None, "lease_until": None}
            return _change(connection, before, now, kind, detail, **changes, **ended)

        return self._write(key, change)

    def _write(self, key: JobKey, change: Callable[[Connection], T]) -> T:
        """A change of the job `key`."""
        with self._changing(key):
            return self.database.write(change)

    @contextmanager
    def _changing(self, key: JobKey) -> Iterator[None]:
        if self._remembered is None:
            yield
            return
        self._remembered.begin(key)
        try:
            yield
        finally:
            self._remembered.end(key)

    def _jobs(self, *conditions: Any) -> Sequence[Job]:
        found = select(*COLUMNS).where(*conditions).order_by(job_table.c.creation_time, job_table.c.id)
        return self.database.read(lambda connection: [job_of(row) for row in connection.execute(found)])


def _locked(connection: Connection, key: JobKey) -> Job:
    """The job, which nobody else changes until the transaction ends. Raises JobNotFound."""
    row = connection.execute(_LOCK_JOB, key_of(key)).first()
    if row is None:
        raise JobNotFound(key)
    return job_of(row)


def _fenced(connection: Connection, key: JobKey, attempt: int) -> Job:
    try:
        job = _locked(connection, key)
    except JobNotFound as error:
        raise StaleAttempt(str(error)) from None
    if job.attempt != attempt:
        raise StaleAttempt(f"job {key.name} is at attempt {job.attempt}, not {attempt}")
    return job


def _change(
    connection: Connection,
    before: Job,
    now: float,
    kind: str,
    detail: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Job:
    """Moves `before` to `changes["status"]` with an event, or raises WrongStatus."""
    if changes["status"] not in TRANSITIONS[before.status]:
        raise WrongStatus(before)
    stamp = {"version": before.version + 1, "last_modified_time": max(now, before.last_modified_time)}
    after = replace(before, **(stamp | changes))
    _compare_and_set(connection, before, after)
    _append(connection, after, now, kind, detail or {})
    return after


def _compare_and_set(connection: Connection, before: Job, after: Job) -> None:
    row = row_of(after)
    changed = {name: value for name, value in row_of(before).items() if row[name] != value}
    values = {name: row[name] for name in changed}
    unchanged = and_(is_named(**key_of(before.key)), job_table.c.version == before.version)
    if connection.execute(update(job_table).where(unchanged).values(values)).rowcount != 1:
        raise StaleAttempt(f"job {before.key.name} changed meanwhile")


def _append(connection: Connection, job: Job, time: float, kind: str, detail: Mapping[str, Any]) -> None:
    insert_event(connection, job.key, time, kind, {"status": job.status, "attempt": job.attempt, **detail})


def _stages(stages: Stages) -> dict[str, Any]:
    return {"stages": [list(stage) for stage in stages]} if stages else {}


def _whole_second(job: Job, now: float) -> float:
    """`now` as the service shows starts and ends: whole seconds, never before the last change."""
    return float(max(math.floor(now), math.ceil(job.last_modified_time)))


def _events(connection: Connection, page: Select[Any]) -> Sequence[Event]:
    return [
        Event(row.seq, JobKey(row.account, row.region, row.name), row.time, row.kind, row.detail)
        for row in connection.execute(page)
    ]


def _id_of(connection: Connection, arn: str, for_update: bool = False) -> int:
    """The row of the job `arn`, whose name may have lost its case: clients lower-case some ARNs."""
    _, _, _, region, account, resource = (arn.split(":", 5) + [""] * 6)[:6]
    name = resource.partition("/")[2]
    columns = job_table.c
    for condition in (columns.name == name, func.lower(columns.name) == name):
        candidates = select(columns.id).where(
            columns.account == account,
            columns.region == region,
            condition,
            func.lower(columns.arn) == arn.lower(),
        )
        candidates = candidates.with_for_update() if for_update else candidates
        if (found := connection.execute(candidates.limit(1)).scalar()) is not None:
            return int(found)
    raise JobNotFound(arn)


def _lease_over(now: Any) -> Any:
    return or_(job_table.c.lease_until.is_(None), job_table.c.lease_until <= now)


_LEASED = (Status.INPROGRESS, Status.STOPPING)
_LOCK_JOB = SELECT_JOB.with_for_update()
_EXPIRED = OLDEST.where(job_table.c.status == Status.INPROGRESS, _lease_over(bindparam("now")))
_UPDATE_TAG = update(tag_table).where(
    tag_table.c.job_id == bindparam("of_job"), tag_table.c.key == bindparam("of_key")
)
