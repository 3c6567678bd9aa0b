"""What recipients refused, and the bytes that log groups hold."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Makes the table, and sums up what is there."""
    op.create_table(
        "delivery_parked",
        sa.Column("destination", sa.String(512), primary_key=True),
        sa.Column("lane", sa.String(640), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    with op.batch_alter_table("event_delivery") as table:
        table.alter_column("seq", existing_type=sa.Integer, type_=sa.BigInteger, existing_nullable=False)
    op.add_column("log_group", sa.Column("stored_bytes", sa.BigInteger, nullable=False, server_default="0"))
    group, stream, event = (
        sa.table(name, *map(sa.column, columns))
        for name, columns in (
            ("log_group", ("id", "stored_bytes")),
            ("log_stream", ("id", "group_id")),
            ("log_event", ("stream_id", "message")),
        )
    )
    size = sa.func.length(sa.cast(event.c.message, sa.LargeBinary))
    if op.get_bind().dialect.name == "postgresql":
        size = sa.func.octet_length(event.c.message)
    held = (
        sa.select(sa.func.coalesce(sa.func.sum(size), 0))
        .select_from(event.join(stream, stream.c.id == event.c.stream_id))
        .where(stream.c.group_id == group.c.id)
        .scalar_subquery()
    )
    op.get_bind().execute(sa.update(group).values(stored_bytes=held))
