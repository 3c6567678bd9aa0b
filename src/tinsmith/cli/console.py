"""What every command shares on its way in and out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinsmith.errors import ClientError, TinsmithError

if TYPE_CHECKING:
    from rich.table import Table

_UNLIMITED = 10_000


def default_data_dir() -> Path:
    """$TINSMITH_DATA_DIR, else `tinsmith` in the user's data folder."""
    named = os.environ.get("TINSMITH_DATA_DIR")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tinsmith"


DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        default_factory=default_data_dir,
        show_default="$TINSMITH_DATA_DIR or ~/.local/share/tinsmith",
        file_okay=False,
        help="Folder that holds all state of one service.",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="TINSMITH_DATABASE_URL",
        metavar="URL",
        show_default="SQLite in the data folder",
        show_envvar=True,
        help="Job store of several services: postgresql://USER@HOST/DATABASE. Its password is better kept in "
        "the environment variable, PGPASSWORD or ~/.pgpass.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, sort_keys=True))


def print_table(table: Table) -> None:
    """A table as wide as the terminal; where there is none, as wide as its content, for other programs."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _UNLIMITED
    Console(width=width, highlight=False).print(table)


def say(line: str) -> None:
    """One line for the person at the terminal; never part of the output."""
    typer.echo(line, err=True)


def print_error(error: TinsmithError) -> None:
    """The whole error, one problem a line."""
    if isinstance(error, ClientError):
        say(f"{error.family}: {error.area}:")
        for problem in error.problems:
            say(f"  {problem}")
    else:
        say(f"{error.family}: {error}")
