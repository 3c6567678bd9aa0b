"""The tables of keys.

kms_key     one row per key; `material` is its AES key, sealed with the master key
kms_alias   names that point at keys
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table, Text

from tinsmith.jobs.schema import FreeName, FreeText, metadata

key = Table(
    "kms_key",
    metadata,
    Column("id", FreeName(36), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("description", FreeText, nullable=False),
    Column("state", String(16), nullable=False),
    Column("creation_time", Float, nullable=False),
    Column("deletion_time", Float),
    Column("material", Text, nullable=False),
    Index("kms_key_owner", "account", "region", "creation_time", "id"),
)

alias = Table(
    "kms_alias",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", FreeName(256), nullable=False),
    Column("key_id", ForeignKey("kms_key.id", ondelete="CASCADE"), nullable=False),
    Column("creation_time", Float, nullable=False),
    Column("update_time", Float, nullable=False),
    Index("kms_alias_name", "account", "region", "name", unique=True),
)
