"""Which kernels a forest gets, and from how many rows on each runs; their tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.tables import Tables
from tinsmith.compiler.backends.native.trees import costs
from tinsmith.compiler.backends.native.trees.conditions import Conditions, add_columns, find_conditions
from tinsmith.compiler.backends.native.trees.levels import Level, levels
from tinsmith.compiler.backends.native.trees.lower import Graph, lower
from tinsmith.compiler.backends.native.trees.plan_bitslice import (
    BitslicePlan,
    add_bitslice,
    fits,
    plan_bitslice,
)
from tinsmith.compiler.backends.native.trees.plan_bytes import BytesPlan, add_bytes, plan_bytes
from tinsmith.compiler.backends.native.trees.plan_walk import WalkPlan, add_walk, plan_walk
from tinsmith.compiler.ir.model import Forest
from tinsmith.spec.targets import Target

VBMI_PROCESSORS = frozenset(
    {
        "cannonlake",
        "icelake-client",
        "icelake-server",
        "tigerlake",
        "rocketlake",
        "sapphirerapids",
        "emeraldrapids",
        "graniterapids",
        "znver4",
        "znver5",
    }
)
"""LLVM names of processors with AVX512-VBMI and GFNI."""


def may_have_vbmi(target: Target) -> bool:
    """Some code for the target is compiled for a processor with AVX512-VBMI."""
    return not VBMI_PROCESSORS.isdisjoint(target.processors) or "+avx512vbmi" in target.features


def add_forest(forest: Forest, target: Target, tables: Tables) -> dict[str, Any]:
    """Writes the tables of every kernel that `forest` gets on `target`; facts for the report."""
    graph = lower(forest)
    walk = plan_walk(forest, graph)
    _add_shape(forest, walk, tables)
    add_walk(walk, tables)
    found = levels(graph, np.arange(len(graph.roots)))
    facts = {
        "body": "forest",
        "trees": len(forest.roots),
        "nodes": len(forest.leaf),
        "depth": int(walk.depth.max(initial=0)),
    }
    if len(graph.roots) and fits(found, len(graph.roots)):
        return facts | _add_planes(forest, graph, found, walk, may_have_vbmi(target), tables)
    return facts | _add_gather(walk, tables)


def _add_shape(forest: Forest, walk: WalkPlan, tables: Tables) -> None:
    width = forest.leaf_values.shape[1]
    tables.define("TREES", len(forest.roots), "Trees.")
    tables.define("LEAF_WIDTH", width, "Values of a leaf.")
    tables.define("DIVISOR", float(forest.divisor), "Divides the sums.")
    if width == 1 and forest.num_outputs > 1:
        tables.add("TREE_COLUMNS", forest.tree_output.astype(np.uint32), "uint32 per tree: its margin")
    if not walk.inline:
        tables.add("LEAVES", walk.leaf_values, "accumulator type per leaf, per value")


def _add_planes(
    forest: Forest, graph: Graph, found: list[Level], walk: WalkPlan, vbmi: bool, tables: Tables
) -> dict[str, Any]:
    """Tables of the bitslice kernel and, for processors with VBMI, of the bytes kernel."""
    conditions = find_conditions(graph, np.concatenate([level.node[level.splits] for level in found]))
    bitslice = plan_bitslice(graph, found, conditions)
    in_bytes = plan_bytes(graph, found, conditions) if vbmi else None
    tables.define("HAS_GATHER", 0, "1: the gather kernel is compiled.")
    tables.define("HAS_BITSLICE", 1, "1: tables of the bitslice kernel are here.")
    tables.define("HAS_LEAF_BYTES", int(vbmi), "1: leaf values are here as separate bytes.")
    tables.define("HAS_BYTES", int(in_bytes is not None), "1: tables of the bytes kernel are here.")
    add_columns(conditions, tables)
    add_bitslice(bitslice, conditions, forest, tables, vbmi)
    if in_bytes is not None:
        add_bytes(in_bytes, conditions, forest, tables)
    switch = _add_switches(forest, conditions, bitslice, in_bytes, walk, tables)
    return {
        "kernels": ["walk", "bitslice"] + ["bytes"] * (in_bytes is not None),
        "block_kernel_above_rows": switch,
        "conditions": conditions.planes,
        "rank_columns": len(conditions.column_feature),
        "networks": int((bitslice.operations > 0).sum()),
    }


def _add_switches(
    forest: Forest,
    conditions: Conditions,
    bitslice: BitslicePlan,
    in_bytes: BytesPlan | None,
    walk: WalkPlan,
    tables: Tables,
) -> dict[str, int]:
    columns = len(conditions.column_feature)
    switch = {}
    for name, cost in costs.BLOCKS.items():
        block = costs.bitslice_block(bitslice, columns, conditions.planes, forest.leaf_values.shape[1], cost)
        row = costs.walk_row(walk)
        if name == "vbmi" and in_bytes is not None:
            row = costs.bytes_row(in_bytes, columns)
        switch[name] = int(min(max(block / row, 1), cost.rows))
    _define_switches(switch, tables)
    fastest = costs.BLOCKS["vbmi"]
    block = costs.bitslice_block(bitslice, columns, conditions.planes, forest.leaf_values.shape[1], fastest)
    tables.define("ROWS_PER_THREAD", costs.rows_per_thread(block / fastest.rows), "Rows worth a thread.")
    return switch


def _add_gather(walk: WalkPlan, tables: Tables) -> dict[str, Any]:
    for name in ("BITSLICE", "LEAF_BYTES", "BYTES"):
        tables.define(f"HAS_{name}", 0, "1: tables of that kernel are here.")
    tables.define("HAS_GATHER", 1, "1: the gather kernel is compiled.")
    tables.define(
        "GATHER_CHUNK", costs.gather_chunk(walk), "Rows that a tree takes before the next tree's turn."
    )
    _define_switches(costs.GATHER_ABOVE, tables)
    tables.define("ROWS_PER_THREAD", costs.rows_per_thread(costs.walk_row(walk)), "Rows worth a thread.")
    return {"kernels": ["walk", "gather"], "block_kernel_above_rows": dict(costs.GATHER_ABOVE)}


def _define_switches(switch: dict[str, int], tables: Tables) -> None:
    for name, rows in switch.items():
        tables.define(f"SMALL_ROWS_{name.upper()}", rows, "Most rows that go one by one.")
