"""Keys that encrypt objects, and their aliases."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "kms_key",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(32), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("creation_time", sa.Float, nullable=False),
        sa.Column("deletion_time", sa.Float),
        sa.Column("material", sa.Text, nullable=False),
    )
    op.create_index("kms_key_owner", "kms_key", ["account", "region", "creation_time", "id"])
    op.create_table(
        "kms_alias",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(32), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("key_id", sa.String(36), sa.ForeignKey("kms_key.id", ondelete="CASCADE"), nullable=False),
        sa.Column("creation_time", sa.Float, nullable=False),
        sa.Column("update_time", sa.Float, nullable=False),
    )
    op.create_index("kms_alias_name", "kms_alias", ["account", "region", "name"], unique=True)
