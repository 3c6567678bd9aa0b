from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.onnx_suite.cases import as_network
from tests.onnx_suite.native import execute, host
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.networks.emit import PASSES, emit
from tinsmith.compiler.backends.native.networks.integer_layers import IntegerLayer, find_integer_layers
from tinsmith.compiler.ir.loops import Contract, Loops
from tinsmith.compiler.operators.lower import lower

Array = np.ndarray[Any, Any]


@dataclass
class Graph:
    """Small quantised networks side by side: each ends in an output of its own."""

    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(8))
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: dict[str, Array] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)

    def add(self, op: str, *inputs: str, count: int = 1, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        names = [name, *(f"{name}_{place}" for place in range(1, count))]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}_{name}", **attributes))
        return name

    def constant(self, value: Any, dtype: str = "float32") -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def input(self, *shape: int, dtype: str = "float32") -> str:
        name = f"x{len(self.inputs)}"
        if dtype == "float32":
            self.inputs[name] = self.random.normal(size=shape).astype(dtype)
        else:
            limits = np.iinfo(dtype)
            self.inputs[name] = self.random.integers(limits.min, limits.max + 1, shape).astype(dtype)
        return name

    def codes(self, *shape: int, dtype: str = "int8", low: int = -128, high: int = 127) -> str:
        return self.constant(self.random.integers(low, high + 1, shape), dtype)

    def quantise(self, x: str, scale: float, zero: int, dtype: str = "uint8") -> str:
        return self.add("QuantizeLinear", x, self.constant(scale), self.constant(zero, dtype))

    def dequantise(self, x: str, scale: float, zero: int, dtype: str = "uint8") -> str:
        return self.add("DequantizeLinear", x, self.constant(scale), self.constant(zero, dtype))

    def through(self, x: str, scale: float, zero: int, dtype: str = "uint8") -> str:
        return self.dequantise(self.quantise(x, scale, zero, dtype), scale, zero, dtype)

    def weights(self, *shape: int, axis: int = 0) -> str:
        """Dequantised, with a scale per channel."""
        scales = self.random.uniform(0.001, 0.003, shape[axis])
        zeros = self.constant(np.zeros(shape[axis]), "int8")
        return self.add("DequantizeLinear", self.codes(*shape), self.constant(scales), zeros, axis=axis)

    def bias(self, size: int) -> str:
        return self.constant(self.random.normal(size=size) / 4)

    def output(self, name: str) -> None:
        self.outputs.append(name)

    def model(self) -> onnx.ModelProto:
        def info(name: str, value: Array) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )

        graph = helper.make_graph(
            self.nodes,
            "quantised",
            [info(name, value) for name, value in self.inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in self.outputs],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        return onnx.shape_inference.infer_shapes(model)


def layers(graph: Graph) -> list[Any]:
    """The stages after the pass."""
    network = as_network(graph.model(), list(graph.inputs.values()))
    loops: Loops = lower(network)
    for change in PASSES[: PASSES.index(find_integer_layers) + 1]:
        loops = change(loops)
    return list(loops.stages)


def check(graph: Graph, count: int, folder: Path) -> None:
    """`count` layers, no other contraction, and the answers of ONNX's evaluator up to single steps."""
    stages = layers(graph)
    assert sum(isinstance(stage, IntegerLayer) for stage in stages) == count
    assert not any(isinstance(stage, Contract) for stage in stages)
    model, inputs = graph.model(), list(graph.inputs.values())
    expected = [np.asarray(value) for value in ReferenceEvaluator(model).run(None, graph.inputs)]
    network, target = as_network(model, inputs), host()
    program = emit(network, target, folder)
    build(program, target, folder / target.library)
    answers = execute(folder / target.library, network, inputs, expected)
    for name, answer, wanted in zip(graph.outputs, answers, expected, strict=True):
        assert answer.dtype == wanted.dtype, name
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(answer, wanted, rtol=1e-5, atol=1e-5, err_msg=name)
            continue
        off = np.abs(answer.astype(np.int64) - wanted.astype(np.int64))
        assert off.max() <= (wanted.dtype.itemsize == 1), name
        assert (off > 0).mean() < 0.01, name
        assert len(np.unique(wanted)) > 20, name


Behind = Callable[[Graph, str], str]
BEHIND: dict[str, Behind] = {
    "nothing": lambda g, y: y,
    "relu": lambda g, y: g.add("Relu", y),
    "clip": lambda g, y: g.add("Clip", y, g.constant(-0.5), g.constant(1.3)),
    "leaky": lambda g, y: g.add("LeakyRelu", y, alpha=0.25),
    "sigmoid": lambda g, y: g.add("Sigmoid", y),
    "scale": lambda g, y: g.add("Mul", y, g.constant(0.5)),
}


def test_dequantised_convolutions(tmp_path: Path) -> None:
    g = Graph()
    shapes: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
        ((1, 6, 9, 8), (20, 6, 3, 3), {"pads": [1, 1, 1, 1]}),
        ((2, 12, 7, 7), (24, 4, 3, 3), {"group": 3, "strides": [2, 2], "pads": [1, 0, 2, 1]}),
        ((1, 10, 9, 8), (10, 1, 3, 3), {"group": 10, "pads": [1, 1, 1, 1]}),
        ((1, 8, 20), (7, 8, 5), {"pads": [2, 2], "dilations": [1]}),
        ((1, 16, 6, 6), (32, 16, 1, 1), {}),
        ((1, 5, 6, 6), (8, 5, 2, 2), {"auto_pad": "SAME_UPPER"}),
    ]
    for number, (behind, (x, w, attributes)) in enumerate(zip(BEHIND.values(), shapes, strict=True)):
        dtype, zero = [("uint8", 120), ("int8", -3)][number % 2]
        data = g.through(g.input(*x), 0.02, zero, dtype)
        inputs = [data, g.weights(*w), *([g.bias(w[0])] if number != 1 else [])]
        y = behind(g, g.add("Conv", *inputs, **attributes))
        g.output(g.quantise(y, 0.03, zero, dtype))
        if number == 0:
            g.output(g.add("Relu", g.add("Conv", *inputs, **attributes)))
    check(g, len(shapes) + 1, tmp_path)


def test_dequantised_products(tmp_path: Path) -> None:
    g = Graph()
    data = g.through(g.input(5, 40), 0.02, 128)
    product = g.add("MatMul", data, g.weights(40, 33, axis=1))
    g.output(g.quantise(g.add("Add", product, g.bias(33)), 0.02, 99))
    turned = g.add("Gemm", data, g.weights(21, 40, axis=0), g.bias(21), transB=1)
    g.output(g.quantise(g.add("Relu", turned), 0.02, 0))
    g.output(g.add("Gemm", data, g.weights(40, 16, axis=1), g.bias(16), alpha=0.5, beta=2.0))
    stack = g.through(g.input(2, 3, 16), 0.03, 7, "int8")
    g.output(g.quantise(g.add("MatMul", stack, g.weights(16, 9, axis=1)), 0.03, -9, "int8"))
    check(g, 4, tmp_path)


def test_layers_follow_each_other(tmp_path: Path) -> None:
    """With a residual beside, whose sum is quantised by itself."""
    g = Graph()
    x = g.through(g.input(1, 8, 10, 10), 0.02, 128)
    y = g.add("Conv", x, g.weights(16, 8, 3, 3), g.bias(16), pads=[1, 1, 1, 1])
    y = g.through(g.add("Relu", y), 0.01, 0)
    y = g.add("Conv", y, g.weights(8, 16, 1, 1), g.bias(8))
    total = g.add("Add", g.through(y, 0.02, 130), x)
    total = g.through(g.add("Relu", total), 0.02, 0)
    pooled = g.add("MaxPool", total, kernel_shape=[2, 2], strides=[2, 2])
    pooled = g.through(pooled, 0.02, 0)
    g.output(g.quantise(g.add("Conv", pooled, g.weights(5, 8, 2, 2), g.bias(5)), 0.05, 100))
    check(g, 3, tmp_path)


def test_operators_of_integers(tmp_path: Path) -> None:
    g = Graph()
    x = g.input(1, 6, 8, 7, dtype="uint8")
    parameters = [g.constant(0.02), g.constant(140, "uint8")]
    scales = g.constant(g.random.uniform(0.01, 0.03, 12))
    w, zeros = g.codes(12, 6, 3, 3), g.constant(np.zeros(12), "int8")
    out = [g.constant(2.0), g.constant(101, "uint8")]
    start = g.constant(g.random.integers(-9000, 9000, 12), "int32")
    given = (x, *parameters, w, scales, zeros, *out, start)
    g.output(g.add("QLinearConv", *given, pads=[1, 1, 1, 1]))
    g.output(g.add("ConvInteger", x, w, parameters[1], pads=[2, 1, 0, 1]))
    unsigned = g.codes(18, 6, 1, 1, dtype="uint8", low=100, high=255)
    g.output(g.add("ConvInteger", x, unsigned, parameters[1], g.constant(150, "uint8")))
    a = g.input(4, 50, dtype="int8")
    b, columns = g.codes(50, 30, low=-60, high=60), g.constant(g.random.integers(-60, 1, 30), "int8")
    g.output(g.add("MatMulInteger", a, b, g.constant(-5, "int8"), columns))
    one = [g.constant(value) for value in (0.1, 0.01, 2.0)]
    nothing = [g.constant(value, "int8") for value in (3, 0, -20)]
    inputs = [a, one[0], nothing[0], b, one[1], nothing[1], one[2], nothing[2]]
    g.output(g.add("QLinearMatMul", *inputs))
    check(g, 5, tmp_path)


def test_ranges_of_the_run(tmp_path: Path) -> None:
    """As exporters write transformers: the zero point of x is known only then."""
    g = Graph()
    x = g.input(3, 5, 24)
    y = g.add("DynamicQuantizeLinear", x, count=3)
    scales = g.constant(g.random.uniform(0.001, 0.003, 40))
    total = g.add("MatMulInteger", y, g.codes(24, 40), f"{y}_2", g.constant(np.zeros(40), "int8"))
    wide = g.add("Mul", g.add("Cast", total, to=TensorProto.FLOAT), g.add("Mul", f"{y}_1", scales))
    g.output(g.add("Relu", g.add("Add", wide, g.bias(40))))
    check(g, 1, tmp_path)


@pytest.mark.parametrize(
    "what", ["codes of 16 bits", "blocks", "computed weights", "two axes", "wide weights"]
)
def test_left_to_others(what: str, tmp_path: Path) -> None:
    g = Graph()
    data = g.through(g.input(4, 16), 0.02, 3, "int16" if what == "codes of 16 bits" else "uint8")
    w = g.weights(16, 8, axis=1)
    if what == "blocks":
        scales = g.constant(g.random.uniform(0.001, 0.003, (4, 8)))
        w = g.add("DequantizeLinear", g.codes(16, 8), scales, axis=0, block_size=4)
    elif what == "computed weights":
        w = g.through(g.input(16, 8), 0.02, 3)
    elif what == "two axes":
        w = g.weights(16, 8, axis=0)
    elif what == "wide weights":
        w = g.dequantise(g.codes(16, 8, dtype="uint8", low=0, high=255), 0.01, 0)
    g.output(g.add("MatMul", data, w))
    stages = layers(g)
    assert any(isinstance(stage, Contract) for stage in stages)
    assert not any(isinstance(stage, IntegerLayer) for stage in stages)
