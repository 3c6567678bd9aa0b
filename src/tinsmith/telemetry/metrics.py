"""The store of metrics, as CloudWatch keeps them. Times are epoch seconds.

A datum is a value with the number of times that it was seen, or the summary of many values (a statistic set),
of which nothing but count, sum, minimum and maximum is known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select

from tinsmith.identity.owner import Owner
from tinsmith.jobs.database import Database
from tinsmith.telemetry.schema import datum as datum_table
from tinsmith.telemetry.schema import metric as metric_table

KEPT = 15 * 86_400.0
"""Seconds that a datum is kept, as CloudWatch keeps those of one minute."""
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


@dataclass(frozen=True)
class Metric:
    """What is measured."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()
    """Names and values, sorted."""

    @staticmethod
    def of(namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
        """With the dimensions in their order."""
        return Metric(namespace, name, tuple(sorted(dimensions.items())))


@dataclass(frozen=True)
class Datum:
    """One measurement, or a summary of several."""

    time: float
    count: float
    sum: float
    minimum: float
    maximum: float
    unit: str = "None"

    @staticmethod
    def of(time: float, value: float, count: float = 1.0, unit: str = "None") -> Datum:
        """`value`, seen `count` times."""
        return Datum(time, count, value * count, value, value, unit)


@dataclass
class Statistics:
    """What is known of the data of one period that begins at `time`."""

    time: float
    data: list[Datum] = field(default_factory=list)

    def value(self, statistic: str) -> float | None:
        """One of `STATISTICS`, or a percentile "p99.9", which only values tell, not summaries."""
        count = sum(datum.count for datum in self.data)
        total = sum(datum.sum for datum in self.data)
        if statistic == "SampleCount":
            return count
        if statistic == "Sum":
            return total
        if statistic == "Average":
            return total / count if count else None
        if statistic == "Minimum":
            return min(datum.minimum for datum in self.data)
        if statistic == "Maximum":
            return max(datum.maximum for datum in self.data)
        return self._percentile(float(statistic[1:]), count)

    def _percentile(self, percent: float, count: float) -> float | None:
        if any(datum.minimum != datum.maximum for datum in self.data):
            return None
        seen, wanted = 0.0, count * percent / 100
        ordered = sorted(self.data, key=lambda datum: datum.minimum)
        for datum in ordered:
            seen += datum.count
            if seen >= wanted:
                return datum.minimum
        return ordered[-1].minimum

    @property
    def unit(self) -> str:
        """Of the data, which `MetricStore.periods` takes of one unit."""
        return self.data[0].unit


def is_statistic(text: str) -> bool:
    """Whether `text` names something that `Statistics.value` tells."""
    if text in STATISTICS:
        return True
    try:
        return text.startswith("p") and 0 <= float(text[1:]) <= 100
    except ValueError:
        return False


class MetricStore:
    """The metrics in a database. Thread-safe; several services may share one."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def put(self, owner: Owner, data: Iterable[tuple[Metric, Datum]]) -> None:
        """All of `data` or nothing."""
        pairs = list(data)

        def change(connection: Connection) -> None:
            known = {metric: _id(connection, owner, metric) for metric, _ in pairs}
            rows = [
                {
                    "metric_id": known[metric],
                    "time": datum.time,
                    "unit": datum.unit,
                    "samples": datum.count,
                    "total": datum.sum,
                    "minimum": datum.minimum,
                    "maximum": datum.maximum,
                }
                for metric, datum in pairs
            ]
            if rows:
                connection.execute(insert(datum_table), rows)

        self._database.write(change)

    def metrics(self, owner: Owner, namespace: str | None = None, name: str | None = None) -> list[Metric]:
        """In the order of namespace, name and dimensions."""
        columns = metric_table.c
        chosen = select(metric_table).where(columns.account == owner.account, columns.region == owner.region)
        if namespace is not None:
            chosen = chosen.where(columns.namespace == namespace)
        if name is not None:
            chosen = chosen.where(columns.name == name)
        with self._database.reading() as connection:
            rows = connection.execute(chosen).all()
        return sorted((_metric(row) for row in rows), key=lambda it: (it.namespace, it.name, it.dimensions))

    def periods(
        self, owner: Owner, metric: Metric, start: float, end: float, period: int, unit: str | None = None
    ) -> list[Statistics]:
        """The periods from `start` to before `end` that have data, oldest first, each of `period` seconds.

        They begin at multiples of `period`. Data of several units are of separate statistics.
        """
        first = math.floor(start / period) * period
        chosen = _data(owner, metric).where(datum_table.c.time >= first, datum_table.c.time < end)
        if unit is not None:
            chosen = chosen.where(datum_table.c.unit == unit)
        found: dict[tuple[float, str], Statistics] = {}
        with self._database.reading() as connection:
            for row in connection.execute(chosen):
                begin = math.floor(row.time / period) * period
                statistics = found.setdefault((begin, row.unit), Statistics(begin))
                statistics.data.append(
                    Datum(row.time, row.samples, row.total, row.minimum, row.maximum, row.unit)
                )
        return [found[key] for key in sorted(found)]

    def expire(self) -> int:
        """Removes data older than `KEPT`; how many that were."""
        old = delete(datum_table).where(datum_table.c.time < self._clock() - KEPT)
        return self._database.write(lambda connection: connection.execute(old).rowcount)


def _data(owner: Owner, metric: Metric) -> Select[Any]:
    return select(datum_table).join(metric_table).where(*_same(owner, metric))


def _same(owner: Owner, metric: Metric) -> Sequence[Any]:
    columns = metric_table.c
    return (
        columns.account == owner.account,
        columns.region == owner.region,
        columns.namespace == metric.namespace,
        columns.name == metric.name,
        columns.dimensions == json.dumps(metric.dimensions),
    )


def _id(connection: Connection, owner: Owner, metric: Metric) -> int:
    found = connection.execute(select(metric_table.c.id).where(*_same(owner, metric))).scalar()
    if found is None:
        values = {
            "account": owner.account,
            "region": owner.region,
            "namespace": metric.namespace,
            "name": metric.name,
            "dimensions": json.dumps(metric.dimensions),
        }
        made = connection.execute(insert(metric_table).values(values)).inserted_primary_key
        assert made is not None
        found = made[0]
    return int(found)


def _metric(row: Row[Any]) -> Metric:
    return Metric(row.namespace, row.name, tuple((name, value) for name, value in json.loads(row.dimensions)))
