"""Categorical splits of histogram gradient boosting, as sets of codes that go right.

A categorical node of scikit-learn sends a row left when its category is in the node's set, right when
it is another category known from training, and to the side of missing values otherwise. The IR knows
two sides only: in the set, and anything else. So the set is made of the categories that do not go
where missing values go, and children are swapped where that is the left side.

Until 1.3 a column holds the codes themselves (0 to 255, fractions cut off). From 1.4 on it holds
arbitrary numbers; an OrdinalEncoder inside the estimator gives their codes and moves the categorical
columns to the front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.trees import CategorySplits, Trees, column
from tinsmith.compiler.ir.model import Encoding

CODES = 256
"""Codes are bytes."""


def read_category_splits(
    estimator: Estimator, predictors: Sequence[Estimator], trees: Trees
) -> tuple[Trees, CategorySplits]:
    """`trees` on the columns of the input, children swapped as the module's text says, and the sets."""
    nodes = [predictor.get("nodes") for predictor in predictors]
    category = np.full(len(trees.left), -1, np.int32)
    if "is_categorical" not in (nodes[0].dtype.names or ()):
        return trees, CategorySplits(category, (), ())
    place = f"{estimator.place}._predictors"
    here = np.flatnonzero(column(nodes, "is_categorical", place).astype(bool) & ~trees.is_leaf)
    columns, encodings = _encodings(estimator)
    used = set(trees.feature[here].tolist())
    encodings = {feature: pair for feature, pair in encodings.items() if feature in used}
    codes: tuple[NDArray[np.int32], ...] = ()
    if here.size:
        goes_left = _left_sets(predictors, nodes, trees, here, place)
        known = _known_codes(estimator)[trees.feature[here]]
        missing_left = trees.missing_left[here]
        sets = np.where(missing_left[:, None], known & ~goes_left, goes_left)
        _renumber(sets, trees.feature[here], {feature: kept for feature, (_, kept) in encodings.items()})
        distinct, index = np.unique(np.packbits(sets, axis=1), axis=0, return_inverse=True)
        category[here] = index.reshape(-1)
        codes = tuple(np.flatnonzero(row).astype(np.int32) for row in np.unpackbits(distinct, axis=1))
        trees = _swapped(trees, here[~missing_left])
    trees = replace(trees, feature=np.where(trees.is_leaf, -1, columns[trees.feature]))
    # Without a value that a float32 can equal, all sets of the column are empty: nothing is left to encode.
    used_encodings = tuple(encoding for encoding, _ in encodings.values() if encoding.values.size)
    return trees, CategorySplits(category, codes, used_encodings)


def _renumber(
    sets: NDArray[np.bool_], features: NDArray[np.int64], kept: Mapping[int, NDArray[np.int64]]
) -> None:
    """Give the kept codes of every encoded feature the numbers from 0 on, in place."""
    for feature, codes in kept.items():
        rows = features == feature
        renumbered = np.zeros((int(rows.sum()), CODES), np.bool_)
        renumbered[:, : len(codes)] = sets[rows][:, codes]
        sets[rows] = renumbered


def _left_sets(
    predictors: Sequence[Estimator],
    nodes: Sequence[NDArray[np.void]],
    trees: Trees,
    here: NDArray[np.int64],
    place: str,
) -> NDArray[np.bool_]:
    """(nodes of `here`, CODES): the codes that go left."""
    tables = []
    for predictor in predictors:
        table = predictor.get("raw_left_cat_bitsets")
        if not isinstance(table, np.ndarray) or table.dtype.kind != "u" or table.shape[1:] != (CODES // 32,):
            raise malformed(
                predictor.place, f"raw_left_cat_bitsets: expected (sets, 8) words, found {describe(table)}"
            )
        tables.append(table.astype("<u4"))
    sizes = np.array([len(table) for table in tables])
    tree = np.repeat(np.arange(len(trees.roots)), trees.sizes)[here]
    index = column(nodes, "bitset_idx", place).astype(np.int64)[here]
    if (index >= sizes[tree]).any():
        raise malformed(place, "a categorical node refers to a set that is not there")
    words = np.concatenate(tables)[index + (np.cumsum(sizes) - sizes)[tree]]
    return np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little").astype(bool)


def _known_codes(estimator: Estimator) -> NDArray[np.bool_]:
    """(features, CODES): the codes met in training, in the feature numbers of the nodes."""
    mapper = estimator.child("_bin_mapper", "bin_mapper_")
    thresholds = mapper.get("bin_thresholds_")
    categorical = np.asarray(mapper.get("is_categorical_"), bool)
    num_features = estimator.num_features
    if categorical.shape != (num_features,) or len(thresholds) != num_features:
        raise malformed(mapper.place, f"expected {num_features} features, found {categorical.size}")
    known = np.zeros((num_features, CODES), np.bool_)
    for feature in np.flatnonzero(categorical):
        codes = np.asarray(thresholds[feature], np.float64)
        if not ((codes >= 0) & (codes < CODES)).all():
            raise malformed(mapper.place, f"bin_thresholds_[{feature}]: expected codes 0 to {CODES - 1}")
        known[feature, codes.astype(np.int64)] = True
    return known


def _encodings(
    estimator: Estimator,
) -> tuple[NDArray[np.int64], dict[int, tuple[Encoding, NDArray[np.int64]]]]:
    """The input column of each feature number, and per encoded feature number its encoding and kept codes."""
    num_features = estimator.num_features
    columns = np.arange(num_features)
    if estimator.get("_preprocessor", default=None) is None:
        return columns, {}
    categorical = np.asarray(estimator.get("is_categorical_"), bool)
    if categorical.shape != (num_features,):
        raise malformed(
            estimator.place, f"is_categorical_: expected {num_features} values, found {categorical.size}"
        )
    columns = np.concatenate((np.flatnonzero(categorical), np.flatnonzero(~categorical)))
    categories = _encoder(estimator).get("categories_")
    if len(categories) != categorical.sum():
        raise malformed(
            estimator.place, f"{len(categories)} encoded columns of {categorical.sum()} categorical ones"
        )
    numbers = [_category_numbers(estimator, int(columns[i]), values) for i, values in enumerate(categories)]
    return columns, {i: _encoding(int(columns[i]), values) for i, values in enumerate(numbers)}


def _encoder(estimator: Estimator) -> Estimator:
    """The OrdinalEncoder inside the estimator's ColumnTransformer."""
    preprocessor = estimator.child("_preprocessor")
    for entry in preprocessor.get("transformers_"):
        if isinstance(entry, tuple) and entry[0] == "encoder":
            return preprocessor.inside("transformers_", entry[1])
    raise malformed(preprocessor.place, "transformers_ has no encoder")


def _category_numbers(estimator: Estimator, feature: int, values: object) -> NDArray[np.float64]:
    """The categories of one column in code order, without the mark of missing values at their end."""
    array = np.asarray(values)
    if array.dtype.hasobject and all(isinstance(value, int | float | np.number) for value in array):
        array = array.astype(np.float64)
    if array.dtype.kind not in "biuf" or array.ndim != 1 or array.size > CODES:
        raise unsupported(
            estimator,
            f"categorical column {feature} holds {describe(values)}; only numbers are compiled, "
            "encode it before training",
        )
    array = array.astype(np.float64)
    return array[:-1] if array.size and np.isnan(array[-1]) else array


def _encoding(feature: int, values: NDArray[np.float64]) -> tuple[Encoding, NDArray[np.int64]]:
    """The encoding of the categories that a float32 input can equal, and their codes in the file."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    kept = np.flatnonzero(narrow.astype(np.float64) == values)
    return Encoding(feature, narrow[kept]), kept


def _swapped(trees: Trees, here: NDArray[np.int64]) -> Trees:
    """`trees` with the children of the nodes `here` swapped."""
    left, right, missing_left = trees.left.copy(), trees.right.copy(), trees.missing_left.copy()
    left[here], right[here] = trees.right[here], trees.left[here]
    missing_left[here] = ~trees.missing_left[here]
    return replace(trees, left=left, right=right, missing_left=missing_left)
