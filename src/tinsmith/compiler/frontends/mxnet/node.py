"""A node while it is converted: its attributes, the values it reads, and the nodes that its rule makes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from tinsmith.compiler.shaping.builder import Array, Builder, Operand, Value
from tinsmith.compiler.shaping.findings import shown

_DTYPES = frozenset(
    ["float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool", "bfloat16"]
)


class AttributeProblem(Exception):
    """An attribute that is not what the operator wants: the file is at fault."""


class Unsupported(Exception):
    """What of a node is not compiled."""


@dataclass
class Node:
    """One node of the symbol."""

    name: str
    op: str
    attributes: Mapping[str, str]
    inputs: tuple[Value, ...]
    arrays: tuple[Array | None, ...]
    """Per input: its content, where it is a parameter."""
    message: Builder[Value]

    def refuse(self, text: str) -> Unsupported:
        """To raise."""
        return Unsupported(text)

    def text(self, key: str, default: str) -> str:
        """An attribute as it is written."""
        found = self.attributes.get(key, default)
        return default if found == "None" else found

    def flag(self, key: str, default: bool = False) -> bool:
        """True, False, 1 or 0."""
        found = self.text(key, str(default))
        if found.lower() not in ("true", "false", "1", "0"):
            raise AttributeProblem(f"{key} is {shown(found)}, expected True or False")
        return found.lower() in ("true", "1")

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number; without default it is required."""
        found = self._literal(key, default)
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if isinstance(found, tuple) and len(found) == 1:
            found = found[0]
        if not isinstance(found, int):
            raise AttributeProblem(f"{key} is {shown(str(found))}, expected a whole number")
        return int(found)

    def real(self, key: str, default: float | None = None) -> float:
        """A number; without default it is required."""
        text = self.text(key, "" if default is None else repr(default))
        try:
            return float(text)
        except ValueError as error:
            raise AttributeProblem(f"{key} is {shown(text)}, expected a number") from error

    def integers(self, key: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """A tuple of whole numbers, or one number."""
        found = self._literal(key, None if default is None else tuple(default))
        values = tuple(found) if isinstance(found, tuple | list) else (found,)
        if not all(isinstance(value, int) for value in values):
            raise AttributeProblem(f"{key} is {shown(str(found))}, expected whole numbers")
        return tuple(int(value) for value in values)

    def optional_integers(self, key: str) -> tuple[int | None, ...]:
        """A tuple whose members may be None."""
        found = self._literal(key, ())
        values = tuple(found) if isinstance(found, tuple | list) else (found,)
        if not all(value is None or isinstance(value, int) for value in values):
            raise AttributeProblem(f"{key} is {shown(str(found))}, expected whole numbers or None")
        return values

    def reals(self, key: str, default: Sequence[float]) -> tuple[float, ...]:
        """A tuple of numbers, or one number."""
        found = self._literal(key, tuple(default))
        values = tuple(found) if isinstance(found, tuple | list) else (found,)
        if not all(isinstance(value, int | float) for value in values):
            raise AttributeProblem(f"{key} is {shown(str(found))}, expected numbers")
        return tuple(float(value) for value in values)

    def has(self, key: str) -> bool:
        """The attribute is given and not None."""
        return self.attributes.get(key, "None") not in ("None", "")

    def choice(self, key: str, default: str, *known: str) -> str:
        """One of some words. Raises Unsupported for others."""
        found = self.text(key, default)
        if found not in known:
            raise Unsupported(f"{key} is {shown(found)}; {', '.join(known)} are compiled")
        return found

    def type(self, key: str, default: str) -> str:
        """An element type."""
        found = self.text(key, default)
        if found not in _DTYPES:
            raise AttributeProblem(f"{key} is {shown(found)}, expected one of {', '.join(sorted(_DTYPES))}")
        return found

    def _literal(self, key: str, default: Any) -> Any:
        text = self.attributes.get(key)
        if text in (None, "", "None"):
            if default is None:
                raise AttributeProblem(f"Required attribute {key} not found")
            return default
        try:
            return ast.literal_eval(str(text)[:4000].replace("L", "").strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
            raise AttributeProblem(f"{key} is {shown(str(text))}, expected numbers") from error

    @property
    def x(self) -> Value:
        """The first input."""
        return self.input(0)

    def input(self, position: int) -> Value:
        """An input that the operator requires."""
        if position >= len(self.inputs):
            raise AttributeProblem(f"it has {len(self.inputs)} inputs, expected at least {position + 1}")
        return self.inputs[position]

    def array(self, position: int) -> Array | None:
        """The content of an input that is a parameter."""
        return self.arrays[position] if position < len(self.arrays) else None

    def shape(self, position: int = 0) -> tuple[int, ...]:
        """Of an input."""
        return self.input(position).shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the first input."""
        return self.x.dtype

    def axis(self, rank: int, key: str = "axis", default: int | None = None) -> int:
        """An attribute that is an axis, counted from the front."""
        return self.normal(self.integer(key, default), rank)

    def normal(self, axis: int, rank: int) -> int:
        """`axis` counted from the front."""
        if not -rank <= axis < rank:
            raise AttributeProblem(f"axis {axis} of {rank} dimensions")
        return axis % rank

    def add(self, operator: str, *inputs: Operand, **attributes: Any) -> Value:
        """The output of a new ONNX node."""
        return self.message.add(operator, *inputs, **attributes)

    def several(self, operator: str, count: int, *inputs: Operand, **attributes: Any) -> list[Value]:
        """The outputs of a new ONNX node."""
        return list(self.message.several(operator, count, *inputs, **attributes))

    def constant(self, value: Array | Sequence[int]) -> Value:
        """A constant; plain sequences are int64."""
        return self.message.constant(value, None if isinstance(value, np.ndarray | np.generic) else np.int64)


Rule = Callable[[Node], Value | Sequence[Value]]
AnyRule = TypeVar("AnyRule", bound=Rule)
RULES: dict[str, Rule] = {}
"""The conversion of each operator; gives its outputs."""


def operator(*names: str) -> Callable[[AnyRule], AnyRule]:
    """Makes a function the rule of operators."""

    def register(rule: AnyRule) -> AnyRule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register
