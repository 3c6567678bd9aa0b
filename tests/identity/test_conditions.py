from __future__ import annotations

from typing import Any

import pytest

from tinsmith.identity.conditions import OPERATORS, compile_conditions


def holds(operator: str, values: Any, *sent: str, username: str | None = None) -> bool:
    conditions, problems = compile_conditions({operator: {"aws:Key": values}}, variables=True)
    assert not problems
    full = {"aws:key": sent} if sent else {}
    if username is not None:
        full["aws:username"] = (username,)
    return all(condition(full) for condition in conditions)


@pytest.mark.parametrize(
    ("operator", "policy", "sent", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringNotEquals", ["b", "a"], "a", False),
        ("StringNotEquals", ["b", "a"], "c", True),
        ("StringEqualsIgnoreCase", "Straße", "STRASSE", True),
        ("StringNotEqualsIgnoreCase", "a", "A", False),
        ("StringLike", "a*c?", "abbcd", True),
        ("StringLike", "a*c?", "abbc", False),
        ("StringLike", "a.c", "abc", False),
        ("StringLike", "a*", "a\nb", True),
        ("StringNotLike", "a*", "abc", False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericEquals", 10, "10", True),
        ("NumericNotEquals", "10", "11", True),
        ("NumericLessThan", "10", "9.5", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "9", False),
        ("NumericGreaterThanEquals", "10", "10", True),
        ("NumericLessThan", "10", "many", False),
        ("DateLessThan", "2026-11-22T00:00:00Z", "2026-11-21T23:59:59Z", True),
        ("DateGreaterThan", "2026-11-22T00:00:00Z", "1795333145", True),
        ("DateEquals", "2026-11-22T00:00:00Z", "2026-11-22T01:00:00+01:00", True),
        ("DateNotEquals", "2026-11-22", "2026-11-22T00:00:00Z", False),
        ("DateGreaterThanEquals", "1795333145", "1795333145", True),
        ("DateLessThanEquals", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", False),
        ("Bool", "true", "True", True),
        ("Bool", True, "true", True),
        ("Bool", "false", "true", False),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ6", False),
        ("IpAddress", "10.0.0.0/24", "10.0.0.255", True),
        ("IpAddress", "10.0.0.0/24", "10.0.1.0", False),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("IpAddress", "10.0.0.0/8", "no address", False),
        ("NotIpAddress", "10.0.0.0/24", "10.0.1.0", True),
        ("ArnLike", "arn:aws:iam::*:role/c*", "arn:aws:iam::123456789012:role/c/d", True),
        ("ArnEquals", "arn:aws:iam::*:role/c*", "arn:aws:iam::123456789012:role/c", True),
        ("ArnLike", "arn:aws:*:role/c", "arn:aws:iam::123456789012:role/c", False),
        ("ArnNotLike", "arn:aws:iam::*:role/*", "arn:aws:iam::123456789012:user/a", True),
        ("ArnNotEquals", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/a", False),
        ("Null", "true", "x", False),
        ("Null", "false", "x", True),
    ],
)
def test_operators(operator: str, policy: Any, sent: str, expected: bool) -> None:
    assert holds(operator, policy, sent) is expected


def test_every_operator_is_tested() -> None:
    (cases,) = [mark.args[1] for mark in test_operators.pytestmark]
    assert {case[0] for case in cases} == set(OPERATORS)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringEqualsIfExists", True),
        ("StringNotEqualsIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringEqualsIfExists", True),
        ("ForAnyValue:StringNotEquals", False),
    ],
)
def test_a_key_that_is_absent(operator: str, expected: bool) -> None:
    assert holds(operator, "a") is expected


def test_null_of_a_key_that_is_absent() -> None:
    assert holds("Null", "true")
    assert not holds("Null", "false")
    assert holds("Null", True)


@pytest.mark.parametrize(
    ("operator", "sent", "expected"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "c"), False),
        ("ForAnyValue:StringEquals", ("a", "c"), True),
        ("ForAnyValue:StringEquals", ("c", "d"), False),
        ("ForAllValues:StringNotEquals", ("c", "d"), True),
        ("ForAllValues:StringNotEquals", ("a", "d"), False),
        ("ForAnyValue:StringNotEquals", ("a", "d"), True),
        ("ForAnyValue:StringNotEquals", ("a", "b"), False),
        ("ForAllValues:StringLikeIfExists", ("a",), True),
    ],
)
def test_keys_with_many_values(operator: str, sent: tuple[str, ...], expected: bool) -> None:
    assert holds(operator, ["a", "b"], *sent) is expected


def test_keys_have_no_case_and_all_of_a_block_must_hold() -> None:
    conditions, _ = compile_conditions(
        {"StringEquals": {"AWS:RequestTag/Team": "edge", "aws:username": "ann"}, "Bool": {"a:b": "true"}},
        True,
    )
    context = {"aws:requesttag/team": ("edge",), "aws:username": ("ann",), "a:b": ("true",)}
    assert all(condition(context) for condition in conditions)
    for key in context:
        assert not all(condition({**context, key: ("other",)}) for condition in conditions)


def test_variables() -> None:
    assert holds("StringEquals", "${aws:username}", "a*", username="a*")
    assert holds("StringLike", "${aws:username}-*", "a*-1", username="a*")
    assert not holds("StringLike", "${aws:username}-*", "ab-1", username="a*")
    assert not holds("StringLike", "${aws:username}", "a*")
    assert holds("StringLike", "${aws:username, 'nobody'}", "nobody")
    assert holds("StringLike", "${*}${?}${$}", "*?$")
    assert not holds("StringLike", "${*}", "ab")


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"StringEqual": {"a:b": "c"}}, ".StringEqual: no such condition operator"),
        ({"NullIfExists": {"a:b": "true"}}, ".NullIfExists: no such condition operator"),
        ({"ForSomeValues:StringEquals": {"a:b": "c"}}, "expected ForAllValues or ForAnyValue"),
        ({"StringEquals": "a"}, ".StringEquals: expected an object of condition keys, found 'a'"),
        ({"StringEquals": {}}, ".StringEquals: expected an object of condition keys"),
        ({"StringEquals": {"a:b": {}}}, ".StringEquals.a:b: expected texts"),
        ({"StringEquals": {"a:b": []}}, ".StringEquals.a:b: expected texts"),
        ({"StringEquals": {"a:b": [None]}}, ".StringEquals.a:b: expected texts"),
        ({"NumericEquals": {"a:b": "ten"}}, ".NumericEquals.a:b: expected a number, found 'ten'"),
        ({"NumericEquals": {"a:b": "NaN"}}, "expected a number"),
        ({"DateEquals": {"a:b": "soon"}}, "expected a time"),
        ({"Bool": {"a:b": "yes"}}, "expected true or false"),
        ({"Null": {"a:b": "yes"}}, "expected true or false"),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/40"}}, "expected an IP address"),
        ({"BinaryEquals": {"a:b": "!"}}, "expected base64"),
        ({"ArnLike": {"a:b": "role/x"}}, "expected an ARN"),
    ],
)
def test_what_is_no_condition(block: dict[str, Any], problem: str) -> None:
    conditions, problems = compile_conditions(block, variables=True)
    assert not conditions
    assert len(problems) == 1
    assert problem in problems[0]
