"""Jobs, tags and events, as in the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def text(length: int) -> sa.types.TypeEngine[str]:
    """Compared by bytes, whatever the database's locale."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "job",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account", text(12), nullable=False),
        sa.Column("region", text(32), nullable=False),
        sa.Column("name", text(63), nullable=False),
        sa.Column("arn", sa.String(256), nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("status", text(10), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("creation_time", sa.Float, nullable=False),
        sa.Column("last_modified_time", sa.Float, nullable=False),
        sa.Column("start_time", sa.Float),
        sa.Column("end_time", sa.Float),
        sa.Column("failure_reason", sa.Text),
        sa.Column("artifact_uri", sa.Text),
        sa.Column("artifact_digest", sa.String(128)),
        sa.Column("derived_data_input_config", sa.Text),
        sa.Column("lease_owner", sa.String(128)),
        sa.Column("lease_until", sa.Float),
        sa.Column("inference_image", sa.String(256)),
    )
    op.create_index("job_name", "job", ["account", "region", "name"], unique=True)
    op.create_index("job_created", "job", ["account", "region", "creation_time", "name"])
    op.create_index("job_queue", "job", ["status", "creation_time"])
    op.create_table(
        "job_tag",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("job_id", sa.Integer, sa.ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("value", sa.String(256), nullable=False),
    )
    op.create_index("job_tag_key", "job_tag", ["job_id", "key"], unique=True)
    op.create_table(
        "job_event",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("account", text(12), nullable=False),
        sa.Column("region", text(32), nullable=False),
        sa.Column("name", text(63), nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("job_event_job", "job_event", ["account", "region", "name", "seq"])
