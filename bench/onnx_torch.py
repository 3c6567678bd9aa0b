"""An ONNX file as a PyTorch module with the same weights, for the peers that take PyTorch.

Holds the operators that the benchmark's networks use, after ONNX Runtime has folded constants and batch
normalisation (its basic optimisations, which leave standard ONNX).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

Tensor = Any
Rule = Callable[[list[Any], dict[str, Any]], Any]


def read(path: Path) -> nn.Module:
    """The module of the ONNX file; its arguments are the graph's inputs, in order. Raises ValueError."""
    graph = _folded(path).graph
    if unknown := sorted({node.op_type for node in graph.node} - RULES.keys() - {"LSTM", "GRU"}):
        raise ValueError(f"no rule for {', '.join(unknown)}")
    return Network(graph).eval()


def _folded(path: Path) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path.with_name("folded.onnx"))
    onnxruntime.InferenceSession(
        str(path), options, ["CPUExecutionProvider"], disabled_optimizers=["Pad_Fusion"]
    )
    return onnx.load(options.optimized_model_filepath)


class Network(nn.Module):
    """Runs the nodes in order."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        super().__init__()
        self.given = [value.name for value in graph.input]
        self.wanted = [value.name for value in graph.output]
        self.known: dict[str, Any] = {}
        """Constants: numbers, indices as numpy arrays, and names of the buffers of the rest."""
        for number, tensor in enumerate(graph.initializer):
            array = numpy_helper.to_array(tensor)
            self.known[tensor.name] = array
            if array.dtype == np.float32 and array.ndim == 0:
                self.known[tensor.name] = float(array)
            elif array.dtype == np.float32:
                self.register_buffer(f"weight_{number}", torch.from_numpy(array.copy()))
                self.known[tensor.name] = f"weight_{number}"
        self.cells = nn.ModuleDict()
        self.nodes = []
        for number, node in enumerate(graph.node):
            attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
            if node.op_type == "Constant":
                self.known[node.output[0]] = numpy_helper.to_array(attributes["value"])
                continue
            cell = ""
            if node.op_type in ("LSTM", "GRU"):
                cell = f"cell_{number}"
                weights = [self._constant(name) for name in node.input[1:4]]
                self.cells[cell] = _cell(node.op_type, weights, attributes)
            self.nodes.append((node.op_type, list(node.input), list(node.output), attributes, cell))

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """The outputs in order."""
        values: dict[str, Any] = dict(zip(self.given, arguments, strict=True))
        for kind, inputs, outputs, attributes, cell in self.nodes:
            found = [values[name] if name in values else self._constant(name) for name in inputs]
            made = _recurrence(self.cells[cell], found) if cell else RULES[kind](found, attributes)
            made = made if isinstance(made, tuple) else (made,)
            values.update(zip(outputs, made, strict=False))
        return tuple(values[name] for name in self.wanted)

    def _constant(self, name: str) -> Any:
        found = self.known.get(name)
        return getattr(self, found) if isinstance(found, str) else found


def _cell(kind: str, weights: list[Tensor], attributes: dict[str, Any]) -> nn.Module:
    """Gates in PyTorch's order."""
    w, r, b = (weight[0] for weight in weights)
    hidden = attributes["hidden_size"]
    if kind == "GRU" and not attributes.get("linear_before_reset"):
        raise ValueError("PyTorch resets the state behind the product")
    order = [0, 2, 3, 1] if kind == "LSTM" else [1, 0, 2]
    rows = torch.cat([torch.arange(gate * hidden, (gate + 1) * hidden) for gate in order])
    cell = getattr(nn, kind)(w.shape[1], hidden)
    half = len(b) // 2
    with torch.no_grad():
        for parameter, value in zip(cell.parameters(), (w, r, b[:half], b[half:]), strict=True):
            parameter.copy_(value[rows])
    return cell


def _recurrence(cell: Any, found: list[Any]) -> tuple[Tensor, ...]:
    state = [part for part in found[5:7] if part is not None]
    begin = (tuple(state) if len(state) > 1 else state[0]) if state else None
    y, last = cell(found[0], begin)
    last = last if isinstance(last, tuple) else (last,)
    return (y.unsqueeze(1), *last)


def _convolution(x: list[Any], a: dict[str, Any]) -> Tensor:
    rank = x[0].dim() - 2
    data, pads = _padded(x[0], a.get("pads", [0] * 2 * rank), 0.0)
    call = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
    bias = x[2] if len(x) > 2 else None
    ones = [1] * rank
    return call(data, x[1], bias, a.get("strides", ones), pads, a.get("dilations", ones), a.get("group", 1))


def _padded(x: Tensor, pads: Sequence[int], value: float) -> tuple[Tensor, list[int]]:
    """`x`, and the padding on both sides that is left to the operator."""
    half = len(pads) // 2
    if list(pads[:half]) == list(pads[half:]):
        return x, list(pads[:half])
    both = [size for axis in reversed(range(half)) for size in (pads[axis], pads[half + axis])]
    return functional.pad(x, both, value=value), [0] * half


def _transposed(x: list[Any], a: dict[str, Any]) -> Tensor:
    return functional.conv_transpose2d(
        x[0], x[1], x[2] if len(x) > 2 else None, a["strides"], a.get("pads", [0, 0])[:2]
    )


def _maximum(x: list[Any], a: dict[str, Any]) -> Tensor:
    data, pads = _padded(x[0], a.get("pads", [0] * 4), -float("inf"))
    return functional.max_pool2d(data, a["kernel_shape"], a["strides"], pads)


def _pad(x: list[Any], a: dict[str, Any]) -> Tensor:
    sizes = x[1].tolist()
    half = len(sizes) // 2
    both = [size for axis in reversed(range(half)) for size in (sizes[axis], sizes[half + axis])]
    mode = a.get("mode", b"constant").decode()
    if mode != "constant":
        return functional.pad(x[0], both, mode=mode)
    return functional.pad(x[0], both, value=float(x[2]) if len(x) > 2 and x[2] is not None else 0.0)


def _resize(x: list[Any], a: dict[str, Any]) -> Tensor:
    if a.get("mode", b"nearest") != b"nearest":
        raise ValueError("Resize other than nearest")
    if len(x) > 3 and x[3] is not None:
        return functional.interpolate(x[0], size=x[3].tolist()[2:])
    return functional.interpolate(x[0], scale_factor=_numbers(x[2])[2:])


def _numbers(values: Any) -> list[float]:
    return [float(value) for value in values.tolist()]


def _reshape(x: list[Any], a: dict[str, Any]) -> Tensor:
    sizes = [x[0].shape[axis] if size == 0 else size for axis, size in enumerate(x[1].tolist())]
    return x[0].reshape(sizes)


def _slice(x: list[Any], a: dict[str, Any]) -> Tensor:
    axes = x[3].tolist() if len(x) > 3 and x[3] is not None else range(len(x[1]))
    steps = x[4].tolist() if len(x) > 4 else [1] * len(x[1])
    cut = [slice(None)] * x[0].dim()
    for axis, first, last, step in zip(axes, x[1].tolist(), x[2].tolist(), steps, strict=True):
        if step < 1:
            raise ValueError("Slice backwards")
        cut[axis] = slice(first, min(last, x[0].shape[axis]), step)
    return x[0][tuple(cut)]


def _gather(x: list[Any], a: dict[str, Any]) -> Tensor:
    axis = a.get("axis", 0)
    if isinstance(x[1], np.ndarray) and x[1].ndim == 0:
        return x[0].select(axis, int(x[1]))
    index = torch.from_numpy(x[1]) if isinstance(x[1], np.ndarray) else x[1]
    if axis == 0 and x[0].dim() == 2:
        return functional.embedding(index, x[0])
    return x[0].index_select(axis, index)


def _split(x: list[Any], a: dict[str, Any]) -> Tensor:
    return torch.split(x[0], x[1].tolist() if len(x) > 1 else list(a["split"]), a.get("axis", 0))


def _squeeze(x: list[Any], a: dict[str, Any]) -> Tensor:
    return torch.squeeze(x[0], x[1].tolist() if len(x) > 1 else list(a["axes"]))


def _unsqueeze(x: list[Any], a: dict[str, Any]) -> Tensor:
    found = x[0]
    for axis in sorted(x[1].tolist() if len(x) > 1 else a["axes"]):
        found = found.unsqueeze(axis)
    return found


def _clip(x: list[Any], a: dict[str, Any]) -> Tensor:
    low, high = (x[place] if len(x) > place else a.get(name) for place, name in ((1, "min"), (2, "max")))
    return torch.clamp(x[0], None if low is None else float(low), None if high is None else float(high))


def _reduction(call: Callable[..., Tensor]) -> Rule:
    def rule(x: list[Any], a: dict[str, Any]) -> Tensor:
        axes = x[1].tolist() if len(x) > 1 else list(a.get("axes", range(x[0].dim())))
        return call(x[0], axes, keepdim=bool(a.get("keepdims", 1)))

    return rule


def _layer_norm(x: list[Any], a: dict[str, Any]) -> Tensor:
    bias = x[2] if len(x) > 2 else None
    return functional.layer_norm(x[0], x[1].shape, x[1], bias, a.get("epsilon", 1e-5))


def _hard_sigmoid(x: list[Any], a: dict[str, Any]) -> Tensor:
    alpha, beta = a.get("alpha", 0.2), a.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6:
        return functional.hardsigmoid(x[0])
    return torch.clamp(x[0] * alpha + beta, 0, 1)


def _product(x: list[Any], a: dict[str, Any]) -> Tensor:
    left = x[0].t() if a.get("transA") else x[0]
    right = x[1].t() if a.get("transB") else x[1]
    found = (left @ right) * a.get("alpha", 1.0)
    return found + x[2] * a.get("beta", 1.0) if len(x) > 2 else found


RULES: dict[str, Rule] = {
    "Add": lambda x, a: x[0] + x[1],
    "AveragePool": lambda x, a: functional.avg_pool2d(x[0], a["kernel_shape"], a["strides"]),
    "BatchNormalization": lambda x, a: functional.batch_norm(
        x[0], x[3], x[4], x[1], x[2], eps=a.get("epsilon", 1e-5)
    ),
    "Cast": lambda x, a: x[0].to({1: torch.float32, 6: torch.int32, 7: torch.int64}[a["to"]]),
    "Clip": _clip,
    "Concat": lambda x, a: torch.cat(x, a["axis"]),
    "Constant": lambda x, a: x,
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "Div": lambda x, a: x[0] / x[1],
    "Erf": lambda x, a: torch.erf(x[0]),
    "Exp": lambda x, a: torch.exp(x[0]),
    "Flatten": lambda x, a: torch.flatten(x[0], 1),
    "Gather": _gather,
    "Gemm": _product,
    "GlobalAveragePool": lambda x, a: functional.adaptive_avg_pool2d(x[0], 1),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda x, a: functional.hardswish(x[0]),
    "Identity": lambda x, a: x[0],
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda x, a: functional.leaky_relu(x[0], a.get("alpha", 0.01)),
    "MatMul": lambda x, a: x[0] @ x[1],
    "Max": lambda x, a: torch.maximum(x[0], x[1]),
    "MaxPool": _maximum,
    "Mul": lambda x, a: x[0] * x[1],
    "Neg": lambda x, a: -x[0],
    "Pad": _pad,
    "Pow": lambda x, a: x[0] ** x[1],
    "Reciprocal": lambda x, a: 1 / x[0],
    "ReduceMax": _reduction(torch.amax),
    "ReduceMean": _reduction(torch.mean),
    "ReduceMin": _reduction(torch.amin),
    "ReduceSum": _reduction(torch.sum),
    "Relu": lambda x, a: functional.relu(x[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda x, a: torch.sigmoid(x[0]),
    "Slice": _slice,
    "Softmax": lambda x, a: torch.softmax(x[0], a.get("axis", -1)),
    "Split": _split,
    "Sqrt": lambda x, a: torch.sqrt(x[0]),
    "Squeeze": _squeeze,
    "Sub": lambda x, a: x[0] - x[1],
    "Tanh": lambda x, a: torch.tanh(x[0]),
    "Transpose": lambda x, a: x[0].permute(a["perm"]),
    "Unsqueeze": _unsqueeze,
}
"""Inputs (None where one is left out) and attributes -> the output, or a tuple of them."""
