"""The engines of the networks' benchmark: one function each, called in a process of its own.

`prepare(folder, fed, threads)` loads `folder`/model.onnx (or what was made of it) and gives ways to run it on
the inputs `fed`. Where the interface of an engine offers several ways, all are given and the fastest counts.
"""

from __future__ import annotations

import re
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
    rival: str = "tinsmith"
    """What of ours it is compared with."""
    files: tuple[str, ...] = ("model.onnx",)
    """What must be on the device beside its library."""


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
        known = value.shape and all(isinstance(size, int) for size in value.shape)
        if value.type == "tensor(float)" and known:
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


def ncnn(folder: Path, fed: Arrays, threads: int) -> Prepared:
    """What pnnx made of the ONNX file. No 16-bit arithmetic or storage."""
    import ncnn

    network = ncnn.Net()
    network.opt.num_threads = threads
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(network.opt, name, False)
    if network.load_param(str(folder / "model.ncnn.param")) or network.load_model(
        str(folder / "model.ncnn.bin")
    ):
        raise RuntimeError("does not load what pnnx made")
    script = (folder / "model_ncnn.py").read_text()
    given = []
    for (name, batch), array in zip(NCNN_INPUT.findall(script), fed.values(), strict=True):
        narrow = array.astype(np.int32) if array.dtype == np.int64 else array
        given.append((name, ncnn.Mat(narrow, **({"batch_index": int(batch)} if batch else {})).clone()))
    wanted = NCNN_OUTPUT.findall(script)

    def run() -> list[Any]:
        with network.create_extractor() as extractor:
            for name, matrix in given:
                extractor.input(name, matrix)
            return [extractor.extract(name)[1] for name, _ in wanted]

    def results() -> list[np.ndarray]:
        batches = [{"batch_index": int(batch)} if batch else {} for _, batch in wanted]
        return [np.array(matrix.numpy(**batch)) for matrix, batch in zip(run(), batches, strict=True)]

    return Prepared({"extract": run}, results)


def inductor(folder: Path, fed: Arrays, threads: int) -> Prepared:
    """PyTorch's compiler with frozen weights; compiled in memory, so loading holds the compilation."""
    import torch
    from torch._inductor import config

    from bench.onnx_torch import read

    torch.set_num_threads(threads)
    config.freezing = True
    given = tuple(torch.from_numpy(array) for array in fed.values())
    module = torch.compile(torch.export.export(read(folder / "model.onnx"), given).module())

    def run() -> Any:
        with torch.inference_mode():
            return module(*given)

    run()
    return Prepared({"compiled module": run}, lambda: [tensor.numpy() for tensor in run()])


def litert(folder: Path, fed: Arrays, threads: int) -> Prepared:
    """TensorFlow Lite's successor with XNNPACK, on what litert-torch made of the PyTorch module."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=threads)
    interpreter.allocate_tensors()
    details = sorted(interpreter.get_input_details(), key=lambda detail: str(detail["name"]))
    for detail, array in zip(details, fed.values(), strict=True):
        interpreter.set_tensor(detail["index"], array.astype(detail["dtype"]))
    outputs = sorted(interpreter.get_output_details(), key=lambda detail: str(detail["name"]))

    def results() -> list[np.ndarray]:
        interpreter.invoke()
        return [interpreter.get_tensor(detail["index"]) for detail in outputs]

    return Prepared({"invoke": interpreter.invoke}, results)


NCNN_INPUT = re.compile(r'ex\.input\("(\w+)", ncnn\.Mat\(\w+\.numpy\(\)(?:, batch_index=(\d+))?')
NCNN_OUTPUT = re.compile(r'ex\.extract\("(\w+)"\)\n.*?numpy\((?:batch_index=(\d+))?')
"""Of the script that pnnx writes: blobs, and which dimension of the ONNX tensor is ncnn's batch."""


ENGINES: dict[str, Engine] = {
    "tinsmith": Engine("Tinsmith", "tinsmith_runtime", "", tinsmith, files=()),
    "onnxruntime": Engine("ONNX Runtime", "onnxruntime", "onnxruntime", onnxruntime),
    "openvino": Engine("OpenVINO", "openvino", "openvino", openvino),
    "ncnn": Engine("ncnn", "ncnn", "ncnn", ncnn, files=("model.ncnn.param", "model.ncnn.bin")),
    "litert": Engine(
        "LiteRT", "ai_edge_litert.interpreter", "ai-edge-litert", litert, files=("model.tflite",)
    ),
    "inductor": Engine("torch inductor", "torch", "torch", inductor),
    "tinsmith-avx2": Engine(
        "Tinsmith, AVX2",
        "tinsmith_runtime",
        "",
        tinsmith,
        {"TINSMITH_ISA": "avx2"},
        rival="tinsmith-avx2",
        files=(),
    ),
    "openvino-avx2": Engine(
        "OpenVINO, AVX2",
        "openvino",
        "openvino",
        openvino,
        {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        rival="tinsmith-avx2",
    ),
}
OURS = ("tinsmith", "tinsmith-avx2")
