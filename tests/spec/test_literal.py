from __future__ import annotations

import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.spec.literal import MAX_DEPTH, LiteralError, at, read

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_json_round_trip(value: object) -> None:
    assert read(json.dumps(value)).plain == value
    assert read(json.dumps(value, ensure_ascii=False, indent=2)).plain == value


@given(values)
def test_python_round_trip(value: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(repr(value)).plain == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'data': [1,3,1024,1024]}", {"data": [1, 3, 1024, 1024]}),
        ('{"a": (1, 2,), }', {"a": [1, 2]}),
        ("{u'data': [1L]}".replace("L", ""), {"data": [1]}),
        (" [ ] ", []),
        ("()", []),
        ("{}", {}),
        ("True", True),
        ("null", None),
        ("-1.5e3", -1500.0),
        (r'"a\/b"', "a/b"),
        (r"'it\'s'", "it's"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_spellings(text: str, value: object) -> None:
    found = read(text).plain
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "a value"),
        ("{'a' 1}", 5, "a colon after the name"),
        ("{'a': }", 6, "a value"),
        ("{1: 2}", 1, "a name in quotes"),
        ("{'a': 1, 'a': 2}", 9, "every name only once"),
        ("[1 2]", 3, "a comma or ]"),
        ("[1, 2", 5, "a comma or ]"),
        ("{'a': [1, 2}", 11, "a comma or ]"),
        ("[1] [2]", 4, "nothing more after the value"),
        ("'open", 0, "a value"),
        ("[1, nan]", 4, "a value"),
        ("1..10", 0, "a value"),
        ("__import__('os')", 0, "a value"),
        ("[1, /]", 4, "a value"),
    ],
)
def test_mistakes_are_located(text: str, position: int, expected: str) -> None:
    with pytest.raises(LiteralError) as caught:
        read(text)
    assert (caught.value.position, caught.value.expected) == (position, expected)


def test_depth_is_limited() -> None:
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH).position == 0
    with pytest.raises(LiteralError) as caught:
        read("[" * 100_000)
    assert str(MAX_DEPTH) in caught.value.expected


@given(st.text(max_size=60))
def test_any_text_reads_or_is_refused(text: str) -> None:
    position = -1
    try:
        position = read(text).position
    except LiteralError as error:
        position = error.position
    assert 0 <= position <= len(text)
    assert at(text, position).startswith("character ")
