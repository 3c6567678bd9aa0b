from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tinsmith.compiler.ir.model import Encoding, Forest, Linear, Model
from tinsmith.compiler.verify.rows import MAX_ELEMENTS, SPECIAL, _exercised, make_rows, num_features

MakeModel = Callable[..., Model]


def body(model: Model) -> Forest:
    assert isinstance(model.body, Forest)
    return model.body


def test_rows_of_every_kind_in_order(make_model: MakeModel) -> None:
    chosen = make_rows(make_model(), 70)
    assert chosen.kinds == {"threshold": 70, "edge": 70, "random": 70}
    assert chosen.rows.shape == (210, 5)
    assert chosen.rows.dtype == np.float32


def test_every_cut_and_both_its_neighbours(make_model: MakeModel) -> None:
    forest = body(make_model())
    chosen = make_rows(make_model(), 200).rows[:200]
    for feature in range(forest.num_features):
        cuts = np.unique(forest.cut[forest.feature == feature])
        assert 3 * cuts.size <= 200
        below, above = np.nextafter(cuts, np.float32(-np.inf)), np.nextafter(cuts, np.float32(np.inf))
        assert {*np.concatenate([cuts, below, above]).tolist()} == {*chosen[:, feature].tolist()}


def test_counts_the_cuts_that_are_exercised(make_model: MakeModel) -> None:
    forest = body(make_model())
    cuts = {(int(f), float(c)) for f, c in zip(forest.feature, forest.cut, strict=True) if f >= 0}
    few, enough = make_rows(make_model(), 60), make_rows(make_model(), 60, 10_000)
    assert few.cuts == enough.cuts == enough.cuts_exercised == len(cuts)
    assert enough.kinds["threshold"] == max(60, 3 * max(sum(f == g for g, _ in cuts) for f in range(5)))
    big = make_rows(make_model(trees=100), 60)
    assert 0 < big.cuts_exercised < big.cuts


@pytest.mark.parametrize(("sides", "count"), [((0,), 0), ((-1,), 0), ((-1, 0), 1), ((0, 1), 0)])
def test_a_cut_is_exercised_from_both_sides(sides: tuple[int, ...], count: int) -> None:
    cut = np.array([0.25], np.float32)
    near = {-1: np.nextafter(cut, np.float32(-1)), 0: cut, 1: np.nextafter(cut, np.float32(1))}
    rows = np.stack([near[side] for side in sides])
    assert _exercised([cut], rows) == count


def test_special_values_fill_whole_rows_and_mix(make_model: MakeModel) -> None:
    edge = make_rows(make_model(), 100).rows[100:200]
    for row, value in zip(edge, SPECIAL, strict=False):
        assert row.tobytes() == np.full(5, value, np.float32).tobytes()
    mixed = edge[len(SPECIAL) :]
    assert np.isnan(mixed).any()
    assert np.isinf(mixed).any()
    assert np.isfinite(mixed).any()


def test_random_rows_lie_on_both_sides_of_the_cuts(make_model: MakeModel) -> None:
    forest = body(make_model())
    random = make_rows(make_model(), 300).rows[600:]
    assert 0.03 < np.isnan(random).mean() < 0.1
    for feature in range(forest.num_features):
        cuts = forest.cut[forest.feature == feature]
        share = np.nanmean(random[:, feature, None] < cuts[None, :], axis=0)
        assert ((share > 0) & (share < 1)).all()


def test_the_same_model_gets_the_same_rows(make_model: MakeModel) -> None:
    """The digest is fixed: it must not depend on the machine, nor on numpy's version."""
    rows = make_rows(replace(make_model(), body=known_forest()), 64).rows
    assert hashlib.sha256(rows.tobytes()).hexdigest() == KNOWN


KNOWN = "815d70dc24ff0ccfa8ef863e135eb0189c61923d066204c4d294b391ad55ed64"


def known_forest() -> Forest:
    """Four splits of two features."""
    return Forest(
        num_features=2,
        num_outputs=1,
        feature=np.array([0, 1, -1, -1, -1], np.int32),
        cut=np.array([0.5, -3e30, 0, 0, 0], np.float32),
        left=np.array([1, 2, -1, -1, -1], np.int32),
        right=np.array([4, 3, -1, -1, -1], np.int32),
        default_left=np.zeros(5, np.bool_),
        category=np.full(5, -1, np.int32),
        outside_right=np.zeros(5, np.bool_),
        leaf=np.array([-1, -1, 0, 1, 2], np.int32),
        leaf_values=np.ones((3, 1), np.float32),
        roots=np.zeros(1, np.int32),
        tree_output=np.zeros(1, np.int32),
        base=np.zeros(1, np.float32),
    )


def test_categories_and_numbers_beside_them(make_model: MakeModel) -> None:
    codes = np.array([3, 40], np.int32)
    category = np.array([0, -1, -1, -1, -1], np.int32)
    forest = replace(known_forest(), category=category, categories=(codes,))
    column = make_rows(replace(make_model(), body=forest), 64).rows[:64, 0]
    assert {3.0, 40.0, 3.5, 40.5, -0.5, 2.0**24} < {*column.tolist()}


def test_values_that_are_encoded(make_model: MakeModel) -> None:
    encoding = Encoding(1, np.array([-7.25, 11], np.float32))
    forest = replace(known_forest(), encodings=(encoding,))
    column = make_rows(replace(make_model(), body=forest), 64).rows[:64, 1]
    assert {-7.25, 11.0, float(np.nextafter(np.float32(11), np.float32(12)))} < {*column.tolist()}


def test_infinite_and_missing_cuts(make_model: MakeModel) -> None:
    forest = replace(known_forest(), cut=np.array([np.inf, np.nan, 0, 0, 0], np.float32))
    rows = make_rows(replace(make_model(), body=forest), 64).rows
    assert rows.shape == (192, 2)
    assert np.isinf(rows[:64, 0]).any()


def test_a_forest_without_splits(make_model: MakeModel) -> None:
    forest = replace(
        known_forest(),
        feature=np.full(1, -1, np.int32),
        cut=np.zeros(1, np.float32),
        category=np.full(1, -1, np.int32),
    )
    assert make_rows(replace(make_model(), body=forest), 64).rows.shape == (192, 2)


def test_linear_models(make_model: MakeModel) -> None:
    linear = Linear(np.ones((4, 2), np.float32), np.zeros(2, np.float32))
    model = replace(make_model(), body=linear)
    assert num_features(model) == 4
    assert make_rows(model, 64).rows.shape == (192, 4)


@pytest.mark.parametrize("features", [1, 3000, 80_000])
def test_many_features_mean_fewer_rows(make_model: MakeModel, features: int) -> None:
    model = replace(make_model(), body=Linear(np.ones((features, 1), np.float32), np.zeros(1, np.float32)))
    rows = make_rows(model, 600).rows
    assert len(rows) >= 6 * len(SPECIAL)
    assert rows.size <= max(MAX_ELEMENTS, 6 * len(SPECIAL) * features)
