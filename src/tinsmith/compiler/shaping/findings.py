"""What is wrong with a model: collected, so that the customer reads all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinsmith.errors import ClientError

LISTED = 100
"""Problems that an error carries; a damaged file may have thousands."""
SHOWN = 120
"""Characters of a name that an error repeats."""


@dataclass
class Findings:
    """Problems of one model file, whose name stands before each."""

    place: str
    damage: list[str] = field(default_factory=list)
    """The file contradicts itself or the request contradicts the file: "InputConfiguration"."""
    refusals: list[str] = field(default_factory=list)
    """A sound model that needs what is not compiled: "OperatorNotImplemented"."""

    def damaged(self, text: str) -> None:
        """Notes a contradiction; `text` names the node or tensor, what was expected and what was found."""
        self.damage.append(f"{self.place}: {text}")

    def refused(self, text: str) -> None:
        """Notes something that is not compiled; `text` names the node or tensor."""
        self.refusals.append(f"{self.place}: {text}")

    def __bool__(self) -> bool:
        """Whether anything was noted."""
        return bool(self.damage or self.refusals)

    def stop(self) -> None:
        """Raises ClientError with everything noted so far, if there is anything."""
        problems = list(dict.fromkeys((*self.refusals, *self.damage)))
        if not problems:
            return
        if len(problems) > LISTED:
            problems[LISTED:] = [f"{self.place}: and {len(problems) - LISTED} more"]
        raise ClientError("OperatorNotImplemented" if self.refusals else "InputConfiguration", problems)


def shown(name: str) -> str:
    """`name` in quotes, cut where it is unreasonably long."""
    return repr(name if len(name) <= SHOWN else name[: SHOWN - 3] + "...")
