"""The schedules of a job: shipped, brought by the customer, or searched on this machine on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tinsmith.compiler.backends.native.networks.choices import (
    AREA,
    FILE_NAME,
    Book,
    Table,
    gains,
    instruction_sets,
    read_table,
    shipped,
    write_table,
)
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.tuning.search import Found, search
from tinsmith.compiler.verify.cpu import host_name
from tinsmith.compiler.verify.execute import NoMachine, find_machine, is_here
from tinsmith.errors import ClientError
from tinsmith.spec.targets import Target

DEFAULT_SECONDS = 300.0
"""Of a search in a job that states no MaxRuntimeInSeconds."""
MOST_SECONDS = 1200.0
SHARE = 4
"""A search takes at most this part of MaxRuntimeInSeconds: one over so much."""


@dataclass(frozen=True)
class Tuned:
    """What a network is compiled with."""

    book: Book
    files: dict[str, bytes]
    """For the artifact: the schedules, for a later job."""
    record: dict[str, Any] | None = None
    """Of the search, for the report."""
    warnings: tuple[str, ...] = ()


def seconds_allowed(max_runtime_seconds: int | None) -> float:
    """For a search."""
    if max_runtime_seconds is None:
        return DEFAULT_SECONDS
    return min(MOST_SECONDS, max_runtime_seconds / SHARE)


def tune(
    model: Model | Network,
    target: Target,
    wanted: bool,
    seconds: float,
    folder: Path,
    scratch: Path,
    log: Callable[[str], None],
) -> Tuned:
    """The schedules for `model` on `target`. `folder` holds the customer's files, one of which may be
    FILE_NAME; a search is made where it is `wanted` and this machine is the target, else there is a warning.

    Raises ClientError where the customer's schedules are damaged.
    """
    if not isinstance(model, Network):
        return Tuned(Book(), {}, warnings=(_ignored("it has no layers to tune"),) if wanted else ())
    text = _given(folder)
    given = read_table(text, FILE_NAME) if text is not None else {}
    book = Book((given, *shipped().tables))
    files = {} if text is None else {FILE_NAME: text.encode()}
    if not wanted:
        return Tuned(book, files)
    here = _here(target)
    if isinstance(here, str):
        return Tuned(book, files, warnings=(_ignored(here),))
    with TemporaryDirectory(dir=scratch, prefix="tune-") as name:
        (instruction_set,) = instruction_sets(here)
        only_code = bool(target.variants)
        found = search(model, here, instruction_set, book, Path(name), seconds, log, only_code)
    table = _joined(given, found)
    content = write_table(table, _gains(text, found), _head(found)).encode()
    return Tuned(Book((table, *shipped().tables)), {FILE_NAME: content}, _record(found))


def _given(folder: Path) -> str | None:
    path = folder / FILE_NAME
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ClientError(AREA, f"{FILE_NAME} is no UTF-8 text: {error}") from None


def _here(target: Target) -> Target | str:
    """The target as the one processor of it that this machine is, or why it is none."""
    try:
        here = is_here(target, find_machine(target))
    except NoMachine:
        here = False
    if not here:
        return f"a search measures on the machine that compiles, which is no {target.name}"
    for cpu in reversed(target.processors):
        one = replace(target, cpu=cpu, variants=())
        if instruction_sets(one) and _runs(one):
            return one
    return f"there are no schedules to choose from for {target.cpu}"


def _runs(target: Target) -> bool:
    try:
        return find_machine(target).method == "native"
    except NoMachine:
        return False


def _ignored(reason: str) -> str:
    return f"CompilerOptions: 'tune' has no effect on this job: {reason}."


def _joined(given: Table, found: Found) -> Table:
    new = {str(geometry): gain.schedule for geometry, gain in found.layers.items()}
    name = found.instruction_set
    return {**given, name: {**given.get(name, {}), **new}}


def _gains(text: str | None, found: Found) -> dict[str, dict[str, float]]:
    old = gains(text) if text is not None else {}
    new = {str(geometry): gain.gain for geometry, gain in found.layers.items()}
    name = found.instruction_set
    return {**old, name: {**old.get(name, {}), **new}}


def _head(found: Found) -> list[str]:
    return [
        f"Schedules that a search found on {host_name()}. A later job that has this file beside its model",
        "uses them, and searches only where it asks for it.",
    ]


def _record(found: Found) -> dict[str, Any]:
    """For people: seconds, and what each layer gained."""
    return {
        "instruction_set": found.instruction_set,
        "seconds": round(found.seconds, 1),
        "complete": found.complete,
        "trials": found.trials,
        "layers_searched": found.searched,
        "network_time": round(found.whole, 3),
        "layers": {
            str(geometry): {
                "schedule": gain.schedule.record(),
                "gain": round(gain.gain, 3),
                "share_of_layers": round(gain.share, 3),
            }
            for geometry, gain in found.layers.items()
        },
    }
