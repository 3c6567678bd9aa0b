"""Layers and calls become an ONNX message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tinsmith.compiler.frontends.keras.config import Call, Layer, Model, Reference
from tinsmith.compiler.frontends.keras.layers import RULES, Use, compute_dtype
from tinsmith.compiler.frontends.keras.layers.registry import Result, Unsupported
from tinsmith.compiler.frontends.keras.tensor import Tensor
from tinsmith.compiler.shaping.builder import Builder, UnknownSize
from tinsmith.errors import ClientError

_FAULTS = (
    TypeError,
    ValueError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    AssertionError,
    ZeroDivisionError,
)
"""What a config that contradicts itself provokes in code that takes it at its word."""


def convert(model: Model, message: Builder[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of `model`, called with `inputs`; nodes go to `message`.

    Raises ClientError: "OperatorNotImplemented" with every layer that has an option that is not compiled, or
    "InputConfiguration" with the layer whose config, weights and inputs do not fit together.
    """
    conversion = _Conversion(message)
    outputs: list[Tensor] = []
    try:
        outputs = conversion.model(model, inputs)
    except (ClientError, *_FAULTS):
        if not conversion.refusals:
            raise
    if conversion.refusals:
        raise ClientError("OperatorNotImplemented", list(dict.fromkeys(conversion.refusals)))
    return outputs


class _Conversion:
    def __init__(self, message: Builder[Tensor]) -> None:
        self._message = message
        self.refusals: list[str] = []
        """Once there is one, the conversion only goes on to find others: a layer that is not compiled gives
        what it is given, and what does not fit after that is no news."""

    def model(self, model: Model, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of `model`: calls are made when something needs them."""
        if len(inputs) != len(model.inputs):
            raise ValueError(
                f"{len(inputs)} inputs for the model {model.name!r}, expected {len(model.inputs)}"
            )
        first = _first_calls(model)
        done: dict[tuple[str, int], Result] = {
            (given.name, 0): tensor for given, tensor in zip(model.inputs, inputs, strict=True)
        }
        waiting: list[tuple[str, int]] = [(output.layer, output.call) for output in reversed(model.outputs)]
        begun: set[tuple[str, int]] = set()
        while waiting:
            key = waiting[-1]
            if key in done:
                waiting.pop()
                continue
            call = _call(model, key[0], key[1] - first.get(key[0], 0))
            needs = [need for need in _needs(call.arguments, call.keywords) if need not in done]
            if not needs:
                done[key] = self._call(model.layers[key[0]], call, done)
            elif key in begun:
                raise ValueError(f"the layers of {model.name!r} wait for one another in a circle: {key[0]}")
            begun.add(key)
            waiting.extend(reversed(needs))
        return [_pick(done[output.layer, output.call], output) for output in model.outputs]

    def _call(self, layer: Layer, call: Call, done: Mapping[tuple[str, int], Result]) -> Result:
        def filled(value: Any) -> Any:
            if isinstance(value, Reference):
                return _pick(done[value.layer, value.call], value)
            if isinstance(value, list | tuple):
                return [filled(item) for item in value]
            return {key: filled(item) for key, item in value.items()} if isinstance(value, Mapping) else value

        return self.layer(layer, *map(filled, call.arguments), **filled(call.keywords))

    def layer(self, layer: Layer, *arguments: Any, **keywords: Any) -> Result:
        """The result of `layer` called with tensors and constants."""
        with self._message.layer(layer.name):
            try:
                if layer.model is not None:
                    return self._inner(layer.model, *arguments)
                return self._apply(layer, arguments, keywords)
            except Unsupported as refusal:
                self.refusals.append(
                    f"Operator {layer.kind} is not supported for frontend Keras with this option: {layer}: "
                    f"{refusal}"
                )
            except UnknownSize:
                self.refusals.append(f"{layer}: the shape of its result depends on the content of its inputs")
            except ClientError as error:
                if error.area != "OperatorNotImplemented":
                    raise
                self.refusals += error.problems
            except _FAULTS as error:
                if self.refusals:
                    return _first_tensor(arguments)
                text = f"{layer}: its config, weights and inputs do not fit together: {_said(error)}"
                raise ClientError("InputConfiguration", text) from error
            return _first_tensor(arguments)

    def _inner(self, model: Model, *arguments: Any) -> Result:
        form_in, form_out = model.form
        given = arguments[0] if len(arguments) == 1 else list(arguments)
        tensors = dict(_matched(form_in, given, [each.name for each in model.inputs]))
        outputs = self.model(model, [tensors[index] for index in range(len(model.inputs))])
        return outputs[0] if form_out == [0] else _arranged(form_out, outputs)

    def _apply(self, layer: Layer, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Result:
        rule = RULES[layer.kind]
        options = {key: value for key, value in keywords.items() if key not in ("training", "name")}
        use = Use(layer, self._message, self.layer)
        first = arguments[0] if arguments else None
        if not rule.takes_masks:
            given = options.pop("mask", None)
            if given is not None and isinstance(first, Tensor):
                first = first.masked(given)
                arguments = [first, *arguments[1:]]
        if rule.casts:
            arguments = [_cast(use, argument) for argument in arguments]
        result = rule.convert(use, *arguments, **options)
        mask = first.mask if isinstance(first, Tensor) else None
        return result.masked(mask) if rule.keeps_mask and isinstance(result, Tensor) else result


def _first_tensor(values: Any) -> Tensor:
    """Raises ValueError where there is none."""
    for value in values:
        if isinstance(value, Tensor):
            return value
        if isinstance(value, list | tuple):
            return _first_tensor(value)
    raise ValueError("no tensor among the arguments")


def _cast(use: Use, value: Any) -> Any:
    """Keras casts what a layer is called with to the type it computes in."""
    if isinstance(value, Tensor) and value.dtype.kind in "fiu" and value.dtype != compute_dtype(use.layer):
        return value.cast(compute_dtype(use.layer))
    return [_cast(use, item) for item in value] if isinstance(value, list) else value


def _first_calls(model: Model) -> dict[str, int]:
    """From which number the calls of models within `model` count: most versions count their making too."""
    uses = [*_needs(*(call.arguments for calls in model.calls.values() for call in calls))]
    uses += _needs(*(call.keywords for calls in model.calls.values() for call in calls))
    uses += [(output.layer, output.call) for output in model.outputs]
    first: dict[str, int] = {}
    for name, number in uses:
        if name in model.layers and model.layers[name].model is not None:
            first[name] = min(number, first.get(name, number))
    return first


def _call(model: Model, name: str, number: int) -> Call:
    calls = model.calls.get(name)
    if calls is None:
        raise ValueError(f"the model {model.name!r} uses the layer {name!r}, which it does not have")
    if number >= len(calls):
        raise ValueError(f"the model {model.name!r} uses call {number} of {name!r}, of {len(calls)} calls")
    return calls[number]


def _needs(*values: Any) -> list[tuple[str, int]]:
    """The calls whose results stand in `values`."""
    found = []
    for value in values:
        if isinstance(value, Reference):
            found.append((value.layer, value.call))
        elif isinstance(value, list | tuple):
            found += _needs(*value)
        elif isinstance(value, Mapping):
            found += _needs(*value.values())
    return found


def _pick(result: Result, reference: Reference) -> Any:
    """Output `reference.output` of what a call gave."""
    if isinstance(result, Mapping | list | tuple):
        return _flat(result)[reference.output]
    if reference.output:
        raise ValueError(f"output {reference.output} of {reference.layer!r}, which has one")
    return result


def _flat(result: Result) -> list[Any]:
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, list | tuple):
        return [value for item in result for value in _flat(item)]
    return [result]


def _matched(form: Any, given: Any, names: Sequence[str]) -> Iterator[tuple[int, Tensor]]:
    """The number of each input of a model, and the tensor that it is given."""
    if isinstance(form, int):
        yield form, given[0] if isinstance(given, list) and len(given) == 1 else given
    elif isinstance(form, Mapping):
        for key, item in form.items():
            yield from _matched(item, given[key] if isinstance(given, Mapping) else given, names)
    elif isinstance(given, Mapping):
        yield from ((index, given[name]) for index, name in enumerate(names))
    else:
        for item, value in zip(form, given if isinstance(given, list) else [given], strict=True):
            yield from _matched(item, value, names)


def _arranged(form: Any, outputs: Sequence[Tensor]) -> Result:
    if isinstance(form, Mapping):
        return {key: _arranged(item, outputs) for key, item in form.items()}
    if isinstance(form, list):
        return [_arranged(item, outputs) for item in form]
    return outputs[form]


def _said(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text[:300]
