"""Whether the framework that saved the model agrees with the reference, though it shares nothing with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.networks.compare import Wanted, compare
from tinsmith.compiler.verify.networks.examples import Run
from tinsmith.compiler.verify.networks.ties import undecided
from tinsmith.compiler.verify.networks.tolerance import Tolerance, allow
from tinsmith.errors import InternalError, KilledError, TinsmithError

COMPARED = ("normal", "uniform", "constant")
"""Kinds of inputs on which frameworks must agree; where numbers overflow, or vanish before they
are divided, each has ways of its own. So it has where the reference gives infinity or NaN, as of a row of a
softmax that is masked as a whole."""
LENIENCE = 10.0
"""The framework rounds in its own order; what is looked for is a model that was read wrongly."""
ROUNDED = Tolerance(1e-1, 1e-1, 1)
"""Of a framework that rounds on the fly: enough to tell another model, steps of 8 bits add up to less."""


def agree(network: Network, runs: Sequence[Run]) -> dict[str, Any] | None:
    """How far the original framework is from the right answers of `runs`; None where it is not at hand.

    Raises InternalError where it differs by more than LENIENCE or ROUNDED allows: then the reference, which
    is evaluated on what the frontend made of the model, is of another model. Where the right answer hangs on
    which of nearly equal numbers is chosen, the framework may choose another: such a run is "undecided".
    """
    if network.original is None:
        return None
    name = network.original.name
    chosen = [one for one in runs if one.wanted.kind in COMPARED]
    try:
        answers = network.original.answer([one.inputs for one in chosen])
    except KilledError:
        raise
    except TinsmithError as error:
        return {"name": name, "unable": str(error)}
    names = [spec.name for spec in network.outputs]
    worst: list[float] = []
    kinds: dict[str, list[str]] = {"runs": [], "undecided": []}
    for one, found in zip(chosen, answers, strict=True):
        wanted = _lenient(network, one.wanted, network.original.rounds)
        if len(found) != len(names):
            raise InternalError(f"verification: {name} gives {len(found)} outputs, expected {len(names)}")
        arrays = tuple(map(_finite, found, wanted.exact))
        try:
            differences = compare(wanted, arrays, names, f"the original framework, {name}")
        except InternalError:
            if not undecided(network, one.inputs, one.wanted):
                raise
            kinds["undecided"].append(one.wanted.kind)
            continue
        kinds["runs"].append(one.wanted.kind)
        worst += [difference.relative for difference in differences]
    said = {"name": name, **{key: found for key, found in kinds.items() if found}}
    return {**said, "max_relative_difference": float(f"{max(worst):.3g}")} if worst else said


def _lenient(network: Network, wanted: Wanted, rounds: bool) -> Wanted:
    """Held to LENIENCE times what our own library is, or to ROUNDED."""
    if rounds:
        specs = zip(network.outputs, wanted.exact, strict=True)
        return replace(
            wanted, allowances=tuple(allow(array, None, spec.dtype, ROUNDED) for spec, array in specs)
        )
    return replace(
        wanted,
        allowances=tuple(
            replace(one, relative=LENIENCE * one.relative, absolute=LENIENCE * one.absolute, typical=None)
            for one in wanted.allowances
        ),
    )


def _finite(found: Any, exact: NDArray[Any]) -> NDArray[Any]:
    """`found`, with what is expected where that is no finite number."""
    array = np.asarray(found)
    if array.shape != exact.shape or array.dtype.kind not in "fc":
        return array
    return np.where(np.isfinite(exact), array, exact).astype(array.dtype)
