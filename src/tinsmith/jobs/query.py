"""Listing jobs: what is asked for, and one page of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Integer, Select, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from tinsmith.jobs.job import Job, Status
from tinsmith.jobs.schema import job

SortBy = Literal["CreationTime", "Name", "Status"]
Cursor = tuple[float | str, str]
"""Sort value and name of a page's last row; JSON-serialisable."""


@dataclass(frozen=True)
class JobQuery:
    """Filters, order and position of one page. Times are epoch seconds; After and Before are strict."""

    account: str
    region: str
    name_contains: str | None = None
    """Case-sensitive."""
    status: Status | None = None
    creation_after: float | None = None
    creation_before: float | None = None
    modified_after: float | None = None
    modified_before: float | None = None
    sort_by: SortBy = "CreationTime"
    ascending: bool = True
    limit: int = 100
    after: Cursor | None = None
    """`Page.next` of the page before, asked with the same `sort_by` and `ascending`."""


@dataclass(frozen=True)
class Page:
    """Jobs in the order asked for. `next` is None on the last page."""

    jobs: tuple[Job, ...]
    next: Cursor | None


SORT_COLUMNS = {"CreationTime": job.c.creation_time, "Name": job.c.name, "Status": job.c.status}


class _Position(FunctionElement[int]):
    """1 + the place of one text in another, case-sensitive; 0 when it is not there."""

    type = Integer()
    inherit_cache = True


@compiles(_Position)
def _strpos(element: _Position, compiler: Any, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


@compiles(_Position, "sqlite")
def _instr(element: _Position, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


def page_select(query: JobQuery, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """The SELECT of `columns` for one page and one row more, which tells whether another page follows.

    Names are unique, so (sort value, name) is a total order: a page begins after the last row of
    the page before, wherever jobs were added or deleted since.
    """
    order = (SORT_COLUMNS[query.sort_by], job.c.name)
    page = select(*columns).where(*_filters(query)).limit(query.limit + 1)
    if query.after is not None:
        position = tuple_(*order)
        page = page.where(position > query.after if query.ascending else position < query.after)
    return page.order_by(*(column if query.ascending else column.desc() for column in order))


def cursor_of(last: Job, query: JobQuery) -> Cursor:
    """The position of `last` in the order of `query`."""
    values: dict[SortBy, float | str] = {
        "CreationTime": last.creation_time,
        "Name": last.key.name,
        "Status": last.status.value,
    }
    return values[query.sort_by], last.key.name


def _filters(query: JobQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [job.c.account == query.account, job.c.region == query.region]
    if query.name_contains is not None:
        conditions.append(_Position(job.c.name, query.name_contains) > 0)
    if query.status is not None:
        conditions.append(job.c.status == query.status)
    if query.creation_after is not None:
        conditions.append(job.c.creation_time > query.creation_after)
    if query.creation_before is not None:
        conditions.append(job.c.creation_time < query.creation_before)
    if query.modified_after is not None:
        conditions.append(job.c.last_modified_time > query.modified_after)
    if query.modified_before is not None:
        conditions.append(job.c.last_modified_time < query.modified_before)
    return conditions
