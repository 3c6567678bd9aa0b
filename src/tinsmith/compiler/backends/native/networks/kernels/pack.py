"""Weights in panels: the order in which the kernels of every processor read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PANEL = 16
"""Columns of a panel: TS_PANEL of contract_vector.h."""

SLICE = 4 * PANEL
"""Columns of a work item: TS_SLICE of contract_tile.h."""

NOTE = 16
"""Floats at the start of scratch memory: TS_NOTE_FLOATS of contract_scratch.h."""


def padded(columns: int) -> int:
    """`columns` rounded up to whole panels."""
    return -(-columns // PANEL) * PANEL


def pack_panels(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """[..., K, N] to [..., panels, K, PANEL], columns beyond N zero."""
    *outer, depth, columns = weights.shape
    wide = np.zeros((*outer, depth, padded(columns)), np.float32)
    wide[..., :columns] = weights
    split = wide.reshape(*outer, depth, -1, PANEL)
    return np.ascontiguousarray(np.swapaxes(split, -3, -2))


def pad_bias(bias: NDArray[np.float32] | None, groups: int, columns: int) -> NDArray[np.float32]:
    """[groups * columns] to [groups, padded(columns)], zeros without a bias."""
    wide = np.zeros((groups, padded(columns)), np.float32)
    if bias is not None:
        wide[:, :columns] = bias.reshape(groups, columns)
    return wide
