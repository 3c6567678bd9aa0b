"""The old binary format, whole and damaged."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinsmith.compiler.frontends.xgboost.binary import looks_like, read_binary
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.errors import ClientError

FOLDER = Path(__file__).parents[3] / "data" / "xgboost"
MODELS = [path.read_bytes() for path in sorted(FOLDER.glob("*.model"))]
ROWS = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)

HEADER = 136
NUM_TREES = HEADER + 8 + len("reg:squarederror") + 8 + len("gbtree")


def with_field(content: bytes, position: int, value: int) -> bytes:
    """`content` with another 32-bit number at `position`."""
    return content[:position] + struct.pack("<i", value) + content[position + 4 :]


def test_the_magic_of_some_versions_is_optional(read_files: Callable[..., Model]) -> None:
    content = (FOLDER / "1.7.6-squarederror.model").read_bytes()
    bare = content.removeprefix(b"binf")
    one, other = (evaluate(read_files(form), ROWS).margin for form in (b"binf" + bare, bare))
    np.testing.assert_array_equal(one, other)
    assert looks_like(content)
    assert not looks_like(content[50:])
    assert not looks_like(b"\0" * 4096)


def test_every_cut_is_refused() -> None:
    for content in MODELS:
        # Attributes, which are not read, follow the booster: all of it lies in the first 60 %.
        end = 324 if b"gblinear" in content else int(len(content) * 0.6)
        for cut in np.linspace(0, end, 60, dtype=int):
            with pytest.raises(ClientError, match="cut short"):
                read_binary(content[:cut], "m.model")


def test_hostile_counts_are_refused() -> None:
    content = (FOLDER / "0.90-squarederror.model").read_bytes().removeprefix(b"binf")
    assert struct.unpack_from("<i", content, NUM_TREES) == (4,)
    first_tree = NUM_TREES + 160
    for position, value, text in [
        (NUM_TREES, -1, "-1 trees"),
        (NUM_TREES, 2**31 - 1, "cut short"),
        (first_tree, 2, "2 roots"),
        (first_tree + 4, 0, "0 nodes"),
        (first_tree + 4, 2**31 - 1, "cut short"),
    ]:
        with pytest.raises(ClientError, match=text):
            read_binary(with_field(content, position, value), "m.model")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_a_client_error_or_a_model(
    read_files: Callable[..., Model], data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(MODELS)))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ClientError):
        model = read_files(bytes(content))
        if model.input.shape[1] < 1000:
            evaluate(model, np.zeros((2, model.input.shape[1]), np.float32))
