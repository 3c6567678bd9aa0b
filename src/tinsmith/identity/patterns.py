"""Patterns of the policy language: `*` and `?`, ARNs segment by segment, and policy variables.

    arn:aws:s3:::${aws:username}-*/in/??.tar.gz

A variable stands for a value of the request, literally: wildcards in that value match only themselves.
`${*}`, `${?}` and `${$}` are the characters themselves; `${key, 'text'}` has a default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

Context = Mapping[str, tuple[str, ...]]
"""Condition keys in lower case and their values; a key that the request does not have is missing."""

Match = Callable[[str, Context], bool]
"""Whether a text fits, in a request with this context."""

_VARIABLE = re.compile(r"\$\{\s*([^},]*?)\s*(?:,\s*'([^']*)'\s*)?\}")
_LITERALS = frozenset("*?$")
_ARN_SEGMENTS = 6


class Unresolved(Exception):
    """The request has no value for a variable of the pattern."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern as parts: text whose wildcards count, and text (of `literals`) whose wildcards do not."""

    text: str
    variables: bool
    """`${...}` means something; it does since version 2012-10-17."""

    @property
    def is_fixed(self) -> bool:
        """It means the same in every request."""
        return not self.variables or "${" not in self.text

    def pieces(self, context: Context) -> tuple[tuple[str, bool], ...]:
        """(text, whether its wildcards count), in order. Raises Unresolved."""
        if self.is_fixed:
            return ((self.text, True),)
        found: list[tuple[str, bool]] = []
        place = 0
        for variable in _VARIABLE.finditer(self.text):
            found.append((self.text[place : variable.start()], True))
            found.append((_value(variable[1], variable[2], context), False))
            place = variable.end()
        found.append((self.text[place:], True))
        return tuple((text, wild) for text, wild in found if text)

    def plain(self, context: Context) -> str:
        """The text with its variables replaced, for comparisons without wildcards. Raises Unresolved."""
        if self.is_fixed:
            return self.text
        return _VARIABLE.sub(lambda found: _value(found[1], found[2], context), self.text)


def _value(name: str, default: str | None, context: Context) -> str:
    if name in _LITERALS:
        return name
    values = context.get(name.lower(), ())
    if len(values) == 1:
        return values[0]
    if default is None or values:
        raise Unresolved(name)
    return default


def like(pattern: Pattern, ignore_case: bool = False) -> Match:
    """Matches whole texts; `*` is any number of characters, `?` one."""
    if pattern.text == "*":
        return lambda _text, _context: True
    if pattern.is_fixed:
        return _fixed(glob(((pattern.text, True),), ignore_case))
    return lambda text, context: glob(pattern.pieces(context), ignore_case)(text) is not None


def arn_like(pattern: Pattern) -> Match:
    """Matches ARNs: each of the six segments on its own, so that no wildcard crosses a colon of the first
    five.

    An incomplete ARN ends in wildcards for what it leaves out.
    """
    if pattern.text == "*":
        return lambda _text, _context: True
    if pattern.is_fixed:
        return _fixed(_arn_glob(((pattern.text, True),)))
    return lambda text, context: _arn_glob(pattern.pieces(context))(text) is not None


def _fixed(match: Callable[[str], object]) -> Match:
    return lambda text, _context: match(text) is not None


@lru_cache(maxsize=16_384)
def glob(pieces: tuple[tuple[str, bool], ...], ignore_case: bool) -> Callable[[str], re.Match[str] | None]:
    """The matcher of a whole text."""
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.compile("".join(_regex(text, wild, ".") for text, wild in pieces), flags).fullmatch


@lru_cache(maxsize=16_384)
def _arn_glob(pieces: tuple[tuple[str, bool], ...]) -> Callable[[str], re.Match[str] | None]:
    segments: list[list[tuple[str, bool]]] = [[]]
    for text, wild in pieces:
        for number, part in enumerate(text.split(":")):
            if number and len(segments) < _ARN_SEGMENTS:
                segments.append([])
            elif number:
                segments[-1].append((":", False))
            segments[-1].append((part, wild))
    segments += [[("*", True)]] * (_ARN_SEGMENTS - len(segments))
    head = ["".join(_regex(text, wild, "[^:]") for text, wild in segment) for segment in segments[:-1]]
    tail = "".join(_regex(text, wild, ".") for text, wild in segments[-1])
    return re.compile(":".join([*head, tail]), re.DOTALL).fullmatch


def _regex(text: str, wild: bool, any_character: str) -> str:
    if not wild:
        return re.escape(text)
    return "".join(
        f"{any_character}*" if part == "*" else any_character if part == "?" else re.escape(part)
        for part in re.split(r"([*?])", text)
    )
