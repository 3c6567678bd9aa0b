"""Queued jobs by account, last claims from an index; MaxWaitTimeInSeconds ends pending jobs too."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Makes the indexes, and fills `pending_until` of queued jobs."""
    op.drop_index("job_queue", "job")
    op.create_index("job_queue", "job", ["status", "account", "creation_time", "id"])
    claimed = sa.text("kind = 'claimed'")
    op.create_index(
        "job_event_claim", "job_event", ["account", "seq"], sqlite_where=claimed, postgresql_where=claimed
    )
    names = ("id", "status", "creation_time", "pending_until")
    job = sa.table("job", *map(sa.column, names), sa.column("request", sa.JSON))
    connection = op.get_bind()
    queued = sa.select(job.c.id, job.c.request, job.c.creation_time).where(job.c.status == "STARTING")
    for row in connection.execute(queued).all():
        stopping = row.request.get("StoppingCondition") or {}
        limits = [stopping.get(name) for name in ("MaxPendingTimeInSeconds", "MaxWaitTimeInSeconds")]
        if limits[1] is not None:
            until = row.creation_time + min(limit for limit in limits if limit is not None)
            connection.execute(sa.update(job).where(job.c.id == row.id).values(pending_until=until))
