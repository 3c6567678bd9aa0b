"""DataInputConfig has images with channels first, as the service asks; models mostly have them last."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tinsmith.compiler.frontends.keras.config import Model
from tinsmith.compiler.frontends.keras.refusals import every_layer
from tinsmith.compiler.shaping.inputs import Declared, fits, model_shape
from tinsmith.errors import ClientError
from tinsmith.spec.data_input import FREE, InputConfig

Size = TypeVar("Size")


@dataclass(frozen=True)
class Layout:
    """How the inputs of one model stand in its DataInputConfig."""

    moved: frozenset[str]
    """Names of inputs whose channels the model has last and DataInputConfig first."""

    @staticmethod
    def of(model: Model) -> Layout:
        """Where a layer works on images with channels first, all inputs are stored so."""
        if any(layer.config.get("data_format") == "channels_first" for layer in every_layer(model)):
            return Layout(frozenset())
        return Layout(frozenset(given.name for given in model.inputs if len(given.shape) in (4, 5)))

    def asked(self, name: str, shape: tuple[Size, ...]) -> tuple[Size, ...]:
        """The shape of the model's input `name` as DataInputConfig has it."""
        return (shape[0], shape[-1], *shape[1:-1]) if name in self.moved else shape

    def stored(self, name: str, shape: tuple[Size, ...]) -> tuple[Size, ...]:
        """The inverse of `asked`."""
        return (shape[0], *shape[2:], shape[1]) if name in self.moved else shape

    def adapt(self, configs: Sequence[InputConfig], declared: Sequence[Declared]) -> Sequence[InputConfig]:
        """`configs` with channels first, where they fit `declared` (channels first) only if given as stored.

        Raises ClientError for images that fit in neither layout.
        """
        by_name = {item.name: item for item in declared}
        adapted, problems = [], []
        for index, config in enumerate(configs):
            name = _known(config.name, by_name)
            item = by_name.get(name) if name else next(iter(declared[index : index + 1]), None)
            config = replace(config, name=name)
            shape = config.shapes[0] if len(config.shapes) == 1 and config.type == "Tensor" else (FREE,)
            if item is not None and item.name in self.moved and _is_fixed(shape):
                sizes = tuple(size for size in shape if isinstance(size, int))
                found = self._matched(sizes, item)
                if found is None:
                    problems.append(self._wrong(item, sizes))
                else:
                    config = replace(config, shapes=(found,))
            adapted.append(config)
        if problems:
            raise ClientError("InputConfiguration", problems)
        return adapted

    def _matched(self, shape: tuple[int, ...], item: Declared) -> tuple[int, ...] | None:
        """A shape that fits both ways is taken for channels first."""
        if item.shape is None or fits(shape, item.shape):
            return shape
        moved = self.asked(item.name, shape)
        return moved if fits(moved, item.shape) else None

    def _wrong(self, item: Declared, shape: tuple[int, ...]) -> str:
        wanted = tuple(size if isinstance(size, int) else None for size in item.shape or ())
        return (
            f"Input {item.name} has wrong shape in Input Shape dictionary. Input shapes should be provided "
            f"in NCHW format. Found {list(shape)}, expected {model_shape(wanted)}: the model stores it as "
            f"{model_shape(self.stored(item.name, wanted))}; it takes {item.dtype}"
        )


def _known(name: str | None, inputs: Container[str]) -> str | None:
    """TensorFlow's habit of writing `input_1:0` is understood."""
    bare = name.removesuffix(":0") if name else name
    return bare if bare in inputs else name


def _is_fixed(shape: Sequence[object]) -> bool:
    return all(isinstance(size, int) and size != FREE for size in shape)
