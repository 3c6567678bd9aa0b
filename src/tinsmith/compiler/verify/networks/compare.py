"""What a network answered against what it should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.artifact.samples import Arrays
from tinsmith.compiler.verify.networks.tolerance import Allowance, root_mean_square
from tinsmith.errors import InternalError

_SHOWN = 5


@dataclass(frozen=True)
class Wanted:
    """The right answers of one run, by output."""

    kind: str
    exact: Arrays
    """Floats in float64 where the reference gives that."""
    native: Arrays | None
    """The reference's answers in the network's own types: as right, element by element, where a discontinuity
    (the largest of equals, an overflow) makes the two differ."""
    allowances: tuple[Allowance, ...]


@dataclass(frozen=True)
class Difference:
    """The largest ones of an output."""

    absolute: float
    relative: float
    """To the output's largest magnitude in the run."""


def compare(wanted: Wanted, found: Arrays, names: Sequence[str], where: str) -> list[Difference]:
    """The differences per output. Raises InternalError that lists the first wrong elements of every wrong
    output, by name and index; `where` says who answered.

    Where the reference itself answers otherwise in the network's own types than exactly (equal scores that
    are not quite equal, and so other boxes), the answers in the network's types, all of them, are right too.
    """
    differences, problems = _compared(wanted, found, names)
    if problems and wanted.native is not None:
        exactly = replace(wanted, native=None)
        _, unsettled = _compared(exactly, wanted.native, names)
        if unsettled:
            others, remaining = _compared(replace(exactly, exact=wanted.native), found, names)
            differences, problems = (differences, problems) if remaining else (others, [])
    if problems:
        raise InternalError(f"verification: {where}: {wanted.kind} inputs: {'; '.join(problems)}")
    return differences


def _compared(wanted: Wanted, found: Arrays, names: Sequence[str]) -> tuple[list[Difference], list[str]]:
    """The differences of the outputs that are right, and what is wrong with the others."""
    differences, problems = [], []
    for index, (name, array) in enumerate(zip(names, found, strict=True)):
        native = None if wanted.native is None else wanted.native[index]
        try:
            differences.append(compare_output(wanted.exact[index], native, array, wanted.allowances[index]))
        except Wrong as wrong:
            problems.append(f"output {name!r}: {wrong}")
    return differences, problems


class Wrong(Exception):
    """An output is wrong; the text says where."""


def compare_output(
    exact: NDArray[Any], native: NDArray[Any] | None, found: NDArray[Any], allowance: Allowance
) -> Difference:
    """The difference between `found` and the right answer. Raises Wrong."""
    alternative = native if native is not None and native.shape == found.shape else None
    if exact.shape != found.shape:
        if alternative is None:
            raise Wrong(f"shape {found.shape}, expected {exact.shape}")
        exact = alternative
    expected, answer = comparable(exact, found), comparable(found, found)
    with np.errstate(all="ignore"):
        error = np.abs(answer - expected)
        near = error <= allowance.relative * np.abs(expected) + allowance.absolute
        wrong = ~(near & np.isfinite(expected) & np.isfinite(answer))
    wrong &= ~same(expected, answer)
    if alternative is not None:
        other = comparable(alternative, found)
        unlike = found.dtype.kind in "iub" or ~(np.isfinite(expected) & np.isfinite(other))
        wrong &= ~(unlike & same(other, answer))
    if wrong.any():
        raise Wrong(_listing(wrong, expected, answer, error, allowance))
    typical = root_mean_square(error)
    if allowance.typical is not None and typical > allowance.typical:
        raise Wrong(
            f"all elements together are wrong: root mean square of the errors {typical:.3g}, "
            f"allowed {allowance.typical:.3g}"
        )
    return _difference(expected, error)


def comparable(array: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """`array` rounded to the type of `like`, in a type that differences of such numbers fit in."""
    if like.dtype.kind == "c":
        return array.astype(np.complex128)
    if like.dtype.kind in "iu" and like.dtype.itemsize == 8:
        return array.astype(like.dtype).astype(np.longdouble)
    with np.errstate(all="ignore"):
        return array.astype(like.dtype).astype(np.float64)


def same(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """Equal, or both NaN."""
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _difference(expected: NDArray[Any], error: NDArray[Any]) -> Difference:
    finite = np.isfinite(error) & np.isfinite(expected)
    largest = float(error[finite].max(initial=0.0))
    magnitude = float(np.abs(expected[finite]).max(initial=0.0))
    return Difference(largest, largest / magnitude if magnitude else largest)


def _listing(
    wrong: NDArray[np.bool_],
    expected: NDArray[Any],
    found: NDArray[Any],
    error: NDArray[Any],
    allowance: Allowance,
) -> str:
    shown = []
    for place in np.argwhere(wrong)[:_SHOWN]:
        at = tuple(int(index) for index in place)
        limit = allowance.relative * abs(expected[at]) + allowance.absolute
        shown.append(
            f"at {list(at)} expected {expected[at]:.9g}, found {found[at]:.9g} "
            f"(error {error[at]:.3g}, allowed {limit:.3g})"
        )
    return f"{int(wrong.sum())} of {wrong.size} elements are wrong: {'; '.join(shown)}"
