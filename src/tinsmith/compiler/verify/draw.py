"""Pseudo-random numbers that are the same on any machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Draw:
    """Pseudo-random numbers that no version of numpy changes (SplitMix64)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def integers(self, below: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Numbers in 0 .. below - 1; `below` is less than 2**32."""
        count = int(np.prod(shape))
        index = np.arange(self._state + 1, self._state + count + 1, dtype=np.uint64)
        self._state += count
        mixed = index * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        scaled = (mixed >> np.uint64(32)) * np.uint64(below) >> np.uint64(32)
        return scaled.astype(np.int64).reshape(shape)

    def uniform(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Numbers in [0, 1), multiples of 2**-30."""
        return self.integers(1 << 30, shape) / float(1 << 30)

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Numbers with mean 0 and deviation 1, nearly normally distributed, all between -3.5 and 3.5."""
        total: NDArray[np.float64] = self.uniform((4, *shape)).sum(axis=0) - 2.0
        return total * float(np.sqrt(3.0))
