"""What an XGBoost model file says, whatever its format: between the parsers and the IR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tree:
    """One tree, nodes numbered from its root, 0. All arrays have one entry per node."""

    left: NDArray[np.int32]
    """-1 at leaves."""
    right: NDArray[np.int32]
    """Anything at leaves."""
    feature: NDArray[np.int32]
    """Anything at leaves."""
    cut: NDArray[np.float32]
    default_left: NDArray[np.bool_]
    leaf_values: NDArray[np.float32]
    """(nodes, width); anything at inner nodes."""
    categories: Mapping[int, NDArray[np.int32]] = field(default_factory=dict)
    """Per categorical node the codes that go right, sorted."""


@dataclass(frozen=True)
class Trees:
    """The body of gbtree and dart."""

    trees: tuple[Tree, ...]
    output: NDArray[np.int32]
    """Per tree: the output it adds to."""
    weight: NDArray[np.float32] | None = None
    """Per tree: what its leaves are multiplied with; None where there are no weights."""
    encoded: bool = False
    """Trained on a data frame whose categories the library numbers (3.1 and later)."""


@dataclass(frozen=True)
class Saved:
    """A model as saved."""

    place: str
    """The file, for error texts."""
    version: tuple[int, ...]
    """Of the library that saved it; (0,) for what is older than 1.0, which does not tell."""
    objective: str
    booster: str
    """gbtree, dart or gblinear."""
    num_feature: int
    num_outputs: int
    base_score: NDArray[np.float32]
    """One value, or one per output. Before 1.0 it is a margin, since then what the user gave."""
    body: Trees | NDArray[np.float32]
    """The weights of gblinear are (features + 1, outputs); the last row is the bias."""
    feature_names: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
