"""Maps of numbers, beside those that the flatbuffers package writes."""

from __future__ import annotations

from typing import Any

import pytest
from flatbuffers import flexbuffers

from tinsmith.compiler.formats.flexbuffer import FlexbufferError, read_map


@pytest.mark.parametrize(
    "values",
    [
        {"a": 1},
        {"a": 1, "negative": -3, "wide": 70000, "wider": 2**40, "real": 0.25, "third": 1 / 3, "yes": 1},
        {f"key{number}": number * 1.5 for number in range(300)},
    ],
)
def test_maps(values: dict[str, Any]) -> None:
    assert read_map(bytes(flexbuffers.Dumps(values))) == pytest.approx(values, rel=1e-7)


def test_other_values_are_left_out() -> None:
    assert read_map(bytes(flexbuffers.Dumps({"on": True, "off": False}))) == {"on": 1, "off": 0}
    assert read_map(bytes(flexbuffers.Dumps({"a": 1, "b": "text", "c": [1, 2], "d": None}))) == {"a": 1}


@pytest.mark.parametrize("content", [b"", b"12", bytes(flexbuffers.Dumps([1, 2]))])
def test_what_is_no_map(content: bytes) -> None:
    with pytest.raises(FlexbufferError):
        read_map(content)


def test_damage_is_told() -> None:
    content = bytes(flexbuffers.Dumps({"a": 1, "real": 0.25, "wide": 70000}))
    ends = 0
    for place in range(len(content)):
        for change in range(0, 256, 5):
            try:
                read_map(content[:place] + bytes([change]) + content[place + 1 :])
            except FlexbufferError:
                ends += 1
    assert ends > 100
