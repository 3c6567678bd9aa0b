"""DataInputConfig: names and shapes of a model's inputs, as the customer wrote them.

{"data": [1, 3, 224, 224]}                                  names and shapes
[[1, 3, 224, 224], [1, 10]]                                 shapes in order (PyTorch)
{"x": {"shape": ["1..10", 224, 224, 3], "type": "Image"}}   Core ML: ranges, enumerated shapes, image inputs
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from tinsmith.errors import ClientError
from tinsmith.spec.literal import LiteralError, Node, at, read

AREA = "InputConfiguration"

FREE = -1
"""A first dimension of any size."""

MAX_RANK = 32
MAX_DIMENSION = 2**31 - 1

_RANGE = re.compile(r"\s*(\d{1,10})\s*\.\.\s*(\d{1,10})\s*")
_PARAMETERS = ("shape", "default_shape", "type", "bias", "scale")


@dataclass(frozen=True)
class Range:
    """A dimension between two sizes, both included."""

    low: int
    high: int


Dimension = int | Range
Shape = tuple[Dimension, ...]


@dataclass(frozen=True)
class InputConfig:
    """One input of the model."""

    name: str | None
    """None where the customer gave shapes in order."""
    shapes: tuple[Shape, ...]
    """One, or the enumerated alternatives of Core ML. FREE may stand first."""
    default_shape: tuple[int, ...] | None = None
    type: str = "Tensor"
    """"Tensor" or "Image"."""
    bias: tuple[float, ...] = ()
    scale: float | None = None

    @property
    def static_shape(self) -> tuple[int, ...] | None:
        """The shape, if there is one and each dimension is one number."""
        if len(self.shapes) != 1:
            return None
        sizes = tuple(size for size in self.shapes[0] if isinstance(size, int) and size != FREE)
        return sizes if len(sizes) == len(self.shapes[0]) else None


def parse(text: str) -> tuple[InputConfig, ...]:
    """The inputs that `text` names, in its order.

    Raises ClientError InputConfiguration with every problem and the character it stands at.
    """
    try:
        node = read(text)
    except LiteralError as error:
        raise ClientError(
            AREA,
            f"DataInputConfig is neither JSON nor a Python literal: {at(text, error.position)}: "
            f"expected {error.expected}",
        ) from error
    reader = _Reader(text)
    inputs = reader.inputs(node)
    if reader.problems:
        raise ClientError(AREA, reader.problems)
    return inputs


class _Reader:
    """Collects problems rather than stopping at the first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[str] = []

    def inputs(self, node: Node) -> tuple[InputConfig, ...]:
        if isinstance(node.value, dict) and node.value:
            return tuple(self._input(name, item) for name, item in node.value.items())
        if isinstance(node.value, list) and node.value:
            items = node.value
            if all(isinstance(item.value, int) for item in items):
                self._problem(
                    node, "expected a list of shapes, [[...]], or {name: shape}, found a bare shape"
                )
                return ()
            return tuple(self._input(None, item) for item in items)
        self._problem(node, f"expected {{name: shape}} or a list of shapes, found {_kind(node)}")
        return ()

    def _input(self, name: str | None, node: Node) -> InputConfig:
        if name == "":
            self._problem(node, "expected an input name, found an empty one")
        if isinstance(node.value, dict):
            return self._described(name, node)
        return InputConfig(name, (self._shape(node),))

    def _described(self, name: str | None, node: Node) -> InputConfig:
        assert isinstance(node.value, dict)
        fields = node.value
        for key, item in fields.items():
            if key not in _PARAMETERS:
                self._problem(item, f"unknown parameter {key!r}; expected {', '.join(_PARAMETERS)}")
        if "shape" not in fields:
            self._problem(node, "expected a shape, found none")
        config = InputConfig(
            name,
            self._shapes(fields["shape"]) if "shape" in fields else (),
            self._default(fields["default_shape"]) if "default_shape" in fields else None,
            self._type(fields["type"]) if "type" in fields else "Tensor",
            self._numbers(fields["bias"]) if "bias" in fields else (),
            self._number(fields["scale"]) if "scale" in fields else None,
        )
        if config.type == "Image" and not {"bias", "scale"} <= fields.keys():
            self._problem(node, "an Image input needs bias and scale")
        if config.default_shape is not None and not _admits(config.shapes, config.default_shape):
            self._problem(fields["default_shape"], "the default shape is not one that shape allows")
        return config

    def _shapes(self, node: Node) -> tuple[Shape, ...]:
        if isinstance(node.value, list) and node.value and all(isinstance(i.value, list) for i in node.value):
            shapes = tuple(self._shape(item) for item in node.value)
            if len({len(shape) for shape in shapes}) > 1:
                self._problem(node, "expected enumerated shapes of one number of dimensions")
            return shapes
        return (self._shape(node, ranges=True),)

    def _shape(self, node: Node, ranges: bool = False) -> Shape:
        if not isinstance(node.value, list):
            self._problem(node, f"expected a shape such as [1, 3, 224, 224], found {_kind(node)}")
            return ()
        if len(node.value) > MAX_RANK:
            self._problem(node, f"expected at most {MAX_RANK} dimensions, found {len(node.value)}")
            return ()
        return tuple(self._dimension(item, first, ranges) for first, item in enumerate(node.value))

    def _dimension(self, node: Node, index: int, ranges: bool) -> Dimension:
        value = node.value
        if ranges and isinstance(value, str) and (match := _RANGE.fullmatch(value)):
            low, high = int(match[1]), int(match[2])
            if 1 <= low <= high <= MAX_DIMENSION:
                return Range(low, high)
            self._problem(node, "expected a range of growing positive sizes, such as '1..10'")
            return 1
        if isinstance(value, bool) or not isinstance(value, int):
            wanted = "(a whole number or a range such as '1..10')" if ranges else "(a whole number)"
            self._problem(node, f"expected a dimension {wanted}, found {_kind(node)}")
            return 1
        if value == FREE and index == 0:
            return FREE
        if not 1 <= value <= MAX_DIMENSION:
            self._problem(node, f"expected a dimension of 1 to {MAX_DIMENSION}, found {value}")
            return 1
        return value

    def _default(self, node: Node) -> tuple[int, ...]:
        return tuple(size for size in self._shape(node) if isinstance(size, int))

    def _type(self, node: Node) -> str:
        if node.value not in ("Tensor", "Image"):
            self._problem(node, f"expected the type 'Tensor' or 'Image', found {_kind(node)}")
            return "Tensor"
        return str(node.value)

    def _numbers(self, node: Node) -> tuple[float, ...]:
        if not isinstance(node.value, list):
            self._problem(node, f"expected a list of numbers, found {_kind(node)}")
            return ()
        return tuple(self._number(item) for item in node.value)

    def _number(self, node: Node) -> float:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            self._problem(node, f"expected a number, found {_kind(node)}")
            return 0.0
        number = float(node.value)
        if not math.isfinite(number):
            self._problem(node, "expected a finite number")
        return number

    def _problem(self, node: Node, words: str) -> None:
        self.problems.append(f"DataInputConfig {at(self.text, node.position)}: {words}")


def _admits(shapes: tuple[Shape, ...], default: tuple[int, ...]) -> bool:
    return any(
        len(shape) == len(default)
        and all(
            size.low <= chosen <= size.high if isinstance(size, Range) else size in (chosen, FREE)
            for size, chosen in zip(shape, default, strict=True)
        )
        for shape in shapes
    )


def _kind(node: Node) -> str:
    value = node.value
    if isinstance(value, dict):
        return "a dictionary" if value else "an empty dictionary"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "null" if value is None else repr(value)[:40]
