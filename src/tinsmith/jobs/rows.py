"""Jobs, tags and events as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, select

from tinsmith.errors import InternalError
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.prepared import insert_row
from tinsmith.jobs.schema import event as event_table
from tinsmith.jobs.schema import job as job_table
from tinsmith.jobs.schema import tag as tag_table

PLAIN_FIELDS = tuple(name for name in Job.__dataclass_fields__ if name != "key")
COLUMNS = tuple(job_table.c[name] for name in ("account", "region", "name", *PLAIN_FIELDS))
"""What `job_of` takes."""


def is_named(account: Any, region: Any, name: Any) -> ColumnElement[bool]:
    """The condition on the job of that key."""
    columns = job_table.c
    return and_(columns.account == account, columns.region == region, columns.name == name)


SELECT_JOB = select(*COLUMNS).where(is_named(bindparam("account"), bindparam("region"), bindparam("name")))


def row_of(job: Job) -> dict[str, Any]:
    """The columns that `job` itself tells."""
    return {**key_of(job.key), **{name: getattr(job, name) for name in PLAIN_FIELDS}}


def job_of(row: Sequence[Any]) -> Job:
    """The job of a row of `COLUMNS`."""
    account, region, name, arn, request, status, *others = row
    return Job(JobKey(account, region, name), arn, request, Status(status), *others)


def key_of(key: JobKey) -> dict[str, str]:
    """`key` as columns or parameters."""
    return {"account": key.account, "region": key.region, "name": key.name}


def insert_job(connection: Connection, job: Job, tags: Mapping[str, str]) -> bool:
    """A new job with its tags; False when its name is in use."""
    job_id = insert_row(connection, job_table, row_of(job) | {"pending_until": _pending_until(job)})
    if job_id is None:
        return False
    insert_tags(connection, job_id, tags)
    return True


def _pending_until(job: Job) -> float | None:
    stopping = job.request.get("StoppingCondition", {})
    limits = (stopping.get(name) for name in ("MaxPendingTimeInSeconds", "MaxWaitTimeInSeconds"))
    return min((job.creation_time + float(limit) for limit in limits if limit is not None), default=None)


def insert_tags(connection: Connection, job_id: int, tags: Mapping[str, str]) -> None:
    """Tags that the job does not have yet."""
    for key, value in tags.items():
        _insert(connection, tag_table, {"job_id": job_id, "key": key, "value": value})


def tags_of(connection: Connection, job_id: int) -> dict[str, str]:
    """The tags of a job, oldest first."""
    columns = tag_table.c
    rows = select(columns.key, columns.value).where(columns.job_id == job_id).order_by(columns.id)
    return {row.key: row.value for row in connection.execute(rows)}


def insert_event(
    connection: Connection, key: JobKey, time: float, kind: str, detail: Mapping[str, Any]
) -> None:
    """The newest event of `key`."""
    row = {**key_of(key), "time": time, "kind": kind, "detail": detail}
    _insert(connection, event_table, row)


def _insert(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    if insert_row(connection, table, row) is None:
        raise InternalError(f"The table {table.name} has a row like {row} already.")
