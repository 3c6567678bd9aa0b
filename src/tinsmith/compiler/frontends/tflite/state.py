"""What a model remembers from call to call. A compiled model remembers nothing: a state is one more input,
named after its variable, and one more output, `<name>:next`, to be given back at the next call.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite.layer import Layer
from tinsmith.compiler.frontends.tflite.model import Operator, Subgraph, Tensor
from tinsmith.compiler.frontends.tflite.scope import LARGEST, TYPES, Conversion, State
from tinsmith.compiler.shaping.builder import Value


def read_state(layer: Layer, index: int) -> Value:
    """What the variable tensor that is input `index` holds; of any other tensor, its value."""
    tensor = layer.tensor(index)
    return layer.scope.named(_of_tensor(layer, tensor).value) if tensor.is_variable else layer.real(index)


def write_state(layer: Layer, index: int, value: Value) -> None:
    """Gives the variable tensor its next value."""
    tensor = layer.tensor(index)
    if tensor.is_variable:
        state = _of_tensor(layer, tensor)
        state.value, state.changed = value, True


def _of_tensor(layer: Layer, tensor: Tensor) -> State:
    if layer.scope.depth:
        raise layer.refuse("a variable inside a loop or a branch")
    key = f"tensor {tensor.index}"
    states = layer.scope.shared.states
    if key not in states:
        given = layer.builder.input(tensor.name or f"state_{tensor.index}", tensor.dtype, tensor.default)
        states[key] = State(given, given)
    return states[key]


def variable(layer: Layer, name: str) -> State:
    """The resource variable `name`, of the type and shape that the model's own start gives it."""
    if layer.scope.depth:
        raise layer.refuse(f"the variable {name!r} inside a loop or a branch")
    states = layer.scope.shared.states
    if name not in states:
        start = initial_values(layer.scope.shared).get(name)
        if start is None:
            raise layer.refuse(f"the variable {name!r} has no constant start")
        states[name] = _started(layer.scope.shared, name, start)
    return states[name]


def _started(shared: Conversion, name: str, start: NDArray[Any]) -> State:
    """A variable that no operator of the first subgraph writes is a constant."""
    main = shared.model.subgraphs[0]
    written = {handle_name(main, op.inputs[0]) for op in main.operators if op.kind == "ASSIGN_VARIABLE"}
    if name not in written:
        return State(None, start)
    if start.any():
        shared.warnings.append(
            f"the state {name!r} is to start from values that are not all zero: those of the file"
        )
    given = shared.builder.input(name or "state", start.dtype, start.shape)
    return State(given, given)


def initial_values(shared: Conversion) -> dict[str, NDArray[Any]]:
    """What the subgraphs that run once write into variables."""
    model = shared.model
    found: dict[str, NDArray[Any]] = {}
    for operator in model.subgraphs[0].operators:
        number = operator.options.get("subgraph", -1)
        if operator.kind == "CALL_ONCE" and 0 < number < len(model.subgraphs):
            start = model.subgraphs[number]
            for assign in start.operators:
                value = _constant(start, assign) if assign.kind == "ASSIGN_VARIABLE" else None
                if value is not None:
                    found[handle_name(start, assign.inputs[0])] = value
    return found


def _constant(subgraph: Subgraph, assign: Operator) -> NDArray[Any] | None:
    """The value that is assigned: a constant, or zeros by FILL or ZEROS_LIKE."""
    tensor = subgraph.tensors[assign.inputs[1]] if len(assign.inputs) == 2 else None
    if tensor is None or tensor.dtype not in TYPES:
        return None
    if tensor.value is not None:
        return tensor.value
    maker = next((op for op in subgraph.operators if tensor.index in op.outputs), None)
    if maker is not None and maker.kind == "FILL":
        fill, shape = (subgraph.tensors[index].value for index in reversed(maker.inputs))
        small = shape is not None and math.prod(shape.reshape(-1).tolist()) <= LARGEST
        if fill is not None and shape is not None and fill.size == 1 and small:
            return np.full(tuple(shape.reshape(-1)), fill.reshape(()), tensor.dtype)
    return None


def handle_name(subgraph: Subgraph, index: int) -> str:
    """The variable that the handle in tensor `index` stands for."""
    for operator in subgraph.operators:
        if operator.kind == "VAR_HANDLE" and index in operator.outputs:
            return str(operator.options["shared_name"])
    return f"handle {index}"
