"""The shapes of operations, read from botocore's service models."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

OPERATIONS = (
    "CreateCompilationJob",
    "DescribeCompilationJob",
    "ListCompilationJobs",
    "StopCompilationJob",
    "DeleteCompilationJob",
    "AddTags",
    "ListTags",
    "DeleteTags",
)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on one value: the service's wording of it, and its test."""

    text: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of the service model, its members resolved."""

    name: str
    type: str
    """structure, list, map, string, integer, long, double, boolean, blob or timestamp."""
    members: Mapping[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    element: Shape | None = None
    """What a list holds, or a map from strings."""
    constraints: tuple[Constraint, ...] = ()
    """On a value of this shape itself, not on what it holds."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation's shapes. `output` is None where a success has an empty body."""

    name: str
    input: Shape
    output: Shape | None


@cache
def operations(
    service: str = "sagemaker/2017-07-24", names: tuple[str, ...] = OPERATIONS
) -> Mapping[str, Operation]:
    """The operations `names` of a service. Loaded once; the rest of the service model is dropped."""
    packed = files("botocore").joinpath(f"data/{service}/service-2.json.gz").read_bytes()
    model = orjson.loads(gzip.decompress(packed))
    known: dict[str, Shape] = {}
    return {name: _operation(model["operations"][name], model["shapes"], known) for name in names}


def _operation(raw: Mapping[str, Any], shapes: Mapping[str, Any], known: dict[str, Shape]) -> Operation:
    output = raw.get("output")
    return Operation(
        name=raw["name"],
        input=_shape(raw["input"]["shape"], shapes, known),
        output=_shape(output["shape"], shapes, known) if output else None,
    )


def _shape(name: str, shapes: Mapping[str, Any], known: dict[str, Shape]) -> Shape:
    if name not in known:
        raw = shapes[name]
        members = raw.get("members", {})
        element = raw.get("member") or raw.get("value")
        known[name] = Shape(
            name=name,
            type=raw["type"],
            members={member: _shape(ref["shape"], shapes, known) for member, ref in members.items()},
            required=frozenset(raw.get("required", ())),
            element=_shape(element["shape"], shapes, known) if element else None,
            constraints=tuple(_constraints(raw)),
        )
    return known[name]


def _constraints(raw: Mapping[str, Any]) -> Iterator[Constraint]:
    if "enum" in raw:
        values = raw["enum"]
        text = f"Member must satisfy enum value set: [{', '.join(values)}]"
        yield Constraint(text, frozenset(values).__contains__)
    measure, noun = (int, "value") if raw["type"] in ("integer", "long") else (len, "length")
    if "max" in raw:
        yield _at_most(raw["max"], measure, noun)
    if "min" in raw:
        yield _at_least(raw["min"], measure, noun)
    if "pattern" in raw:
        yield _pattern(raw["pattern"], raw.get("max"))


def _pattern(pattern: str, longest: int | None) -> Constraint:
    """A value far beyond its length is not compared: some patterns take time by the square of it."""
    matches = compile_pattern(pattern).fullmatch
    text = f"Member must satisfy regular expression pattern: {pattern}"
    if longest is None:
        return Constraint(text, lambda value: matches(value) is not None)
    return Constraint(text, lambda value: len(value) > 2 * longest or matches(value) is not None)


def _at_most(bound: int, measure: Callable[[Any], int], noun: str) -> Constraint:
    text = f"Member must have {noun} less than or equal to {bound}"
    return Constraint(text, lambda value: measure(value) <= bound)


def _at_least(bound: int, measure: Callable[[Any], int], noun: str) -> Constraint:
    text = f"Member must have {noun} greater than or equal to {bound}"
    return Constraint(text, lambda value: measure(value) >= bound)


_SEPARATORS = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_CLASSES = {r"\p{L}": r"\w", r"\p{N}": r"\w", r"\p{Z}": _SEPARATORS}
_TOKEN = re.compile(r"\\p\{.\}|\\.|\[|\]|\.|[^\\\[\].]+")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""`pattern`, in the dialect of java.util.regex, for Python; to be used with `fullmatch`.

    There `\d` and `\S` mean ASCII, and `.` stops at every line terminator. Python has no `\p{L}` and
    `\p{N}`: together they are `\w` without the underscore, so a pattern with them must also allow it.
    """
    if r"\p{" not in pattern:
        return re.compile(_translate(pattern), re.ASCII)
    if not all(part in pattern for part in (r"\p{L}", r"\p{N}", "_")):
        raise ValueError(rf"pattern {pattern!r}: \p{{L}} and \p{{N}} are only known together with '_'")
    return re.compile(_translate(pattern))


def _translate(pattern: str) -> str:
    translated = []
    in_class = False
    for token in _TOKEN.findall(pattern):
        in_class = token == "[" or (in_class and token != "]")
        if token == "." and not in_class:
            translated.append(r"[^\n\r\u0085\u2028\u2029]")
        else:
            translated.append(_CLASSES.get(token, token))
    return "".join(translated)
