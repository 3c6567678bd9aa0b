"""Weights find their layers: by the order of Keras 1 to 3 in .h5 files, by path in .keras files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import h5py

from tinsmith.compiler.frontends.keras import hdf5
from tinsmith.compiler.frontends.keras.config import Layer, Model
from tinsmith.compiler.shaping.builder import Array

Slots = Callable[[Layer], Sequence[str]]
"""The names of the weights that a layer itself has, in their order."""

NOT_TRAINED = frozenset({"moving_mean", "moving_variance", "mean", "variance", "count", "vector_u"})
"""Slots that stand behind those of all layers of a nested model."""

_Target = tuple[Layer, str]


class Misfit(Exception):
    """The weights in a file are not those of its layers; the text says where."""


def fill_from_groups(model: Model, stored: h5py.Group, slots: Slots) -> None:
    """Gives the layers of `model` the weights of an .h5 file: a group per layer, in order. Raises Misfit."""
    for own, layer in model.layers.items():
        targets = list(_in_order(layer, slots))
        group = hdf5.subgroup(stored, own)
        names = hdf5.names(group, "weight_names") if group is not None else []
        if len(names) != len(targets):
            raise Misfit(
                f"{layer} has {len(targets)} weights ({', '.join(slot for _, slot in targets[:8])}), "
                f"the file has {len(names)} for it"
            )
        named = _by_name(targets, names) if layer.model or layer.children else None
        for (owner, slot), name in zip(named or targets, names, strict=True):
            assert group is not None
            owner.weights[slot] = _present(hdf5.array(group, name), f"{own}/{name}")


def fill_from_paths(model: Model, stored: h5py.Group, slots: Slots) -> None:
    """Gives the layers of `model` the weights of a .keras file: a group per attribute. Raises Misfit."""
    container = next(
        (f"{name}" for name in ("layers", "_layer_checkpoint_dependencies") if name in stored), ""
    )
    used: Counter[str] = Counter()
    for own in model.order:
        name = snake_case(model.classes[own])
        used[name] += 1
        layer = model.layers.get(own)
        if layer is not None:
            place = name if used[name] == 1 else f"{name}_{used[name] - 1}"
            _fill(layer, stored, f"{container}/{place}" if container else place, slots)


def snake_case(name: str) -> str:
    """`Conv2DTranspose` as conv2d_transpose: how a .keras file calls the layers of a class."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _fill(layer: Layer, stored: h5py.Group, path: str, slots: Slots) -> None:
    for index, slot in enumerate(slots(layer)):
        layer.weights[slot] = _present(hdf5.array(stored, f"{path}/vars/{index}"), f"{path}/vars/{index}")
    if layer.model is not None:
        group = hdf5.subgroup(stored, path)
        if group is None:
            raise Misfit(f"{layer} has no weights: there is no {path}")
        fill_from_paths(layer.model, group, slots)
    used: Counter[str] = Counter()
    for attribute, child in layer.children.items():
        if attribute.startswith("cells/"):
            name = snake_case(child.kind)
            used[name] += 1
            attribute = f"cells/{name}" if used[name] == 1 else f"cells/{name}_{used[name] - 1}"
        elif hdf5.subgroup(stored, f"{path}/{attribute}") is None:
            attribute = f"_{attribute}"
        _fill(child, stored, f"{path}/{attribute}", slots)


def _in_order(layer: Layer, slots: Slots) -> Iterator[_Target]:
    """What is trained first, as Keras stores the weights of one entry of a model."""
    trained, rest = _parts(layer, slots)
    yield from trained
    yield from rest


def _parts(layer: Layer, slots: Slots) -> tuple[list[_Target], list[_Target]]:
    own = [(layer, slot) for slot in slots(layer)]
    trained = [target for target in own if target[1] not in NOT_TRAINED]
    rest = [target for target in own if target[1] in NOT_TRAINED]
    inner = list(layer.model.layers.values()) if layer.model else list(layer.children.values())
    parts = [_parts(child, slots) for child in inner]
    if layer.config.get("trainable") is False:
        return [], own + [target for one, other in parts for target in one + other]
    return trained + [t for one, _ in parts for t in one], rest + [t for _, other in parts for t in other]


def _by_name(targets: Sequence[_Target], names: Sequence[str]) -> list[_Target] | None:
    """The targets in the order of `names`, if each name ends in a layer and a slot of one target only."""
    known: dict[tuple[str, str], list[_Target]] = {}
    for target in targets:
        key = target[0].name.rsplit("/", 1)[-1], target[1]
        known.setdefault(key, []).append(target)
    found = []
    for name in names:
        parts = name.split(":")[0].split("/")
        matches = known.get((parts[-2], parts[-1]), []) if len(parts) > 1 else []
        if len(matches) != 1:
            return None
        found.append(matches[0])
    return found if len({(id(owner), slot) for owner, slot in found}) == len(targets) else None


def _present(found: Array | None, name: str) -> Array:
    if found is None:
        raise Misfit(f"the weight {name} is not in the file")
    return found
