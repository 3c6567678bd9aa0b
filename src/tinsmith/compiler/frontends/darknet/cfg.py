"""The .cfg file: sections of options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tinsmith.compiler.shaping.findings import Findings, shown

MAX_BYTES = 1 << 22
MAX_LAYERS = 4096

CANONICAL = {
    "network": "net",
    "conv": "convolutional",
    "deconv": "deconvolutional",
    "conn": "connected",
    "max": "maxpool",
    "avg": "avgpool",
    "local_avg": "local_avgpool",
    "lrn": "normalization",
    "soft": "softmax",
}
"""Other spellings of a section."""

_WHITE = re.compile(r"[ \t\r\n]")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class OptionError(Exception):
    """An option whose value is not what its key wants."""


@dataclass(frozen=True)
class Section:
    """One section: a layer, or [net]."""

    kind: str
    """Its canonical name."""
    index: int
    """Of the layer, counted from 0 as Darknet does; -1 for [net]."""
    line: int
    options: dict[str, str]

    @property
    def name(self) -> str:
        """How nodes, outputs and errors call the layer."""
        return f"{self.kind}_{self.index}" if self.index >= 0 else self.kind

    @property
    def place(self) -> str:
        """For errors."""
        return f"[{self.kind}] of line {self.line}" + (f" (layer {self.index})" if self.index >= 0 else "")

    def integer(self, key: str, default: int) -> int:
        """An option as C's atoi reads it: the digits that it begins with. Raises OptionError for none."""
        return int(self._number(key, _INTEGER, "a whole number") or default)

    def real(self, key: str, default: float) -> float:
        """An option as C's atof reads it. Raises OptionError."""
        found = self._number(key, _REAL, "a number")
        return default if found is None else float(found)

    def flag(self, key: str) -> bool:
        """Whether an option is given and not 0. Raises OptionError."""
        return self.real(key, 0) != 0

    def text(self, key: str, default: str) -> str:
        """An option as it is written."""
        return self.options.get(key, default)

    def integers(self, key: str) -> tuple[int, ...]:
        """A list with commas; empty where the option is not given. Raises OptionError."""
        text = self.options.get(key)
        if not text:
            return ()
        found = [_INTEGER.match(item) for item in text.rstrip(",").split(",")]
        if not all(found):
            raise OptionError(f"{key} is {shown(text)}, expected whole numbers with commas")
        return tuple(int(match[0]) for match in found if match)

    def _number(self, key: str, pattern: re.Pattern[str], expected: str) -> str | None:
        text = self.options.get(key)
        if text is None:
            return None
        match = pattern.match(text)
        if match is None:
            raise OptionError(f"{key} is {shown(text)}, expected {expected}")
        return match[0]


@dataclass(frozen=True)
class Config:
    """A whole file."""

    net: Section
    layers: Sequence[Section]


def parse(content: bytes, findings: Findings) -> Config:
    """The sections of a .cfg file. Stops with ClientError for what is none."""
    text = _decoded(content, findings)
    sections: list[tuple[str, int, dict[str, str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = _WHITE.sub("", line)
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            kind = line[1:].partition("]")[0]
            sections.append((CANONICAL.get(kind, kind), number, {}))
        elif "=" not in line:
            findings.damaged(f"line {number}: {shown(line)}, expected [section] or key=value")
        elif not sections:
            findings.damaged(f"line {number}: {shown(line)} stands before the first section, expected [net]")
        else:
            key, _, value = line.partition("=")
            sections[-1][2].setdefault(key, value)
    if not sections or sections[0][0] != "net":
        first = f"[{sections[0][0][:60]}]" if sections else "no section"
        findings.damaged(f"no Darknet configuration: it begins with {first}, expected [net]")
    elif not 1 <= len(sections) - 1 <= MAX_LAYERS:
        findings.damaged(f"{len(sections) - 1} layers, expected 1 to {MAX_LAYERS}")
    findings.stop()
    net, *layers = (Section(kind, index - 1, line, opts) for index, (kind, line, opts) in enumerate(sections))
    return Config(net, layers)


def _decoded(content: bytes, findings: Findings) -> str:
    if len(content) > MAX_BYTES:
        findings.damaged(f"{len(content)} bytes, expected at most {MAX_BYTES}")
    if b"\0" in content:
        findings.damaged("no Darknet configuration: it holds a zero byte, expected text")
    findings.stop()
    return content.decode("utf-8", "replace")
