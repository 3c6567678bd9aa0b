"""The tables of telemetry. Times of logs are milliseconds since the epoch, as CloudWatch Logs counts them.

log_group    named containers, with the days that they keep what they hold
log_stream   sequences of events within a group
log_source   how far the logs that streams are fed from have been read; each service has its own of a job
log_event    the lines, `id` in the order in which they came
metric, metric_datum   what is measured, and the measurements, whose times are in seconds
event_delivery   how far a recipient has been told of jobs' events or lines, and which service is telling it
delivery_parked  lanes, such as jobs, of which a recipient refused something: how far it was told of each
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table

from tinsmith.jobs.schema import FreeName, FreeText, metadata

group = Table(
    "log_group",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", FreeName(512), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("retention_days", Integer),
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),
    Index("log_group_name", "account", "region", "name", unique=True),
)

stream = Table(
    "log_stream",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("log_group.id", ondelete="CASCADE"), nullable=False),
    Column("name", FreeName(512), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("first_event", BigInteger),
    Column("last_event", BigInteger),
    Column("last_ingestion", BigInteger),
    Index("log_stream_name", "group_id", "name", unique=True),
)

source = Table(
    "log_source",
    metadata,
    Column("stream_id", ForeignKey("log_stream.id", ondelete="CASCADE"), primary_key=True),
    Column("name", FreeName(512), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

event = Table(
    "log_event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("stream_id", ForeignKey("log_stream.id", ondelete="CASCADE"), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("ingestion", BigInteger, nullable=False),
    Column("message", FreeText, nullable=False),
    Index("log_event_time", "stream_id", "time", "id"),
    sqlite_autoincrement=True,
)

delivery = Table(
    "event_delivery",
    metadata,
    Column("destination", String(512), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("owner", String(128)),
    Column("until", Float, nullable=False),
)

parked = Table(
    "delivery_parked",
    metadata,
    Column("destination", String(512), primary_key=True),
    Column("lane", FreeName(640), primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

metric = Table(
    "metric",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("namespace", FreeName(255), nullable=False),
    Column("name", FreeName(255), nullable=False),
    Column("dimensions", FreeText, nullable=False),
    Index("metric_name", "account", "region", "namespace", "name"),
)

datum = Table(
    "metric_datum",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("metric_id", ForeignKey("metric.id", ondelete="CASCADE"), nullable=False),
    Column("time", Float, nullable=False),
    Column("unit", String(32), nullable=False),
    Column("samples", Float, nullable=False),
    Column("total", Float, nullable=False),
    Column("minimum", Float, nullable=False),
    Column("maximum", Float, nullable=False),
    Index("metric_datum_time", "metric_id", "time"),
)
