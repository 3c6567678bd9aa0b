"""DataInputConfig of tree models: not needed, but not allowed to contradict the model."""

from __future__ import annotations

import ast
import json
from typing import Any

from tinsmith.compiler.frontends.xgboost.saved import Saved
from tinsmith.errors import ClientError


def check_features(data_input_config: str | None, saved: Saved) -> None:
    """Raise ClientError ("InputConfiguration") when a matrix of another width is announced.

    The text is JSON or a Python literal; other shapes, and text that is neither, are ignored.
    """
    for name, shape in _shapes(data_input_config or ""):
        if len(shape) == 2 and shape[1] > 0 and shape[1] != saved.num_feature:
            raise ClientError(
                "InputConfiguration",
                f"DataInputConfig: the input {name!r:.60} has the shape {shape}, expected "
                f"[{shape[0]}, {saved.num_feature}]: the model in {saved.place} takes "
                f"{saved.num_feature} features.",
            )


def _shapes(text: str) -> list[tuple[str, list[int]]]:
    value = _parsed(text)
    named = value.items() if isinstance(value, dict) else [("data", value)]
    found = []
    for name, shape in named:
        shape = shape.get("shape") if isinstance(shape, dict) else shape
        if isinstance(shape, list) and all(isinstance(size, int) for size in shape):
            found.append((str(name), shape))
    return found


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
