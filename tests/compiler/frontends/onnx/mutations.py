"""Compiles damaged models to C under limits of memory and time; prints what became of them as JSON.

    python -m tests.compiler.frontends.onnx.mutations FIRST COUNT

One number, one mutation. A model ends as a C program ("compiled") or as a ClientError (its area); everything
else is listed with its number, and so is what took more than `SECONDS` of processor time.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Message  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper

from tests.compiler.frontends.mutating import survey
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.frontends.onnx import read
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest
from tinsmith.spec.targets import devices

SECONDS = 5.0
MEMORY = 3 << 30  # bytes of address space, numpy and onnx included
NUMBERS = (0, 1, -1, 2, 3, 7, -2, 255, 65536, 10**9, 2**31 - 1, 2**31, 2**62, 2**63 - 1, -(2**63))
REALS = (0.0, -1.0, float("nan"), float("inf"), 1e30)
WORDS = ("", "\0", "x" * 5000, "Loop", "If", "Range", "Reshape", "ai.onnx.ml", "com.microsoft", "tinsmith")

node = helper.make_node


def main(first: int, count: int) -> None:
    """Compiles mutations `first` to `first + count - 1`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = ((str(seed), partial(outcome, folder, seed)) for seed in range(first, first + count))
        survey(cases, SECONDS, MEMORY)


def outcome(folder: Path, seed: int) -> str:
    """What becomes of mutation `seed`."""
    rng = random.Random(seed)
    model, config = MODELS[seed % len(MODELS)]()
    data = mutated(model, rng) if rng.random() < 0.75 else damaged(model.SerializeToString(), rng)
    (folder / "model.onnx").write_bytes(data)
    return compiled(folder, config)


def compiled(folder: Path, config: str | None) -> str:
    """What becomes of the model in `folder`."""
    try:
        network = read(folder, CompileRequest("ONNX", "m", device="ml_c4", data_input_config=config))
        with tempfile.TemporaryDirectory() as program:
            emit(network, devices()["ml_c4"], Path(program))
    except ClientError as error:
        return error.area if error.problems else "ClientError without problems"
    return "compiled"


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Cut, with flipped bits, a part copied elsewhere, or noise inserted."""
    content = bytearray(data)
    place = rng.randrange(len(content))
    kind = rng.choice(("cut", "flip", "splice", "noise"))
    if kind == "cut":
        del content[place:]
    elif kind == "flip":
        for _ in range(rng.choice((1, 2, 8, 64))):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "splice":
        start, end = sorted((rng.randrange(len(content)), rng.randrange(len(content))))
        content[place : place + end - start] = content[start:end]
    else:
        content[place:place] = rng.randbytes(rng.randrange(1, 20))
    return bytes(content)


def mutated(model: onnx.ModelProto, rng: random.Random) -> bytes:
    """Some fields of the message removed, repeated, exchanged or set to something else."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        parent, field, value = rng.choice(list(fields(model)))
        repeated = not isinstance(value, str | bytes | int | float | Message)
        try:
            if field.message_type is not None:
                change_message(model, parent, field, value, repeated, rng)
            elif not repeated:
                setattr(parent, field.name, replacement(value, model, rng))
            elif rng.random() < 0.3:
                del value[rng.randrange(len(value))]
            else:
                value[rng.randrange(len(value))] = replacement(value[0], model, rng)
        except (ValueError, TypeError):
            continue  # the field cannot hold that value
    return bytes(model.SerializeToString())


def change_message(
    model: onnx.ModelProto, parent: Any, field: Any, value: Any, repeated: bool, rng: random.Random
) -> None:
    """Removes a message, or replaces it by a copy of another of its type."""
    place = rng.randrange(len(value)) if repeated else 0
    if rng.random() < 0.3:
        if repeated:
            del value[place]
        else:
            parent.ClearField(field.name)
        return
    own = value[place] if repeated else value
    alike = [
        each
        for _, _, found in fields(model)
        for each in (found if not isinstance(found, Message | str | bytes | int | float) else [found])
        if type(each) is type(own)
    ]
    copy = type(own)()
    copy.CopyFrom(rng.choice(alike))
    if repeated and rng.random() < 0.3:
        value.append(copy)
    else:
        own.CopyFrom(copy)


def fields(message: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every field that is set in `message` and in the messages within it."""
    for field, value in message.ListFields():
        yield message, field, value
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                yield from fields(inner)


def replacement(value: Any, model: onnx.ModelProto, rng: random.Random) -> Any:
    """Another value of the type of `value`: an extreme one, a neighbour, a name of something else."""
    if isinstance(value, int):
        return rng.choice((*NUMBERS, value + 1, value - 1, rng.randrange(30)))
    if isinstance(value, float):
        return rng.choice(REALS)
    if isinstance(value, str):
        names = [found for _, _, found in fields(model) if isinstance(found, str)]
        names += [name for each in model.graph.node for name in (*each.input, *each.output)]
        return rng.choice((*names, *WORDS))
    content = bytearray(value or b"x")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return rng.choice((bytes(content), value[:-1], value * 2, b""))


def model_of(
    nodes: list[onnx.NodeProto], shape: list[Any], output: str, constants: dict[str, Any], **more: Any
) -> onnx.ModelProto:
    """A model with the input x."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9, **more)


def convolution() -> tuple[onnx.ModelProto, str | None]:
    """A small network for pictures."""
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1] * 4),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "v"], ["y"]),
    ]
    constants = {
        "w": np.ones((16, 3, 5, 5), np.float32),
        "b": np.ones(16, np.float32),
        "v": np.ones((16, 5), np.float32),
    }
    return model_of(nodes, ["n", 3, 8, 8], "y", constants), '{"x": [2, 3, 8, 8]}'


def sizes() -> tuple[onnx.ModelProto, str | None]:
    """Arithmetic on shapes, and a condition that they decide."""
    branches = {
        name: helper.make_graph(
            [inner], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)]
        )
        for name, inner in (
            ("then_branch", node("Squeeze", ["x", "axes"], ["then_branch"])),
            ("else_branch", node("Identity", ["x"], ["else_branch"])),
        )
    }
    nodes = [
        node("Constant", [], ["one"], value=numpy_helper.from_array(np.array([1]))),
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "axes"], ["d"], axis=0),
        node("Equal", ["d", "one"], ["c"]),
        node("If", ["c"], ["i"], **branches),
        node("ConstantOfShape", ["s"], ["z"], value=numpy_helper.from_array(np.array([2], np.float32))),
        node("Add", ["i", "z"], ["a"]),
        node("Expand", ["a", "s"], ["e"]),
        node("Range", ["zero", "end", "step"], ["r"]),
        node("Slice", ["e", "axes", "one", "axes"], ["part"]),
        node("Reshape", ["part", "flat"], ["y"]),
    ]
    constants = {"axes": [0], "flat": [-1], "zero": 0, "end": 9, "step": 2}
    return model_of(nodes, ["a", "b"], "y", constants), '{"x": [1, 4]}'


def calls() -> tuple[onnx.ModelProto, str | None]:
    """Functions that call one another, and a loop."""
    imports = [helper.make_opsetid("", 15), helper.make_opsetid("my", 1)]
    functions = [
        helper.make_function(
            "my", "Leak", ["a"], ["b"], [node("LeakyRelu", ["a"], ["b"], alpha=0.5)], imports
        ),
        helper.make_function(
            "my",
            "Twice",
            ["a"],
            ["b"],
            [node("Leak", ["a"], ["m"], domain="my"), node("Add", ["m", "a"], ["b"])],
            imports,
        ),
    ]
    body = helper.make_graph(
        [node("Add", ["v", "x"], ["v2"]), node("Identity", ["go"], ["go2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [2, 3]),
        ],
        [
            helper.make_tensor_value_info("go2", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v2", TensorProto.FLOAT, [2, 3]),
        ],
    )
    nodes = [node("Twice", ["x"], ["t"], domain="my"), node("Loop", ["n", "", "t"], ["y"], body=body)]
    return model_of(nodes, [2, 3], "y", {"n": 3}, functions=functions), None


def quantised() -> tuple[onnx.ModelProto, str | None]:
    """Eight-bit values, a recurrent layer, and sizes that only a run tells."""
    nodes = [
        node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        node("LSTM", ["d", "w", "r"], ["o"], hidden_size=8),
        node("Squeeze", ["o"], ["flat"]),
        node("NonZero", ["flat"], ["found"]),
        node("Cast", ["found"], ["y"], to=TensorProto.FLOAT),
    ]
    constants = {
        "scale": np.float32(0.1),
        "zero": np.int8(1),
        "w": np.ones((1, 32, 4), np.float32),
        "r": np.ones((1, 32, 8), np.float32),
    }
    return model_of(nodes, [5, 1, 4], "y", constants), None


MODELS: tuple[Callable[[], tuple[onnx.ModelProto, str | None]], ...] = (convolution, sizes, calls, quantised)

if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
