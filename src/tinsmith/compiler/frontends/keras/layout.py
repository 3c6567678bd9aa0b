"""DataInputConfig has images with channels first, as the service asks; models mostly have them last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tinsmith.compiler.frontends.keras.config import Input, Model
from tinsmith.compiler.frontends.keras.refusals import every_layer
from tinsmith.compiler.shaping.inputs import Declared
from tinsmith.errors import ClientError
from tinsmith.spec.data_input import InputConfig, Shape

Adapt = Callable[[Sequence[InputConfig], Sequence[Declared]], Sequence[InputConfig]]


def is_channels_first(model: Model) -> bool:
    """Whether a layer of `model` works on images with channels first: then its inputs are stored so."""
    return any(layer.config.get("data_format") == "channels_first" for layer in every_layer(model))


def adapt_to(model: Model) -> Adapt:
    """How a DataInputConfig for `model` is turned into the shapes that the model itself has."""
    inputs = {given.name: given for given in model.inputs}
    first = is_channels_first(model)

    def adapt(configs: Sequence[InputConfig], declared: Sequence[Declared]) -> Sequence[InputConfig]:
        adapted, problems = [], []
        for index, config in enumerate(configs):
            name = _known(config.name, inputs)
            given = inputs.get(name or "") if name else _at(model.inputs, index)
            if given is None or len(config.shapes) != 1 or config.type != "Tensor":
                adapted.append(replace(config, name=name))
                continue
            shape = _as_stored(config.shapes[0], given, first)
            if shape is None:
                problems.append(_wrong(given, config.shapes[0]))
            else:
                adapted.append(replace(config, name=name, shapes=(shape,)))
        if problems:
            raise ClientError("InputConfiguration", problems)
        return adapted

    return adapt


def _known(name: str | None, inputs: dict[str, Input]) -> str | None:
    """TensorFlow's habit of writing `input_1:0` is understood."""
    bare = name[: -len(":0")] if name and name.endswith(":0") else name
    return bare if bare in inputs else name


def _at(inputs: Sequence[Input], index: int) -> Input | None:
    return inputs[index] if index < len(inputs) else None


def _as_stored(shape: Shape, given: Input, first: bool) -> Shape | None:
    """`shape` in the layout of the model, None where it fits in neither layout.

    A shape that fits both ways is taken for channels first.
    """
    if len(shape) not in (4, 5) or len(given.shape) != len(shape) or first:
        return shape
    moved = (shape[0], *shape[2:], shape[1])
    if _fits(moved, given):
        return moved
    return shape if _fits(shape, given) else None


def _fits(shape: Shape, given: Input) -> bool:
    return all(wanted is None or size == wanted for size, wanted in zip(shape, given.shape, strict=True))


def _wrong(given: Input, shape: Shape) -> str:
    batch, *spatial, channels = given.shape
    wanted = [batch, channels, *spatial]
    return (
        f"Input {given.name} has wrong shape in Input Shape dictionary. Input shapes should be provided in "
        f"NCHW format. Found {_text(shape)}, expected {_text(wanted)}: the model stores it as "
        f"{_text(given.shape)}"
    )


def _text(shape: Sequence[object]) -> str:
    return f"[{', '.join('?' if size is None else str(size)[:40] for size in shape)}]"
