"""n-grams of numbers. Text itself is not compiled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from tinsmith.compiler.ir.scalars import INDEX, Expr, Literal, Tensor, both, literal, select
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.scores import rows_of


@operator("TfIdfVectorizer")
def tf_idf_vectorizer(node: Node, x: Tensor) -> Tensor:
    """How often each n-gram of the pool stands in a row, perhaps with gaps of equal length between its
    elements."""
    if node.attributes.get("pool_strings"):
        raise node.refuse("its pool is text; numbers are needed")
    rows = rows_of(node, x)
    indexes = np.asarray(node.integers("ngram_indexes"), np.int64)
    width = int(indexes.max(initial=-1)) + 1
    shape = (rows.shape[0], width)
    counts = node.map(shape, lambda n, i: literal(0, "float32"))
    for grams, places in _pools(node, indexes):
        counts = _counted(node, rows, counts, grams, places)
    out = _weighted(node, counts, indexes)
    return node.view(out, (*x.shape[:-1], width))


def _pools(node: Node, indexes: np.ndarray[Any, Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """For each length of n-grams: the n-grams [count, n], and their columns."""
    pool = np.asarray(node.integers("pool_int64s"), np.int64)
    starts = [*node.integers("ngram_counts"), len(pool)]
    first, last = node.integer("min_gram_length"), node.integer("max_gram_length")
    done = 0
    for length, (start, stop) in enumerate(pairwise(starts), 1):
        if not 0 <= start <= stop <= len(pool) or (stop - start) % length:
            raise node.refuse(
                f"ngram_counts {starts[:-1]} do not divide a pool of {len(pool)} numbers into n-grams"
            )
        count = (stop - start) // length
        if done + count > len(indexes):
            raise node.refuse(f"{len(indexes)} ngram_indexes are fewer than n-grams")
        places = indexes[done : done + count]
        done += count
        if count and first <= length <= last:
            yield node.constant(pool[start:stop].reshape(count, length)), node.constant(places)


def _counted(node: Node, rows: Tensor, counts: Tensor, grams: Tensor, places: Tensor) -> Tensor:
    """`counts` and what is found of some n-grams."""
    number, length = grams.static_shape
    batch, width = rows.shape
    if not isinstance(width, int):
        raise node.refuse("the length of its rows is known only at run time")
    gaps = node.integer("max_skip_count", 0) + 1 if length > 1 else 1

    def hit(n: Expr, gram: Expr, gap: Expr, start: Expr) -> Expr:
        step = gap + 1
        same = both(
            [
                rows[n, start + step * part].cast("int64").equals(grams[gram, Literal(part, INDEX)])
                for part in range(length)
            ]
        )
        assert same is not None
        fits = start + step * (length - 1) < width
        return select(fits, select(same, literal(1, "float32"), 0), 0)

    found = node.reduce((batch, number), (gaps, width), "sum", hit)
    return node.scatter(
        counts.shape,
        lambda *i: counts[i],
        (batch, number),
        lambda n, gram: ((n, places[gram].as_index), found[n, gram]),
        combine="add",
    )


def _weighted(node: Node, counts: Tensor, indexes: np.ndarray[Any, Any]) -> Tensor:
    """Counts, weights of what is there, or their products; a weight belongs to an n-gram."""
    mode = node.text("mode")
    weights = np.asarray(node.attributes.get("weights") or np.ones(len(indexes)), np.float32)
    if mode not in ("TF", "IDF", "TFIDF") or weights.size != len(indexes):
        raise node.refuse(f"mode {mode} with {weights.size} weights for {len(indexes)} n-grams")
    if mode == "TF":
        return counts
    columns = np.ones(counts.static_shape[1], np.float32)
    columns[indexes] = weights
    known = node.constant(columns)

    def value(n: Expr, i: Expr) -> Expr:
        count = counts[n, i]
        return count * known[i] if mode == "TFIDF" else select(count > 0, known[i], 0)

    return node.map(counts.shape, value)
