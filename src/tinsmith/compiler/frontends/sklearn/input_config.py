"""DataInputConfig of what takes one table of rows: not needed, but not allowed to contradict the model."""

from __future__ import annotations

from collections.abc import Sequence

from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.shaping.inputs import Declared, parse_for
from tinsmith.errors import ClientError
from tinsmith.spec.data_input import FREE, InputConfig, Range

INPUT = "data"


def check_input_config(text: str | None, model: Model) -> None:
    """Raise ClientError ("InputConfiguration") when `text` announces anything but one table of that width."""
    if text is not None and text.strip():
        read_input_config(text, model.kind, model.input.shape[-1])


def read_input_config(text: str, kind: str, columns: int | None) -> tuple[int, int | None]:
    """Rows and columns that the DataInputConfig `text` gives to a model `kind` of so many `columns`.

    The name does not matter. One dimension is one row; None and -1 as number of rows are one row. Raises
    ClientError with everything that contradicts.
    """
    declared = Declared(INPUT, "float32", (None, columns))
    configs = parse_for(text, [declared])
    takes = f"this {kind} takes {columns or 'any number of'} features: {declared}"
    problems = []
    if len(configs) > 1:
        names = ", ".join(repr(config.name or index)[:60] for index, config in enumerate(configs[:16]))
        problems.append(f"DataInputConfig names {len(configs)} inputs, expected one, found {names}; {takes}")
    for config in configs:
        problem = _contradiction(config, declared)
        if problem:
            problems.append(f"DataInputConfig: the input {config.name or 0!r:.60} {problem}: {takes}")
    if problems:
        raise ClientError("InputConfiguration", problems)
    return _size(configs)


def _contradiction(config: InputConfig, declared: Declared) -> str | None:
    columns = declared.shape[1] if declared.shape else None
    if config.type != "Tensor" or len(config.shapes) != 1:
        return "is given an image or several shapes, which only Core ML has, expected one shape"
    (shape,) = config.shapes
    if any(isinstance(size, Range) for size in shape):
        return f"is given {_text(shape)}, expected one shape without ranges"
    if len(shape) not in (1, 2):
        return f"has the shape {_text(shape)}, expected a table of rows, 2 dimensions, not {len(shape)}"
    if columns is not None and shape[-1] not in (columns, FREE):
        return f"has the shape {_text(shape)}, expected {_text([*shape[:-1], columns])}"
    return None


def _size(configs: Sequence[InputConfig]) -> tuple[int, int | None]:
    shape = configs[0].shapes[0] if configs[0].shapes else ()
    rows, columns = shape if len(shape) == 2 else (FREE, shape[0])
    fixed = rows if isinstance(rows, int) and rows != FREE else 1
    return fixed, columns if isinstance(columns, int) and columns != FREE else None


def _text(shape: Sequence[object]) -> str:
    return f"[{', '.join(map(str, shape))}]"
