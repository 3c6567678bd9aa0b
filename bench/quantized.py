"""Times quantised networks beside ONNX Runtime and our own float32: `python -m bench.quantized [NAME ...]`.

The networks are those of `bench.networks`, quantised by ONNX Runtime with numbers drawn as `bench.networks`
draws them: in QDQ form with one scale per output channel, or (transformers) with ranges found at run time.
One thread each, process CPU time, the engines taking turns; ours are compiled for this processor only and not
verified: in a deep network of random weights, one number rounded to the other side moves all answers by some
steps. The differences of both engines from the graph's own arithmetic are printed instead.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnx_ir
import onnxruntime as ort
from onnxruntime import quantization

from bench.network_engines import onnxruntime
from bench.network_rows import CACHE
from bench.networks import inputs, provide
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.ir.network import Network, TensorSpec
from tinsmith.compiler.verify.cpu import lacking
from tinsmith.spec.targets import Target, platforms

ROUNDS = 15
COLUMNS = [
    "network",
    "ONNX Runtime int8 ms",
    "ours float ms",
    "ours int8 ms",
    "/ ONNX Runtime",
    "/ ours float",
]
COLUMNS += ["difference", "of ONNX Runtime"]
NAMES = ["resnet50", "mobilenetv2"]


class Samples(quantization.CalibrationDataReader):
    """A few inputs."""

    def __init__(self, model: onnx.ModelProto, count: int = 3) -> None:
        self._samples: Iterator[dict[str, np.ndarray]] = iter([inputs(model, seed) for seed in range(count)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next one."""
        return next(self._samples, None)


def main() -> None:
    """The table."""
    arguments = argparse.ArgumentParser(prog="python -m bench.quantized")
    arguments.add_argument("names", nargs="*", default=NAMES)
    options = arguments.parse_args()
    os.environ["TINSMITH_NUM_THREADS"] = "1"
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for name in options.names:
        print(row(name), flush=True)


def row(name: str) -> str:
    """One network."""
    plain, folder = CACHE / "quantized" / name, CACHE / "quantized" / f"{name}-int8"
    provide(name, 1, plain)
    if not (folder / "model.onnx").exists():
        folder.mkdir(parents=True, exist_ok=True)
        quantized(plain / "model.onnx", folder / "model.onnx")
    fed = inputs(onnx.load(plain / "model.onnx"))
    runs: dict[str, Callable[[], list[np.ndarray]]] = {
        "theirs": onnxruntime(folder, fed, 1).ways["run"],
        "float": compiled(plain / "model.onnx", fed),
        "ours": compiled(folder / "model.onnx", fed),
    }
    seconds = measured(runs)
    wanted = graph_arithmetic(folder / "model.onnx", fed)
    errors = [
        f"{np.abs(runs[key]()[0] - wanted).max() / np.abs(wanted).max():.1e}" for key in ("ours", "theirs")
    ]
    times = [f"{seconds[key] * 1e3:.2f}" for key in ("theirs", "float", "ours")]
    ratios = [f"{seconds['ours'] / seconds[key]:.2f}" for key in ("theirs", "float")]
    return f"| {' | '.join([name, *times, *ratios, *errors])} |"


def graph_arithmetic(path: Path, fed: dict[str, np.ndarray]) -> np.ndarray:
    """The first output, every node by itself."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return np.asarray(ort.InferenceSession(str(path), options).run(None, fed)[0])


def compiled(path: Path, fed: dict[str, np.ndarray]) -> Callable[[], list[np.ndarray]]:
    """A call of our library for this processor."""
    network, target = network_of(path, fed), host()
    program = emit(network, target, path.parent)
    library = path.parent / target.library
    build(program, target, library)
    native = ctypes.CDLL(str(library))
    arrays = [fed[spec.name] for spec in network.inputs]
    outputs = [np.zeros(tensor.shape, tensor.dtype) for tensor in program.outputs]
    given, filled = (
        (ctypes.c_void_p * len(tensors))(*(tensor.ctypes.data for tensor in tensors))
        for tensors in (arrays, outputs)
    )

    def run() -> list[np.ndarray]:
        if native.tinsmith_run(given, filled, None, 0):
            raise SystemExit(f"{library} failed on {len(arrays)} inputs")
        return outputs

    return run


def network_of(path: Path, fed: dict[str, np.ndarray]) -> Network:
    """The model for inputs of these shapes."""
    model = onnx_ir.load(path)
    specs = [
        TensorSpec(value.name or "", fed[value.name or ""].dtype.name, fed[value.name or ""].shape)
        for value in model.graph.inputs
    ]
    outputs = [TensorSpec(value.name or "", "float32", ()) for value in model.graph.outputs]
    return Network("ONNX", "onnx", path.parent.name, model, tuple(specs), tuple(outputs))


def host() -> Target:
    """The best variant that this processor can execute."""
    linux = platforms()["LINUX_X86_64"]
    targets = [replace(linux, cpu=cpu, variants=()) for cpu in linux.variants]
    return [target for target in targets if not lacking(target)][-1]


def quantized(plain: Path, path: Path) -> None:
    """Writes the model in QDQ form; one that has words as its input with dynamic ranges."""
    model = onnx.load(plain)
    if "LayerNormalization" in {node.op_type for node in model.graph.node}:
        quantization.quantize_dynamic(plain, path, per_channel=True)
        return
    ready = path.with_name("prepared.onnx")
    quantization.quant_pre_process(plain, ready, skip_symbolic_shape=True)
    quantization.quantize_static(ready, path, Samples(model), per_channel=True)


def measured(runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median seconds of process CPU time per call."""
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            run()
            started = time.process_time()
            for _ in range(3):
                run()
            samples[name].append((time.process_time() - started) / 3)
    return {name: median(times) for name, times in samples.items()}


if __name__ == "__main__":
    main()
