"""Jobs as JSON lines, to move them from one store to another.

One line for each name that the store knows, in the order of their first events:

    {"account", "region", "name", "job": {...} or null, "tags": {...}, "events": [{"time", "kind", "detail"}]}

`job` is null where it was deleted. An import is all or nothing, and may be repeated: a name whose events here
begin with those of the file was imported before. A job that ran when it was exported is imported as one whose
lease was given up: the next claim runs it again, as its next attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from tinsmith.errors import ClientError, InternalError
from tinsmith.jobs.database import Database
from tinsmith.jobs.history import History, Past, parse
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.rows import COLUMNS, insert_event, insert_job, is_named, job_of, key_of, tags_of
from tinsmith.jobs.schema import event as event_table
from tinsmith.jobs.schema import job as job_table

AREA = "JobImport"
MAX_PROBLEMS = 100
EXPORTED = "it was exported while it ran"


@dataclass(frozen=True)
class Imported:
    """Names that were new here, and those that had been imported before."""

    new: int
    known: int


def export_lines(database: Database) -> Iterator[bytes]:
    """A line for each name, all as of one moment."""
    columns = event_table.c.account, event_table.c.region, event_table.c.name
    names = select(*columns).group_by(*columns).order_by(func.min(event_table.c.seq))
    with database.reading() as connection:
        for row in connection.execute(names).all():
            yield orjson.dumps(_line(_history(connection, JobKey(*row))), option=orjson.OPT_APPEND_NEWLINE)


def import_lines(database: Database, lines: Callable[[], Iterable[bytes]]) -> Imported:
    """Adds what is not here yet. `lines` is called for each reading of the file.

    Raises ClientError with all problems, of the file or else of names in use here; nothing is added then.
    """
    problems: list[str] = []
    first: dict[JobKey, int] = {}
    for number, history in _histories(lines, problems):
        if first.setdefault(history.key, number) != number:
            problems.append(f"line {number}: {history.title} is on line {first[history.key]} too.")
    _refuse(problems)

    def change(connection: Connection) -> Imported:
        problems.clear()
        counts = {"new": 0, "known": 0}
        for number, history in _histories(lines, problems):
            here = _history(connection, history.key)
            if not here.events:
                _add(connection, history)
                counts["new"] += 1
            elif here.events[: len(history.events)] == history.events:
                counts["known"] += 1
            else:
                problems.append(
                    f"line {number}: {history.title} is here already: {_difference(here, history)}"
                )
        _refuse(problems)
        return Imported(**counts)

    return database.write(change)


def _histories(lines: Callable[[], Iterable[bytes]], problems: list[str]) -> Iterator[tuple[int, History]]:
    for number, line in enumerate(lines(), start=1):
        found: list[str] = []
        history = parse(line, found)
        problems += (f"line {number}: {problem}" for problem in found)
        if history is not None:
            yield number, _unleased(history)


def _unleased(history: History) -> History:
    """`history` with nobody at work on its job."""
    job = history.job
    if job is None or job.lease_owner is None:
        return history
    job = replace(job, version=job.version + 1, lease_owner=None, lease_until=None)
    detail = {"status": job.status.value, "attempt": job.attempt, "cause": EXPORTED}
    given_up = Past(job.last_modified_time, "released", detail)
    return replace(history, job=job, events=(*history.events, given_up))


def _history(connection: Connection, key: JobKey) -> History:
    found = connection.execute(select(job_table.c.id, *COLUMNS).where(is_named(**key_of(key)))).first()
    columns = event_table.c
    of_key = (columns.account == key.account, columns.region == key.region, columns.name == key.name)
    events = select(columns.time, columns.kind, columns.detail).where(*of_key).order_by(columns.seq)
    return History(
        key,
        None if found is None else job_of(found[1:]),
        {} if found is None else tags_of(connection, found[0]),
        tuple(Past(*row) for row in connection.execute(events)),
    )


def _line(history: History) -> dict[str, Any]:
    job = None
    if history.job is not None:
        job = {name: value for name, value in asdict(history.job).items() if name != "key"}
    events = [asdict(event) for event in history.events]
    return {**key_of(history.key), "job": job, "tags": history.tags, "events": events}


def _add(connection: Connection, history: History) -> None:
    if history.job is not None and not insert_job(connection, history.job, history.tags):
        raise InternalError(f"job {history.key.name} is in the store without any event")
    for event in history.events:
        insert_event(connection, history.key, event.time, event.kind, event.detail)


def _difference(here: History, there: History) -> str:
    pairs = zip(here.events, there.events, strict=False)
    position = next((index for index, (ours, theirs) in enumerate(pairs) if ours != theirs), len(here.events))
    ours, theirs = (_event(history, position) for history in (here, there))
    return f"its event {position + 1} is {ours}, in the file {theirs}."


def _event(history: History, position: int) -> str:
    if position >= len(history.events):
        return "missing"
    event = history.events[position]
    return f"{event.kind!r} at {event.time}"


def _refuse(problems: list[str]) -> None:
    if len(problems) > MAX_PROBLEMS:
        more = f"... and {len(problems) - MAX_PROBLEMS} more problems."
        raise ClientError(AREA, [*problems[:MAX_PROBLEMS], more])
    if problems:
        raise ClientError(AREA, problems)
