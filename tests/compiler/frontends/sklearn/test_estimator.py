"""Reading fields of records, with errors that say where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, finite, labels_of
from tinsmith.errors import ClientError


def estimator(**fields: Any) -> Estimator:
    return Estimator.of(Record("sklearn.tree._classes.Thing", fields=fields), "model")


@pytest.mark.parametrize(
    ("text", "version"),
    [("0.22.2.post1", (0, 22)), ("1.10.0", (1, 10)), ("2.0rc1", (2, 0)), ("new", None), (7, None)],
)
def test_version(text: Any, version: tuple[int, int] | None) -> None:
    assert estimator(_sklearn_version=text).version == version


def test_members_inherit_the_version() -> None:
    outer = estimator(_sklearn_version="1.0.2", members=[Record("sklearn.a.B"), Record("sklearn.a.C")])
    first, second = outer.children("members")
    assert first.version == second.version == (1, 0)
    assert second.place == "model.members[1]"


def test_missing_attribute_names_all_spellings() -> None:
    with pytest.raises(
        ClientError, match=r"model: sklearn.tree._classes.Thing has no attribute a or b; .*\(fit\)"
    ):
        estimator().get("a", "b")
    assert estimator(b=3).get("a", "b") == 3
    assert estimator().get("a", default=None) is None


@pytest.mark.parametrize("value", [7, None, Record("x"), np.float64(3), "ab"])
def test_children_must_be_a_list(value: Any) -> None:
    with pytest.raises(ClientError, match=r"model.members: expected a list, found"):
        estimator(members=value).children("members")


@pytest.mark.parametrize("value", ["7", None, Record("x"), [1, 2], np.nan, np.inf, np.array([]), 1j])
def test_number_must_be_one_finite_number(value: Any) -> None:
    with pytest.raises(ClientError, match="InputConfiguration: model"):
        estimator(n=value).number("n")


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.array([[3]])])
def test_number(value: Any) -> None:
    assert estimator(n=value).number("n") == 3.0


@pytest.mark.parametrize("value", [0, -1, 1.5, 1 << 30])
def test_num_features_is_a_count(value: Any) -> None:
    with pytest.raises(ClientError, match="n_features_in_: expected a count, found"):
        _ = estimator(n_features_in_=value).num_features


def test_feature_names_must_fit() -> None:
    names = np.array(["a", "b"], object)
    assert estimator(n_features_in_=2, feature_names_in_=names).feature_names == ("a", "b")
    assert estimator(n_features_in_=3, feature_names_in_=names).feature_names == ()
    assert estimator(n_features_in_=3).feature_names == ()


def test_labels() -> None:
    assert list(labels_of(np.array([1, 2]))) == [1, 2]
    assert list(labels_of(np.array(["a", None], object))) == ["a", None]
    assert estimator(classes_=np.array([True, False])).class_labels == ("True", "False")


def test_descriptions() -> None:
    assert describe(Record("os.system")) == "os.system"
    assert describe(np.zeros((2, 3))) == "an array of float64 of shape (2, 3)"
    assert describe("x" * 500) == "str '" + "x" * 59


def test_finite() -> None:
    assert finite(True, "x").tolist() == 1.0
    with pytest.raises(ClientError, match="x: expected finite numbers, found list"):
        finite(["a"], "x")
