"""Small TFLite files by the schema that comes with LiteRT, and what LiteRT and the frontend make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx_ir
import onnxruntime
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite import read
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.request import CompileRequest

Array = NDArray[Any]
Arrays = list[Array]

TYPES = {
    "float32": 0,
    "float16": 1,
    "int32": 2,
    "uint8": 3,
    "int64": 4,
    "bool": 6,
    "int16": 7,
    "int8": 9,
    "complex64": 8,
    "uint32": 15,
    "int4": 17,
    "resource": 13,
    "string": 5,
    "float64": 10,
}


@dataclass(frozen=True, eq=False)
class T:
    """One tensor of a model."""

    shape: Sequence[int] = ()
    dtype: str = "float32"
    value: Any = None
    scale: Any = None
    zero: Any = 0
    axis: int = 0
    name: str | None = None
    variable: bool = False
    low: float = -2
    high: float = 2
    """Of the numbers that a test draws."""
    signature: Sequence[int] | None = None
    sparsity: Any = None

    def draw(self, rng: np.random.Generator) -> Array:
        """An array for an input."""
        if self.scale is not None:
            limits = np.iinfo(self.dtype)
            return rng.integers(limits.min, limits.max + 1, self.shape).astype(self.dtype)
        if self.dtype == "bool":
            return rng.integers(0, 2, self.shape).astype(bool)
        if np.dtype(self.dtype).kind in "iu":
            return rng.integers(int(self.low), int(self.high) + 1, self.shape).astype(self.dtype)
        return rng.uniform(self.low, self.high, self.shape).astype(self.dtype)


def c(value: Any, dtype: str | None = None, **more: Any) -> T:
    """A constant."""
    array = np.asarray(value, dtype if dtype != "int4" else "int8")
    if dtype is None and array.dtype in (np.int64, np.float64):
        array = array.astype(np.int32 if array.dtype == np.int64 else np.float32)
    return T(array.shape, dtype or array.dtype.name, array, **more)


@dataclass
class Part:
    """A subgraph while it is written."""

    tensors: list[T] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def add(self, tensor: T) -> int:
        """The number of a new tensor."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def input(self, tensor: T) -> int:
        """The same, an input of the subgraph."""
        self.inputs.append(self.add(tensor))
        return self.inputs[-1]


class Builder:
    """Writes a model."""

    def __init__(self, parts: int = 1) -> None:
        self.parts = [Part() for _ in range(parts)]
        self.codes: list[Any] = []
        self.signatures: list[Any] = []
        self._buffers = [schema.BufferT()]

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[T],
        options: tuple[str, Mapping[str, Any]] | None = None,
        custom: bytes | None = None,
        part: int = 0,
        version: int = 1,
    ) -> list[int]:
        """Adds an operator; gives its outputs."""
        number = getattr(schema.BuiltinOperator, kind) if custom is None else schema.BuiltinOperator.CUSTOM
        code = schema.OperatorCodeT(
            deprecatedBuiltinCode=min(number, 127),
            builtinCode=number,
            customCode=None if custom is None else kind,
            version=version,
        )
        self.codes.append(code)
        target = self.parts[part]
        numbers = [target.add(tensor) for tensor in outputs]
        made = schema.OperatorT(opcodeIndex=len(self.codes) - 1, inputs=list(inputs), outputs=numbers)
        if options is not None:
            union = "builtinOptions2" if options[0].startswith("Stable") else "builtinOptions"
            kinds = schema.BuiltinOptions2 if union.endswith("2") else schema.BuiltinOptions
            setattr(made, f"{union}Type", getattr(kinds, options[0]))
            setattr(made, union, getattr(schema, options[0] + "T")(**options[1]))
        if custom is not None:
            made.customOptions = list(custom)
        target.operators.append(made)
        return numbers

    def bytes(self) -> bytes:
        """The file."""
        parts = [self._part(index, part) for index, part in enumerate(self.parts)]
        model = schema.ModelT(
            version=3,
            operatorCodes=self.codes,
            subgraphs=parts,
            description="made for a test",
            buffers=self._buffers,
            signatureDefs=self.signatures or None,
        )
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _part(self, index: int, part: Part) -> Any:
        return schema.SubGraphT(
            tensors=[self._tensor(number, tensor, index) for number, tensor in enumerate(part.tensors)],
            inputs=part.inputs,
            outputs=part.outputs,
            operators=part.operators,
            name=f"part{index}",
        )

    def _tensor(self, number: int, tensor: T, part: int) -> Any:
        buffer = 0
        if tensor.value is not None:
            self._buffers.append(schema.BufferT(data=list(_content(tensor))))
            buffer = len(self._buffers) - 1
        elif not tensor.variable:
            self._buffers.append(schema.BufferT())
            buffer = len(self._buffers) - 1
        form = None
        if tensor.scale is not None:
            scale = np.atleast_1d(tensor.scale).astype(np.float32)
            zero = np.broadcast_to(np.atleast_1d(tensor.zero), scale.shape)
            form = schema.QuantizationParametersT(
                scale=scale.tolist(), zeroPoint=zero.tolist(), quantizedDimension=tensor.axis
            )
        return schema.TensorT(
            shape=list(tensor.shape),
            type=TYPES[tensor.dtype],
            buffer=buffer,
            name=tensor.name if tensor.name is not None else f"t{part}_{number}",
            quantization=form,
            isVariable=tensor.variable,
            shapeSignature=None if tensor.signature is None else list(tensor.signature),
            sparsity=tensor.sparsity,
        )


def _content(tensor: T) -> bytes:
    array = np.asarray(tensor.value)
    if tensor.dtype != "int4":
        return array.tobytes()
    codes = (array.reshape(-1) & 15).astype(np.uint8)
    codes = np.append(codes, np.zeros(codes.size % 2, np.uint8))
    return (codes[::2] | codes[1::2] << 4).tobytes()


def one(
    kind: str,
    inputs: Sequence[T | None],
    outputs: Sequence[T],
    options: tuple[str, Mapping[str, Any]] | None = None,
    custom: bytes | None = None,
    version: int = 1,
) -> Builder:
    """A model of one operator; the inputs without a value are those of the model."""
    builder = Builder()
    part = builder.parts[0]
    numbers = []
    for tensor in inputs:
        if tensor is None:
            numbers.append(-1)
        elif tensor.value is None and not tensor.variable:
            numbers.append(part.input(tensor))
        else:
            numbers.append(part.add(tensor))
    part.outputs = builder.operator(kind, numbers, outputs, options, custom, version=version)
    return builder


def feeds_of(builder: Builder, seed: int = 0) -> Arrays:
    """Numbers for the inputs of a model."""
    part, rng = builder.parts[0], np.random.default_rng(seed)
    return [part.tensors[index].draw(rng) for index in part.inputs]


def litert(content: bytes, feeds: Sequence[Array], calls: int = 1, reference: bool = True) -> Arrays:
    """What LiteRT's reference kernels answer, or its fast ones, at the last of several calls."""
    kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels, num_threads=1)
    details = interpreter.get_input_details()
    for detail, array in zip(details, feeds, strict=True):
        if tuple(detail["shape"]) != array.shape:
            interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    for _ in range(calls):
        for detail, array in zip(details, feeds, strict=True):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
    return [np.array(interpreter.get_tensor(entry["index"])) for entry in interpreter.get_output_details()]


def read_bytes(folder: Path, content: bytes, config: str | None = None) -> Network:
    """What the frontend makes of a file."""
    folder.mkdir(exist_ok=True)
    (folder / "model.tflite").write_bytes(content)
    return read(folder, CompileRequest("TFLITE", "m", device="ml_c5", data_input_config=config))


def evaluate(network: Network, feeds: Mapping[str, Array]) -> Arrays:
    """What the message answers, by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = onnx_ir.to_proto(network.graph).SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(None, dict(feeds))]


def close(found: Array, wanted: Array, quantised: bool) -> None:
    """Integers of a quantised tensor may differ by one step; other integers not at all."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if quantised:
        assert int(np.abs(found.astype(np.int64) - wanted.astype(np.int64)).max(initial=0)) <= 1
    else:
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)
