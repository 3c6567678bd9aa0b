"""The filter patterns of CloudWatch Logs for lines of plain text.

    error                every line with the term, upper and lower case apart
    error timeout        lines with both terms
    ?error ?timeout      lines with either
    error -retry         lines with the first and without the second
    "two words"          a term with spaces or other characters than letters, digits and _

An empty pattern takes everything. Patterns for JSON ({ $.status = 1 }), fields ([a, b]) and regular
expressions (%...%) are not known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TERM = re.compile(r'\s*(?P<sign>[?-]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"]+))(?=\s|$)')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class FilterPattern:
    """What a line must have, what it must not have, and of what it must have at least one."""

    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    def matches(self, line: str) -> bool:
        """Whether `line` is one of those that are looked for."""
        return (
            all(term in line for term in self.required)
            and not any(term in line for term in self.excluded)
            and (not self.optional or any(term in line for term in self.optional))
        )


def parse_pattern(text: str) -> FilterPattern:
    """The pattern that `text` means. Raises ValueError with what is wrong and where."""
    stripped = text.strip()
    if stripped[:1] in ("{", "[", "%"):
        raise ValueError(f"filter pattern {text!r}: only terms are supported here, not {stripped[0]!r}")
    terms: dict[str, list[str]] = {"": [], "-": [], "?": []}
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TERM.match(text, position)
        if match is None:
            start = end - len(text[position:end].lstrip())
            raise ValueError(f"filter pattern {text!r}: expected a term at character {start + 1}")
        quoted, plain = match["quoted"], match["plain"]
        terms[match["sign"]].append(plain if quoted is None else _ESCAPED.sub(r"\1", quoted))
        position = match.end()
    # As CloudWatch Logs does: beside required terms the optional ones say nothing.
    optional = () if terms[""] else tuple(terms["?"])
    return FilterPattern(tuple(terms[""]), tuple(terms["-"]), optional)
