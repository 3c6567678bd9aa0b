from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinsmith.api.errors import ApiError
from tinsmith.api.paging import cursor_of, next_token
from tinsmith.jobs.job import Status
from tinsmith.jobs.query import JobQuery

QUERY = JobQuery("123456789012", "us-east-1")
CURSORS = st.tuples(
    st.text(max_size=63) | st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=63)
)


@settings(deadline=None)
@given(CURSORS)
def test_round_trip(cursor: tuple[str | float, str]) -> None:
    assert cursor_of(next_token(cursor, QUERY), QUERY) == cursor


def test_the_page_size_may_change_between_pages() -> None:
    token = next_token((1.5, "job"), replace(QUERY, limit=10))
    assert cursor_of(token, replace(QUERY, limit=20, after=(0.5, "a"))) == (1.5, "job")


@pytest.mark.parametrize(
    "other",
    [
        replace(QUERY, account="210987654321"),
        replace(QUERY, region="us-east-2"),
        replace(QUERY, name_contains="a"),
        replace(QUERY, status=Status.FAILED),
        replace(QUERY, creation_after=1.0),
        replace(QUERY, creation_before=1.0),
        replace(QUERY, modified_after=1.0),
        replace(QUERY, modified_before=1.0),
        replace(QUERY, sort_by="Name"),
        replace(QUERY, ascending=False),
    ],
)
def test_a_token_serves_its_own_request_only(other: JobQuery) -> None:
    token = next_token((1.5, "job"), QUERY)
    with pytest.raises(ApiError, match="Invalid NextToken"):
        cursor_of(token, other)


@settings(deadline=None)
@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    token = next_token((1713274189.17, "job-17"), QUERY)
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(codec="latin-1").filter(lambda other: other != token[place]))
    changed = token[:place] + character + token[place + 1 :]
    try:
        same_bytes = base64.urlsafe_b64decode(changed) == base64.urlsafe_b64decode(token)
    except ValueError:
        same_bytes = False
    if not same_bytes:
        with pytest.raises(ApiError, match="Invalid NextToken"):
            cursor_of(changed, QUERY)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="Invalid NextToken"):
        cursor_of(text, QUERY)


def test_well_formed_content_of_the_wrong_kind_is_refused() -> None:
    forged = next_token(("a", ["b"]), QUERY)  # type: ignore[arg-type]
    with pytest.raises(ApiError, match="Invalid NextToken"):
        cursor_of(forged, QUERY)
