"""Compiles models made to hurt to C under limits of memory and time; prints what became of them as JSON.

    python -m tests.compiler.frontends.onnx.adversarial NAME ...

Small files that ask for a great deal, contradict themselves or name what is not there.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.compiler.frontends.mutating import limit
from tests.compiler.frontends.onnx.mutations import MEMORY, SECONDS, compiled, model_of

HUGE = 10**9
node = helper.make_node
Model = tuple[onnx.ModelProto, str | None]


def main(names: list[str]) -> None:
    """Compiles the models with these names."""
    ends = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            model, config = MODELS[name]()
            (Path(folder) / "model.onnx").write_bytes(model.SerializeToString())
            try:
                with limit(SECONDS, MEMORY):
                    ends[name] = compiled(Path(folder), config)
            except BaseException as error:
                ends[name] = f"{type(error).__name__}: {error}"[:300]
    print(json.dumps(ends))


def of(*nodes: onnx.NodeProto, shape: Any = (2, 3), config: str | None = None, **constants: Any) -> Model:
    """A model whose last node gives the output."""
    return model_of(list(nodes), list(shape), nodes[-1].output[0], constants), config


def filled(elements: int) -> Model:
    value = numpy_helper.from_array(np.array([1], np.float32))
    constant = node("ConstantOfShape", ["s"], ["c"], value=value)
    return of(constant, node("Exp", ["c"], ["e"]), node("Add", ["x", "e"], ["y"]), shape=[1], s=[elements])


def one_hot() -> Model:
    return of(
        node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        node("OneHot", ["i", "d", "v"], ["y"]),
        d=HUGE,
        v=[0.0, 1.0],
    )


def doubled(times: int) -> Model:
    """Every Concat doubles its input."""
    names = ["x", *(f"c{number}" for number in range(times))]
    return of(*(node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)))


def doubled_constant() -> Model:
    names = ["k", *(f"c{number}" for number in range(40))]
    nodes = [node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)]
    return of(
        *nodes,
        node("ReduceSum", ["c39"], ["t"]),
        node("Add", ["x", "t"], ["y"]),
        k=np.ones((2, 3), np.float32),
    )


def laughs() -> Model:
    """Functions that each call the one before twice."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    functions = [helper.make_function("my", "F0", ["a"], ["b"], [node("Relu", ["a"], ["b"])], imports)]
    for level in range(1, 40):
        calls = [
            node(f"F{level - 1}", ["a"], ["m"], domain="my"),
            node(f"F{level - 1}", ["m"], ["b"], domain="my"),
        ]
        functions.append(helper.make_function("my", f"F{level}", ["a"], ["b"], calls, imports))
    nodes = [node("F39", ["x"], ["y"], domain="my")]
    return model_of(nodes, [2, 3], "y", {}, functions=functions), None


def recursive() -> Model:
    """Two functions that call one another."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    functions = [
        helper.make_function("my", a, ["a"], ["b"], [node(b, ["a"], ["b"], domain="my")], imports)
        for a, b in (("F", "G"), ("G", "F"))
    ]
    return model_of([node("F", ["x"], ["y"], domain="my")], [2, 3], "y", {}, functions=functions), None


def loop(trips: int) -> Model:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            node("Add", ["v", "v"], ["v2"]),
            node("Identity", ["go"], ["go2"]),
            node("Identity", ["v2"], ["scan"]),
        ],
        "body",
        [
            info("i", TensorProto.INT64, []),
            info("go", TensorProto.BOOL, []),
            info("v", TensorProto.FLOAT, [2, 3]),
        ],
        [
            info("go2", TensorProto.BOOL, []),
            info("v2", TensorProto.FLOAT, [2, 3]),
            info("scan", TensorProto.FLOAT, [2, 3]),
        ],
    )
    return of(node("Loop", ["n", "", "x"], ["end", "all"], body=body), node("Neg", ["all"], ["y"]), n=trips)


def nested(depth: int) -> Model:
    """Conditions within conditions."""
    graph = helper.make_graph(
        [node("Relu", ["x"], ["r"])], "r", [], [helper.make_tensor_value_info("r", 1, None)]
    )
    for level in range(depth):
        name = f"n{level}"
        inner = node(
            "If", ["c"], [name], then_branch=graph, else_branch=graph if level == 0 else _leaf(level)
        )
        graph = helper.make_graph([inner], name, [], [helper.make_tensor_value_info(name, 1, None)])
    top = node("If", ["c"], ["y"], then_branch=graph, else_branch=_leaf(depth))
    return of(
        node("ReduceSum", ["x"], ["t"], keepdims=0), node("Cast", ["t"], ["c"], to=TensorProto.BOOL), top
    )


def _leaf(level: int) -> onnx.GraphProto:
    name = f"leaf{level}"
    return helper.make_graph(
        [node("Neg", ["x"], [name])], name, [], [helper.make_tensor_value_info(name, 1, None)]
    )


def initializer(**fields: Any) -> Model:
    """An initializer whose fields lie."""
    model, config = of(node("Add", ["x", "w"], ["y"]), w=np.ones(3, np.float32))
    for name, value in fields.items():
        if name == "dims":
            model.graph.initializer[0].dims[:] = value
        else:
            setattr(model.graph.initializer[0], name, value)
    return model, config


def external(location: str, **more: str) -> Model:
    model, config = initializer(raw_data=b"", data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        model.graph.initializer[0].external_data.add(key=key, value=value)
    return model, config


def declared(**types: int) -> Model:
    """Values declared to have types that they have not."""
    model, config = of(node("Relu", ["x"], ["r"]), node("Neg", ["r"], ["y"]))
    model.graph.value_info.append(helper.make_tensor_value_info("r", types.get("r", 1), [7, 7, 7]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", types.get("y", 1), [5]))
    return model, config


def long_chain() -> Model:
    names = ["x", *(f"v{number}" for number in range(20_000))]
    return of(*(node("Foo", [a], [b]) for a, b in pairwise(names)))


conv_weights = np.ones((4, 3, 3, 3), np.float32)
MODELS: dict[str, Callable[[], Model]] = {
    "constant of 10^9 elements": lambda: filled(HUGE),
    "constant of 5 x 10^8 elements": lambda: filled(HUGE // 2),
    "range of 10^9": lambda: of(
        node("Range", ["a", "b", "c"], ["r"]), node("Add", ["x", "r"], ["y"]), a=0.0, b=1e9, c=1.0
    ),
    "expand to 10^18": lambda: of(node("Expand", ["x", "s"], ["y"]), s=[HUGE, HUGE, 1, 3], shape=[1, 3]),
    "tile 10^9 times": lambda: of(node("Tile", ["x", "r"], ["y"]), r=[HUGE, HUGE]),
    "tile a constant 10^9 times": lambda: of(
        node("Tile", ["k", "r"], ["t"]),
        node("Add", ["x", "t"], ["y"]),
        k=np.ones((1, 3), np.float32),
        r=[HUGE, 1],
    ),
    "pad by 10^9": lambda: of(node("Pad", ["x", "p"], ["y"]), p=[HUGE] * 4),
    "pad by 2^62": lambda: of(node("Pad", ["x", "p"], ["y"]), p=[2**62] * 4),
    "pad by -10^9": lambda: of(node("Pad", ["x", "p"], ["y"]), p=[-HUGE] * 4),
    "one-hot of 10^9": one_hot,
    "resize to 10^9": lambda: of(node("Resize", ["x", "", "", "s"], ["y"]), s=[HUGE, HUGE]),
    "constant of 2^62 x 2^62": lambda: of(node("ConstantOfShape", ["s"], ["y"]), s=[2**62, 2**62]),
    "constant of -1": lambda: of(node("ConstantOfShape", ["s"], ["y"]), s=[-1]),
    "eye of 10^5 squared": lambda: of(
        node("ConstantOfShape", ["s"], ["c"]),
        node("EyeLike", ["c"], ["e"]),
        node("ReduceSum", ["e"], ["t"]),
        node("Add", ["x", "t"], ["y"]),
        s=[10**5, 10**5],
    ),
    "input of 10^15 elements": lambda: of(
        node("Relu", ["x"], ["y"]), shape=["a", "b"], config='{"x": [1000000000, 1000000]}'
    ),
    "input of rank 2000": lambda: of(node("Relu", ["x"], ["y"]), shape=[1] * 2000),
    "matrix product of 10^9 rows": lambda: of(
        node("MatMul", ["x", "w"], ["y"]),
        shape=["a", 3],
        config='{"x": [1000000000, 3]}',
        w=np.ones((3, 100000), np.float32),
    ),
    "outer product of the input": lambda: of(
        node("Reshape", ["x", "c"], ["a"]),
        node("Reshape", ["x", "r"], ["b"]),
        node("Mul", ["a", "b"], ["m"]),
        node("ReduceMax", ["m"], ["y"]),
        shape=[1000, 1000],
        c=[-1, 1],
        r=[1, -1],
    ),
    "doubled 40 times": lambda: doubled(40),
    "constant doubled 40 times": doubled_constant,
    "functions calling twice, 40 deep": laughs,
    "recursive functions": recursive,
    "loop of 10^9 rounds with an output of each": lambda: loop(HUGE),
    "loop of 2^62 rounds": lambda: loop(2**62),
    "conditions 20 deep": lambda: nested(20),
    "cycle": lambda: of(
        node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Neg", ["b"], ["y"])
    ),
    "node that reads itself": lambda: of(node("Add", ["x", "y"], ["y"])),
    "missing initialiser": lambda: of(node("Add", ["x", "w"], ["y"])),
    "two nodes of one output": lambda: of(node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])),
    "initialiser of 10^9 elements without content": lambda: initializer(dims=[HUGE]),
    "initialiser of 2^62 x 2^62": lambda: initializer(dims=[2**62, 2**62]),
    "initialiser of -3": lambda: initializer(dims=[-3]),
    "initialiser with half an element": lambda: initializer(raw_data=b"\0" * 11),
    "initialiser of an unknown type": lambda: initializer(data_type=99),
    "initialiser called text": lambda: initializer(data_type=TensorProto.STRING),
    "initialiser called double": lambda: initializer(data_type=TensorProto.DOUBLE),
    "external data outside": lambda: external("../../../../etc/passwd"),
    "external data at an absolute path": lambda: external("/etc/passwd"),
    "external data of 2^62 bytes": lambda: external("model.onnx", offset="0", length=str(2**62)),
    "external data at -1": lambda: external("model.onnx", offset="-1", length="12"),
    "external data without a number": lambda: external("model.onnx", offset="x"),
    "values declared of other shapes": lambda: declared(),
    "values declared of other types": lambda: declared(r=TensorProto.INT64, y=TensorProto.BOOL),
    "values declared as text": lambda: declared(r=TensorProto.STRING, y=TensorProto.STRING),
    "cast to type 999": lambda: of(node("Cast", ["x"], ["y"], to=999)),
    "axis of a string": lambda: of(node("Softmax", ["x"], ["y"], axis="a")),
    "axis 2^62": lambda: of(node("Softmax", ["x"], ["y"], axis=2**62)),
    "permutation of 1000 axes": lambda: of(node("Transpose", ["x"], ["y"], perm=list(range(1000)))),
    "permutation that repeats": lambda: of(node("Transpose", ["x"], ["y"], perm=[0, 0])),
    "strides of 0": lambda: of(
        node("Conv", ["x", "w"], ["y"], strides=[0, 0]), shape=[1, 3, 8, 8], w=conv_weights
    ),
    "-1 groups": lambda: of(node("Conv", ["x", "w"], ["y"], group=-1), shape=[1, 3, 8, 8], w=conv_weights),
    "0 groups": lambda: of(node("Conv", ["x", "w"], ["y"], group=0), shape=[1, 3, 8, 8], w=conv_weights),
    "pads of 2^40": lambda: of(
        node("Conv", ["x", "w"], ["y"], pads=[2**40] * 4), shape=[1, 3, 8, 8], w=conv_weights
    ),
    "dilations of 2^62": lambda: of(
        node("Conv", ["x", "w"], ["y"], dilations=[2**62] * 2), shape=[1, 3, 8, 8], w=conv_weights
    ),
    "pooling by 2^40": lambda: of(
        node("MaxPool", ["x"], ["y"], kernel_shape=[2**40] * 2, pads=[2**39] * 4), shape=[1, 3, 8, 8]
    ),
    "split into 10^9": lambda: of(node("Split", ["x", "s"], ["y"]), s=[HUGE]),
    "top 10^9": lambda: of(node("TopK", ["x", "k"], ["y", "i"]), k=[HUGE]),
    "gather at 10^9": lambda: of(node("Gather", ["x", "i"], ["y"]), i=[HUGE]),
    "reshape to 10^9": lambda: of(node("Reshape", ["x", "s"], ["y"]), s=[HUGE, -1]),
    "einsum of nonsense": lambda: of(node("Einsum", ["x"], ["y"], equation="..i.,->>")),
    "einsum of 50 letters": lambda: of(node("Einsum", ["x", "x"], ["y"], equation="ab,cd->" + "abcd" * 12)),
    "rank 2000": lambda: of(node("Reshape", ["x", "s"], ["y"]), s=[1] * 1998 + [2, 3]),
    "rnn of 2^40 hidden": lambda: of(
        node("LSTM", ["x", "w", "r"], ["y"], hidden_size=2**40),
        shape=[5, 1, 4],
        w=np.ones((1, 32, 4), np.float32),
        r=np.ones((1, 32, 8), np.float32),
    ),
    "20,000 unknown operators": long_chain,
}

if __name__ == "__main__":
    main(sys.argv[1:] or list(MODELS))
