"""DataInputConfig of tree models: not needed, but not allowed to contradict the model."""

from __future__ import annotations

from tinsmith.compiler.ir.model import Model
from tinsmith.errors import ClientError
from tinsmith.spec.data_input import FREE, parse


def check_input_config(text: str | None, model: Model) -> None:
    """Raise ClientError ("InputConfiguration") when `text` announces several inputs or another width.

    Any name does for the one input; shapes that are no matrix are ignored.
    """
    if text is None or not text.strip():
        return
    features = model.input.shape[-1]
    inputs = parse(text)
    problems = []
    if len(inputs) > 1:
        problems.append(
            f"DataInputConfig names {len(inputs)} inputs, expected one: a {model.kind} takes a matrix"
        )
    for given in inputs:
        for shape in given.shapes:
            if len(shape) == 2 and shape[1] not in (features, FREE):
                problems.append(
                    f"DataInputConfig: the input {given.name or 0!r:.60} has the shape {list(shape)}, "
                    f"expected [{shape[0]}, {features}]: this {model.kind} takes {features} features"
                )
    if problems:
        raise ClientError("InputConfiguration", problems)
