"""Everything in a model that is not compiled, found before any of it is converted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tinsmith.compiler.frontends.keras.config import Layer, Model
from tinsmith.compiler.frontends.keras.layers import RULES
from tinsmith.compiler.frontends.keras.layers.activations import FUNCTIONS, activation_name
from tinsmith.compiler.frontends.keras.layers.functions import key_of
from tinsmith.compiler.frontends.keras.layers.operations import DATA_DEPENDENT, LAMBDAS, unknown_function
from tinsmith.compiler.frontends.keras.structure import MODELS
from tinsmith.compiler.shaping.findings import Findings, shown

LISTED = 20
"""Layers that a refusal names for each reason."""

_TEXT = frozenset({"StringLookup", "TextVectorization", "Hashing", "HashedCrossing"})


def refuse(model: Model, findings: Findings) -> None:
    """Notes every layer of `model` that is not compiled, and why."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for layer in every_layer(model):
        reason = _reason(layer)
        if reason:
            places[reason].append(shown(layer.name))
    for reason, names in places.items():
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        findings.refused(f"{reason}: {', '.join(names[:LISTED])}{more}")


def every_layer(model: Model) -> Iterator[Layer]:
    """The layers of `model` and those inside them."""
    for layer in model.layers.values():
        yield from _with_inner(layer)


def _with_inner(layer: Layer) -> Iterator[Layer]:
    yield layer
    if layer.model is not None:
        yield from every_layer(layer.model)
    for child in layer.children.values():
        yield from _with_inner(child)


def _reason(layer: Layer) -> str | None:
    if layer.registered:
        return (
            f"Operator {layer.kind} is not supported for frontend Keras: it is a custom class "
            f"({layer.registered[:80]}), whose code is not in the file; build it of Keras layers"
        )
    if layer.kind in ("Lambda", "Merge"):
        return (
            f"Operator {layer.kind} is not supported for frontend Keras: it is Python code inside the "
            "model file, which is never run; replace it by Keras layers and save the model again"
        )
    if layer.kind in LAMBDAS:
        return _function_reason(layer)
    if layer.kind in MODELS:
        return None
    if layer.kind not in RULES:
        kind = "works on text" if layer.kind in _TEXT else "is no layer that is compiled, or a custom class"
        return f"Operator {layer.kind} is not supported for frontend Keras: it {kind}"
    return _quantised(layer) or _activation_reason(layer)


def _function_reason(layer: Layer) -> str | None:
    name = unknown_function(layer)
    if name is None:
        return None
    if key_of(name) in DATA_DEPENDENT:
        return (
            f"Operator tf.{name} is not supported for frontend Keras: the shape of its result depends on the "
            "data; cut the model off before it and do the rest after prediction"
        )
    return f"Operator tf.{name} is not supported for frontend Keras: it is no function that is compiled"


def _quantised(layer: Layer) -> str | None:
    policy = layer.get("dtype")
    config = policy.get("config") if isinstance(policy, Mapping) else None
    mode = (
        layer.get("quantization_mode")
        or (config or {}).get("mode")
        or (config or {}).get("quantization_mode")
    )
    if mode:
        return f"Operator {layer.kind} quantised as {str(mode)[:40]} is not supported for frontend Keras"
    return None


def _activation_reason(layer: Layer) -> str | None:
    for key in ("activation", "recurrent_activation"):
        if key not in layer.config:
            continue
        value: Any = layer.config[key]
        name = activation_name(value)
        if name not in FUNCTIONS and not (isinstance(value, Mapping) and name in RULES):
            return (
                f"Operator {layer.kind} with the activation {shown(name)} is not supported for frontend "
                "Keras: it is no activation of Keras"
            )
    return None
