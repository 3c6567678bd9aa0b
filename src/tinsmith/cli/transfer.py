"""`tinsmith jobs export` and `tinsmith jobs import`: jobs from one store to another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tinsmith.cli.console import Database, DataDir, say
from tinsmith.errors import InternalError
from tinsmith.settings import Settings

app = typer.Typer(help="Move jobs from one store to another.", no_args_is_help=True)


@app.command("export")
def export_jobs(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="Written anew.")],
    data_dir: DataDir,
    database: Database = None,
) -> None:
    """Write all jobs with their tags and events, one JSON object a line.

    Stop the service first if the jobs are to go on elsewhere: those that run would be run twice.
    """
    from tinsmith.jobs.engines import open_database
    from tinsmith.jobs.transfer import export_lines

    settings = Settings.under(data_dir, database=database)
    if database is None and not (settings.data_dir / "jobs.db").exists():
        raise InternalError(f"There are no jobs in {settings.data_dir}.")
    store = open_database(settings.database_url)
    partial = file.with_name(file.name + ".partial")
    count = 0
    try:
        with partial.open("wb") as output:
            for line in export_lines(store):
                output.write(line)
                count += 1
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
        store.close()
    say(f"Exported {count} names.")


@app.command("import")
def import_jobs(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Of an export.")],
    data_dir: DataDir,
    database: Database = None,
) -> None:
    """Add the jobs of an export that are not here yet; all of them or, when something is wrong, none.

    A job that ran when it was exported is run again here.
    """
    from tinsmith.jobs.engines import open_database
    from tinsmith.jobs.transfer import import_lines

    def lines() -> Iterator[bytes]:
        with file.open("rb") as opened:
            yield from opened

    store = open_database(Settings.under(data_dir, database=database).database_url)
    try:
        imported = import_lines(store, lines)
    finally:
        store.close()
    say(f"Imported {imported.new} names; {imported.known} were here already.")
