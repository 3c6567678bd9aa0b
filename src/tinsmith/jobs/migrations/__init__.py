"""The schema's history: a file in `versions` for each step, run forward by Alembic when a database is opened.

A new step is a file `versions/NNNN_what.py` with the next number. Steps that were released are never changed.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from tinsmith.errors import InternalError

VERSIONS = Path(__file__).parent / "versions"
HEAD = max(path.name[:4] for path in VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))
"""The newest revision."""


def upgrade(connection: Connection) -> None:
    """Brings the database to `HEAD`, in the transaction that `connection` is in.

    Raises InternalError when a newer tinsmith wrote it.
    """
    found = current(connection)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise InternalError(
            f"The job database has schema {found}, which a newer tinsmith wrote; this one knows schemas up "
            f"to {HEAD}. Run the newer tinsmith, or restore a backup from before it."
        )
    run(connection, found)
    if connection.dialect.name == "sqlite":  # whereby the first release knows that this is not its schema
        connection.exec_driver_sql(f"PRAGMA user_version = {int(HEAD)}")


def current(connection: Connection) -> str | None:
    """The revision of the database; None when it is empty."""
    if inspect(connection).has_table("alembic_version"):
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return None if version is None else str(version)
    if connection.dialect.name == "sqlite":  # the first release kept its number here
        number = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        return f"{number:04d}" if number else None
    return None


def run(connection: Connection, found: str | None, to: str = "head") -> None:
    """Runs the steps after `found`."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(VERSIONS.parent).replace("%", "%%"))
    if found is not None:
        command.stamp(config, found)
    command.upgrade(config, to)
