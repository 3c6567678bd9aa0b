from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinsmith_runtime import ArtifactError, Manifest, Tensor

TENSORS = st.builds(Tensor, st.text(), st.sampled_from(["float32", "float64"]), st.tuples(st.integers(-1, 9)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # which a busy machine is
@given(
    name=st.text(),
    inputs=st.tuples(TENSORS),
    labels=st.lists(st.text()).map(tuple),
    kernels=st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.integers())),
)
def test_json_and_back(
    manifest: Manifest, name: str, inputs: tuple[Tensor], labels: tuple[str, ...], kernels: dict[str, object]
) -> None:
    changed = replace(manifest, name=name, inputs=inputs, class_labels=labels, kernels=kernels)
    assert Manifest.from_json(changed.to_json()) == changed


def test_equal_manifests_have_equal_text(manifest: Manifest) -> None:
    one = replace(manifest, kernels={"a": 1, "b": 2})
    other = replace(manifest, kernels={"b": 2, "a": 1})
    assert one.to_json() == other.to_json()


def test_ignores_fields_of_later_versions(manifest: Manifest) -> None:
    record = json.loads(manifest.to_json()) | {"colour": "blue"}
    assert Manifest.from_json(json.dumps(record)) == manifest


def test_names_every_missing_field(manifest: Manifest) -> None:
    record = json.loads(manifest.to_json())
    del record["inputs"], record["library"]
    with pytest.raises(ArtifactError, match="missing inputs, library"):
        Manifest.from_json(json.dumps(record))


def test_refuses_a_newer_schema(manifest: Manifest) -> None:
    record = json.loads(manifest.to_json()) | {"schema": 2}
    with pytest.raises(ArtifactError, match="schema 2 is newer than 1: upgrade"):
        Manifest.from_json(json.dumps(record))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"schema": "1"}', "null"])
def test_refuses_what_is_no_manifest(text: str) -> None:
    with pytest.raises(ArtifactError, match=r"^manifest: "):
        Manifest.from_json(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inputs", 3),
        ("inputs", [None]),
        ("margin", {}),
        ("target", "x"),
        ("class_labels", 3),
        ("outputs", [{"name": 1}]),
    ],
)
def test_refuses_malformed_fields(manifest: Manifest, field: str, value: object) -> None:
    record = json.loads(manifest.to_json()) | {field: value}
    with pytest.raises(ArtifactError, match="malformed"):
        Manifest.from_json(json.dumps(record))


def test_a_network_has_bounds_and_no_margin(manifest: Manifest) -> None:
    network = replace(
        manifest, outputs=(Tensor("boxes", "int64", (-1, 3), (100, 3)), Tensor("a", "bool", ())), margin=None
    )
    assert Manifest.from_json(network.to_json()) == network
    record = json.loads(network.to_json())["outputs"]
    assert record[0]["largest"] == [100, 3]
    assert "largest" not in record[1]
    assert network.outputs[0].bounds == (100, 3)
    assert network.outputs[1].bounds == ()


@pytest.mark.parametrize("largest", [[], [4], [5, 2], [-1, 3], "ab", [1.5, "x"]])
def test_refuses_bounds_that_do_not_fit_the_shape(manifest: Manifest, largest: object) -> None:
    record = json.loads(manifest.to_json())
    record["outputs"] = [{"name": "y", "dtype": "int64", "shape": [-1, 3], "largest": largest}]
    with pytest.raises(ArtifactError, match="malformed"):
        Manifest.from_json(json.dumps(record))
