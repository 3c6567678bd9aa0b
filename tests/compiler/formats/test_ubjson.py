"""UBJSON against its specification and against the files of XGBoost."""

from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from tinsmith.compiler.formats.ubjson import load
from tinsmith.errors import ClientError


def key(text: str) -> bytes:
    """A key or the payload of a string."""
    return b"U" + bytes((len(text.encode()),)) + text.encode()


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"Z", None),
        (b"T", True),
        (b"F", False),
        (b"NNT", True),
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\x80\x00", -32768),
        (b"l\x7f\xff\xff\xff", 2**31 - 1),
        (b"L" + struct.pack(">q", -(2**63)), -(2**63)),
        (b"d" + struct.pack(">f", 1.5), 1.5),
        (b"D" + struct.pack(">d", 0.1), 0.1),
        (b"Ca", "a"),
        (b"S" + key("zwölf"), "zwölf"),
        (b"H" + key("12345678901234567890"), "12345678901234567890"),
        (b"[]", []),
        (b"[i\x01N[T]]", [1, [True]]),
        (b"[#i\x02TZ", [True, None]),
        (b"[$T#i\x02", [True, True]),
        (b"[$S#i\x01" + key("a"), ["a"]),
        (b"{}", {}),
        (b"{" + key("a") + b"T" + key("") + b"[]}", {"a": True, "": []}),
        (b"{#i\x01" + key("a") + b"Z", {"a": None}),
        (b"{$i#i\x02" + key("a") + b"\x01" + key("b") + b"\x02", {"a": 1, "b": 2}),
    ],
)
def test_every_type(content: bytes, value: Any) -> None:
    assert load(content, "m.ubj") == value
    for end in range(len(content)):
        with pytest.raises(ClientError, match=r"m\.ubj: not readable as UBJSON, at byte"):
            load(content[:end], "m.ubj")


@pytest.mark.parametrize("code", ["i1", "u1", "i2", "i4", "i8", "f4", "f8"])
def test_typed_arrays_are_numpy_arrays(code: str) -> None:
    values = np.array([0, 1, 100, 77], code)
    marker = dict(zip(["i1", "u1", "i2", "i4", "i8", "f4", "f8"], "iUIlLdD", strict=True))[code]
    content = b"[$" + marker.encode() + b"#i\x04" + values.astype(f">{code}").tobytes()
    found = load(content, "m")
    assert found.dtype == values.dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values)


def test_a_real_model_is_the_same_as_its_json() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(50, 3))
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, xgboost.DMatrix(rows, rows[:, 0]), 3)
    found = load(booster.save_raw("ubj"), "m")
    assert plain(found) == plain(json.loads(booster.save_raw("json")))


def plain(value: Any) -> Any:
    """Lists instead of arrays, float32 instead of decimals."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | np.ndarray):
        return [plain(item) for item in value]
    return float(np.float32(value)) if isinstance(value, float | np.floating) else value


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "index out of range"),
        (b"x", "b'x' is not a type"),
        (b"]", "is not a type"),
        (b"[$d#L" + struct.pack(">q", 2**40), "1099511627776|4398046511104"),
        (b"[$T#L" + struct.pack(">q", 2**40), "1099511627776 values"),
        (b"[#L" + struct.pack(">q", 2**62), "values or bytes are announced"),
        (b"[#i\xff", "a length of -1"),
        (b"S" + b"L" + struct.pack(">q", 2**40) + b"x", "1099511627776 values or bytes are announced, 1"),
        (b"Sd\0\0\0\0", "a length has the type b'd'"),
        (b"[$d\x01", "no count"),
        (b"[" * 100 + b"]" * 100, "nested more than 64 deep"),
        (b"{" + key("a") + b"T" + key("a") + b"T}", "the key 'a' comes twice"),
    ],
)
def test_what_is_wrong_is_told(content: bytes, text: str) -> None:
    with pytest.raises(ClientError, match=text):
        load(content, "m")


def test_typed_objects_of_constants_need_their_keys() -> None:
    with pytest.raises(ClientError):
        load(b"{$Z#L" + struct.pack(">q", 2**60), "m")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_noise_gives_a_client_error_or_a_value(content: bytes) -> None:
    for start in (b"", b"{", b"[", b"[$", b"{$l#U"):
        with contextlib.suppress(ClientError):
            load(start + content, "m")
