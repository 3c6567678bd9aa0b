"""When which kernel is chosen: nanoseconds, fitted on one Zen 4 server core.

Only ratios matter: they set the batch size from which a block kernel, which costs the same for one row as
for a whole block, beats the kernel that goes row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinsmith.compiler.backends.native.trees.plan_bitslice import BitslicePlan
from tinsmith.compiler.backends.native.trees.plan_bytes import BytesPlan
from tinsmith.compiler.backends.native.trees.plan_walk import TREES_PER_GROUP, WalkPlan


@dataclass(frozen=True)
class BlockCost:
    """Of the bitslice kernel in one instruction set."""

    rows: int
    """Of a block."""
    column: float
    plane: float
    multiplexer: float
    """Of a complete tree."""
    operation: float
    """Of a network."""
    tree: float
    """Turning bits into leaf numbers and adding the leaves of one margin."""


BLOCKS = {
    "base": BlockCost(rows=128, column=150, plane=1.6, multiplexer=0.25, operation=1.2, tree=60),
    "avx2": BlockCost(rows=256, column=200, plane=2.2, multiplexer=0.3, operation=1.5, tree=45),
    "avx512": BlockCost(rows=512, column=350, plane=3.0, multiplexer=0.4, operation=2.2, tree=110),
    "vbmi": BlockCost(rows=512, column=350, plane=3.0, multiplexer=0.4, operation=2.2, tree=60),
}
"""SSE2 and NEON, and the wider x86 instruction sets."""

GATHER_ABOVE = dict.fromkeys(BLOCKS, 3)
"""Rows above which many rows walking one tree beat one row walking many trees."""

GATHER_ROWS_AT_ONCE = 1024
KEY_BYTES = 2**19
"""Of the keys of the gather kernel: they pass once per tree and should stay in a second-level cache."""

WALK_TREE, WALK_STEP = 2.0, 0.9
BYTES_ROW, BYTES_COLUMN, BYTES_PLACE, BYTES_TREE = 60.0, 3.0, 1.6, 1.2

THREAD_WORK = 100_000.0
"""Nanoseconds of work that are worth waking a thread."""


def walk_row(plan: WalkPlan) -> float:
    """One row by the walk kernel: a group of trees goes on until all have arrived."""
    depth = np.pad(plan.depth, (0, -len(plan.depth) % TREES_PER_GROUP))
    steps = depth.reshape(-1, TREES_PER_GROUP).max(axis=1).sum() * TREES_PER_GROUP
    return float(len(plan.depth) * WALK_TREE + steps * WALK_STEP) + 1.0


def gather_chunk(plan: WalkPlan) -> int:
    """Rows that pass through a tree of the gather kernel before the next tree's turn; a multiple of 64."""
    rows = KEY_BYTES // (4 * (len(plan.slots) + 1))
    return min(max(rows // 64 * 64, 64), GATHER_ROWS_AT_ONCE)


def bytes_row(plan: BytesPlan, columns: int) -> float:
    """One row by the bytes kernel."""
    places = float((2.0**plan.group_depth).sum())
    return BYTES_ROW + columns * BYTES_COLUMN + places * BYTES_PLACE + len(plan.lane) * BYTES_TREE


def bitslice_block(plan: BitslicePlan, columns: int, planes: int, leaf_width: int, cost: BlockCost) -> float:
    """One block by the bitslice kernel, however many of its rows are asked for."""
    complete = plan.operations == 0
    multiplexers = float((2.0 ** plan.bits[complete]).sum())
    return (
        columns * cost.column
        + planes * cost.plane
        + multiplexers * cost.multiplexer
        + float(plan.operations.sum()) * cost.operation
        + len(plan.bits) * leaf_width * cost.tree
    )


def rows_per_thread(row: float) -> int:
    """Rows, a multiple of every block, that are worth a thread of their own at `row` nanoseconds each."""
    return 512 * max(1, round(THREAD_WORK / max(row, 1.0) / 512))
