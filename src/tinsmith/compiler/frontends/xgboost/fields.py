"""Typed access to a parsed JSON document; every error names the path of the field."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.errors import ClientError

_ABSENT: Any = object()
_INT32 = np.iinfo(np.int32)


class Fields:
    """An object of the document. `place` is the file, `path` where in it."""

    def __init__(self, value: Any, place: str, path: str = "") -> None:
        self.place = place
        self.path = path
        if not isinstance(value, dict):
            raise self.wrong("", "an object", value)
        self.values = value

    def wrong(self, key: str, expected: str, found: Any) -> ClientError:
        """The error for the field `key`."""
        path = ".".join(part for part in (self.path, key) if part) or "the document"
        text = found if isinstance(found, str) and found.startswith("nothing") else _shown(found)
        return ClientError("InputConfiguration", f"{self.place}: {path}: expected {expected}, found {text}.")

    def get(self, key: str, default: Any = _ABSENT) -> Any:
        """The value of `key` as parsed."""
        value = self.values.get(key, default)
        if value is _ABSENT:
            raise self.wrong(key, "a value", "nothing")
        return value

    def child(self, key: str) -> Fields:
        """The object under `key`."""
        return Fields(self.get(key), self.place, f"{self.path}.{key}".lstrip("."))

    def children(self, key: str) -> list[Fields]:
        """The objects in the array under `key`."""
        items = self.items(key)
        return [Fields(item, self.place, f"{self.path}.{key}[{at}]") for at, item in enumerate(items)]

    def items(self, key: str, default: Any = _ABSENT) -> list[Any]:
        """The array under `key`."""
        value = self.get(key, default)
        if isinstance(value, np.ndarray):
            return list(value.tolist())
        if not isinstance(value, list):
            raise self.wrong(key, "an array", value)
        return value

    def text(self, key: str) -> str:
        """The string under `key`."""
        value = self.get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a string", value)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The array of strings under `key`; empty when it is absent."""
        return tuple(str(item) for item in self.items(key, []))

    def count(self, key: str, default: Any = _ABSENT) -> int:
        """The non-negative 32-bit number under `key`, which the format writes as a string."""
        value = self.get(key, default)
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise self.wrong(key, "a whole number", value) from None
        if not 0 <= number <= _INT32.max:
            raise self.wrong(key, f"a number from 0 to {_INT32.max}", value)
        return number

    def floats(self, key: str, size: int | None = None) -> NDArray[np.float32]:
        """The numbers under `key`: one or an array of them, plain or as JSON in a string."""
        value = self.get(key)
        if isinstance(value, np.ndarray) and value.dtype == np.float32 and size in (None, value.size):
            return value
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise self.wrong(key, "a number or an array of numbers", value) from None
        with np.errstate(over="ignore"):
            return self._array(key, value, np.float64, size, "numbers").astype(np.float32)

    def integers(self, key: str, size: int | None = None) -> NDArray[np.int32]:
        """The array of 32-bit numbers under `key`."""
        value = self.get(key)
        if isinstance(value, np.ndarray) and value.dtype == np.int32 and size in (None, value.size):
            return value
        array = self._array(key, value, np.int64, size, "whole numbers")
        if array.size and not (_INT32.min <= array.min() and array.max() <= _INT32.max):
            raise self.wrong(key, "numbers of 32 bits", array[np.abs(array).argmax()].item())
        return array.astype(np.int32)

    def _array(self, key: str, value: Any, dtype: Any, size: int | None, expected: str) -> NDArray[Any]:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, list | np.ndarray):
            raise self.wrong(key, f"an array of {expected}", value)
        try:
            array = np.array(value)
            kinds = "biu" if dtype is np.int64 else "biuf"
            if array.size and array.dtype.kind not in kinds:
                raise ValueError
            array = array.astype(dtype)
        except (ValueError, TypeError, OverflowError):
            raise self.wrong(key, f"an array of {expected}", value) from None
        if array.ndim != 1 or (size is not None and array.size != size):
            raise self.wrong(key, f"{size} {expected}", f"nothing but {array.shape} of them")
        return array


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | np.ndarray):
        return f"an array of {len(value)}"
    return f"{value!r:.60}"
