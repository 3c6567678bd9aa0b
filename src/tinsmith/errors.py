"""Everything that can go wrong, and whose fault it is.

    TinsmithError
    ├─ ClientError      the customer's model or request is at fault      exit code 3
    └─ InternalError    Tinsmith is at fault                             exit code 1
       ├─ KilledError   someone outside killed a process of ours         exit code 137, worth another try
       ├─ Unavailable   the object store is away for now                 worth another try later
       └─ DiskFull      others have filled the disk                      the same

A `ClientError` carries *all* problems found, not the first. `failure_reason` renders either
family in the `Class: Area: text` grammar of the service's FailureReason field.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_FAILURE_REASON = 1024  # characters, from the service model


class TinsmithError(Exception):
    """Something went wrong."""

    family = "InternalError"
    exit_code = 1


class ClientError(TinsmithError):
    """The model or the request is at fault.

    `area` is the word that the service's texts carry ("InputConfiguration", "OperatorNotImplemented",
    "OutputConfiguration", "CompilerOptions", "TimeOut", ...). `problems` are whole sentences that name
    the file, node or field, what was expected and what was found.
    """

    family = "ClientError"
    exit_code = 3

    def __init__(self, area: str, problems: str | Sequence[str]) -> None:
        self.area = area
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__(f"{area}: {' | '.join(self.problems)}")


class InternalError(TinsmithError):
    """Tinsmith is at fault; the model may be fine."""


class KilledError(InternalError):
    """A process of the compiler was killed (SIGKILL) from outside, perhaps for want of memory."""

    exit_code = 137


class Unavailable(InternalError):
    """The object store does not answer, or cannot do now what it may do later."""


class DiskFull(InternalError):
    """There is no room on the disk, and what wants some has not taken it."""


def failure_reason(error: TinsmithError) -> str:
    """The FailureReason text of `error`, at most 1024 characters."""
    text = f"{error.family}: {error}"
    if len(text) <= MAX_FAILURE_REASON:
        return text
    mark = " ... (cut; the job's log has the whole text)"
    return text[: MAX_FAILURE_REASON - len(mark)] + mark
