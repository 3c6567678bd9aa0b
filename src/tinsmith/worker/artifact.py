"""Takes over what the compiler left in its work directory.

Whoever took over the compiler chose every name, link and byte there, and this code has privileges
that the compiler had not. So links are never followed, only regular files are read, sizes are
capped, and the digest is computed again. No process of the sandbox runs any more.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from tinsmith.errors import MAX_FAILURE_REASON, InternalError
from tinsmith.spec.request import Report, WorkDirectory
from tinsmith.worker.logs import printable

MAX_REPORT = 64 << 20
MAX_ARTIFACT = 8 << 30
MAX_DERIVED = 16_384  # characters, DerivedDataInputConfig in the service model
CHUNK = 1 << 20


def read_report(work: WorkDirectory, exit_code: int) -> Report:
    """The report of a compiler that ended with `exit_code`. Raises InternalError when it makes no sense."""
    try:
        with _open(work.path, work.report.name) as file:
            report = Report.from_json(file.read(MAX_REPORT).decode())
    except FileNotFoundError:
        raise InternalError(f"The compiler {_ending(exit_code)} without a report.") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InternalError(f"The compiler {_ending(exit_code)} with an unreadable report: {error}") from None
    if not _is_consistent(report, exit_code):
        raise InternalError(
            f"The compiler {_ending(exit_code)} with a report that contradicts it: status {report.status!r}."
        )
    warnings = tuple(printable(str(one)) for one in report.warnings)
    return replace(report, failure_reason=printable(report.failure_reason or "") or None, warnings=warnings)


def take(work: WorkDirectory, report: Report, name: str, destination: Path) -> str:
    """Copies the artifact `name` to `destination`; its BLAKE2b-512 in hex, equal to the report's."""
    if report.artifact != name:
        raise InternalError(f"The compiler wrote {report.artifact!r}, expected {name!r}.")
    digest = hashlib.blake2b()
    try:
        with _open(work.path, work.output.name, name) as source, destination.open("wb") as copy:
            size = 0
            while chunk := source.read(CHUNK):
                size += len(chunk)
                if size > MAX_ARTIFACT:
                    raise InternalError(f"The artifact {name} is larger than {MAX_ARTIFACT} bytes.")
                digest.update(chunk)
                copy.write(chunk)
    except FileNotFoundError:
        raise InternalError(f"The compiler reported the artifact {name}, but there is none.") from None
    if digest.hexdigest() != report.digest:
        raise InternalError(f"The artifact {name} does not have the digest that the compiler reported.")
    return digest.hexdigest()


def _is_consistent(report: Report, exit_code: int) -> bool:
    if report.status == "COMPLETED":
        return exit_code == 0 and _is_text(report.derived_data_input_config, MAX_DERIVED, optional=True)
    failed = report.status == "FAILED" and exit_code != 0
    return failed and _is_text(report.failure_reason, MAX_FAILURE_REASON)


def _is_text(value: object, limit: int, optional: bool = False) -> bool:
    if not isinstance(value, str):
        return value is None and optional
    half_characters = any("\ud800" <= character <= "\udfff" for character in value)
    return 0 < len(value) <= limit and not half_characters  # no database would take those


@contextmanager
def _open(folder: Path, *names: str) -> Iterator[BinaryIO]:
    """The regular file at `names` below `folder`, opened name by name without following links."""
    refusal = InternalError(f"{'/'.join(names)} in the work directory is not a plain file.")
    parent = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        for name in names[:-1]:
            inner = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            os.close(parent)
            parent = inner
        # O_NONBLOCK: opening a pipe would wait for a writer for ever.
        opened = os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError:
        raise refusal from None
    finally:
        os.close(parent)
    status = os.fstat(opened)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(opened)
        raise refusal
    with open(opened, "rb") as file:
        yield file


def _ending(exit_code: int) -> str:
    return f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
