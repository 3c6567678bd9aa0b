"""What an edge of a TensorFlow graph may carry, while the graph is being interpreted."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinsmith.compiler.shaping.builder import Dims, DType, Value


@dataclass(frozen=True)
class Dead:
    """What the branch of a Switch that is not taken gives; all that depends on it is dead too."""


@dataclass(frozen=True)
class Refused:
    """What cannot be computed, and why. It matters only where an output depends on it."""

    operators: frozenset[tuple[str, str]] = frozenset()
    """Operators that are not compiled, with their nodes."""
    limits: frozenset[str] = frozenset()
    """Forms of operators that are not compiled, in words."""
    damage: frozenset[str] = frozenset()
    """Contradictions, in words."""
    stand_in: Value | None = field(default=None, compare=False)
    """A tensor by which to look for refusals among the nodes behind this one."""

    def __or__(self, other: Refused) -> Refused:
        return Refused(
            self.operators | other.operators,
            self.limits | other.limits,
            self.damage | other.damage,
            self.stand_in or other.stand_in,
        )


@dataclass(frozen=True)
class Resource:
    """A handle of TensorFlow: of a variable, a table, an array of tensors."""

    kind: str
    """The operator that made it."""
    node: str
    content: object = None


@dataclass(eq=False)
class Tracker:
    """What a round of a loop does with a list that it was given."""

    read: bool = False


@dataclass(frozen=True, eq=False)
class TensorList:
    """A list or an array of tensors, all of one shape, as one tensor with the places along its first axis."""

    length: Value
    dtype: DType
    shape: Dims
    """Of one element."""
    stacked: Value | None = None
    """None: nothing was written, all elements are zeros."""
    tracker: Tracker | None = None
    writes: tuple[tuple[Value, Value], ...] = field(default=())
    """Places and elements written by the round of a loop that `tracker` watches."""


Thing = Value | TensorList | Resource | Dead | Refused

DEAD = Dead()


class Unsupported(Exception):
    """A form of an operator that is not compiled; the text says which and what would be."""
