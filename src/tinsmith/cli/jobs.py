"""`tinsmith ls` and `tinsmith logs`: the jobs of one data folder, whether its service runs or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from json import dumps
from typing import TYPE_CHECKING, Annotated

import typer

from tinsmith.cli.console import Database, DataDir, Json, print_json, print_table
from tinsmith.cli.endpoints import Endpoints
from tinsmith.errors import InternalError
from tinsmith.settings import Settings

if TYPE_CHECKING:
    from tinsmith.jobs.job import Job
    from tinsmith.jobs.store import Store


def list_jobs(data_dir: DataDir, database: Database = None, json: Json = False) -> None:
    """List the jobs, newest last."""
    settings = Settings.under(data_dir, database=database)
    with _store(settings) as store:
        jobs = list(_all_jobs(store, Endpoints.read(settings)))
    if json:
        print_json([_summary(job) for job in jobs])
        return
    from rich.table import Table

    table = Table("job", "status", "created", "seconds", "artifact or reason", box=None, header_style="bold")
    for job in jobs:
        created = datetime.fromtimestamp(job.creation_time).isoformat(" ", "seconds")
        seconds = f"{job.end_time - job.start_time:.0f}" if job.end_time and job.start_time else ""
        table.add_row(
            job.key.name, job.status, created, seconds, job.artifact_uri or job.failure_reason or ""
        )
    print_table(table)


def logs(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the job.")],
    data_dir: DataDir,
    database: Database = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    json: Json = False,
) -> None:
    """Print what a job has said so far."""
    from tinsmith.jobs.job import TERMINAL, JobKey
    from tinsmith.jobs.store import JobNotFound
    from tinsmith.worker.logs import read

    settings = Settings.under(data_dir, database=database)
    endpoints = Endpoints.read(settings)
    key = JobKey(endpoints.account, endpoints.region, name)
    with _store(settings) as store:

        def finished() -> bool:
            try:
                return store.get(key).status in TERMINAL
            except JobNotFound:
                return True

        path = settings.log_file(endpoints.account, endpoints.region, name)
        try:
            store.get(key)
        except JobNotFound:
            if "/" in name or not path.exists():
                raise InternalError(f"There is no job {name!r} in {settings.data_dir}.") from None
        for line in read(path, follow, finished):
            if json:
                typer.echo(dumps(asdict(line)))
            else:
                time = datetime.fromtimestamp(line.time).isoformat(" ", "milliseconds")
                typer.echo(f"{time}  {line.line}")


@contextmanager
def _store(settings: Settings) -> Iterator[Store]:
    from tinsmith.jobs.store import Store

    Endpoints.read(settings)  # an unknown data folder must not get an empty store
    store = Store.open(settings.database_url)
    try:
        yield store
    finally:
        store.close()


def _all_jobs(store: Store, endpoints: Endpoints) -> Iterator[Job]:
    from tinsmith.jobs.query import JobQuery

    query = JobQuery(endpoints.account, endpoints.region)
    while True:
        page = store.list(query)
        yield from page.jobs
        if page.next is None:
            return
        query = replace(query, after=page.next)


def _summary(job: Job) -> dict[str, object]:
    return {
        "name": job.key.name,
        "arn": job.arn,
        "status": job.status,
        "attempt": job.attempt,
        "creation_time": job.creation_time,
        "start_time": job.start_time,
        "end_time": job.end_time,
        "artifact": job.artifact_uri,
        "digest": job.artifact_digest,
        "failure_reason": job.failure_reason,
    }
