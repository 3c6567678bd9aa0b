"""Condition blocks: `{"StringLike": {"aws:RequestTag/team": ["edge-*"]}}` against the keys of a request.

All operators of a block and all keys of an operator must hold; of the values of one key, one is enough. A
negated operator (`StringNotEquals`) holds where its counterpart does not for any of the values. A key that
the request does not have fails an operator, holds a negated one and everything that ends in `IfExists`.
`ForAllValues:` and `ForAnyValue:` are for keys with many values."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tinsmith.identity.patterns import Context, Match, Pattern, Unresolved, arn_like, like

Condition = Callable[[Context], bool]


@dataclass(frozen=True, slots=True)
class Operator:
    """One kind of comparison. `compile` makes a matcher of a policy's value, ValueError if it is no such
    value."""

    compile: Callable[[Pattern], Match]
    expects: str
    negated: bool = False


def compile_conditions(block: Mapping[str, Any], variables: bool) -> tuple[tuple[Condition, ...], list[str]]:
    """The conditions of a block, and the problems of those that are none: "StringEqual: ..."."""
    conditions, problems = [], []
    for name, keys in block.items():
        try:
            quantifier, operator, optional = _operator(name)
        except ValueError as error:
            problems.append(f".{name}: {error}")
            continue
        if not isinstance(keys, dict) or not keys:
            problems.append(f".{name}: expected an object of condition keys, found {_found(keys)}")
            continue
        for key, values in keys.items():
            texts = list(_texts(values))
            if not texts or None in texts:
                problems.append(f".{name}.{key}: expected texts, found {_found(values)}")
                continue
            try:
                matches = [operator.compile(Pattern(str(text), variables)) for text in texts]
            except ValueError:
                problems.append(f".{name}.{key}: expected {operator.expects}, found {_found(values)}")
                continue
            conditions.append(_condition(key.lower(), operator, matches, quantifier, optional))
    return tuple(conditions), problems


def _operator(name: str) -> tuple[str | None, Operator, bool]:
    quantifier, colon, rest = name.rpartition(":")
    if colon and quantifier not in ("ForAllValues", "ForAnyValue"):
        raise ValueError(f"expected ForAllValues or ForAnyValue before the colon, found {quantifier!r}")
    optional = rest.endswith("IfExists")
    known = OPERATORS.get(rest.removesuffix("IfExists"))
    if known is None or (known.expects == _NULL and optional):
        raise ValueError(f"no such condition operator; there are {', '.join(OPERATORS)}")
    return quantifier or None, known, optional


def _condition(
    key: str, operator: Operator, matches: list[Match], quantifier: str | None, optional: bool
) -> Condition:
    if operator.expects == _NULL:
        return lambda context: any(match("" if context.get(key) else "absent", context) for match in matches)

    def holds(value: str, context: Context) -> bool:
        for match in matches:
            try:
                if match(value, context):
                    return not operator.negated
            except Unresolved:
                continue
        return operator.negated

    def condition(context: Context) -> bool:
        values = context.get(key, ())
        if not values:
            return optional or quantifier == "ForAllValues" or (operator.negated and quantifier is None)
        if quantifier == "ForAllValues" or (operator.negated and quantifier is None):
            return all(holds(value, context) for value in values)
        return any(holds(value, context) for value in values)

    return condition


def _equals(pattern: Pattern) -> Match:
    return lambda text, context: text == pattern.plain(context)


def _equals_ignoring_case(pattern: Pattern) -> Match:
    return lambda text, context: text.casefold() == pattern.plain(context).casefold()


def _arn(pattern: Pattern) -> Match:
    if pattern.is_fixed and pattern.text != "*" and not pattern.text.startswith("arn:"):
        raise ValueError
    return arn_like(pattern)


def _bool(pattern: Pattern) -> Match:
    expected = pattern.text.lower()
    if pattern.is_fixed and expected not in ("true", "false"):
        raise ValueError
    return lambda text, context: text.lower() == pattern.plain(context).lower()


def _null(pattern: Pattern) -> Match:
    expected = pattern.text.lower()
    if expected not in ("true", "false"):
        raise ValueError
    return lambda text, _context: bool(text) == (expected == "true")


def _binary(pattern: Pattern) -> Match:
    try:
        expected = base64.b64decode(pattern.text, validate=True)
    except binascii.Error:
        raise ValueError from None

    def match(text: str, _context: Context) -> bool:
        try:
            return base64.b64decode(text, validate=True) == expected
        except binascii.Error:
            return False

    return match


def _address(pattern: Pattern) -> Match:
    network = ipaddress.ip_network(pattern.text, strict=False)

    def match(text: str, _context: Context) -> bool:
        try:
            return ipaddress.ip_address(text) in network
        except ValueError:
            return False

    return match


def _ordered(read: Callable[[str], Any], holds: Callable[[Any, Any], bool]) -> Callable[[Pattern], Match]:
    """A comparison of numbers or times; a text of the request that is neither matches nothing."""

    def compiled(pattern: Pattern) -> Match:
        bound = read(pattern.text)

        def match(text: str, _context: Context) -> bool:
            try:
                return holds(read(text), bound)
            except ValueError:
                return False

        return match

    return compiled


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite():
        raise ValueError(text)
    return number


def _time(text: str) -> float:
    """Epoch seconds, or ISO 8601, in UTC where it does not say."""
    if text.lstrip("-").isdigit():
        return float(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _comparisons(prefix: str, read: Callable[[str], Any], expects: str) -> Iterator[tuple[str, Operator]]:
    equal = _ordered(read, lambda value, bound: bool(value == bound))
    yield f"{prefix}Equals", Operator(equal, expects)
    yield f"{prefix}NotEquals", Operator(equal, expects, negated=True)
    yield f"{prefix}LessThan", Operator(_ordered(read, lambda a, b: bool(a < b)), expects)
    yield f"{prefix}LessThanEquals", Operator(_ordered(read, lambda a, b: bool(a <= b)), expects)
    yield f"{prefix}GreaterThan", Operator(_ordered(read, lambda a, b: bool(a > b)), expects)
    yield f"{prefix}GreaterThanEquals", Operator(_ordered(read, lambda a, b: bool(a >= b)), expects)


_NULL = "true or false (whether the key is absent)"
_ARN = "an ARN"
_ADDRESS = "an IP address or a range a.b.c.d/n"

OPERATORS: Mapping[str, Operator] = {
    "StringEquals": Operator(_equals, "a text"),
    "StringNotEquals": Operator(_equals, "a text", negated=True),
    "StringEqualsIgnoreCase": Operator(_equals_ignoring_case, "a text"),
    "StringNotEqualsIgnoreCase": Operator(_equals_ignoring_case, "a text", negated=True),
    "StringLike": Operator(like, "a text"),
    "StringNotLike": Operator(like, "a text", negated=True),
    **dict(_comparisons("Numeric", _number, "a number")),
    **dict(_comparisons("Date", _time, "a time in ISO 8601 or epoch seconds")),
    "Bool": Operator(_bool, "true or false"),
    "BinaryEquals": Operator(_binary, "base64"),
    "IpAddress": Operator(_address, _ADDRESS),
    "NotIpAddress": Operator(_address, _ADDRESS, negated=True),
    "ArnEquals": Operator(_arn, _ARN),
    "ArnLike": Operator(_arn, _ARN),
    "ArnNotEquals": Operator(_arn, _ARN, negated=True),
    "ArnNotLike": Operator(_arn, _ARN, negated=True),
    "Null": Operator(_null, _NULL),
}


def _texts(values: Any) -> Iterator[str | None]:
    """Texts, numbers and booleans, one or a list of them; None for anything else."""
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, bool):
            yield str(value).lower()
        else:
            yield str(value) if isinstance(value, str | int | float) else None


def _found(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
