"""The config of a model file becomes layers and calls, whatever version of Keras wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tinsmith.compiler.frontends.keras.config import Call, Input, Layer, Model, Origin, Reference
from tinsmith.compiler.frontends.keras.legacy import modernise

MODELS = frozenset({"Functional", "Sequential"})
MAX_DEPTH = 40
"""Models within models."""

_OWN_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "builtins")
_CELLS = {"LSTM": "LSTMCell", "GRU": "GRUCell", "SimpleRNN": "SimpleRNNCell"}
_CUDNN = {"CuDNNLSTM": "CuDNNLSTMCell", "CuDNNGRU": "CuDNNGRUCell"}
_CONVOLUTIONAL = {f"ConvLSTM{rank}D": f"ConvLSTM{rank}DCell" for rank in (1, 2, 3)}


_FORMATLESS = frozenset(
    f"{kind}{rank}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for rank in (2, 3)
)
"""Keras 1 does not store their order of dimensions: it is that of the other layers."""


class Malformed(Exception):
    """The config contradicts itself; the text says how."""


def read_model(config: Mapping[str, Any], origin: Origin) -> Model:
    """The model that `config`, the whole JSON of a model file, describes. Raises Malformed."""
    layer = _layer(config, origin, "", 0)
    if layer.model is None:
        raise Malformed(f"the model is of the class {layer.kind!r}, expected Functional or Sequential")
    if origin.version[0] == 1:
        formats = [inner.config["data_format"] for inner in _within(layer) if "data_format" in inner.config]
        for inner in _within(layer):
            if inner.kind in _FORMATLESS and formats:
                inner.config = {"data_format": formats[0], **inner.config}
    return layer.model


def _within(layer: Layer) -> Iterator[Layer]:
    """`layer` and all inside it."""
    yield layer
    inner = layer.model.layers.values() if layer.model else layer.children.values()
    for each in inner:
        yield from _within(each)


def _layer(
    entry: Mapping[str, Any], origin: Origin, outer: str, depth: int, named: str | None = None
) -> Layer:
    """`entry` is {"class_name": ..., "config": ...}; `outer` is the name of what it stands in."""
    if depth > MAX_DEPTH:
        raise Malformed(f"layers stand in one another more than {MAX_DEPTH} deep")
    kind, config = entry.get("class_name"), entry.get("config")
    if not isinstance(kind, str):
        raise Malformed(f"a layer in {outer or 'the model'} has no class_name")
    if isinstance(config, list) and kind == "Sequential":
        config = {"layers": config}
    if not isinstance(config, Mapping):
        raise Malformed(f"the config of a {kind} in {outer or 'the model'} is no dictionary")
    module = entry.get("module")
    if _is_custom(module, kind):
        return Layer(
            kind, _join(outer, named or config.get("name") or kind), config, origin, registered=str(module)
        )
    kind, config = modernise(kind, dict(config), origin.version)
    name = named or str(config.get("name") or entry.get("name") or kind.lower())
    layer = Layer(kind, _join(outer, name), config, origin)
    if kind in MODELS:
        layer.model = _model(kind, config, origin, layer.name if outer or depth else "", name, depth)
    else:
        layer.children = _children(layer, depth)
    return layer


def _is_custom(module: object, kind: str) -> bool:
    """Keras 3 tells the Python module of a class."""
    if not isinstance(module, str) or kind in MODELS:
        return False
    return not any(module == own or module.startswith(own + ".") for own in _OWN_MODULES)


def _join(outer: str, name: str) -> str:
    return f"{outer}/{name}" if outer else name


def _children(layer: Layer, depth: int) -> dict[str, Layer]:
    """The layers inside `layer`, by the names of their attributes."""

    def child(entry: Any, name: str) -> Layer:
        if not isinstance(entry, Mapping):
            raise Malformed(f"{layer}: its {name} is no layer")
        return _layer(entry, layer.origin, layer.name, depth + 1, name)

    config, kind = layer.config, layer.kind
    cells = {**_CELLS, **_CUDNN, **_CONVOLUTIONAL}
    if kind in cells:
        return {"cell": Layer(cells[kind], layer.name, config, layer.origin)}
    if kind == "RNN":
        return {"cell": child(config.get("cell"), "cell")}
    if kind == "StackedRNNCells":
        found = config.get("cells")
        if not isinstance(found, list):
            raise Malformed(f"{layer}: it has no list of cells")
        return {f"cells/{index}": child(cell, f"cell_{index}") for index, cell in enumerate(found)}
    if kind == "Bidirectional":
        return _both_ways(layer, child)
    if kind in ("TimeDistributed", "SpectralNormalization", "Wrapper"):
        return {"layer": child(config.get("layer"), "layer")}
    if kind in ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"):
        parts = ("query_dense", "key_dense", "value_dense", "output_dense")
        dense = {"bias_axes": "..." if config.get("use_bias", True) else None}
        return {part: Layer("EinsumDense", f"{layer.name}/{part}", dense, layer.origin) for part in parts}
    return {}


def _both_ways(layer: Layer, child: Callable[[Any, str], Layer]) -> dict[str, Layer]:
    forward = layer.config.get("layer")
    backward = layer.config.get("backward_layer")
    if backward is None and isinstance(forward, Mapping) and isinstance(forward.get("config"), Mapping):
        config = forward["config"]
        backward = {**forward, "config": {**config, "go_backwards": not config.get("go_backwards", False)}}
    return {
        "forward_layer": child(forward, "forward_layer"),
        "backward_layer": child(backward, "backward_layer"),
    }


def _model(kind: str, config: Mapping[str, Any], origin: Origin, scope: str, name: str, depth: int) -> Model:
    entries = config.get("layers")
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise Malformed(f"the model {name!r} has no list of layers")
    layers: dict[str, Layer] = {}
    inputs: dict[str, Input] = {}
    calls: dict[str, tuple[Call, ...]] = {}
    order, classes = [], {}
    for entry in entries:
        layer = _layer(entry, origin, scope, depth + 1)
        own = str(entry.get("name") or layer.config.get("name") or layer.name.rsplit("/", 1)[-1])
        if own in classes:
            raise Malformed(f"the model {name!r} has two layers of the name {own!r}")
        order.append(own)
        classes[own] = str(entry["class_name"])
        if layer.kind == "InputLayer":
            inputs[own] = _input(own, layer.config)
        else:
            layers[own] = layer
            if kind == "Functional":
                calls[own] = tuple(_call(node, own) for node in entry.get("inbound_nodes") or [])
    if kind == "Sequential":
        return _chain(name, config, layers, inputs, order, classes)
    wanted, form_in = _references(config.get("input_layers"), f"the input_layers of {name!r}")
    outputs, form_out = _references(config.get("output_layers"), f"the output_layers of {name!r}")
    unknown = [reference.layer for reference in wanted if reference.layer not in inputs]
    if unknown or not outputs:
        raise Malformed(
            f"the model {name!r}: its inputs or outputs are no layers of it: {', '.join(unknown)}"
        )
    taken = tuple(inputs[reference.layer] for reference in wanted)
    return Model(name, layers, calls, taken, outputs, tuple(order), classes, (form_in, form_out))


def _chain(
    name: str,
    config: Mapping[str, Any],
    layers: dict[str, Layer],
    inputs: dict[str, Input],
    order: Sequence[str],
    classes: Mapping[str, str],
) -> Model:
    """A Sequential model: each layer is called with the result of the one before."""
    given = next(iter(inputs.values()), None) or _first_input(config, layers)
    calls: dict[str, tuple[Call, ...]] = {}
    last = Reference(given.name, 0, 0)
    for own in layers:
        calls[own] = (Call((last,), {}),)
        last = Reference(own, 0, 0)
    return Model(name, layers, calls, (given,), (last,), tuple(order), classes, (0, 0))


def _first_input(config: Mapping[str, Any], layers: Mapping[str, Layer]) -> Input:
    """Before Keras 2.3 the first layer of a Sequential model has the shape of the input."""
    if not layers:
        raise Malformed("a Sequential model has no layers")
    own, first = next(iter(layers.items()))
    if first.model is not None and first.model.inputs:
        inner = first.model.inputs[0]
        return Input(f"{own}_input", inner.dtype, inner.shape)
    fields = dict(first.config)
    wrapped = fields.get("layer")
    if (
        not _shape_field(fields)
        and isinstance(wrapped, Mapping)
        and isinstance(wrapped.get("config"), Mapping)
    ):
        fields = {**wrapped["config"], "name": own}
    if not _shape_field(fields):
        built = config.get("build_input_shape") or config.get("batch_input_shape")
        if built is None and fields.get("input_dim") is not None:
            built = [None, fields["input_dim"]]
            if first.kind == "Embedding":
                built = [None, fields.get("input_length")]
            elif first.kind in ("LSTM", "GRU", "SimpleRNN", "Conv1D"):
                built = [None, fields.get("input_length"), fields["input_dim"]]
        fields["batch_input_shape"] = built
    return _input(f"{own}_input", fields)


def _shape_field(config: Mapping[str, Any]) -> Any:
    for key in ("batch_shape", "batch_input_shape"):
        if config.get(key) is not None:
            return config[key]
    return None


def _input(name: str, config: Mapping[str, Any]) -> Input:
    if config.get("sparse") or config.get("ragged"):
        form = "sparse" if config.get("sparse") else "ragged"
        raise Malformed(f"the input {name!r} is {form}, expected a dense one")
    shape = _shape_field(config)
    if isinstance(shape, Mapping):
        shape = shape.get("items")
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        raise Malformed(f"the input {name!r} has no shape; build the model before it is saved")
    sizes = tuple(size if isinstance(size, int) and size > 0 else None for size in shape)
    return Input(name, _dtype(config), sizes)


def _dtype(config: Mapping[str, Any]) -> str:
    dtype = config.get("input_dtype") or config.get("dtype") or "float32"
    if isinstance(dtype, Mapping):
        dtype = (dtype.get("config") or {}).get("name", "float32")
    return {"mixed_float16": "float32", "mixed_bfloat16": "float32"}.get(str(dtype), str(dtype))


def _references(entries: Any, where: str) -> tuple[tuple[Reference, ...], Any]:
    """The tensors that a model names as inputs or outputs, and how they stand in lists and dicts."""
    found: list[Reference] = []

    def collect(entry: Any) -> Any:
        if isinstance(entry, Mapping):
            return {key: collect(item) for key, item in entry.items()}
        if isinstance(entry, list) and not (len(entry) == 3 and isinstance(entry[0], str)):
            return [collect(item) for item in entry]
        found.append(_reference(entry, where))
        return len(found) - 1

    form = collect(entries)
    return tuple(found), form


def _reference(entry: Any, where: str) -> Reference:
    if not (isinstance(entry, list) and len(entry) >= 3 and isinstance(entry[0], str)):
        raise Malformed(f"{where}: expected [layer, node, tensor], found {str(entry)[:80]}")
    if not all(isinstance(number, int) and number >= 0 for number in entry[1:3]):
        raise Malformed(f"{where}: expected [layer, node, tensor], found {str(entry)[:80]}")
    return Reference(entry[0], entry[1], entry[2])


def _call(node: Any, name: str) -> Call:
    """One entry of inbound_nodes: a dictionary since Keras 3, a list of tensors before."""
    if isinstance(node, Mapping):
        arguments = node.get("args")
        if not isinstance(arguments, list):
            raise Malformed(f"the layer {name!r}: a call has no list of arguments")
        return Call(tuple(map(_argument, arguments)), _argument(node.get("kwargs") or {}))
    if isinstance(node, Mapping | list) and len(node) == 0:
        return Call((), {})
    if not isinstance(node, list):
        raise Malformed(f"the layer {name!r}: inbound_nodes hold {str(node)[:80]}")
    if isinstance(node[0], str):
        return Call((_old_argument(node, name),), _old_keywords(node))
    found = [_old_argument(entry, name) for entry in node]
    keywords = _old_keywords(node[0]) if isinstance(node[0], list) else {}
    return Call((found[0] if len(found) == 1 else found,), keywords)


def _old_argument(entry: Any, name: str) -> Any:
    """[layer, node, tensor, keywords], or a constant in its place."""
    if isinstance(entry, list) and len(entry) >= 3 and entry[0] == "_CONSTANT_VALUE":
        return entry[2]
    return _reference(entry, f"the layer {name!r}")


def _old_keywords(entry: list[Any]) -> dict[str, Any]:
    keywords = entry[3] if len(entry) > 3 else {}
    if not isinstance(keywords, Mapping):
        raise Malformed(f"a call with the keywords {str(keywords)[:80]}")
    return {key: _old_keyword(value) for key, value in keywords.items()}


def _old_keyword(value: Any) -> Any:
    """Tensors among keywords are [layer, node, tensor], which nothing else looks like."""
    if isinstance(value, list):
        if len(value) in (3, 4) and isinstance(value[0], str) and all(isinstance(n, int) for n in value[1:3]):
            if value[0] == "_CONSTANT_VALUE":
                return value[2]
            return Reference(value[0], value[1], value[2])
        return [_old_keyword(item) for item in value]
    return value


def _argument(value: Any) -> Any:
    """An argument of a call as Keras 3 writes it."""
    if isinstance(value, list):
        return [_argument(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    kind, config = value.get("class_name"), value.get("config")
    if kind == "__keras_tensor__" and isinstance(config, Mapping):
        return _reference(config.get("keras_history"), "an argument of a call")
    if kind == "__tensor__" and isinstance(config, Mapping):
        return config.get("value")
    if kind == "__numpy__" and isinstance(config, Mapping):
        return config.get("value")
    return {key: _argument(item) for key, item in value.items()}
