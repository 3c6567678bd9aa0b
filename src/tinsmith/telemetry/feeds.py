"""The records that deliveries read: the jobs' events, and the lines of their logs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Row, Select, func, select

from tinsmith.identity.owner import Owner
from tinsmith.jobs.database import Database
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Event, Store
from tinsmith.telemetry.delivery import Entry, Stretch
from tinsmith.telemetry.feeding import GROUP
from tinsmith.telemetry.schema import event as line_table
from tinsmith.telemetry.schema import group as group_table
from tinsmith.telemetry.schema import stream as stream_table

EVENTS, LINES = 100, 1_000
"""How many are read at once."""


def lane_of(key: JobKey) -> str:
    """A lane for each job."""
    return f"{key.account}/{key.region}/{key.name}"


def key_of(lane: str) -> JobKey:
    """The inverse of `lane_of`."""
    return JobKey(*lane.split("/", 2))


class JobEvents:
    """Events of some kinds."""

    def __init__(self, store: Store, kinds: Collection[str]) -> None:
        self._store = store
        self._kinds = kinds

    def newest(self) -> int:
        """See `Feed`."""
        return self._store.newest_event()

    def after(self, seq: int) -> Stretch[Event]:
        """See `Feed`."""
        events = self._store.events(after=seq, limit=EVENTS)
        entries = [_entry(event) for event in events if event.kind in self._kinds]
        return Stretch(entries, events[-1].seq if events else seq)

    def of(self, lane: str, after: int, until: int) -> Stretch[Event]:
        """See `Feed`."""
        events = self._store.events(key_of(lane), after=after, limit=EVENTS)
        entries = [_entry(event) for event in events if event.kind in self._kinds and event.seq <= until]
        return Stretch(entries, events[-1].seq if len(events) == EVENTS else until)


def _entry(event: Event) -> Entry[Event]:
    return Entry(event.seq, event.time, lane_of(event.key), event)


@dataclass(frozen=True)
class Line:
    """One line of a job's log. `time`: milliseconds since the epoch."""

    owner: Owner
    job: str
    time: int
    message: str


class JobLines:
    """Lines of the group of the jobs' logs, in the order in which they came there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> int:
        """See `Feed`."""
        newest = select(func.coalesce(func.max(line_table.c.id), 0))
        return int(self._database.read(lambda connection: connection.execute(newest).scalar_one()))

    def after(self, seq: int) -> Stretch[Line]:
        """See `Feed`. Waits for writers, so that none adds a line before those that it gives."""
        chosen = _lines().where(line_table.c.id > seq)
        last = select(func.coalesce(func.max(line_table.c.id), seq))
        with self._database.settled() as connection:
            rows = connection.execute(chosen).all()
            reached = rows[-1].id if len(rows) == LINES else connection.execute(last).scalar_one()
        return Stretch([_line(row) for row in rows], int(reached))

    def of(self, lane: str, after: int, until: int) -> Stretch[Line]:
        """See `Feed`."""
        key = key_of(lane)
        chosen = _lines().where(
            line_table.c.id > after,
            line_table.c.id <= until,
            group_table.c.account == key.account,
            group_table.c.region == key.region,
            stream_table.c.name == key.name,
        )
        rows = self._database.read(lambda connection: connection.execute(chosen).all())
        return Stretch([_line(row) for row in rows], rows[-1].id if len(rows) == LINES else until)


def _lines() -> Select[tuple[int, str, str, str, int, str]]:
    return (
        select(
            line_table.c.id,
            group_table.c.account,
            group_table.c.region,
            stream_table.c.name,
            line_table.c.time,
            line_table.c.message,
        )
        .join(stream_table, stream_table.c.id == line_table.c.stream_id)
        .join(group_table, group_table.c.id == stream_table.c.group_id)
        .where(group_table.c.name == GROUP)
        .order_by(line_table.c.id)
        .limit(LINES)
    )


def _line(row: Row[tuple[int, str, str, str, int, str]]) -> Entry[Line]:
    line = Line(Owner(row.account, row.region), row.name, row.time, row.message)
    return Entry(row.id, row.time / 1000, lane_of(JobKey(row.account, row.region, row.name)), line)
