"""The engines of the networks' benchmark: one function each, called in a process of its own.

`prepare(folder, fed, threads)` loads `folder`/model.onnx (or what was made of it) and gives ways to run it on
the inputs `fed`. Where the interface of an engine offers several ways, all are given and the fastest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]
Call = Callable[[], Any]


@dataclass(frozen=True)
class Prepared:
    """A loaded network with its inputs in place."""

    ways: dict[str, Call]
    """Each runs the network once, to the end."""
    results: Callable[[], list[np.ndarray]]
    """Runs the network and gives its outputs, in the order of the ONNX graph."""


@dataclass(frozen=True)
class Engine:
    """How an engine is reached."""

    title: str
    module: str
    """What a program that uses it imports."""
    distribution: str
    """The package whose version counts."""
    prepare: Callable[[Path, Arrays, int], Prepared]
    environment: Mapping[str, str] = field(default_factory=dict)


def tinsmith(folder: Path, fed: Arrays, threads: int) -> Prepared:
    """The unpacked artifact, through the runtime's public interface."""
    import tinsmith_runtime

    model = tinsmith_runtime.load(folder / "artifact", threads=threads)
    given = {tensor.name: fed[tensor.name] for tensor in model.inputs}
    return Prepared({"run": lambda: model.run(given)}, lambda: list(model.run(given).values()))


def onnxruntime(folder: Path, fed: Arrays, threads: int) -> Prepared:
    """Pad_Fusion gives wrong results for padded maximum pooling of negative values: it is off."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(
        str(folder / "model.onnx"), options, ["CPUExecutionProvider"], disabled_optimizers=["Pad_Fusion"]
    )
    given = {value.name: fed[value.name] for value in session.get_inputs()}
    binding = session.io_binding()
    for name, array in given.items():
        binding.bind_cpu_input(name, array)
    for value in session.get_outputs():
        if value.type == "tensor(float)" and all(isinstance(size, int) for size in value.shape):
            room = ort.OrtValue.ortvalue_from_shape_and_type(value.shape, np.float32)
            binding.bind_ortvalue_output(value.name, room)
        else:
            binding.bind_output(value.name, "cpu")
    return Prepared(
        {"run": lambda: session.run(None, given), "bound": lambda: session.run_with_iobinding(binding)},
        lambda: list(session.run(None, given)),
    )


def openvino(folder: Path, fed: Arrays, threads: int) -> Prepared:
    """In float32, for latency; inputs share the memory of the arrays."""
    import openvino as ov

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    compiled = ov.Core().compile_model(folder / "model.onnx", "CPU", settings)
    request = compiled.create_infer_request()
    for number, port in enumerate(compiled.inputs):
        name = next(name for name in port.get_names() if name in fed)
        request.set_input_tensor(number, ov.Tensor(np.ascontiguousarray(fed[name]), shared_memory=True))

    def asynchronous() -> None:
        request.start_async()
        request.wait()

    def results() -> list[np.ndarray]:
        request.infer()
        return [np.array(request.get_output_tensor(number).data) for number in range(len(compiled.outputs))]

    return Prepared(
        {"infer": lambda: request.infer(share_outputs=True), "start and wait": asynchronous}, results
    )


ENGINES: dict[str, Engine] = {
    "tinsmith": Engine("Tinsmith", "tinsmith_runtime", "", tinsmith),
    "onnxruntime": Engine("ONNX Runtime", "onnxruntime", "onnxruntime", onnxruntime),
    "openvino": Engine("OpenVINO", "openvino", "openvino", openvino),
    "tinsmith-avx2": Engine("Tinsmith, AVX2", "tinsmith_runtime", "", tinsmith, {"TINSMITH_ISA": "avx2"}),
    "openvino-avx2": Engine(
        "OpenVINO, AVX2", "openvino", "openvino", openvino, {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    ),
}
