"""The store's tables.

job        one row per job; `version` is the compare-and-set token, `attempt` the fencing token
job_tag    tags of a job, gone with it
job_event  what happened, append-only, written in the transaction of the change; outlives its job
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

VERSION = 1
"""Stored in the database; a store refuses to open a database of another version."""

metadata = MetaData()

job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(63), nullable=False),
    Column("arn", String(256), nullable=False),
    Column("request", JSON, nullable=False),
    Column("status", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("creation_time", Float, nullable=False),
    Column("last_modified_time", Float, nullable=False),
    Column("start_time", Float),
    Column("end_time", Float),
    Column("failure_reason", Text),
    Column("artifact_uri", Text),
    Column("artifact_digest", String(128)),
    Column("derived_data_input_config", Text),
    Column("lease_owner", String(128)),
    Column("lease_until", Float),
    Column("inference_image", String(256)),
    Index("job_name", "account", "region", "name", unique=True),
    Index("job_created", "account", "region", "creation_time", "name"),
    Index("job_queue", "status", "creation_time"),
)

tag = Table(
    "job_tag",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("key", String(128), nullable=False),
    Column("value", String(256), nullable=False),
    Index("job_tag_key", "job_id", "key", unique=True),
)

event = Table(
    "job_event",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(63), nullable=False),
    Column("time", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", JSON, nullable=False),
    Index("job_event_job", "account", "region", "name", "seq"),
    sqlite_autoincrement=True,
)
