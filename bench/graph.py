"""Builds ONNX graphs: collects nodes, and weights from a fixed seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Graph:
    """Collects nodes and weights."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[int], kind: int = TensorProto.FLOAT) -> str:
        """A tensor that the caller gives."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """A node; its output, or its outputs."""
        number = len(self.nodes)
        names = [f"{op.lower()}_{number}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}_{number}", **attributes))
        return names if outputs > 1 else names[0]

    def constant(self, array: np.ndarray) -> str:
        """A weight of given content."""
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def weight(self, *shape: int, fan: int | None = None) -> str:
        """A random weight that keeps the size of what passes through it."""
        fan = fan or int(np.prod(shape[1:])) or 1
        return self.constant((self.random.standard_normal(shape) * (2.0 / fan) ** 0.5).astype(np.float32))

    def numbers(self, size: int, low: float, high: float) -> str:
        """A vector of uniform numbers."""
        return self.constant(self.random.uniform(low, high, size).astype(np.float32))

    def shape(self, *sizes: int) -> str:
        """A constant for Reshape and its like."""
        return self.constant(np.array(sizes, np.int64))

    def conv(
        self,
        x: str,
        channels: tuple[int, int],
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        pad: int | None = None,
    ) -> str:
        """Without bias, padded to keep the size."""
        w = self.weight(channels[1], channels[0] // groups, kernel, kernel)
        pads = [kernel // 2 if pad is None else pad] * 4
        return self.add(
            "Conv", x, w, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=groups
        )

    def norm(self, x: str, channels: int) -> str:
        """Batch normalisation with plain statistics."""
        statistics = [
            self.numbers(channels, *bounds) for bounds in ((0.8, 1.2), (-0.1, 0.1), (-0.1, 0.1), (0.5, 1.5))
        ]
        return self.add("BatchNormalization", x, *statistics)

    def dense(self, x: str, columns: tuple[int, int]) -> str:
        """x W + b"""
        product = self.add("MatMul", x, self.weight(*columns, fan=columns[0]))
        return self.add("Add", product, self.numbers(columns[1], -0.1, 0.1))

    def model(self, *outputs: str) -> onnx.ModelProto:
        """The whole, with its shapes inferred."""
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, infos, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model)
