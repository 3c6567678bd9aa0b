"""The runs that a network is verified with: inputs and right answers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.artifact.samples import Arrays, Sample, Samples
from tinsmith.compiler.ir.dtypes import numpy_dtype
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.networks import reference
from tinsmith.compiler.verify.networks.compare import Wanted, comparable, same
from tinsmith.compiler.verify.networks.inputs import make_inputs
from tinsmith.compiler.verify.networks.reference import Oracle, Unable
from tinsmith.compiler.verify.networks.ties import undecided
from tinsmith.compiler.verify.networks.tolerance import TOLERANCES, Allowance, allow, arithmetics
from tinsmith.errors import ClientError

T = TypeVar("T")

MAX_CARRIED_BYTES = 8 << 20
"""Of the arrays that travel in the artifact."""
CARRIED_BITS = 17
"""Significant bits of floats that travel: fewer than float32 has, so that the last bits, in which machines
differ when they evaluate the reference, leave the artifact the same."""


@dataclass(frozen=True)
class Run:
    """Inputs in order, and the right answers."""

    inputs: Arrays
    wanted: Wanted


@dataclass(frozen=True)
class Examples:
    """What verification executes."""

    runs: tuple[Run, ...]
    """None where no reference evaluates the network."""
    reference: str
    """Who gave the exact answers."""
    arithmetics: tuple[str, ...]
    """Per output, the key of TOLERANCES."""
    unable: str | None = None
    """Why there are no runs."""


@lru_cache(maxsize=1)
def examples(network: Network) -> Examples:
    """Of `network`; evaluated once, as packing and verifying both ask for it."""
    kinds = arithmetics(network)
    made = make_inputs(network)
    reasons = []
    for oracle in _oracles(network):
        try:
            answers = _evaluate(oracle.evaluate, [inputs for _, inputs in made])
        except Unable as error:
            reasons.append(f"{oracle.name}: {error}")
            continue
        own = _evaluate(_lenient(reference.native(network)), [inputs for _, inputs in made])
        moved = reference.disturbed(network) if "quantised" in kinds else []
        others = [_evaluate(_lenient(one), [inputs for _, inputs in made]) for one in moved]
        runs = [
            _run(network, name, inputs, exact, native, kinds, [one[number] for one in others])
            for number, ((name, inputs), exact, native) in enumerate(zip(made, answers, own, strict=True))
        ]
        return Examples(tuple(runs), oracle.name, kinds)
    return Examples((), "", kinds, "; ".join(reasons))


def _oracles(network: Network) -> list[Oracle]:
    """Best first."""
    second = reference.onnxruntime(network)
    return [reference.exact(network), reference.native(network), *([second] if second else [])]


def _evaluate(evaluate: Callable[[Arrays], T], inputs: Sequence[Arrays]) -> list[T]:
    """All at the same time: each evaluation multiplies on one thread, as the compiler's environment says."""
    with warnings.catch_warnings(), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        warnings.simplefilter("ignore")  # oracles set the same, which threads may undo for each other
        return list(pool.map(evaluate, inputs))


def _lenient(oracle: Oracle) -> Callable[[Arrays], Arrays | None]:
    def evaluate(inputs: Arrays) -> Arrays | None:
        try:
            return oracle.evaluate(inputs)
        except Unable:
            return None

    return evaluate


def _run(
    network: Network,
    name: str,
    inputs: Arrays,
    exact: Arrays,
    native: Arrays | None,
    kinds: tuple[str, ...],
    disturbed: Sequence[Arrays | None],
) -> Run:
    allowances = tuple(
        allow(
            array,
            native[index] if native else None,
            spec.dtype,
            TOLERANCES[kinds[index]],
            [one[index] for one in disturbed if one and kinds[index] == "quantised"],
        )
        for index, (spec, array) in enumerate(zip(network.outputs, exact, strict=True))
    )
    return Run(inputs, Wanted(name, exact, native, allowances))


def evidence(network: Network) -> Samples:
    """The runs that travel in the artifact, with the claim that `verify` makes true: as many as
    MAX_CARRIED_BYTES holds of those whose right answer is not a matter of rounding."""
    found = examples(network)
    dtypes = [numpy_dtype(spec.dtype) for spec in network.outputs]
    room = MAX_CARRIED_BYTES
    samples, carried = [], []
    for run in found.runs:
        outputs = tuple(_carried(array, dtype) for array, dtype in zip(run.wanted.exact, dtypes, strict=True))
        size = sum(array.nbytes for array in (*run.inputs, *outputs))
        settled = _settled(run.wanted, dtypes) and not undecided(network, run.inputs, run.wanted)
        if size <= room and settled:
            room -= size
            samples.append(Sample(run.wanted.kind, run.inputs, outputs))
            carried.append(run.wanted.allowances)
    claim = {
        "method": "the library of the finished tarball was executed on these kinds of inputs and compared "
        "with an evaluation of the network that shares nothing with the compiler",
        "reference": found.reference,
        "arithmetics": list(found.arithmetics),
        "executed": [run.wanted.kind for run in found.runs],
        "allowed": [[_claimed(one) for one in allowances] for allowances in carried],
    }
    return Samples(tuple(samples), claim)


def runs_of(samples: Samples) -> tuple[Run, ...]:
    """The runs of an artifact's evidence. Raises ClientError when its claim is malformed."""
    try:
        allowed = [tuple(_allowance(*numbers) for numbers in run) for run in samples.claim["allowed"]]
        if [len(one) for one in allowed] != [len(run.outputs) for run in samples.runs]:
            raise ValueError("as many allowances as outputs were expected")
    except (KeyError, TypeError, ValueError) as error:
        raise ClientError("InputConfiguration", f"the artifact's claim is malformed: {error!r}") from None
    return tuple(
        Run(sample.inputs, Wanted(sample.kind, sample.outputs, None, allowances))
        for sample, allowances in zip(samples.runs, allowed, strict=True)
    )


def _claimed(allowance: Allowance) -> list[float]:
    """As the claim holds it."""
    numbers = [allowance.relative, _rounded(allowance.absolute)]
    return numbers if allowance.typical is None else [*numbers, _rounded(allowance.typical)]


def _allowance(relative: float, absolute: float, typical: float | None = None) -> Allowance:
    """The inverse."""
    wider = float(relative) + 2.0 ** (1 - CARRIED_BITS) * (relative > 0)
    return Allowance(wider, float(absolute), None if typical is None else float(typical))


def arithmetics_of(samples: Samples) -> tuple[str, ...]:
    """Per output, the key of TOLERANCES. Raises ClientError when the claim is malformed."""
    names = samples.claim.get("arithmetics")
    outputs = len(samples.runs[0].outputs) if samples.runs else 0
    if not isinstance(names, list) or len(names) != outputs or not set(names) <= TOLERANCES.keys():
        raise ClientError("InputConfiguration", f"the artifact's claim is malformed: arithmetics {names!r}")
    return tuple(names)


def _settled(wanted: Wanted, dtypes: list[np.dtype[Any]]) -> bool:
    """Whether both evaluations agree on shapes, integers, and what is infinite or no number."""
    if wanted.native is None:
        return True
    for exact, native, dtype in zip(wanted.exact, wanted.native, dtypes, strict=True):
        if exact.shape != native.shape:
            return False
        one, other = (comparable(array, np.empty(0, dtype)) for array in (exact, native))
        equal = same(one, other)
        if dtype.kind not in "iub":
            equal |= np.isfinite(one) & np.isfinite(other)
        if not equal.all():
            return False
    return True


def _carried(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """`array` as an output of type `dtype`, floats rounded to CARRIED_BITS."""
    if dtype != np.float32:
        return array.astype(dtype)
    with np.errstate(all="ignore"):
        fraction, exponent = np.frexp(array.astype(np.float64))
        rounded = np.ldexp(np.round(np.ldexp(fraction, CARRIED_BITS)), exponent - CARRIED_BITS)
        carried: NDArray[Any] = rounded.astype(np.float32)
    return carried


def _rounded(value: float) -> float:
    """To two digits, upwards."""
    if value == 0:
        return 0.0
    digits = 1 - int(np.floor(np.log10(value)))
    return float(f"{np.ceil(value * 10.0**digits) / 10.0**digits:.3g}")
