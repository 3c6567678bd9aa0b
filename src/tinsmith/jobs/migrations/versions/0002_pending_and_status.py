"""When a job has been pending for too long, as a column; lists by status from an index."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the column, filled from the requests of queued jobs, and the indexes."""
    op.add_column("job", sa.Column("pending_until", sa.Float))
    job = sa.table(
        "job",
        sa.column("id"),
        sa.column("status"),
        sa.column("request", sa.JSON),
        sa.column("creation_time"),
        sa.column("pending_until"),
    )
    connection = op.get_bind()
    queued = sa.select(job.c.id, job.c.request, job.c.creation_time).where(job.c.status == "STARTING")
    for row in connection.execute(queued).all():
        limit = (row.request.get("StoppingCondition") or {}).get("MaxPendingTimeInSeconds")
        if limit is not None:
            until = sa.update(job).where(job.c.id == row.id).values(pending_until=row.creation_time + limit)
            connection.execute(until)
    op.create_index(
        "job_pending",
        "job",
        ["pending_until"],
        sqlite_where=sa.text("pending_until IS NOT NULL"),
        postgresql_where=sa.text("pending_until IS NOT NULL"),
    )
    op.create_index("job_status", "job", ["account", "region", "status", "name"])
    op.create_index("job_status_created", "job", ["account", "region", "status", "creation_time", "name"])
