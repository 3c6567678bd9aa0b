"""Checks a request against its shape, and words what is wrong as the service does.

Wrong JSON types are a SerializationException; values out of bounds a ValidationException that
lists every violation:

    2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be
    null; Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: Member must ...

List items are numbered from 1: 'tags.1.member.key'. A list whose strings break a bound is named
as a whole, with all bounds of its items.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tinsmith.api.errors import ApiError, invalid
from tinsmith.api.model import Shape

MAX_QUOTED = 1024
"""Characters of a wrong value that an error repeats."""

INTEGERS = range(-(2**31), 2**31)
LONGS = range(-(2**63), 2**63)


@dataclass
class _Findings:
    mistyped: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def violation(self, value: str, path: str, constraint: str) -> None:
        self.violations.append(f"Value {value} at '{path}' failed to satisfy constraint: {constraint}")


def parse(shape: Shape, document: object) -> dict[str, Any]:
    """The members of `document` that `shape` knows, timestamps as epoch seconds.

    Unknown members and nulls are dropped. Raises ApiError with all problems at once.
    """
    findings = _Findings()
    request: dict[str, Any] = _value(shape, document, "", findings)
    if findings.mistyped:
        raise ApiError("SerializationException", "; ".join(findings.mistyped))
    if findings.violations:
        count = len(findings.violations)
        heading = f"{count} validation error{'s' if count > 1 else ''} detected"
        raise invalid(f"{heading}: {'; '.join(findings.violations)}")
    return request


def _value(shape: Shape, value: object, path: str, findings: _Findings) -> Any:
    """`value` converted; what is wrong with it goes to `findings`."""
    content = _CONVERTERS[shape.type](value)
    if content is None:
        findings.mistyped.append(_mismatch(shape, value, path))
        return None
    for constraint in shape.constraints:
        if not constraint.holds(content):
            findings.violation(f"'{_quote(shape, content)}'", path, constraint.text)
    if shape.type == "structure":
        return _members(shape, content, path, findings)
    if shape.type == "map" and shape.element is not None:
        return _entries(shape.element, content, path, findings)
    if shape.element is not None:
        return _items(shape, shape.element, content, path, findings)
    return content


def _members(shape: Shape, value: dict[str, Any], path: str, findings: _Findings) -> dict[str, Any]:
    parsed = {}
    for name, member in shape.members.items():
        content = value.get(name)
        if content is not None:
            parsed[name] = _value(member, content, _member_path(path, name), findings)
        elif name in shape.required:
            findings.violation("null", _member_path(path, name), "Member must not be null")
    return parsed


def _member_path(path: str, name: str) -> str:
    label = name[0].lower() + name[1:]
    return f"{path}.{label}" if path else label


def _items(shape: Shape, element: Shape, value: list[Any], path: str, findings: _Findings) -> list[Any]:
    outside = _Findings(findings.mistyped)
    parsed = []
    for number, item in enumerate(value, start=1):
        item_path = f"{path}.{number}.member"
        if item is None:
            findings.violation("null", item_path, "Member must not be null")
        else:
            parsed.append(_value(element, item, item_path, outside))
    if element.type == "structure":
        findings.violations.extend(outside.violations)
    elif outside.violations:
        bounds = ", ".join(constraint.text for constraint in element.constraints)
        findings.violation(f"'{_quote(shape, value)}'", path, f"Member must satisfy constraint: [{bounds}]")
    return parsed


def _entries(element: Shape, value: dict[str, Any], path: str, findings: _Findings) -> dict[str, Any]:
    return {key: _value(element, item, f"{path}.{key}.member", findings) for key, item in value.items()}


def _structure(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _list(value: object) -> list[Any] | None:
    return value if isinstance(value, list) else None


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _blob(value: object) -> bytes | None:
    """Base64, as the protocol carries bytes."""
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except ValueError:
        return None


def _integer(value: object) -> int | None:
    number = _long(value)
    return number if number is not None and number in INTEGERS else None


def _long(value: object) -> int | None:
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(number, bool) or not isinstance(number, int):
        return None
    return number if number in LONGS else None


def _double(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _timestamp(value: object) -> float | None:
    """Epoch seconds from a number (integer, fraction, exponent) or ISO-8601 text, which defaults to UTC."""
    if isinstance(value, str):
        return _iso_8601(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _iso_8601(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_CONVERTERS: Mapping[str, Callable[[object], Any]] = {
    "structure": _structure,
    "map": _structure,
    "list": _list,
    "string": _string,
    "integer": _integer,
    "long": _long,
    "double": _double,
    "boolean": _boolean,
    "blob": _blob,
    "timestamp": _timestamp,
}


def _mismatch(shape: Shape, value: object, path: str) -> str:
    place = f" at '{path}'" if path else ""
    if isinstance(value, dict):
        return f"Start of structure or map found where not expected{place}"
    if isinstance(value, list):
        return f"Start of list found where not expected{place}"
    return f"{_token(value)} cannot be converted to {shape.type.capitalize()}{place}"


def _token(value: object) -> str:
    if value is None:
        return "NULL_VALUE"
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    return "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"


def _quote(shape: Shape, value: object) -> str:
    text = _text(shape, value)
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


def _text(shape: Shape, value: object) -> str:
    if isinstance(value, list) and shape.element is not None:
        return f"[{', '.join(_text(shape.element, item) for item in value)}]"
    if isinstance(value, dict):
        known = [(name, member) for name, member in shape.members.items() if name in value]
        fields = (f"{name[0].lower()}{name[1:]}={_text(member, value[name])}" for name, member in known)
        return f"{shape.name}({', '.join(fields)})"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return "null" if value is None else str(value)
