"""Values between the layers of Keras."""

from __future__ import annotations

from dataclasses import dataclass, replace

from numpy.typing import DTypeLike

from tinsmith.compiler.shaping.builder import Value


@dataclass(frozen=True, eq=False)
class Tensor(Value):
    """A value of the message, and which of its time steps count."""

    mask: Tensor | None = None
    """bool [batch, time]; None: all of them."""

    def masked(self, mask: Tensor | None) -> Tensor:
        """The same value with another mask."""
        return self if mask is self.mask else replace(self, mask=mask)

    def cast(self, dtype: DTypeLike) -> Tensor:
        """As elements of another type, with the same mask."""
        return super().cast(dtype).masked(self.mask)
