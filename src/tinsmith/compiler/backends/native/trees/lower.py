"""A forest in the form that tables are made of: integer comparisons, no splits that decide nothing.

A float32 becomes a *key*, an int32 with the same order: negative floats count down from 0, so -0.0 and
0.0 share key 0 and every number lies in [-0x7f800000, 0x7f800000]. A missing value takes the key
MISSING_LEFT or MISSING_RIGHT, below and above all numbers, whichever sends it to a split's default side.
So one signed comparison, `key >= cut`, decides a split, and no kernel compares floats.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Encoding, Forest

MISSING_RIGHT = np.int32(2**31 - 1)
MISSING_LEFT = np.int32(-(2**31))
NEVER = MISSING_RIGHT
"""The cut that no number reaches."""
OUTSIDE = 2**24
"""The first category code that no set can hold."""

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Graph:
    """Decision graph of all trees. Node arrays are aligned; children are absolute node numbers.

    A node is an inner node (feature >= 0), a leaf (leaf >= 0) or, after `numeric`, a forward: a node that
    stands for `left`, which several nodes share.
    """

    feature: Ints
    cut: Ints
    """Key; the row goes right when its key is not less."""
    missing_right: Bools
    left: Ints
    right: Ints
    leaf: Ints
    roots: Ints
    flips: Ints
    """Per node: row of `flip_start`, -1 at numeric splits."""
    flip_keys: Ints
    """Boundaries of category sets, as keys, ascending within a set."""
    flip_start: Longs
    """Set i owns flip_keys[flip_start[i] : flip_start[i + 1]]."""
    flip_right: Bools
    """Per set: the side of numbers below all its boundaries; every boundary reached changes sides."""

    @property
    def inner(self) -> Bools:
        """Per node: decides something."""
        return self.feature >= 0


def keys(values: NDArray[np.float32]) -> Ints:
    """The keys of numbers; NaN gives NEVER."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32)
    magnitude = bits & np.int32(0x7FFFFFFF)
    key = np.where(bits < 0, -magnitude, magnitude)
    return np.where(magnitude > 0x7F800000, NEVER, key).astype(np.int32)


def lower(forest: Forest) -> Graph:
    """`forest` over keys, with category sets as boundaries, without splits that send all rows one way."""
    flips, flip_keys, flip_start, flip_right = _category_flips(forest)
    categorical = flips >= 0
    cut = keys(forest.cut)
    # A set without boundaries sends every number to one side: that is a numeric split already.
    constant = categorical & (flip_start[flips + 1] == flip_start[flips])
    all_right = constant & flip_right[flips]
    cut = np.where(constant, np.where(all_right, MISSING_LEFT + 1, NEVER), cut).astype(np.int32)
    flips = np.where(constant, -1, flips).astype(np.int32)
    inner = forest.leaf < 0
    graph = Graph(
        feature=np.where(inner, forest.feature, -1).astype(np.int32),
        cut=cut,
        missing_right=inner & ~forest.default_left,
        left=forest.left,
        right=forest.right,
        leaf=forest.leaf,
        roots=forest.roots,
        flips=flips,
        flip_keys=flip_keys,
        flip_start=flip_start,
        flip_right=flip_right,
    )
    return _without_constant_splits(graph)


@dataclass(frozen=True)
class _Sides:
    """Some nodes whose side changes at boundaries, and the boundaries of each distinct kind of them."""

    nodes: Longs
    kind: Longs
    """Per node: its kind."""
    right: Bools
    """Per kind: the side of the least numbers."""
    events: Longs
    """kind << 32 | key - MISSING_LEFT; what occurs an odd number of times is a boundary."""


def _category_flips(forest: Forest) -> tuple[Ints, Ints, Longs, Bools]:
    """Per node its row of boundaries, or -1; then Graph's flip_keys, flip_start and flip_right."""
    inner = forest.leaf < 0
    encoded = np.isin(forest.feature, [encoding.feature for encoding in forest.encodings]) & inner
    parts = [_category_sides(forest, np.flatnonzero((forest.category >= 0) & inner & ~encoded))]
    parts += [_encoded_sides(forest, encoding) for encoding in forest.encodings]
    flips = np.full(len(forest.leaf), -1, np.int32)
    events, right = [], []
    count = 0
    for part in parts:
        flips[part.nodes] = part.kind + count
        events.append(part.events + (count << 32))
        right.append(part.right)
        count += len(part.right)
    event, times = np.unique(np.concatenate(events), return_counts=True)
    event = event[times % 2 == 1]
    start = np.searchsorted(event, np.arange(count + 1) << 32)
    boundary = ((event & 0xFFFFFFFF) + int(MISSING_LEFT)).astype(np.int32)
    # One row more, so that number -1 indexes something.
    return flips, boundary, np.append(start, start[-1]), np.append(np.concatenate(right), False)


def _category_sides(forest: Forest, nodes: Longs) -> _Sides:
    """Splits on a set of codes: a code's boundaries are itself and its successor."""
    kinds, kind = np.unique(
        forest.category[nodes].astype(np.int64) * 2 + forest.outside_right[nodes], return_inverse=True
    )
    outside = (kinds & 1).astype(bool)
    sets = [np.unique(forest.categories[number]) for number in kinds >> 1]
    owner = np.repeat(np.arange(len(sets)), [len(codes) for codes in sets]).astype(np.int64)
    code = np.concatenate([*sets, np.empty(0, np.int32)]).astype(np.int64)
    possible = (code >= 0) & (code < OUTSIDE)
    owner, code = owner[possible], code[possible]
    ends = np.flatnonzero(outside).astype(np.int64)
    owners = np.concatenate([owner, owner, ends, ends])
    numbers = np.concatenate([code, code + 1, np.zeros_like(ends), np.full_like(ends, OUTSIDE)])
    return _Sides(nodes, kind, outside, _events(owners, keys(numbers.astype(np.float32))))


def _encoded_sides(forest: Forest, encoding: Encoding) -> _Sides:
    """Splits of a feature that is read as a position among values, and as missing where it equals none: a
    value whose position goes to the other side than missing values is a boundary, and so is its successor."""
    nodes = np.flatnonzero((forest.feature == encoding.feature) & (forest.leaf < 0))
    asked = np.stack(
        [
            forest.category[nodes],
            forest.cut[nodes].view(np.int32),
            forest.outside_right[nodes],
            forest.default_left[nodes],
        ],
        axis=1,
    )
    _, first, kind = np.unique(asked, axis=0, return_index=True, return_inverse=True)
    default_right = ~forest.default_left[nodes[first]]
    position = np.arange(len(encoding.values)).astype(np.float32)
    value = keys(encoding.values)
    events = [np.empty(0, np.int64)]
    for number, node in enumerate(nodes[first]):
        goes_right = position >= forest.cut[node]
        if forest.category[node] >= 0:
            held = np.isin(position, forest.categories[forest.category[node]])
            goes_right = np.where(position < OUTSIDE, held, forest.outside_right[node])
        other = value[goes_right != default_right[number]]
        events += [_events(np.full(len(other), number), bound) for bound in (other, other + np.int32(1))]
    return _Sides(nodes, kind.reshape(-1).astype(np.int64), default_right, np.concatenate(events))


def _events(owner: Longs, boundary: Ints) -> Longs:
    return (owner.astype(np.int64) << 32) + (boundary.astype(np.int64) - int(MISSING_LEFT))


def _without_constant_splits(graph: Graph) -> Graph:
    """Points past every numeric split that sends all rows to one side."""
    numeric = graph.inner & (graph.flips < 0)
    always_left = numeric & (graph.cut == NEVER) & ~graph.missing_right
    always_right = numeric & (graph.cut <= -0x7F800000) & graph.missing_right
    if not (always_left | always_right).any():
        return graph
    target = np.arange(len(graph.leaf), dtype=np.int32)
    target[always_left] = graph.left[always_left]
    target[always_right] = graph.right[always_right]
    while not np.array_equal(target, target[target]):
        target = target[target]
    return replace(
        graph,
        left=np.where(graph.inner, target[graph.left], -1).astype(np.int32),
        right=np.where(graph.inner, target[graph.right], -1).astype(np.int32),
        roots=target[graph.roots],
    )


def numeric(graph: Graph) -> Graph:
    """`graph` with every categorical split replaced by a balanced search over its boundaries.

    The search's leaves alternate between the split's two children; the first to reach a child points at
    it, the others hold a forward.
    """
    nodes = np.flatnonzero(graph.flips >= 0)
    if not len(nodes):
        return graph
    sizes = np.diff(graph.flip_start)[graph.flips[nodes]]
    parts: dict[str, list[NDArray[Any]]] = {
        "feature": [],
        "cut": [],
        "missing_right": [],
        "left": [],
        "right": [],
    }
    arrays = {name: getattr(graph, name).copy() for name in parts}
    total = len(graph.leaf)
    for size in np.unique(sizes):
        for side in (False, True):
            some = nodes[(sizes == size) & (graph.flip_right[graph.flips[nodes]] == side)]
            if len(some):
                total = _expand(graph, some, int(size), side, total, arrays, parts)
    grown = {name: np.concatenate([arrays[name], *parts[name]]).astype(arrays[name].dtype) for name in parts}
    extra = np.full(total - len(graph.leaf), -1, np.int32)
    return replace(
        graph,
        **grown,
        leaf=np.concatenate([graph.leaf, extra]),
        flips=np.full(total, -1, np.int32),
    )


def _expand(
    graph: Graph,
    nodes: NDArray[np.int64],
    size: int,
    side: bool,
    total: int,
    arrays: dict[str, NDArray[Any]],
    parts: dict[str, list[NDArray[Any]]],
) -> int:
    """Adds the search of each of `nodes`, all with `size` boundaries and first side `side`, as new nodes
    numbered from `total`; each node itself becomes the root of its search. The new total."""
    left, right, boundary, forward_of = _search(size, side)
    count = len(left)
    # Rows: split nodes; columns: nodes of the search. Column 0 is the node itself.
    number = total + np.arange(len(nodes))[:, None] * (count - 1) + np.arange(count)[None, :] - 1
    number[:, 0] = nodes
    children = np.stack([graph.left[nodes], graph.right[nodes]], axis=1)
    key = graph.flip_keys[graph.flip_start[graph.flips[nodes]][:, None] + np.maximum(boundary, 0)[None, :]]

    def pointed(template: NDArray[np.int64]) -> NDArray[np.int64]:
        child = children[:, np.where(template < 0, -1 - template, 0)]
        return np.where(template < 0, child, number[:, np.maximum(template, 0)])

    inner = boundary >= 0
    towards = np.stack([_towards(left, right, want) for want in (0, 1)])
    table = {
        "feature": np.where(inner, graph.feature[nodes][:, None], -1),
        "cut": np.where(inner, key, NEVER),
        "missing_right": towards[graph.missing_right[nodes].astype(np.int64)] & inner,
        "left": np.where(inner, pointed(left), children[:, forward_of]),
        "right": np.where(inner, pointed(right), children[:, forward_of]),
    }
    for name, values in table.items():
        arrays[name][nodes] = values[:, 0]
        parts[name].append(values[:, 1:].ravel())
    return total + len(nodes) * (count - 1)


def _search(
    size: int, side: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Template of a balanced search over `size` boundaries: per node left, right (-1: the split's left child,
    -2: its right child), boundary (-1: a forward) and the child (0 or 1) that a forward stands for."""
    left, right, boundary, forward = [0], [0], [0], [0]
    reached: set[int] = set()
    work = [(0, 0, size)]
    while work:
        node, low, high = work.pop()
        middle = (low + high) // 2
        boundary[node] = middle
        for row, (begin, end) in ((left, (low, middle)), (right, (middle + 1, high))):
            child = int(side) ^ (begin & 1)
            if begin == end and child not in reached:
                reached.add(child)
                row[node] = -1 - child
                continue
            row[node] = len(left)
            left.append(0)
            right.append(0)
            boundary.append(-1)
            forward.append(child)
            if begin < end:
                work.append((len(left) - 1, begin, end))
    return np.array(left), np.array(right), np.array(boundary), np.array(forward)


def _towards(left: NDArray[np.int64], right: NDArray[np.int64], child: int) -> Bools:
    """Per node of a search: a missing value that must reach `child` goes right."""
    goal = -1 - child
    goes_right = np.zeros(len(left), np.bool_)
    node = int(np.flatnonzero((left == goal) | (right == goal))[0])
    goes_right[node] = right[node] == goal
    while node:
        parent = int(np.flatnonzero((left == node) | (right == node))[0])
        goes_right[parent] = right[parent] == node
        node = parent
    return goes_right
