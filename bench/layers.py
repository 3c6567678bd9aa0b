"""Single layers: our kernels beside ONNX Runtime and numpy's matrix product, one thread each.

    OPENBLAS_NUM_THREADS=1 python -m bench.layers [--cpu CPU] [--rounds N] [LAYER ...]

Prints GFLOP/s (median over interleaved rounds, process CPU time) and the time of each peer divided by ours.
ONNX Runtime's time of a convolution holds its change of layout; numpy's is the bare product of the same size.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.compiler.backends.native.networks import kernels
from tinsmith.compiler.backends.native.networks.kernels import (
    activation,
    contraction,
    depthwise,
    product,
    winograd,
)
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan
from tinsmith.compiler.backends.native.networks.kernels.planes import Halo, Plane, pixels
from tinsmith.compiler.backends.native.networks.kernels.window import Window
from tinsmith.spec.targets import Target, platforms

Floats = NDArray[np.float32]
C_FOLDER = Path(kernels.__file__).parent.parent / "c"
LINUX = platforms()["LINUX_X86_64"]


@dataclass(frozen=True)
class Shape:
    """A square convolution with ReLU, or (kernel 0) a matrix product of `size` rows."""

    size: int
    depth: int
    columns: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    heads: int = 0
    """If there are any: products of two computed matrices in rows of heads, as attention has them."""
    transposed: bool = False


SHAPES = {
    "conv 7x7/2 3->64 @224": Shape(224, 3, 64, 7, 2),
    "conv 1x1 64->64 @56": Shape(56, 64, 64),
    "conv 1x1 256->64 @56": Shape(56, 256, 64),
    "conv 1x1 64->256 @56": Shape(56, 64, 256),
    "conv 3x3 3->64 @56": Shape(56, 3, 64, 3),
    "conv 3x3 8->8 @56": Shape(56, 8, 8, 3),
    "conv 3x3 16->16 @112": Shape(112, 16, 16, 3),
    "conv 3x3 32->32 @56": Shape(56, 32, 32, 3),
    "conv 3x3 16->64 @20": Shape(20, 16, 64, 3),
    "conv 3x3 64->64 @56": Shape(56, 64, 64, 3),
    "conv 3x3 128->128 @28": Shape(28, 128, 128, 3),
    "conv 1x1 512->128 @28": Shape(28, 512, 128),
    "conv 3x3 256->256 @14": Shape(14, 256, 256, 3),
    "conv 1x1 1024->256 @14": Shape(14, 1024, 256),
    "conv 3x3 512->512 @7": Shape(7, 512, 512, 3),
    "conv 1x1 2048->512 @7": Shape(7, 2048, 512),
    "conv 1x1 24->144 @56": Shape(56, 24, 144),
    "conv 1x1 144->24 @56": Shape(56, 144, 24),
    "conv 1x1 576->96 @14": Shape(14, 576, 96),
    "depthwise 3x3 144 @56": Shape(56, 144, 144, 3, depthwise=True),
    "depthwise 3x3/2 96 @112": Shape(112, 96, 96, 3, 2, depthwise=True),
    "depthwise 3x3 960 @7": Shape(7, 960, 960, 3, depthwise=True),
    "depthwise 5x5 240 @28": Shape(28, 240, 240, 5, depthwise=True),
    "gemm 128x768x768": Shape(128, 768, 768, 0),
    "gemm 128x768x3072": Shape(128, 768, 3072, 0),
    "gemm 128x3072x768": Shape(128, 3072, 768, 0),
    "gemm 1x256x256": Shape(1, 256, 256, 0),
    "gemm 1x2048x1000": Shape(1, 2048, 1000, 0),
    "gemm 1x4096x4096": Shape(1, 4096, 4096, 0),
    "attention q k 12x128x64": Shape(128, 64, 128, heads=12, transposed=True),
    "attention p v 12x128x128": Shape(128, 128, 64, heads=12),
    "gemm 4x1024x1024": Shape(4, 1024, 1024, 0),
}


@dataclass(frozen=True)
class Contest:
    """One layer, ready to run by each contestant; all of them compute the same."""

    flops: int
    runs: dict[str, Callable[[], Any]]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("layers", nargs="*", help="parts of names; default: all")
    parser.add_argument("--cpu", default=LINUX.variants[-1], help="LLVM name of the processor to compile for")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        parser.error("set OPENBLAS_NUM_THREADS=1: every contestant has one thread")
    target = replace(LINUX, cpu=options.cpu, variants=())
    chosen = [name for name in SHAPES if not options.layers or any(part in name for part in options.layers)]
    peers: list[str] = []
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            contest = prepare(SHAPES[name], target, Path(folder))
            seconds = measure(contest, options.rounds)
        if list(seconds) != peers:
            peers = list(seconds)
            print(
                f"{'layer':24}",
                *(f"{peer:>12}" for peer in peers),
                *(f"{'/' + peer:>12}" for peer in peers[1:]),
            )
        rates = [f"{contest.flops / seconds[peer] / 1e9:12.1f}" for peer in peers]
        ratios = [f"{seconds[peer] / seconds['ours']:12.2f}" for peer in peers[1:]]
        print(f"{name:24}", *rates, *ratios, flush=True)


def measure(contest: Contest, rounds: int) -> dict[str, float]:
    """Median seconds of process CPU time per contestant, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in contest.runs}
    repeats = max(1, int(2e8 / contest.flops))
    for _ in range(rounds):
        for name, run in contest.runs.items():
            run()
            start = time.process_time()
            for _ in range(repeats):
                run()
            times[name].append((time.process_time() - start) / repeats)
    return {name: statistics.median(values) for name, values in times.items()}


def prepare(shape: Shape, target: Target, folder: Path) -> Contest:
    """Compiles the layer, checks that all contestants agree, and gives them."""
    draw = np.random.default_rng(0)
    if shape.heads:
        return _attention(shape, target, folder, draw)
    if shape.kernel == 0:
        return _matrix(shape, target, folder, draw)
    return _image(shape, target, folder, draw)


def _matrix(shape: Shape, target: Target, folder: Path, draw: np.random.Generator) -> Contest:
    x, w = _normal(draw, shape.size, shape.depth), _normal(draw, shape.depth, shape.columns)
    w /= np.float32(np.sqrt(shape.depth))
    bias = _normal(draw, shape.columns)
    plan = contraction.plan_gemm(shape.size, w, bias, activation=activation.RELU)
    y = _aligned((shape.size, shape.columns))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["s"]),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    session = _session(nodes, x, {"w": w, "b": bias})
    runs = {"ours": _native(plan, x, y, target, folder), "ORT": _ort(session, x), "numpy": _product(x, w)}
    runs["ours"]()
    _agree(y, session.run(None, {"x": x})[0])
    return Contest(plan.flops, runs)


def _attention(shape: Shape, target: Target, folder: Path, draw: np.random.Generator) -> Contest:
    """The left side lies [head, row, depth], the right one [row, head, element], by head for the peers."""
    heads, rows, depth, columns = shape.heads, shape.size, shape.depth, shape.columns
    x = _normal(draw, heads, rows, depth)
    right = _normal(draw, *((columns, heads, depth) if shape.transposed else (depth, heads, columns)))
    y = _aligned((heads, rows, columns))
    plan = product.plan_product(
        (1, heads),
        rows,
        depth,
        columns,
        product.Stack(depth, 0, rows * depth),
        product.Stack(right[0].size, 0, right.shape[2]),
        product.Stack(columns, 0, rows * columns),
        transposed=shape.transposed,
    )
    w = _copy(right.transpose(1, 2, 0) if shape.transposed else right.transpose(1, 0, 2))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, a.shape) for name, a in (("x", x), ("w", w))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    session = _load(graph)
    out = _aligned(y.shape)
    runs: dict[str, Callable[[], Any]] = {
        "ours": _native(plan, x, y, target, folder, right),
        "ORT": lambda: session.run(None, {"x": x, "w": w}),
        "numpy": lambda: np.matmul(x, w, out=out),
    }
    runs["ours"]()
    _agree(y, session.run(None, {"x": x, "w": w})[0])
    return Contest(plan.flops, runs)


def _image(shape: Shape, target: Target, folder: Path, draw: np.random.Generator) -> Contest:
    pad = shape.kernel // 2
    groups = shape.depth if shape.depthwise else 1
    window = Window((shape.stride, shape.stride), pads=Halo(pad, pad, pad, pad))
    size = window.output((shape.size, shape.size), (shape.kernel, shape.kernel))
    halo = winograd.winograd_halo(size, window.pads)
    plane = Plane(1, shape.size, shape.size, shape.depth, halo if shape.kernel == 3 else window.pads)
    out = Plane(1, *size, shape.columns)
    x = _normal(draw, 1, shape.depth, shape.size, shape.size)
    depth = shape.depth // groups
    w = _normal(draw, shape.columns, depth, shape.kernel, shape.kernel)
    w /= np.float32(np.sqrt(depth * shape.kernel**2))
    bias = _normal(draw, shape.columns)
    nodes = [
        helper.make_node(
            "Conv", ["x", "w", "b"], ["c"], pads=[pad] * 4, strides=[shape.stride] * 2, group=groups
        ),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    session = _session(nodes, x, {"w": w, "b": bias})
    buffer, y = _aligned((plane.floats,)), _aligned((out.floats,))
    pixels(plane, buffer)[...] = x.transpose(0, 2, 3, 1)
    runs: dict[str, Callable[[], Any]] = {}
    chosen = activation.RELU
    planner = depthwise.plan_depthwise if shape.depthwise else contraction.plan_convolution
    plans = {"ours": planner(plane, out, w, bias, window=window, activation=chosen)}
    if shape.kernel == 3 and shape.stride == 1 and not shape.depthwise:
        plans["winograd"] = winograd.plan_winograd(plane, out, w, bias, window=window, activation=chosen)
    for name, plan in plans.items():
        runs[name] = _native(plan, buffer, y, target, folder)
        runs[name]()
        _agree(pixels(out, y).transpose(0, 3, 1, 2), session.run(None, {"x": x})[0])
    runs["ORT"] = _ort(session, x)
    if shape.depthwise:
        return Contest(plans["ours"].flops, runs)
    rows = out.height * out.width
    runs["numpy"] = _product(_normal(draw, rows, w[0].size), _normal(draw, w[0].size, shape.columns))
    return Contest(plans["ours"].flops, runs)


def _native(
    plan: Plan, x: Floats, y: Floats, target: Target, folder: Path, right: Floats | None = None
) -> Callable[[], Any]:
    source = folder / f"{plan.function}.c"
    source.write_text(
        "\n".join(
            [
                *(f'#include "{C_FOLDER / header}"' for header in plan.headers),
                plan.source,
                '__attribute__((visibility("default")))',
                "void run(const float *x, const float *w, const float *b, float *y, float *scratch)",
                f"{{ {plan.function}(x, w, b, NULL, y, scratch, 0, {plan.items}); }}",
            ]
        )
    )
    library = folder / f"{plan.function}.so"
    compile_and_link([source], target, library, exports=["run"])
    native = ctypes.CDLL(str(library))
    operands = [
        x,
        _copy(plan.weights) if right is None else right,
        _copy(plan.bias),
        y,
        _aligned((plan.scratch_bytes // 4 + 16,)),
    ]
    pointers = [ctypes.c_void_p(operand.ctypes.data) for operand in operands]

    def run() -> list[Floats]:
        native.run(*pointers)
        return operands

    return run


def _ort(session: onnxruntime.InferenceSession, x: Floats) -> Callable[[], Any]:
    return lambda: session.run(None, {"x": x})


def _product(left: Floats, right: Floats) -> Callable[[], Any]:
    out = _aligned((len(left), right.shape[1]))
    return lambda: np.dot(left, right, out=out)


def _session(nodes: list[Any], x: Floats, constants: dict[str, Floats]) -> onnxruntime.InferenceSession:
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return _load(graph)


def _load(graph: Any) -> onnxruntime.InferenceSession:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def _agree(ours: Floats, theirs: Floats) -> None:
    error = np.abs(ours - theirs).max()
    if not error < 1e-4:
        raise SystemExit(f"results differ by {error}")


def _normal(draw: np.random.Generator, *shape: int) -> Floats:
    return _copy(draw.normal(size=shape).astype(np.float32))


def _copy(values: Floats) -> Floats:
    made = _aligned(values.shape)
    made[...] = values
    return made


def _aligned(shape: tuple[int, ...]) -> Floats:
    """Zeros that begin at a cache line."""
    size = int(np.prod(shape))
    raw = np.zeros(size + 16, np.float32)
    start = -raw.ctypes.data % 64 // 4
    return raw[start : start + size].reshape(shape)


if __name__ == "__main__":
    main()
