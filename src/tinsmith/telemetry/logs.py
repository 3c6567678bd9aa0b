"""The store of logs, as CloudWatch Logs keeps them: groups, streams, events. Times are in milliseconds.

Whatever is asked for belongs to one account and region, its `Owner`. Errors are LogsError, with the codes and
texts of CloudWatch Logs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, LargeBinary, Row, cast, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from tinsmith.identity.owner import Owner
from tinsmith.jobs.database import Database
from tinsmith.telemetry.patterns import FilterPattern
from tinsmith.telemetry.schema import event as event_table
from tinsmith.telemetry.schema import group as group_table
from tinsmith.telemetry.schema import source as source_table
from tinsmith.telemetry.schema import stream as stream_table

DAY_MS = 86_400_000
MAX_AGE_MS, MAX_AHEAD_MS = 14 * DAY_MS, 2 * 3_600_000
"""Events that are older or newer are rejected, as CloudWatch Logs does."""
_SCANNED = 1_000
"""Events that are read at once while one is looked for."""


class LogsError(Exception):
    """A request about logs that is refused: `code` as CloudWatch Logs names it, and the text."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True)
class LogGroup:
    """A group without its streams."""

    name: str
    created: int
    retention_days: int | None
    stored_bytes: int


@dataclass(frozen=True)
class LogStream:
    """A stream without its events."""

    name: str
    created: int
    first_event: int | None
    last_event: int | None
    last_ingestion: int | None


@dataclass(frozen=True)
class LogEvent:
    """One line."""

    id: int
    stream: str
    time: int
    ingestion: int
    message: str

    @property
    def place(self) -> Place:
        """Where it stands among the others."""
        return (self.time, self.id)


Place = tuple[int, int]
"""Time and id: the order in which events are shown."""


@dataclass(frozen=True)
class Span:
    """Which events are meant: from `start`, before `end`, after or before a place that was reached."""

    start: int | None = None
    end: int | None = None
    after: Place | None = None
    before: Place | None = None


@dataclass(frozen=True)
class Rejected:
    """Which events of a request were not taken: those before `old_end`, those from `new_start` on."""

    old_end: int | None = None
    new_start: int | None = None


@dataclass(frozen=True)
class Piece:
    """Bytes `start` to `end` of a log that a stream is fed from. `source`: whose log of that name it is."""

    source: str
    start: int
    end: int


class LogStore:
    """The logs in a database. Thread-safe; several services may share one."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create_group(self, owner: Owner, name: str) -> None:
        """Raises LogsError where it is there already."""
        values = {"account": owner.account, "region": owner.region, "name": name, "created": self._now()}
        self._insert(group_table, values, "The specified log group already exists")

    def delete_group(self, owner: Owner, name: str) -> None:
        """With all that it holds. Raises LogsError."""

        def change(connection: Connection) -> None:
            found = _group(connection, owner, name).id
            connection.execute(delete(group_table).where(group_table.c.id == found))

        self._database.write(change)

    def groups(self, owner: Owner) -> list[LogGroup]:
        """By name."""
        chosen = (
            select(group_table)
            .where(group_table.c.account == owner.account, group_table.c.region == owner.region)
            .order_by(group_table.c.name)
        )
        with self._database.reading() as connection:
            rows = connection.execute(chosen).all()
        return [LogGroup(row.name, row.created, row.retention_days, row.stored_bytes) for row in rows]

    def keep(self, owner: Owner, name: str, days: int | None) -> None:
        """What the group holds is removed after `days`; None keeps it. Raises LogsError."""

        def change(connection: Connection) -> None:
            found = _group(connection, owner, name).id
            connection.execute(
                update(group_table).where(group_table.c.id == found).values(retention_days=days)
            )

        self._database.write(change)

    def create_stream(self, owner: Owner, group: str, name: str) -> None:
        """Raises LogsError where it is there already, or the group is not."""
        with self._database.reading() as connection:
            found = _group(connection, owner, group).id
        values = {"group_id": found, "name": name, "created": self._now()}
        self._insert(stream_table, values, "The specified log stream already exists")

    def delete_stream(self, owner: Owner, group: str, name: str) -> None:
        """With its events. Raises LogsError."""

        def change(connection: Connection) -> None:
            group_id = _group(connection, owner, group).id
            found = _stream(connection, group_id, name).id
            _remove(connection, group_id, event_table.c.stream_id == found)
            connection.execute(delete(stream_table).where(stream_table.c.id == found))

        self._database.write(change)

    def streams(self, owner: Owner, group: str) -> list[LogStream]:
        """By name. Raises LogsError."""
        with self._database.reading() as connection:
            found = _group(connection, owner, group).id
            chosen = select(stream_table).where(stream_table.c.group_id == found)
            rows = connection.execute(chosen.order_by(stream_table.c.name)).all()
        return [
            LogStream(row.name, row.created, row.first_event, row.last_event, row.last_ingestion)
            for row in rows
        ]

    def put(self, owner: Owner, group: str, stream: str, events: Sequence[tuple[int, str]]) -> Rejected:
        """Appends `events`, pairs of time and message in the order of time. Raises LogsError."""
        times = [moment for moment, _ in events]
        if times != sorted(times):
            text = "Log events in a single PutLogEvents request must be in chronological order."
            raise LogsError("InvalidParameterException", text)
        now = self._now()
        old = sum(moment < now - MAX_AGE_MS for moment in times)
        new = sum(moment > now + MAX_AHEAD_MS for moment in times)
        taken = events[old : len(events) - new]

        def change(connection: Connection) -> None:
            found = _stream(connection, _group(connection, owner, group).id, stream)
            _append(connection, found, taken, now)

        self._database.write(change)
        return Rejected(old or None, len(events) - new if new else None)

    def feed(
        self, owner: Owner, group: str, stream: str, piece: Piece, events: Sequence[tuple[int, str]]
    ) -> int:
        """Appends `events`, which `piece` of a log holds, unless that has been done.

        The result is how far that log is read now. Group and stream are made where they are missing.
        """
        now = self._now()

        def change(connection: Connection) -> int:
            found = self._make(connection, owner, group, stream, now)
            here = (source_table.c.stream_id == found.id, source_table.c.name == piece.source)
            reached = connection.execute(select(source_table.c.position).where(*here)).scalar()
            if (reached or 0) != piece.start:
                return int(reached or 0)
            _append(connection, found, events, now)
            if reached is None:
                values = {"stream_id": found.id, "name": piece.source, "position": piece.end}
                connection.execute(insert(source_table).values(values))
            else:
                connection.execute(update(source_table).where(*here).values(position=piece.end))
            return piece.end

        return self._database.write(change)

    def fed(self, owner: Owner, group: str, source: str) -> dict[str, int]:
        """How far the logs of `source` have been read, by the streams that they feed."""
        chosen = (
            select(stream_table.c.name, source_table.c.position)
            .join(source_table, source_table.c.stream_id == stream_table.c.id)
            .join(group_table, group_table.c.id == stream_table.c.group_id)
            .where(
                group_table.c.account == owner.account,
                group_table.c.region == owner.region,
                group_table.c.name == group,
                source_table.c.name == source,
            )
        )
        with self._database.reading() as connection:
            return {row.name: row.position for row in connection.execute(chosen)}

    def read(
        self,
        owner: Owner,
        group: str,
        span: Span,
        limit: int,
        *,
        streams: Sequence[str] | None = None,
        prefix: str = "",
        pattern: FilterPattern | None = None,
        newest: bool = False,
    ) -> list[LogEvent]:
        """Up to `limit` events of some or all streams in the order of time; with `newest` those at the end.

        Raises LogsError for streams that are not there.
        """
        with self._database.reading() as connection:
            found = _group(connection, owner, group).id
            names = self._names(connection, found, streams, prefix)
            wanted = (
                event
                for event in _scan(connection, names, span, newest)
                if pattern is None or pattern.matches(event.message)
            )
            events = [event for event, _ in zip(wanted, range(limit), strict=False)]
        return events[::-1] if newest else events

    def expire(self) -> int:
        """Removes what is older than its group keeps it; how many events that were."""
        now = self._now()

        def change(connection: Connection) -> int:
            kept = select(group_table).where(group_table.c.retention_days.is_not(None))
            removed = 0
            for row in connection.execute(kept).all():
                within = select(stream_table.c.id).where(stream_table.c.group_id == row.id)
                oldest = now - row.retention_days * DAY_MS
                removed += _remove(
                    connection, row.id, event_table.c.stream_id.in_(within), event_table.c.time < oldest
                )
            return removed

        return self._database.write(change)

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _insert(self, table: Any, values: dict[str, Any], exists: str) -> None:
        try:
            self._database.write(lambda connection: connection.execute(insert(table).values(values)))
        except IntegrityError:
            raise LogsError("ResourceAlreadyExistsException", exists) from None

    def _make(self, connection: Connection, owner: Owner, group: str, stream: str, now: int) -> Row[Any]:
        try:
            group_id = _group(connection, owner, group).id
        except LogsError:
            values = {"account": owner.account, "region": owner.region, "name": group, "created": now}
            connection.execute(insert(group_table).values(values))
            group_id = _group(connection, owner, group).id
        try:
            return _stream(connection, group_id, stream)
        except LogsError:
            values = {"group_id": group_id, "name": stream, "created": now}
            connection.execute(insert(stream_table).values(values))
            return _stream(connection, group_id, stream)

    def _names(
        self, connection: Connection, group_id: int, streams: Sequence[str] | None, prefix: str
    ) -> dict[int, str]:
        if streams is not None:
            rows = [_stream(connection, group_id, name) for name in streams]
        else:
            chosen = select(stream_table).where(
                stream_table.c.group_id == group_id,
                stream_table.c.name.startswith(prefix, autoescape=True),
            )
            rows = list(connection.execute(chosen).all())
        return {row.id: row.name for row in rows}


def _group(connection: Connection, owner: Owner, name: str) -> Row[Any]:
    chosen = select(group_table).where(
        group_table.c.account == owner.account,
        group_table.c.region == owner.region,
        group_table.c.name == name,
    )
    row = connection.execute(chosen).first()
    if row is None:
        raise LogsError("ResourceNotFoundException", "The specified log group does not exist.")
    return row


def _stream(connection: Connection, group_id: int, name: str) -> Row[Any]:
    chosen = select(stream_table).where(stream_table.c.group_id == group_id, stream_table.c.name == name)
    row = connection.execute(chosen).first()
    if row is None:
        raise LogsError("ResourceNotFoundException", "The specified log stream does not exist.")
    return row


def _append(connection: Connection, stream: Row[Any], events: Sequence[tuple[int, str]], now: int) -> None:
    if not events:
        return
    rows = [
        {"stream_id": stream.id, "time": moment, "ingestion": now, "message": message}
        for moment, message in events
    ]
    connection.execute(insert(event_table), rows)
    _count(connection, stream.group_id, sum(len(message.encode()) for _, message in events))
    times = [moment for moment, _ in events]
    known = [moment for moment in (stream.first_event, stream.last_event) if moment is not None]
    values = {
        "first_event": min(times + known),
        "last_event": max(times + known),
        "last_ingestion": now,
    }
    connection.execute(update(stream_table).where(stream_table.c.id == stream.id).values(values))


def _remove(connection: Connection, group_id: int, *which: Any) -> int:
    """Removes the events `which`, of one group; how many that were."""
    postgresql = connection.dialect.name == "postgresql"
    message = event_table.c.message
    size = func.octet_length(message) if postgresql else func.length(cast(message, LargeBinary))
    held = connection.execute(select(func.coalesce(func.sum(size), 0)).where(*which)).scalar_one()
    _count(connection, group_id, -int(held))
    return connection.execute(delete(event_table).where(*which)).rowcount


def _count(connection: Connection, group_id: int, more: int) -> None:
    """The group holds so many bytes more, in UTF-8."""
    changed = update(group_table).where(group_table.c.id == group_id)
    connection.execute(changed.values(stored_bytes=group_table.c.stored_bytes + more))


def _scan(connection: Connection, names: dict[int, str], span: Span, newest: bool) -> Iterator[LogEvent]:
    """The events of the streams `names` in the order of time, or the other way round."""
    place = tuple_(event_table.c.time, event_table.c.id)
    chosen = select(event_table).where(event_table.c.stream_id.in_(names))
    if span.start is not None:
        chosen = chosen.where(event_table.c.time >= span.start)
    if span.end is not None:
        chosen = chosen.where(event_table.c.time < span.end)
    after, before = span.after, span.before
    while True:
        page = chosen
        if after is not None:
            page = page.where(place > tuple_(*after))
        if before is not None:
            page = page.where(place < tuple_(*before))
        columns = (event_table.c.time, event_table.c.id)
        order = [column.desc() for column in columns] if newest else columns
        rows = connection.execute(page.order_by(*order).limit(_SCANNED)).all()
        for row in rows:
            yield LogEvent(row.id, names[row.stream_id], row.time, row.ingestion, row.message)
        if len(rows) < _SCANNED:
            return
        reached = (rows[-1].time, rows[-1].id)
        after, before = (after, reached) if newest else (reached, before)
