"""MXNet models written by hand, read and computed."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from tinsmith.compiler.frontends.mxnet import read
from tinsmith.compiler.frontends.mxnet.params import DTYPES, V1, V2, V3
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.request import CompileRequest

Arrays = Mapping[str, NDArray[Any]]


def params_file(arrays: Arrays, version: int = V2, prefix: str = "arg:", storage: int = 0) -> bytes:
    """A .params file; `version` 0 is that of the oldest files."""
    content = bytearray(struct.pack("<QQQ", 0x112, 0, len(arrays)))
    numbers = {np.dtype(dtype): number for number, dtype in DTYPES.items()}
    for array in arrays.values():
        if version:
            content += struct.pack("<I", version)
        if version in (V2, V3):
            content += struct.pack("<i", storage)
        width = "q" if version else "I"
        content += struct.pack(f"<I{array.ndim}{width}", array.ndim, *array.shape)
        content += struct.pack("<iii", 1, 0, numbers[array.dtype]) + array.tobytes()
    content += struct.pack("<Q", len(arrays))
    for name in arrays:
        text = (prefix + name).encode()
        content += struct.pack("<Q", len(text)) + text
    return bytes(content)


class Symbol:
    """Writes a symbol."""

    def __init__(self, key: str = "attrs") -> None:
        self.nodes: list[dict[str, Any]] = []
        self.params: dict[str, NDArray[Any]] = {}
        self._key = key
        self._random = np.random.default_rng(7)

    def variable(self, name: str, **attributes: Any) -> int:
        """A variable without content: an input or a label."""
        return self._add("null", name, [], attributes)

    def param(self, name: str, *shape: int, low: float = -0.5, dtype: str = "float32") -> int:
        """A variable with random content."""
        self.params[name] = self._random.uniform(low, 0.7, shape).astype(dtype)
        return self._add("null", name, [], {})

    def __call__(self, op: str, name: str, *inputs: int | Sequence[int], **attributes: Any) -> int:
        """A node; an input is a node, or a node and one of its outputs."""
        return self._add(op, name, inputs, attributes)

    def _add(self, op: str, name: str, inputs: Any, attributes: Mapping[str, Any]) -> int:
        pairs = [[each, 0, 0] if isinstance(each, int) else [*each, 0] for each in inputs]
        node: dict[str, Any] = {"op": op, "name": name, "inputs": pairs}
        if attributes:
            node[self._key] = {key: str(value) for key, value in attributes.items()}
        self.nodes.append(node)
        return len(self.nodes) - 1

    def json(self, *heads: int | Sequence[int]) -> bytes:
        """The file; the last node is the output if none is told."""
        chosen = heads or (len(self.nodes) - 1,)
        pairs = [[head, 0, 0] if isinstance(head, int) else [*head, 0] for head in chosen]
        return json.dumps({"nodes": self.nodes, "arg_nodes": [], "heads": pairs}).encode()

    def files(self, *heads: int | Sequence[int]) -> dict[str, bytes]:
        """Both files."""
        return {"net-symbol.json": self.json(*heads), "net-0001.params": params_file(self.params)}


@pytest.fixture
def symbol() -> Symbol:
    """A new one."""
    return Symbol()


@pytest.fixture
def read_net(tmp_path: Path) -> Callable[..., Network]:
    """`read_net(files, config)`."""

    def read_it(files: Mapping[str, bytes], config: str | None = None) -> Network:
        folder = tmp_path / f"input{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return read(folder, CompileRequest("MXNET", "m", device="ml_c5", data_input_config=config))

    return read_it


def evaluate(network: Network, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """By ONNX Runtime, or ONNX's own evaluator for operators that it has not in their newest version."""
    model = onnx_ir.to_proto(network.graph)
    feeds = {spec.name: value for spec, value in zip(network.inputs, inputs, strict=True)}
    if any(node.op_type == "RoiAlign" for node in model.graph.node):
        return [np.asarray(found) for found in ReferenceEvaluator(model).run(None, feeds)]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return [np.asarray(found) for found in session.run(None, feeds)]


__all__ = ["V1", "V2", "V3", "Symbol", "evaluate", "params_file"]
