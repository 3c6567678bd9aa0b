"""The store's tables.

job        one row per job; `version` is the compare-and-set token, `attempt` the fencing token
job_tag    tags of a job, gone with it
job_event  what happened, append-only, written in the transaction of the change; outlives its job

`migrations` makes them; a change here needs a step there.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()


class FreeText(TypeDecorator[str]):
    """Text that models and tools may have written: PostgreSQL takes no NUL."""

    impl: type[String] = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """`value` as the database takes it."""
        return value.replace("\0", "\ufffd") if value and dialect.name == "postgresql" else value


class FreeName(FreeText):
    """The same, bounded; what is compared with it may have a NUL too."""

    impl = String
    cache_ok = True


def _name(length: int) -> TypeEngine[str]:
    """Text that is compared and sorted by its bytes, whatever the database's locale."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


_HAS_LIMIT = text("pending_until IS NOT NULL")
_IS_CLAIM = text("kind = 'claimed'")

job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", _name(12), nullable=False),
    Column("region", _name(32), nullable=False),
    Column("name", _name(63), nullable=False),
    Column("arn", String(256), nullable=False),
    Column("request", JSON, nullable=False),
    Column("status", _name(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("creation_time", Float, nullable=False),
    Column("last_modified_time", Float, nullable=False),
    Column("start_time", Float),
    Column("end_time", Float),
    Column("failure_reason", FreeText),
    Column("artifact_uri", Text),
    Column("artifact_digest", String(128)),
    Column("derived_data_input_config", FreeText),
    Column("lease_owner", String(128)),
    Column("lease_until", Float),
    Column("inference_image", String(256)),
    Column("pending_until", Float),  # creation plus MaxPendingTimeInSeconds or MaxWaitTimeInSeconds
    Index("job_name", "account", "region", "name", unique=True),
    Index("job_created", "account", "region", "creation_time", "name"),
    Index("job_status", "account", "region", "status", "name"),
    Index("job_status_created", "account", "region", "status", "creation_time", "name"),
    Index("job_queue", "status", "account", "creation_time", "id"),
    Index("job_pending", "pending_until", sqlite_where=_HAS_LIMIT, postgresql_where=_HAS_LIMIT),
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
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("account", _name(12), nullable=False),
    Column("region", _name(32), nullable=False),
    Column("name", _name(63), nullable=False),
    Column("time", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", JSON, nullable=False),
    Index("job_event_job", "account", "region", "name", "seq"),
    Index("job_event_claim", "account", "seq", sqlite_where=_IS_CLAIM, postgresql_where=_IS_CLAIM),
    sqlite_autoincrement=True,
)
