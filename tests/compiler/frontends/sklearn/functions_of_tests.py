"""Functions that a pickle can name."""

from typing import Any


def own_function(x: Any) -> Any:
    """A customer's own function."""
    return x + 1


def third_column(table: Any) -> list[int]:
    """Chooses columns."""
    return [2]
