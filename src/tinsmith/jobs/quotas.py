"""What an account may have of jobs, counted in the transaction that would exceed it.

A quota is one for all regions of an account: the region is whatever the client signs for.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, select

from tinsmith.jobs.database import Database
from tinsmith.jobs.errors import QuotaExceeded
from tinsmith.jobs.job import TERMINAL, Status
from tinsmith.jobs.schema import job
from tinsmith.settings import Quota

_STORED = select(func.count()).where(job.c.account == bindparam("account"))
_UNFINISHED = _STORED.where(job.c.status.in_([status for status in Status if status not in TERMINAL]))


def check_quota(database: Database, connection: Connection, account: str, quota: Quota) -> None:
    """Raises QuotaExceeded when `account`, to which a job was just added, has more than it may."""
    limits = (
        ("Maximum number of unfinished compilation jobs allowed per account", quota.unfinished, _UNFINISHED),
        ("Maximum number of stored compilation jobs allowed per account", quota.stored, _STORED),
    )
    if all(limit is None for _, limit, _ in limits):
        return
    database.take_turns(connection, f"add {account}")
    for name, limit, counted in limits:
        if limit is None:
            continue
        count = connection.execute(counted, {"account": account}).scalar_one()
        if count > limit:
            raise QuotaExceeded(name, limit, count - 1)
