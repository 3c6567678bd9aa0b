"""The tables of identities, in the database of the jobs.

iam_account     one row per account
iam_entity      users, groups, roles and managed policies; the body is the rest of the record in `entities`
iam_access_key  secrets are sealed with the master key
iam_version     one row; grows with every change, so that caches know when to read again
"""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, String, Table, Text

from tinsmith.jobs.schema import metadata

account = Table(
    "iam_account",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("created", Float, nullable=False),
)

entity = Table(
    "iam_entity",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("path", String(512), nullable=False),
    Column("id", String(32), nullable=False),
    Column("created", Float, nullable=False),
    Column("body", JSON, nullable=False),
)

access_key = Table(
    "iam_access_key",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("user_name", String(64), nullable=False),
    Column("secret", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("of_service", Boolean, nullable=False),
    Column("created", Float, nullable=False),
    Index("iam_access_key_user", "account", "user_name"),
)

version = Table(
    "iam_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)
