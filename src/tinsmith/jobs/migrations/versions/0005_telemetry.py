"""Logs, metrics, and how far destinations have been told of events."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes the tables."""
    _logs()
    op.create_table(
        "event_delivery",
        sa.Column("destination", sa.String(512), primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(128)),
        sa.Column("until", sa.Float, nullable=False),
    )
    _metrics()


def _logs() -> None:
    op.create_table(
        "log_group",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(32), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("retention_days", sa.Integer),
    )
    op.create_index("log_group_name", "log_group", ["account", "region", "name"], unique=True)
    op.create_table(
        "log_stream",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("group_id", sa.Integer, sa.ForeignKey("log_group.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("first_event", sa.BigInteger),
        sa.Column("last_event", sa.BigInteger),
        sa.Column("last_ingestion", sa.BigInteger),
    )
    op.create_index("log_stream_name", "log_stream", ["group_id", "name"], unique=True)
    op.create_table(
        "log_source",
        sa.Column(
            "stream_id", sa.Integer, sa.ForeignKey("log_stream.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("name", sa.String(512), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "log_event",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column(
            "stream_id", sa.Integer, sa.ForeignKey("log_stream.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("ingestion", sa.BigInteger, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("log_event_time", "log_event", ["stream_id", "time", "id"])


def _metrics() -> None:
    op.create_table(
        "metric",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(32), nullable=False),
        sa.Column("namespace", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("dimensions", sa.Text, nullable=False),
    )
    op.create_index("metric_name", "metric", ["account", "region", "namespace", "name"])
    op.create_table(
        "metric_datum",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("metric_id", sa.Integer, sa.ForeignKey("metric.id", ondelete="CASCADE"), nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("unit", sa.String(32), nullable=False),
        sa.Column("samples", sa.Float, nullable=False),
        sa.Column("total", sa.Float, nullable=False),
        sa.Column("minimum", sa.Float, nullable=False),
        sa.Column("maximum", sa.Float, nullable=False),
    )
    op.create_index("metric_datum_time", "metric_datum", ["metric_id", "time"])
