"""Tells recipients what happened, from the database's own record of it.

That record (`feeds`) is written in the transaction of each change, so nothing that happened is left out, and
nothing is told that did not happen. Every recipient has its place in it:

- at least once: the place moves on after the recipient took what is before it; a service that dies in
  between, or whose lease another one took, tells it again;
- in order: a recipient that cannot be reached is asked again, for as long as it is worth it (`patience`).
  One that refuses only what is of one lane, such as one job whose role may not, goes on with the other lanes;
  where that lane stands is kept too, and it is tried again;
- from when it was first named: what happened before is not told.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from tinsmith.background import Background
from tinsmith.jobs.database import Database
from tinsmith.telemetry.schema import delivery as delivery_table
from tinsmith.telemetry.schema import parked as parked_table

LEASE = 30.0
PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between tries; the last one is for all further tries."""
GIVE_UP = 86_400.0
"""What a recipient refuses for one lane is left out once it is older than this, with a line in the log."""
logger = logging.getLogger(__name__)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Undelivered(Exception):
    """The recipient did not take it; the text says why."""


class Refused(Undelivered):
    """It takes other things, but not this one, nor others of its lane."""


@dataclass(frozen=True)
class Entry(Generic[T_co]):
    """One thing to tell. `time`: when it happened, epoch seconds."""

    seq: int
    time: float
    lane: str
    """Within a lane the order is kept; one lane's refusal is not the others'."""
    content: T_co


@dataclass(frozen=True)
class Stretch(Generic[T_co]):
    """What there is to tell up to the place `reached`."""

    entries: Sequence[Entry[T_co]]
    reached: int


class Feed(Protocol[T_co]):
    """A record that only grows, numbered in the order in which it was written."""

    def newest(self) -> int:
        """Its last number, or 0; a hint while others write."""

    def after(self, seq: int) -> Stretch[T_co]:
        """The next ones after `seq`, however many are read at once."""

    def of(self, lane: str, after: int, until: int) -> Stretch[T_co]:
        """The same of one lane, up to the number `until`."""


class Recipient(Protocol[T_contra]):
    """Takes what there is to tell."""

    @property
    def name(self) -> str:
        """What its place is remembered by."""

    @property
    def most(self) -> int:
        """Entries that it takes at once."""

    @property
    def patience(self) -> float:
        """Seconds after which what it cannot be given is left out."""

    def send(self, entries: Sequence[Entry[T_contra]]) -> None:
        """Returns once it has taken `entries`, which are of one lane. Raises Undelivered, Refused."""


@dataclass
class Held:
    """A lease: where the recipient stands, and the lanes that stand further back."""

    place: int
    parked: dict[str, int]


class LeaseLost(Exception):
    """Another service tells the recipient now."""


class Delivery(Generic[T]):
    """One recipient's thread. Times are epoch seconds."""

    def __init__(
        self,
        database: Database,
        feed: Feed[T],
        recipient: Recipient[T],
        clock: Callable[[], float] = time.time,
        poll: float = 0.5,
        owner: str | None = None,
    ) -> None:
        """`owner`: the name under which it holds the lease, of which no other service has it at that time."""
        self._database = database
        self._feed = feed
        self._recipient = recipient
        self._clock = clock
        self._poll = poll
        self._owner = owner or str(uuid.uuid4())
        self._mine = delivery_table.c.destination == recipient.name
        self._tries: dict[str, tuple[int, float]] = {}
        """Of parked lanes: how often each was refused, and when it is asked again."""
        self._background = Background("delivery", self._work)

    def start(self) -> None:
        """From now on everything is told."""
        self.register()
        self._background.start()

    def stop(self) -> None:
        """Returns once what is at hand is told or given back."""
        self._background.stop()

    def register(self) -> None:
        """Names the recipient, unless it was named before."""
        values = {"destination": self._recipient.name, "seq": self._feed.newest(), "until": 0.0}

        def change(connection: Connection) -> None:
            if connection.execute(select(delivery_table).where(self._mine)).first() is None:
                connection.execute(insert(delivery_table).values(values))

        with suppress(IntegrityError):  # another service named it at the same moment
            self._database.write(change)

    def step(self) -> int:
        """Tells some of what there is to tell; how many entries were passed. 0 also without the lease.

        Raises Undelivered, with the place before what was not taken.
        """
        if not self._is_anything_new():
            return 0
        held = self._lease()
        if held is None:
            return 0
        try:
            return self._catch_up(held) + self._go_on(held)
        except LeaseLost:
            return 0

    def _work(self) -> None:
        failures = 0
        while not self._background.stopping.is_set():
            pause = self._poll
            try:
                pause = 0.0 if self.step() else self._poll
                failures = 0
            except Undelivered as error:
                pause = PAUSES[min(failures, len(PAUSES) - 1)]
                failures += 1
                logger.warning(
                    "%s: not delivered, next try in %.0f s: %s", self._recipient.name, pause, error
                )
            except Exception:
                pause = PAUSES[-1]
                logger.exception("delivery to %s will be tried again", self._recipient.name)
            self._background.stopping.wait(pause)

    def _go_on(self, held: Held) -> int:
        stretch = self._feed.after(held.place)
        groups = list(self._groups([it for it in stretch.entries if it.lane not in held.parked]))
        passed = 0
        while groups and not self._background.stopping.is_set():
            group = groups.pop(0)
            lane = group[0].lane
            if lane not in held.parked:
                try:
                    self._tell(group)
                except Refused as error:
                    held.parked[lane] = group[0].seq - 1
                    self._park(lane, held.parked[lane], error)
            passed += len(group)
            if groups:
                self._move(min(it[0].seq for it in groups) - 1)
        if not groups and stretch.reached > held.place:
            self._move(stretch.reached)
        return passed

    def _catch_up(self, held: Held) -> int:
        """Tries parked lanes again whose time has come."""
        passed = 0
        for lane, seq in list(held.parked.items()):
            if self._background.stopping.is_set() or self._tries.get(lane, (0, 0.0))[1] > self._clock():
                continue
            stretch = self._feed.of(lane, seq, held.place)
            try:
                for group in self._groups(stretch.entries):
                    self._tell(group)
                    passed += len(group)
                    seq = group[-1].seq
            except Refused as error:
                self._park(lane, seq, error)
                continue
            if stretch.reached < held.place:
                self._as_holder(_moved(self._recipient.name, lane, stretch.reached))
            else:
                del held.parked[lane]
                self._tries.pop(lane, None)
                self._as_holder(delete(parked_table).where(*_parked(self._recipient.name, lane)))
        return passed

    def _groups(self, entries: Sequence[Entry[T]]) -> Iterator[list[Entry[T]]]:
        """What is sent at once; in the order of all entries where the recipient takes one at a time."""
        if self._recipient.most == 1:
            yield from ([entry] for entry in entries)
            return
        lanes: dict[str, list[Entry[T]]] = {}
        for entry in entries:
            lanes.setdefault(entry.lane, []).append(entry)
        for lane in lanes.values():
            for start in range(0, len(lane), self._recipient.most):
                yield lane[start : start + self._recipient.most]

    def _tell(self, group: Sequence[Entry[T]]) -> None:
        try:
            self._recipient.send(group)
        except Undelivered as error:
            patience = GIVE_UP if isinstance(error, Refused) else self._recipient.patience
            if any(self._clock() - entry.time < patience for entry in group):
                raise
            logger.error(
                "%d of %s, from number %d, are given up: %s", len(group), group[0].lane, group[0].seq, error
            )

    def _is_anything_new(self) -> bool:
        """Without a lease, whose renewal would cost an idle service a write each time."""
        here = select(delivery_table.c.seq).where(self._mine)
        behind = select(parked_table.c.lane).where(parked_table.c.destination == self._recipient.name)
        with self._database.reading() as connection:
            place: int = connection.execute(here).scalar_one()
            if connection.execute(behind.limit(1)).first() is not None:
                return True
        return self._feed.newest() > place

    def _lease(self) -> Held | None:
        """None while another service has it."""
        now = self._clock()
        free = or_(delivery_table.c.owner == self._owner, delivery_table.c.until <= now)
        behind = select(parked_table).where(parked_table.c.destination == self._recipient.name)

        def change(connection: Connection) -> Held | None:
            taken = (
                update(delivery_table).where(self._mine, free).values(owner=self._owner, until=now + LEASE)
            )
            if connection.execute(taken).rowcount == 0:
                return None
            place: int = connection.execute(select(delivery_table.c.seq).where(self._mine)).scalar_one()
            return Held(place, {row.lane: row.seq for row in connection.execute(behind)})

        return self._database.write(change)

    def _move(self, seq: int) -> None:
        self._as_holder(update(delivery_table).where(self._mine).values(seq=seq))

    def _park(self, lane: str, seq: int, error: Refused) -> None:
        failures = self._tries.get(lane, (0, 0.0))[0]
        pause = PAUSES[min(failures, len(PAUSES) - 1)]
        self._tries[lane] = (failures + 1, self._clock() + pause)
        logger.warning("%s is not delivered, next try in %.0f s: %s", lane, pause, error)
        row = {"destination": self._recipient.name, "lane": lane, "seq": seq}
        self._as_holder(
            delete(parked_table).where(*_parked(self._recipient.name, lane)), insert(parked_table).values(row)
        )

    def _as_holder(self, *statements: Any) -> None:
        """Runs them while nobody else has the lease, which is renewed. Raises LeaseLost."""
        renewed = (
            update(delivery_table)
            .where(self._mine, delivery_table.c.owner == self._owner)
            .values(until=self._clock() + LEASE)
        )

        def change(connection: Connection) -> None:
            if connection.execute(renewed).rowcount != 1:
                raise LeaseLost
            for statement in statements:
                connection.execute(statement)

        self._database.write(change)


def _parked(name: str, lane: str) -> tuple[Any, Any]:
    return parked_table.c.destination == name, parked_table.c.lane == lane


def _moved(name: str, lane: str, seq: int) -> Any:
    return update(parked_table).where(*_parked(name, lane)).values(seq=seq)
