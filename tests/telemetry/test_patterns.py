from __future__ import annotations

import pytest

from tinsmith.telemetry.patterns import FilterPattern, parse_pattern


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR timeout", "timeout: ERROR", True),
        ("ERROR timeout", "ERROR", False),
        ("ERROR -timeout", "ERROR", True),
        ("ERROR -timeout", "ERROR: timeout", False),
        ("-timeout", "fine", True),
        ("?ERROR ?WARN", "WARN", True),
        ("?ERROR ?WARN", "fine", False),
        ("?ERROR ?WARN -fine", "WARN, fine", False),
        ("?ERROR fine", "fine", True),
        ('"two words"', "has two words in it", True),
        ('"two words"', "two other words", False),
        ('-"two words"', "two words", False),
        (r'"a \"quoted\" one"', 'a "quoted" one', True),
        ("  spaces   around  ", "around spaces", True),
        ("conv2d_1.weight", "node conv2d_1.weight", True),
    ],
)
def test_lines(pattern: str, line: str, matches: bool) -> None:
    assert parse_pattern(pattern).matches(line) is matches


@pytest.mark.parametrize(
    "pattern", ["{ $.status = 1 }", "[ip, user]", "%regex%", '"open', 'a "b" c"d', '"a"b']
)
def test_what_is_not_known_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="filter pattern"):
        parse_pattern(pattern)


def test_the_error_says_where() -> None:
    with pytest.raises(ValueError, match="expected a term at character 6"):
        parse_pattern('good "bad')


def test_no_pattern_is_the_pattern_of_everything() -> None:
    assert parse_pattern("") == FilterPattern()
