"""DataInputConfig of tree models: not needed, but not allowed to contradict the model."""

from __future__ import annotations

import ast
import json
from typing import Any

from tinsmith.compiler.frontends.xgboost.saved import Saved
from tinsmith.errors import ClientError


def check_features(data_input_config: str | None, saved: Saved) -> tuple[str, ...]:
    """Raise ClientError ("InputConfiguration") when a matrix of another width is announced.

    The service ignores what else an XGBoost job has there, and so do we; gives what to tell the customer.
    """
    text = (data_input_config or "").strip()
    shapes = _shapes(text)
    takes = f"the model in {saved.place} takes {saved.num_feature} features"
    for name, shape in shapes:
        if len(shape) == 2 and shape[1] > 0 and shape[1] != saved.num_feature:
            raise ClientError(
                "InputConfiguration",
                f"DataInputConfig: the input {name!r:.60} has the shape {shape}, expected "
                f"[{shape[0]}, {saved.num_feature}]: {takes}: 'data' (float32 [?, {saved.num_feature}]).",
            )
    if not text or (len(shapes) == 1 and len(shapes[0][1]) == 2):
        return ()
    return (
        f"DataInputConfig is not needed for XGBoost models and was ignored: {takes}, expected "
        f'{{"data": [1, {saved.num_feature}]}}, found {text:.100}.',
    )


def _shapes(text: str) -> list[tuple[str, list[int]]]:
    value = _parsed(text)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list | dict):
        (value,) = value
    named = [("data", value)] if not isinstance(value, dict) or "shape" in value else value.items()
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
