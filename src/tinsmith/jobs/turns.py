"""Whose job is next: fair between accounts, oldest first within one.

The next account is the one with the fewest running jobs; of several, the one whose last claim is the longest
ago. So accounts take turns, also where only one job runs at a time, however many jobs one of them has queued.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, bindparam, select, text

from tinsmith.jobs.job import Job, Status
from tinsmith.jobs.rows import COLUMNS, job_of
from tinsmith.jobs.schema import job as job_table
from tinsmith.settings import QuotaOptions

_TURNS = text(
    """
    WITH RECURSIVE waiting (account) AS (
        SELECT min(account) FROM job WHERE status = 'STARTING'
        UNION ALL
        SELECT (SELECT min(account) FROM job WHERE status = 'STARTING' AND account > waiting.account)
        FROM waiting WHERE waiting.account IS NOT NULL
    )
    SELECT waiting.account, coalesce(running.jobs, 0) AS running,
        (SELECT coalesce(max(seq), 0) FROM job_event
            WHERE job_event.account = waiting.account AND kind = 'claimed') AS last_claim
    FROM waiting LEFT JOIN (
        SELECT account, count(*) AS jobs FROM job
        WHERE status IN ('INPROGRESS', 'STOPPING') AND (status = 'INPROGRESS' OR lease_owner IS NOT NULL)
        GROUP BY account
    ) AS running ON running.account = waiting.account
    WHERE waiting.account IS NOT NULL
    ORDER BY running, last_claim, waiting.account
    """
)
"""The accounts with queued jobs; each takes two looks into indexes, however many jobs it has."""

OLDEST = (
    select(*COLUMNS)
    .order_by(job_table.c.creation_time, job_table.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_OLDEST_OF = OLDEST.where(
    job_table.c.status == Status.STARTING, job_table.c.account == bindparam("of_account")
)


def next_queued(connection: Connection, quotas: QuotaOptions) -> Job | None:
    """The queued job whose turn it is, which is the transaction's own from now on.

    Passed over: accounts that run as many jobs as they may, and jobs that another transaction claims.
    """
    for account in _turns(connection, quotas):
        row = connection.execute(_OLDEST_OF, {"of_account": account}).first()
        if row is not None:
            return job_of(row)
    return None


def _turns(connection: Connection, quotas: QuotaOptions) -> Iterator[str]:
    for account, running, _ in connection.execute(_TURNS).all():
        limit = quotas.of(account).running
        if limit is None or running < limit:
            yield account
