"""How an order reaches an attempt on another machine, and what else that attempt can reach.

    Assignment    the order, the addresses of the attempt's mailbox, its scratch folder
    envelope      JSON on the attempt's stdin: {"plain": assignment}, or {"sealed", "pad_url", "burn_url"}

An engine that writes down what it is handed, as Slurm does with batch scripts, gets a sealed envelope: one
share of the assignment, as random as the other share, which lies in the mailbox until the attempt reads
it and removes it. Neither disk ever holds more than one share.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Assignment:
    """What an attempt on another machine gets. The addresses are signed, and so secrets."""

    order: str = field(repr=False)
    """AttemptOrder as JSON."""
    work_dir: str | None
    """Where the attempt makes its folder; None: in the machine's temporary folder."""
    open_url: str = field(repr=False)
    """GET says 404 once the controller has given the attempt up."""
    log_url: str = field(repr=False)
    """PUT replaces the attempt's log."""
    result_url: str = field(repr=False)
    """PUT, once."""

    def to_json(self) -> str:
        """This as text."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str | bytes) -> Assignment:
        """The inverse of `to_json`."""
        return Assignment(**json.loads(text))


def plain(assignment: Assignment) -> str:
    """An envelope for an engine that keeps what it is handed in memory."""
    return json.dumps({"plain": assignment.to_json()})


def split(text: str) -> tuple[bytes, bytes]:
    """Two shares of `text`: a one-time pad and what it makes of the text. Each alone is random."""
    data = text.encode()
    pad = secrets.token_bytes(len(data))
    return pad, _xor(pad, data)


def sealed(share: bytes, pad_url: str, burn_url: str) -> str:
    """An envelope for an engine that writes down what it is handed."""
    shared = base64.b64encode(share).decode()
    return json.dumps({"sealed": shared, "pad_url": pad_url, "burn_url": burn_url})


def opened(
    envelope: str, get: Callable[[str], bytes | None], burn: Callable[[str], None]
) -> Assignment | None:
    """The assignment; None when its other share is gone: it was given up, or somebody has read it."""
    fields: dict[str, Any] = json.loads(envelope)
    if "plain" in fields:
        return Assignment.from_json(fields["plain"])
    pad = get(fields["pad_url"])
    if pad is None:
        return None
    burn(fields["burn_url"])
    return Assignment.from_json(_xor(pad, base64.b64decode(fields["sealed"])))


def _xor(pad: bytes, data: bytes) -> bytes:
    size = len(data)
    return (int.from_bytes(pad, "big") ^ int.from_bytes(data, "big")).to_bytes(size, "big")
