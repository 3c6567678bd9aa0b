"""Text written as JSON or as a Python literal, with the position of every value.

The API's examples mix both spellings ({"data": [1,3,224,224]} and {'data': [1,3,224,224]}), so one grammar
takes either: strings in single or double quotes, true/True, null/None, lists or tuples, trailing commas.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import Never

MAX_DEPTH = 32

Value = None | bool | int | float | str | list["Node"] | dict[str, "Node"]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>[uU]?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark>[][(){},:])
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS: dict[str, bool | None] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
}
_CLOSING = {"[": "]", "(": ")", "{": "}"}


class LiteralError(ValueError):
    """The text breaks the grammar at `position` (counted from 0)."""

    def __init__(self, position: int, expected: str) -> None:
        self.position = position
        self.expected = expected
        super().__init__(expected)


@dataclass(frozen=True)
class Node:
    """A value and where it begins in the text, counted from 0."""

    value: Value
    position: int

    @property
    def plain(self) -> object:
        """The value without positions."""
        if isinstance(self.value, list):
            return [item.plain for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain for key, item in self.value.items()}
        return self.value


def read(text: str) -> Node:
    """The one value that `text` holds. Raises LiteralError."""
    reader = _Reader(text)
    node = reader.value(0)
    reader.end()
    return node


def at(text: str, position: int) -> str:
    """Where `position` is, in words: "character 12, at «'cortex»"."""
    if position >= len(text):
        return f"character {len(text) + 1} (the end)"
    return f"character {position + 1}, at «{text[position : position + 20]}»"


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def value(self, depth: int) -> Node:
        kind, token, start = self._next("a value")
        if depth > MAX_DEPTH:
            raise LiteralError(start, f"at most {MAX_DEPTH} levels of brackets")
        if kind == "string":
            return Node(self._string(token, start), start)
        if kind == "number":
            return Node(self._number(token, start), start)
        if kind == "word" and token in _WORDS:
            return Node(_WORDS[token], start)
        if token in ("[", "("):
            return Node(self._list(_CLOSING[token], depth), start)
        if token == "{":
            return Node(self._dict(depth), start)
        raise LiteralError(start, "a value")

    def end(self) -> None:
        rest = self.text[self.position :]
        if rest.strip():
            raise LiteralError(len(self.text) - len(rest.lstrip()), "nothing more after the value")

    def _list(self, closing: str, depth: int) -> list[Node]:
        items: list[Node] = []
        while not self._take(closing):
            items.append(self.value(depth + 1))
            if not self._take(","):
                self._require(closing, f"a comma or {closing}")
                break
        return items

    def _dict(self, depth: int) -> dict[str, Node]:
        items: dict[str, Node] = {}
        while not self._take("}"):
            kind, token, start = self._next("a name in quotes")
            if kind != "string":
                raise LiteralError(start, "a name in quotes")
            key = self._string(token, start)
            if key in items:
                raise LiteralError(start, "every name only once")
            self._require(":", "a colon after the name")
            items[key] = self.value(depth + 1)
            if not self._take(","):
                self._require("}", "a comma or }")
                break
        return items

    def _next(self, expected: str) -> tuple[str, str, int]:
        match = _TOKEN.match(self.text, self.position)
        if match is None or match.lastgroup is None:
            self._fail(expected)
        self.position = match.end()
        return match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)

    def _take(self, mark: str) -> bool:
        match = _TOKEN.match(self.text, self.position)
        if match is None or match["mark"] != mark:
            return False
        self.position = match.end()
        return True

    def _require(self, mark: str, expected: str) -> None:
        if not self._take(mark):
            self._fail(expected)

    def _fail(self, expected: str) -> Never:
        rest = self.text[self.position :]
        raise LiteralError(len(self.text) - len(rest.lstrip()), expected)

    @staticmethod
    def _string(token: str, start: int) -> str:
        try:
            decoded = json.loads(token)
        except ValueError:
            try:
                decoded = ast.literal_eval(token)
            except (ValueError, SyntaxError, SyntaxWarning) as error:
                raise LiteralError(start, "a well-formed string") from error
        return str(decoded)

    @staticmethod
    def _number(token: str, start: int) -> int | float:
        if len(token) > 40:
            raise LiteralError(start, "a number of at most 40 digits")
        return float(token) if any(mark in token for mark in ".eE") else int(token)
