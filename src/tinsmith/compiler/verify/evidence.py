"""The evidence that an artifact carries."""

from __future__ import annotations

from typing import overload

from tinsmith.compiler.artifact.evidence import Evidence
from tinsmith.compiler.artifact.samples import Samples
from tinsmith.compiler.ir.model import Forest, Model
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.compare import Expected, expect
from tinsmith.compiler.verify.networks import examples as networks
from tinsmith.compiler.verify.rows import RowSet, make_rows
from tinsmith.errors import ClientError

ROWS_OF_EACH_KIND = 600
"""That `verify` executes. Their sum exceeds every kernel's block and the rows worth a thread of their own."""
TREE_ROWS = 1 << 22
"""Rows times trees that are worth executing so that every cut of the model is met: about a second."""
CARRIED_ROWS_OF_EACH_KIND = 60
"""That travel in the artifact."""
MAX_CARRIED_ELEMENTS = 1 << 19
"""Of the rows that travel: models with very many features carry fewer."""


def rows_to_execute(model: Model) -> RowSet:
    """The rows of `verify`: enough for both sides of every cut, unless the model is very large."""
    trees = len(model.body.roots) if isinstance(model.body, Forest) else 1
    return make_rows(model, ROWS_OF_EACH_KIND, TREE_ROWS // max(trees, 1))


@overload
def collect(model: Model) -> Evidence: ...


@overload
def collect(model: Network) -> Samples: ...


def collect(model: Model | Network) -> Evidence | Samples:
    """What travels in the artifact: inputs and expected answers, with the claim that `verify` makes true."""
    return networks.evidence(model) if isinstance(model, Network) else _collect_rows(model)


def _collect_rows(model: Model) -> Evidence:
    """Of a tree model. Predictions are rounded to float32, so that they are the same wherever the reference
    was evaluated."""
    chosen = _thinned(make_rows(model, CARRIED_ROWS_OF_EACH_KIND))
    wanted = expect(model, chosen.rows).as_float32()
    executed = rows_to_execute(model)
    claim = {
        "method": "the library of the finished tarball was executed on these kinds of rows and compared "
        "with a reference evaluation of the training library's arithmetic",
        "rows": executed.kinds,
        "cuts": executed.cuts,
        "cuts_exercised": executed.cuts_exercised,
        "evidence_rows": chosen.kinds,
        "margin": "bit-exact",
        "tolerance_ulps": wanted.tolerance_ulps,
        "near_one": wanted.near_one,
    }
    return Evidence(chosen.rows, wanted.margin, wanted.prediction, claim)


def expected(evidence: Evidence) -> Expected:
    """What a library must answer on `evidence.rows`. Raises ClientError when the claim is malformed."""
    try:
        tolerance, near_one = int(evidence.claim["tolerance_ulps"]), bool(evidence.claim["near_one"])
    except (KeyError, TypeError, ValueError) as error:
        raise ClientError("InputConfiguration", f"the artifact's claim is malformed: {error!r}") from None
    return Expected(evidence.margin, evidence.prediction, tolerance, near_one)


def _thinned(chosen: RowSet) -> RowSet:
    """Every k-th row, where all are too much to carry."""
    step = -(-chosen.rows.size // MAX_CARRIED_ELEMENTS)
    kinds = [kind for kind, count in chosen.kinds.items() for _ in range(count)][::step]
    return RowSet(chosen.rows[::step], {kind: kinds.count(kind) for kind in chosen.kinds})
