"""What a TFLite file holds: subgraphs of tensors and operators, as the file numbers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTISED = frozenset({"int8", "uint8", "int16", "int4", "int2", "uint4", "int32"})


@dataclass(frozen=True)
class Quantization:
    """real = scale * (stored - zero); one pair for the tensor, or one for each index along `axis`."""

    scale: NDArray[np.float32]
    zero: NDArray[np.int64]
    axis: int

    @property
    def per_axis(self) -> bool:
        """Whether there is a pair for each index."""
        return self.scale.size > 1

    def same(self, other: Quantization | None) -> bool:
        """Whether `other` stores numbers in the same way."""
        return (
            other is not None
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero, other.zero)
            and (self.axis == other.axis or not self.per_axis)
        )


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a subgraph."""

    index: int
    name: str
    dtype: str
    """As `schema.DTYPES`."""
    shape: tuple[int, ...] | None
    """-1 where the file leaves the size open; None where it leaves the number of dimensions open."""
    default: tuple[int, ...]
    """The shape that the file has for a run without any other wish: 1 for open sizes, mostly."""
    value: NDArray[Any] | None = None
    """Of a constant: as stored, types of less than a byte unpacked to bytes."""
    quantization: Quantization | None = None
    is_variable: bool = False

    @property
    def is_quantised(self) -> bool:
        """Whether it stores real numbers as integers."""
        return self.quantization is not None and self.dtype in QUANTISED


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator of a subgraph."""

    index: int
    kind: str
    """As `schema.OPERATORS`, or the text that names a custom operator."""
    is_custom: bool
    inputs: tuple[int, ...]
    """Tensors; -1 for an input that is left out."""
    outputs: tuple[int, ...]
    options: Mapping[str, Any]
    custom_options: bytes = b""


@dataclass(frozen=True, eq=False)
class Subgraph:
    """One function of the model; the first is the one that runs."""

    name: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """A TFLite file."""

    version: int
    description: str
    subgraphs: tuple[Subgraph, ...]
    aliases: Mapping[str, int] = field(default_factory=dict)
    """Names that signatures give the inputs of the first subgraph: its tensors."""
    other_signatures: tuple[str, ...] = ()
    """Those of other subgraphs."""
