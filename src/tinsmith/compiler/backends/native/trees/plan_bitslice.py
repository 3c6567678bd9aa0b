"""Tables of the bitslice kernel: trees as multiplexers over bit planes.

A plane holds one condition for a whole block of rows, a bit per row. A tree turns planes into the bits of a
leaf number, bit by bit: each inner node selects, for all rows at once, between what its children select.

A tree is coded in one of two ways, whichever costs less:
- complete: its splits in the 2^depth - 1 places of a complete tree (absent ones always go left), the C code
  for each depth being unrolled;
- network: leaves numbered from left to right, and for each bit of the number the multiplexers that do not
  cancel, as a list of operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.tables import Tables, bit_set
from tinsmith.compiler.backends.native.trees.conditions import ALWAYS_RIGHT, Conditions
from tinsmith.compiler.backends.native.trees.levels import Level, Longs, depths, leaf_counts, levels
from tinsmith.compiler.backends.native.trees.lower import Graph, Ints
from tinsmith.compiler.ir.model import Forest

MOST_BITS = 8
REFERENCE = 16
"""References count in units of 1 / 16 plane, so that a vector kernel scales them in its addressing."""
OPERATION_COST = 3.0
"""Of a network's operation, in multiplexers of a complete tree."""


@dataclass(frozen=True)
class BitslicePlan:
    """Everything that the kernel reads but the columns."""

    code: NDArray[np.uint32]
    """Per complete tree: references of its places, level by level. Per network: MOST_BITS references of the
    leaf number's bits, then per operation: selector, one, zero, result."""
    first: Longs
    """Per tree: where in `code` it begins."""
    operations: Longs
    """Per tree: operations of its network; 0: it is complete."""
    bits: Longs
    """Per tree: bits of its leaf number, at least 1."""
    leaf_rows: Ints
    """Per tree 2^bits rows of the forest's leaf values, trees one after the other."""
    temporaries: int
    """Planes that networks write."""


def fits(found: list[Level], count: int) -> bool:
    """Every tree has at most 8 levels of splits or at most 256 leaves."""
    small = (depths(found, count) <= MOST_BITS) | (leaf_counts(found, count) <= 2**MOST_BITS)
    return bool(small.all())


def plan_bitslice(graph: Graph, found: list[Level], conditions: Conditions) -> BitslicePlan:
    """Codes the trees of `graph`, whose levels are `found`."""
    count = len(graph.roots)
    depth, leaves = depths(found, count), leaf_counts(found, count)
    complete = np.maximum(depth, 1)
    sparse = np.flatnonzero((depth > MOST_BITS) | (leaves * 6 < 2.0 ** np.minimum(depth, 60)))
    network = _networks(graph, levels(graph, sparse), conditions, len(sparse))
    better = (depth[sparse] > MOST_BITS) | (
        network.counts * OPERATION_COST < 2.0 ** np.minimum(complete[sparse], 60)
    )
    is_network = np.zeros(count, np.bool_)
    is_network[sparse[better]] = True
    bits = complete.copy()
    bits[sparse[better]] = network.bits[better]
    operations = np.zeros(count, np.int64)
    operations[sparse[better]] = network.counts[better]
    # A network of no operations is as good as one that does nothing.
    operations[is_network] = np.maximum(operations[is_network], 1)
    size = np.where(is_network, MOST_BITS + 4 * operations, 2 ** np.minimum(bits, MOST_BITS) - 1)
    first = np.concatenate([[0], np.cumsum(size)])
    leaf_first = np.concatenate([[0], np.cumsum(2**bits)])
    code = np.zeros(first[-1], np.int64)
    leaf_rows = np.zeros(leaf_first[-1], np.int32)
    _write_complete(graph, found, conditions, ~is_network, bits, first, leaf_first, code, leaf_rows)
    network.write(sparse, better, first, leaf_first, code, leaf_rows)
    return BitslicePlan(
        code=(code * REFERENCE).astype(np.uint32),
        first=first[:-1],
        operations=operations,
        bits=bits,
        leaf_rows=leaf_rows,
        temporaries=network.temporaries,
    )


def add_bitslice(
    plan: BitslicePlan, conditions: Conditions, forest: Forest, tables: Tables, byte_leaves: bool
) -> None:
    """Writes the planes, the trees and the leaves; with `byte_leaves` also in the form for AVX512-VBMI."""
    tables.define("PLANES", conditions.planes, "Constant planes 0 and 1, conditions, category sets.")
    tables.define("TEMPORARIES", plan.temporaries, "Planes that networks write.")
    complete = plan.bits[plan.operations == 0]
    tables.define("MUX_DEPTHS", bit_set(complete), "Bit i: some complete tree has i levels.")
    tables.define("LEAF_BITS", bit_set(plan.bits), "Bit i: some tree's leaf numbers have i bits.")
    side = conditions.column.astype(np.int64) * 2 + conditions.missing_right
    firsts = np.searchsorted(side, np.arange(2 * len(conditions.column_feature) + 1))
    tables.add(
        "CONDITION_FIRST",
        firsts.astype(np.uint32),
        "uint32 per column and side of missing values, then the end",
    )
    tables.add("CONDITION_RANKS", conditions.rank, "uint8 per condition: true where the rank is above")
    tables.add(
        "CONDITION_COLUMNS", side.astype(np.uint32), "uint32 per condition: column * 2 + (1: missing is true)"
    )
    terms = conditions.set_terms
    tables.define("SETS", len(terms), "Conditions that are category sets.")
    ends = np.cumsum([0, *(len(part) for part in terms)])
    tables.add("SET_FIRST", ends.astype(np.uint32), "uint32 per set, then the end: its first term")
    tables.add(
        "SET_TERMS", np.concatenate([*terms, np.empty(0, np.int64)]).astype(np.uint32), "uint32: plane"
    )
    wide = np.cumsum(np.maximum(2**plan.bits, 64)) - np.maximum(2**plan.bits, 64)
    column = forest.tree_output if forest.leaf_values.shape[1] == 1 else np.zeros(len(plan.bits), np.int64)
    trees = np.stack([plan.first, plan.operations, _leaf_firsts(plan), wide, plan.bits, column], axis=1)
    tables.add("MUX_TREES", trees.astype(np.uint32), "struct ts_mux_tree per tree")
    tables.add("MUX_CODE", plan.code, "uint32: references of planes, in 1/16")
    tables.add("MUX_LEAVES", _values(plan, forest), "accumulator type per tree, margin, leaf number")
    if byte_leaves:
        tables.add(
            "MUX_LEAF_BYTES",
            _byte_planes(plan, forest),
            "uint8 per tree, margin, byte of the value, leaf number",
        )


def _leaf_firsts(plan: BitslicePlan) -> Longs:
    return np.cumsum(2**plan.bits) - 2**plan.bits


def _values(plan: BitslicePlan, forest: Forest) -> NDArray[np.float32] | NDArray[np.float64]:
    """Leaf values tree by tree, margin by margin."""
    width = forest.leaf_values.shape[1]
    values = forest.leaf_values[plan.leaf_rows]
    if width == 1:
        return values
    size = np.repeat(2**plan.bits, 2**plan.bits)
    first = np.repeat(_leaf_firsts(plan), 2**plan.bits)
    number = np.arange(len(size)) - first
    out = np.empty(values.size, values.dtype)
    for column in range(width):
        out[first * width + column * size + number] = values[:, column]
    return out


def _byte_planes(plan: BitslicePlan, forest: Forest) -> NDArray[np.uint8]:
    """The bytes of leaf values, apart: all lowest bytes of a tree and margin, then the next ones. A table has
    at least 64 entries, a vector."""
    width, item = forest.leaf_values.shape[1], forest.leaf_values.dtype.itemsize
    count = np.maximum(2**plan.bits, 64)
    start = np.concatenate([[0], np.cumsum(count * width * item)])
    size = np.repeat(2**plan.bits, 2**plan.bits)
    number = np.arange(len(size)) - np.repeat(_leaf_firsts(plan), 2**plan.bits)
    begin = np.repeat(start[:-1], 2**plan.bits) + number
    stride = np.repeat(count, 2**plan.bits)
    bytes_of = (
        np.ascontiguousarray(forest.leaf_values[plan.leaf_rows])
        .view(np.uint8)
        .reshape(len(size), width * item)
    )
    out = np.zeros(start[-1], np.uint8)
    for column in range(width * item):
        out[begin + column * stride] = bytes_of[:, column]
    return out


def _write_complete(
    graph: Graph,
    found: list[Level],
    conditions: Conditions,
    chosen: NDArray[np.bool_],
    bits: Longs,
    first: Longs,
    leaf_first: Longs,
    code: Longs,
    leaf_rows: Ints,
) -> None:
    for depth, level in enumerate(found[: MOST_BITS + 1]):
        here = chosen[level.tree]
        split = here & level.splits
        code[first[level.tree[split]] + 2**depth - 1 + level.place[split]] = conditions.of_node[
            level.node[split]
        ]
        leaf = here & ~level.splits
        copies = 2 ** (bits[level.tree[leaf]] - depth)
        begin = leaf_first[level.tree[leaf]] + level.place[leaf] * copies
        within = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies)
        leaf_rows[np.repeat(begin, copies) + within] = np.repeat(graph.leaf[level.node[leaf]], copies)


@dataclass(frozen=True)
class _Networks:
    """Multiplexer networks of some trees; tree numbers count within them."""

    counts: Longs
    """Per tree: operations."""
    bits: Longs
    temporaries: int
    tree: Longs
    """Per operation; operations of a tree come in the order of `position`."""
    position: Longs
    operation: Longs
    """(operations, 4): selector, one, zero, result."""
    outputs: Longs
    """(trees, MOST_BITS): plane of each bit of the leaf number."""
    leaf_tree: Longs
    leaf_number: Longs
    leaf_row: Ints

    def write(
        self,
        trees: Longs,
        better: NDArray[np.bool_],
        first: Longs,
        leaf_first: Longs,
        code: Longs,
        leaf_rows: Ints,
    ) -> None:
        """Writes the networks that are `better`, those of `trees`."""
        code[first[trees[better]][:, None] + np.arange(MOST_BITS)] = self.outputs[better]
        mine = better[self.tree]
        place = first[trees[self.tree[mine]]] + MOST_BITS + 4 * self.position[mine]
        code[place[:, None] + np.arange(4)] = self.operation[mine]
        leaf = better[self.leaf_tree]
        leaf_rows[leaf_first[trees[self.leaf_tree[leaf]]] + self.leaf_number[leaf]] = self.leaf_row[leaf]
        # An empty network's one operation writes plane 0, which is zero, with zero: all references are 0.


def _networks(graph: Graph, found: list[Level], conditions: Conditions, count: int) -> _Networks:
    size, start = _leaf_numbers(found)
    leaves = size[0] if found else np.empty(0, np.int64)
    bits = np.maximum(np.ceil(np.log2(np.maximum(leaves, 2))).astype(np.int64), 1)
    values = _bit_values(graph, found, conditions, start)
    slots = _result_slots(found, values)
    order = _operation_order(found, values)
    base = conditions.planes
    trees, places, operations = [], [], []
    most = MOST_BITS
    for depth, level in enumerate(found):
        which = np.flatnonzero(level.splits)
        for bit in range(MOST_BITS):
            made = which[values[depth][which, bit] < 0]
            if not len(made):
                continue
            left = 2 * np.searchsorted(which, made)
            low, high = values[depth + 1][left, bit], values[depth + 1][left + 1, bit]
            low = np.where(low < 0, base + slots[depth + 1][left, bit], low)
            high = np.where(high < 0, base + slots[depth + 1][left + 1, bit], high)
            result = slots[depth][made, bit]
            most = max(most, int(result.max()) + 1)
            operations.append(
                np.stack([conditions.of_node[level.node[made]], high, low, base + result], axis=1)
            )
            trees.append(level.tree[made])
            places.append(order[depth][made, bit])
    tree = _joined(trees)
    place = np.concatenate([*places, np.empty(0)])
    by_place = np.lexsort((place, tree))
    counts = np.bincount(tree, minlength=count)
    position = np.empty(len(tree), np.int64)
    position[by_place] = np.arange(len(tree)) - np.repeat(np.cumsum(counts) - counts, counts)
    outputs = np.empty((0, MOST_BITS), np.int64)
    if found:
        outputs = np.where(values[0] < 0, base + slots[0], values[0])
    leaf_parts = [
        (level.tree, start[d], graph.leaf[level.node], ~level.splits) for d, level in enumerate(found)
    ]
    return _Networks(
        counts=counts,
        bits=bits,
        temporaries=most if len(tree) else 0,
        tree=tree,
        position=position,
        operation=np.concatenate([*operations, np.empty((0, 4), np.int64)]),
        outputs=outputs,
        leaf_tree=_joined([part[0][part[3]] for part in leaf_parts]),
        leaf_number=_joined([part[1][part[3]] for part in leaf_parts]),
        leaf_row=_joined([part[2][part[3]] for part in leaf_parts]).astype(np.int32),
    )


def _joined(parts: list[NDArray[np.int64]] | list[Ints]) -> Longs:
    return np.concatenate([*parts, np.empty(0, np.int64)]).astype(np.int64)


def _leaf_numbers(found: list[Level]) -> tuple[list[Longs], list[Longs]]:
    """Per level and entry: leaves below it, and the number of the first of them, left to right."""
    size = [np.ones(len(level.node), np.int64) for level in found]
    for depth in range(len(found) - 2, -1, -1):
        below = size[depth + 1]
        size[depth][found[depth].splits] = below[0::2] + below[1::2]
    start = [np.zeros(len(level.node), np.int64) for level in found]
    for depth in range(len(found) - 1):
        own = start[depth][found[depth].splits]
        start[depth + 1][0::2] = own
        start[depth + 1][1::2] = own + size[depth + 1][0::2]
    return size, start


def _bit_values(graph: Graph, found: list[Level], conditions: Conditions, start: list[Longs]) -> list[Longs]:
    """Per level, entry and bit of the leaf number: the plane that holds it; -1 where operations make it."""
    shifts = np.arange(MOST_BITS)
    values = [(numbers[:, None] >> shifts) & 1 for numbers in start]
    for depth in range(len(found) - 2, -1, -1):
        splits = found[depth].splits
        low, high = values[depth + 1][0::2], values[depth + 1][1::2]
        plane = conditions.of_node[found[depth].node[splits]].astype(np.int64)[:, None]
        same = (low == high) & (low >= 0)
        is_condition = (low == 0) & (high == ALWAYS_RIGHT)
        values[depth][splits] = np.where(same, low, np.where(is_condition, plane, -1))
    return values


def _result_slots(found: list[Level], values: list[Longs]) -> list[Longs]:
    """Per level, entry and bit: the temporary that its operation writes. Bit k has temporaries k,
    k + MOST_BITS, ... of its own: its result goes to the first; below, a right child uses the next one where
    the left one's value is waiting."""
    slots = [np.zeros_like(level) for level in values]
    if not found:
        return slots
    slots[0][:] = np.arange(MOST_BITS)
    work = slots[0] + MOST_BITS
    for depth in range(len(found) - 1):
        mine = work[found[depth].splits]
        below = np.empty_like(values[depth + 1])
        below[0::2] = mine
        below[1::2] = mine + MOST_BITS * (values[depth + 1][0::2] < 0)
        slots[depth + 1] = work = below
    return slots


def _operation_order(found: list[Level], values: list[Longs]) -> list[NDArray[np.float64]]:
    """Per level, entry and bit: a number that grows in the order of operations of a tree. A bit's operations
    come children first; those of different bits take turns, so that few depend on the one before."""
    size = [np.where(level < 0, 1, 0) for level in values]
    for depth in range(len(found) - 2, -1, -1):
        size[depth][found[depth].splits] += size[depth + 1][0::2] + size[depth + 1][1::2]
    if not found:
        return []
    whole = np.maximum(size[0], 1)
    start = np.zeros_like(size[0])
    order = [(start + size[0]) / whole]
    for depth in range(len(found) - 1):
        own = start[found[depth].splits]
        start = np.empty_like(size[depth + 1])
        start[0::2] = own
        start[1::2] = own + size[depth + 1][0::2]
        order.append((start + size[depth + 1]) / whole[found[depth + 1].tree])
    return order
