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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from tinsmith.jobs.database import Database
from tinsmith.jobs.job import TERMINAL, TRANSITIONS, Job, JobKey, Status
from tinsmith.jobs.query import Cursor, JobQuery, Page, cursor_of, page_select
from tinsmith.jobs.schema import event as event_table
from tinsmith.jobs.schema import job as job_table
from tinsmith.jobs.schema import tag as tag_table

__all__ = [
    "Cursor",
    "Event",
    "JobNotFound",
    "JobQuery",
    "NameInUse",
    "Page",
    "StaleAttempt",
    "Store",
    "TooManyTags",
    "WrongStatus",
]

MAX_TAGS = 50


class NameInUse(Exception):
    """A job with that key exists: `job`."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"the name {job.key.name} is in use by {job.arn}")


class JobNotFound(Exception):
    """No job has that key or ARN."""

    def __init__(self, key: JobKey | str) -> None:
        self.key = key
        super().__init__(f"no job {key.name if isinstance(key, JobKey) else key}")


class WrongStatus(Exception):
    """`job.status` does not allow the change."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"job {job.key.name} is {job.status}")


class StaleAttempt(Exception):
    """The attempt is no longer the caller's; what it did must not be recorded."""


class TooManyTags(Exception):
    """The resource would have `count` tags; `MAX_TAGS` are allowed."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"{count} tags, at most {MAX_TAGS} are allowed")


@dataclass(frozen=True)
class Event:
    """One line of a job's history.

    `kind` is created, claimed, released, stop_requested, stopped, completed, failed or deleted.
    `detail` has the status and attempt after the change, and `owner`, `cause`, `reason` or
    `artifact_uri` where the kind has one.
    """

    seq: int
    """Grows over all jobs."""
    key: JobKey
    time: float
    kind: str
    detail: dict[str, Any]


class Store:
    """Jobs, tags and events in one database. Safe for threads and for several processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.changed = threading.Event()
        """Set when a job was added or asked to stop here. The one who waits for it clears it."""

    @staticmethod
    def open(url: str) -> Store:
        """Opens the database at `url` ("sqlite:////absolute/path"), creating it when missing."""
        return Store(Database(url))

    def close(self) -> None:
        """Closes all connections."""
        self._database.close()

    def add(self, job: Job, tags: Mapping[str, str]) -> None:
        """Stores a new job; it is durable when this returns. Raises NameInUse, TooManyTags."""
        if len(tags) > MAX_TAGS:
            raise TooManyTags(len(tags))

        def insert_all(connection: Connection) -> None:
            job_id = connection.execute(_INSERT_JOB, _row_of(job)).lastrowid
            if tags:
                connection.execute(_INSERT_TAG, _tag_rows(job_id, tags))
            _append(connection, job, job.creation_time, "created", {})

        try:
            self._database.write(insert_all)
        except IntegrityError:
            raise NameInUse(self.get(job.key)) from None
        self.changed.set()

    def get(self, key: JobKey) -> Job:
        """The job named `key`. Raises JobNotFound."""
        with self._database.reading() as connection:
            return _read(connection, key)

    def list(self, query: JobQuery) -> Page:
        """One page of jobs; pages stay consistent while jobs are added or deleted."""
        with self._database.reading() as connection:
            jobs = [_job_of(row) for row in connection.execute(page_select(query))]
        more = len(jobs) > query.limit
        page = tuple(jobs[: query.limit])
        return Page(page, cursor_of(page[-1], query) if more else None)

    def request_stop(self, key: JobKey, now: float) -> Job:
        """STARTING or INPROGRESS to STOPPING; STOPPING stays. Raises JobNotFound, WrongStatus."""
        with self._database.writing() as connection:
            before = _read(connection, key)
            if before.status is Status.STOPPING:
                return before
            after = _change(connection, before, now, "stop_requested", status=Status.STOPPING)
        self.changed.set()
        return after

    def delete(self, key: JobKey, now: float | None = None) -> None:
        """Removes a finished job and its tags; its events stay. Raises JobNotFound, WrongStatus."""
        with self._database.writing() as connection:
            job = _read(connection, key)
            if job.status not in TERMINAL:
                raise WrongStatus(job)
            connection.execute(delete(job_table).where(_is(key)))
            time = job.last_modified_time if now is None else now
            _append(connection, job, time, "deleted", {})

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of the job `arn`, oldest first. Raises JobNotFound."""
        with self._database.reading() as connection:
            return _tags(connection, _id_of(connection, arn))

    def put_tags(self, arn: str, tags: Mapping[str, str]) -> dict[str, str]:
        """Adds or overwrites `tags`; all tags after that. Raises JobNotFound, TooManyTags."""
        with self._database.writing() as connection:
            job_id = _id_of(connection, arn)
            before = _tags(connection, job_id)
            after = before | dict(tags)
            if len(after) > MAX_TAGS:
                raise TooManyTags(len(after))
            for key in before.keys() & tags.keys():
                connection.execute(_UPDATE_TAG, {"of_job": job_id, "of_key": key, "value": tags[key]})
            if added := {key: value for key, value in tags.items() if key not in before}:
                connection.execute(_INSERT_TAG, _tag_rows(job_id, added))
            return after

    def remove_tags(self, arn: str, keys: Iterable[str]) -> None:
        """Removes the tags named `keys`; unknown ones are no error. Raises JobNotFound."""
        with self._database.writing() as connection:
            job_id = _id_of(connection, arn)
            named = tag_table.c.key.in_(list(keys))
            connection.execute(delete(tag_table).where(tag_table.c.job_id == job_id, named))

    def claim(self, owner: str, lease_seconds: float, now: float) -> Job | None:
        """Takes the oldest job whose lease is over, else the oldest queued one; None when idle.

        The job is INPROGRESS with the next attempt number, leased to `owner` until `now + lease_seconds`.
        `start_time` is set by the first claim: whole seconds, not before the creation.
        """
        with self._database.writing() as connection:
            row = connection.execute(_EXPIRED, {"now": now}).first() or connection.execute(_QUEUED).first()
            if row is None:
                return None
            before = _job_of(row)
            changes: dict[str, Any] = {"status": Status.INPROGRESS, "attempt": before.attempt + 1}
            if before.start_time is None:
                changes["start_time"] = changes["last_modified_time"] = _whole_second(before, now)
            changes |= {"lease_owner": owner, "lease_until": now + lease_seconds}
            return _change(connection, before, now, "claimed", {"owner": owner}, **changes)

    def heartbeat(self, key: JobKey, attempt: int, owner: str, until: float) -> Job:
        """Extends the lease to `until`. The job returned tells when it is STOPPING.

        Raises StaleAttempt when the job is gone, finished, or another attempt's or owner's.
        """
        with self._database.writing() as connection:
            before = _fenced(connection, key, attempt)
            if before.status in TERMINAL or before.lease_owner != owner:
                raise StaleAttempt(f"job {key.name}, attempt {attempt} is not leased to {owner}")
            after = replace(before, version=before.version + 1, lease_until=until)
            _compare_and_set(connection, before, after)
            return after

    def complete(
        self,
        key: JobKey,
        attempt: int,
        now: float,
        artifact_uri: str,
        digest: str,
        derived: str | None = None,
    ) -> Job:
        """INPROGRESS to COMPLETED. Raises StaleAttempt; WrongStatus, e.g. when a stop came first."""
        with self._database.writing() as connection:
            return _finish(
                connection,
                _fenced(connection, key, attempt),
                now,
                "completed",
                {"artifact_uri": artifact_uri},
                status=Status.COMPLETED,
                artifact_uri=artifact_uri,
                artifact_digest=digest,
                derived_data_input_config=derived,
            )

    def fail(self, key: JobKey, attempt: int, now: float, reason: str) -> Job:
        """INPROGRESS, or STARTING with attempt 0, to FAILED. Raises StaleAttempt, WrongStatus."""
        with self._database.writing() as connection:
            before = _fenced(connection, key, attempt)
            detail = {"reason": reason}
            return _finish(
                connection, before, now, "failed", detail, status=Status.FAILED, failure_reason=reason
            )

    def stopped(self, key: JobKey, attempt: int, now: float) -> Job:
        """STOPPING to STOPPED. Raises StaleAttempt, WrongStatus."""
        with self._database.writing() as connection:
            before = _fenced(connection, key, attempt)
            return _finish(connection, before, now, "stopped", {}, status=Status.STOPPED)

    def release(self, key: JobKey, attempt: int, now: float, cause: str = "") -> Job:
        """Gives up the lease, so that another claim may take the job at once.

        `cause` is kept in the event. Raises StaleAttempt, WrongStatus (the job is finished).
        """
        with self._database.writing() as connection:
            before = _fenced(connection, key, attempt)
            if before.status in TERMINAL:
                raise WrongStatus(before)
            after = replace(before, version=before.version + 1, lease_owner=None, lease_until=None)
            _compare_and_set(connection, before, after)
            _append(connection, after, now, "released", {"cause": cause})
            return after

    def held(self, owner: str) -> Sequence[Job]:
        """Jobs that `owner` has claimed and neither finished nor released, oldest first."""
        return self._jobs(job_table.c.status.in_(_LEASED), job_table.c.lease_owner == owner)

    def stopping_unowned(self, now: float) -> Sequence[Job]:
        """STOPPING jobs that nobody runs: never claimed, released, or the lease is over."""
        return self._jobs(job_table.c.status == Status.STOPPING, _lease_over(now))

    def pending_too_long(self, now: float) -> Sequence[Job]:
        """STARTING jobs older than their StoppingCondition.MaxPendingTimeInSeconds."""
        limit = job_table.c.request["StoppingCondition"]["MaxPendingTimeInSeconds"].as_integer()
        return self._jobs(job_table.c.status == Status.STARTING, job_table.c.creation_time + limit <= now)

    def events(self, key: JobKey | None = None, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Events with `seq` above `after`, oldest first; of one name or of all."""
        page = select(event_table).where(event_table.c.seq > after)
        if key is not None:
            columns = event_table.c
            page = page.where(
                columns.account == key.account, columns.region == key.region, columns.name == key.name
            )
        with self._database.reading() as connection:
            return [
                Event(row.seq, JobKey(row.account, row.region, row.name), row.time, row.kind, row.detail)
                for row in connection.execute(page.order_by(event_table.c.seq).limit(limit))
            ]

    def _jobs(self, *conditions: Any) -> Sequence[Job]:
        page = select(job_table).where(*conditions).order_by(job_table.c.creation_time, job_table.c.id)
        with self._database.reading() as connection:
            return [_job_of(row) for row in connection.execute(page)]


def _read(connection: Connection, key: JobKey) -> Job:
    row = connection.execute(_SELECT_JOB, asdict(key)).first()
    if row is None:
        raise JobNotFound(key)
    return _job_of(row)


def _fenced(connection: Connection, key: JobKey, attempt: int) -> Job:
    try:
        job = _read(connection, key)
    except JobNotFound as error:
        raise StaleAttempt(str(error)) from None
    if job.attempt != attempt:
        raise StaleAttempt(f"job {key.name} is at attempt {job.attempt}, not {attempt}")
    return job


def _finish(
    connection: Connection, before: Job, now: float, kind: str, detail: dict[str, Any], **changes: Any
) -> Job:
    end = _whole_second(before, now)
    changes |= {"end_time": end, "last_modified_time": end, "lease_owner": None, "lease_until": None}
    return _change(connection, before, now, kind, detail, **changes)


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
    row = _row_of(after)
    changed = {name: value for name, value in _row_of(before).items() if row[name] != value}
    values = {name: row[name] for name in changed}
    unchanged = and_(_is(before.key), job_table.c.version == before.version)
    if connection.execute(update(job_table).where(unchanged).values(values)).rowcount != 1:
        raise StaleAttempt(f"job {before.key.name} changed meanwhile")


def _append(connection: Connection, job: Job, time: float, kind: str, detail: Mapping[str, Any]) -> None:
    detail = {"status": job.status, "attempt": job.attempt, **detail}
    values = {**asdict(job.key), "time": time, "kind": kind, "detail": detail}
    connection.execute(_INSERT_EVENT, values)


def _whole_second(job: Job, now: float) -> float:
    """`now` as the service shows starts and ends: whole seconds, never before the last change."""
    return float(max(math.floor(now), math.ceil(job.last_modified_time)))


def _id_of(connection: Connection, arn: str) -> int:
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
        if (found := connection.execute(candidates.limit(1)).scalar()) is not None:
            return int(found)
    raise JobNotFound(arn)


def _tags(connection: Connection, job_id: int) -> dict[str, str]:
    columns = tag_table.c
    rows = select(columns.key, columns.value).where(columns.job_id == job_id).order_by(columns.id)
    return {row.key: row.value for row in connection.execute(rows)}


def _tag_rows(job_id: int, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"job_id": job_id, "key": key, "value": value} for key, value in tags.items()]


def _is(key: JobKey) -> Any:
    columns = job_table.c
    return and_(columns.account == key.account, columns.region == key.region, columns.name == key.name)


def _lease_over(now: Any) -> Any:
    return or_(job_table.c.lease_until.is_(None), job_table.c.lease_until <= now)


def _row_of(job: Job) -> dict[str, Any]:
    fields = {name: getattr(job, name) for name in _PLAIN_FIELDS}
    return {"account": job.key.account, "region": job.key.region, "name": job.key.name, **fields}


def _job_of(row: Row[Any]) -> Job:
    fields = row._asdict()
    del fields["id"]
    key = JobKey(fields.pop("account"), fields.pop("region"), fields.pop("name"))
    return Job(key, **(fields | {"status": Status(fields["status"])}))


_PLAIN_FIELDS = tuple(name for name in Job.__dataclass_fields__ if name != "key")
_LEASED = (Status.INPROGRESS, Status.STOPPING)
_SELECT_JOB = select(job_table).where(
    _is(JobKey(bindparam("account"), bindparam("region"), bindparam("name")))  # type: ignore[arg-type]
)
_OLDEST = select(job_table).order_by(job_table.c.creation_time, job_table.c.id).limit(1)
_QUEUED = _OLDEST.where(job_table.c.status == Status.STARTING)
_EXPIRED = _OLDEST.where(job_table.c.status == Status.INPROGRESS, _lease_over(bindparam("now")))
_INSERT_JOB = insert(job_table)
_INSERT_TAG = insert(tag_table)
_INSERT_EVENT = insert(event_table)
_UPDATE_TAG = update(tag_table).where(
    tag_table.c.job_id == bindparam("of_job"), tag_table.c.key == bindparam("of_key")
)
