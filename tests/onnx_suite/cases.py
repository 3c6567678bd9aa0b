"""The node tests of the installed onnx package whose inputs and outputs are numeric tensors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from zlib import crc32

import numpy as np
import onnx
import onnx_ir
from onnx.backend.test.case.node import collect_testcases

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """One of them, with the tolerances that onnx states for it."""

    name: str
    model: onnx.ModelProto
    inputs: tuple[Array, ...]
    expected: tuple[Array, ...]
    rtol: float
    atol: float

    @property
    def operator(self) -> str:
        """What it tests; of an operator that is written out as others too."""
        names = [node.op_type for node in self.model.graph.node]
        return names[0] if len(names) == 1 else f"graphs with {names[0]}"


@cache
def cases() -> tuple[Case, ...]:
    """All, in onnx's order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    return tuple(_case(case) for case in found if _is_numeric(case.model))


def sample(count: int) -> list[Case]:
    """`count` cases, the same every time: one of every operator, then a second of every operator, and so
    on."""
    groups: dict[str, list[Case]] = {}
    for case in sorted(cases(), key=lambda case: crc32(case.name.encode())):
        groups.setdefault(case.operator, []).append(case)
    rounds = max(map(len, groups.values()))
    ordered = [group[turn] for turn in range(rounds) for group in groups.values() if turn < len(group)]
    return ordered[:count]


def _case(case: Any) -> Case:
    inputs, expected = (tuple(map(_array, arrays)) for arrays in case.data_sets[0])
    return Case(case.name, case.model, inputs, expected, case.rtol, case.atol)


def _array(value: Array | onnx.TensorProto) -> Array:
    return np.asarray(onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value)


def _is_numeric(model: Any) -> bool:
    return all(map(_numeric, [*model.graph.input, *model.graph.output]))


def _numeric(value: onnx.ValueInfoProto) -> bool:
    return value.type.HasField("tensor_type") and value.type.tensor_type.elem_type != onnx.TensorProto.STRING


def as_network(model: onnx.ModelProto, inputs: Sequence[Array]) -> Network:
    """The model with the shapes of the given inputs."""
    graph = onnx_ir.serde.deserialize_model(model)
    specs = []
    for value, array in zip(graph.graph.inputs, inputs, strict=True):
        value.shape = onnx_ir.Shape(np.shape(array))
        assert value.dtype is not None
        specs.append(TensorSpec(value.name or "", value.dtype.numpy().name, np.shape(array)))
    outputs = []
    for value in graph.graph.outputs:
        shape = (
            () if value.shape is None else tuple(dim if isinstance(dim, int) else -1 for dim in value.shape)
        )
        assert value.dtype is not None
        outputs.append(TensorSpec(value.name or "", value.dtype.numpy().name, shape))
    return Network("ONNX", "onnx", model.graph.name, graph, tuple(specs), tuple(outputs))


def difference(answers: Sequence[Array], expected: Sequence[Array], rtol: float, atol: float) -> str:
    """What is wrong, or nothing; by the rules of onnx's own runner."""
    problems = []
    for number, (answer, wanted) in enumerate(zip(answers, expected, strict=False)):
        wanted = np.asarray(wanted)
        if answer.shape != wanted.shape:
            problems.append(f"output {number}: shape {answer.shape}, expected {wanted.shape}")
        elif answer.dtype != wanted.dtype:
            problems.append(f"output {number}: type {answer.dtype}, expected {wanted.dtype}")
        else:
            wide = np.float64 if wanted.dtype.kind not in "biu" else None
            a, b = (answer.astype(wide), wanted.astype(wide)) if wide else (answer, wanted)
            try:
                np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)
            except AssertionError as error:
                problems.append(f"output {number}: {' '.join(str(error).split())[:600]}")
    return "; ".join(problems)
