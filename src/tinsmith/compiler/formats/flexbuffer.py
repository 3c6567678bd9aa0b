"""FlexBuffers: values that tell their own types. Only what options of custom operators are: a map of scalars.

The last byte is the width of the root, the one before its type: kind * 4 + the logarithm of the width of what
it points to. A map has its keys elsewhere: three words before its first value are the offset of the keys'
vector, the width of the keys, and the number of values; behind the values, a byte with the type of each.
"""

from __future__ import annotations

import struct

_NULL, _INT, _UINT, _FLOAT, _KEY, _STRING, _INDIRECT_INT, _INDIRECT_UINT, _INDIRECT_FLOAT, _MAP = range(10)
_BOOL = 26
_INTS, _UINTS, _FLOATS = ("bhiq", "BHIQ", "  fd")
_MOST = 1000  # entries of a map


class FlexbufferError(ValueError):
    """The bytes are no FlexBuffer, or a damaged one."""


def read_map(data: bytes) -> dict[str, float]:
    """The numbers and truth values of the map at the root; other entries are left out."""
    if len(data) < 3:
        raise FlexbufferError(f"{len(data)} bytes")
    root_width, packed = data[-1], data[-2]
    kind, width = packed >> 2, 1 << (packed & 3)
    if kind != _MAP:
        raise FlexbufferError(f"a value of kind {kind}, expected a map")
    end = len(data) - 2 - root_width
    start = end - _unsigned(data, end, root_width)
    count = _unsigned(data, start - width, width)
    keys_width = _unsigned(data, start - 2 * width, width)
    keys = start - 3 * width - _unsigned(data, start - 3 * width, width)
    if count > _MOST:
        raise FlexbufferError(f"a map of {count} entries")
    found: dict[str, float] = {}
    for index in range(count):
        place = keys + index * keys_width
        name = _text(data, place - _unsigned(data, place, keys_width))
        types = start + count * width + index
        if not 0 <= types < len(data):
            raise FlexbufferError("a map that ends behind the bytes")
        number = _scalar(data, start + index * width, width, data[types])
        if number is not None:
            found[name] = number
    return found


def _scalar(data: bytes, place: int, width: int, packed: int) -> float | None:
    kind, inner = packed >> 2, 1 << (packed & 3)
    if kind in (_INDIRECT_INT, _INDIRECT_UINT, _INDIRECT_FLOAT):
        place, width, kind = place - _unsigned(data, place, width), inner, kind - _INDIRECT_INT + _INT
    forms = {_INT: _INTS, _UINT: _UINTS, _FLOAT: _FLOATS, _BOOL: _UINTS}.get(kind)
    return None if forms is None else _number(data, place, width, forms)


def _unsigned(data: bytes, place: int, width: int) -> int:
    return int(_number(data, place, width, _UINTS))


def _number(data: bytes, place: int, width: int, forms: str) -> float:
    form = {1: forms[0], 2: forms[1], 4: forms[2], 8: forms[3]}.get(width, " ")
    if form == " " or not 0 <= place <= len(data) - width:
        raise FlexbufferError(f"a number of {width} bytes at {place}")
    number: float = struct.unpack_from("<" + form, data, place)[0]
    return number


def _text(data: bytes, place: int) -> str:
    end = data.find(b"\0", place) if place >= 0 else -1
    if end < 0:
        raise FlexbufferError(f"a key at {place} without an end")
    return data[place:end].decode(errors="replace")
