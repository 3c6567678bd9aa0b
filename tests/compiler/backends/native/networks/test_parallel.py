"""Stages shared among threads: which loops are cut, and answers that do not depend on the threads."""

from __future__ import annotations

import ctypes
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.onnx_suite.cases import difference
from tests.onnx_suite.graphs import answers, parsed, reference
from tests.onnx_suite.native import host
from tinsmith.compiler.backends.native.networks import parallel
from tinsmith.compiler.backends.native.networks.parallel import Share, independent, share, worthwhile_threads
from tinsmith.compiler.ir.loops import Accumulate, Map, Reduce, Scatter
from tinsmith.compiler.ir.scalars import INDEX, Apply, Literal, Size, Tensor, Var

Array = np.ndarray[Any, Any]

IMAGES = """
images (float[2,3,25,27] x, float[24,3,3,3] w, float[24,1,3,3] d, float[40,24,1,1] p, float[48,40,3,3] deep)
=> (float[2,25,27,40] turned, float[2,40,1,1] mean, int64[2,1,25,27] best, float[2,48,13,14] joined,
    float[2,24,26,28] larger, float[2,48,25,27] winograd)
{
    c = Conv <pads = [1, 1, 1, 1]> (x, w)
    r = Relu(c)
    e = Conv <pads = [1, 1, 1, 1], group = 24> (r, d)
    q = Conv(e, p)
    winograd = Conv <pads = [1, 1, 1, 1]> (q, deep)
    turned = Transpose <perm = [0, 2, 3, 1]> (q)
    mean = GlobalAveragePool(q)
    best = ArgMax <axis = 1> (q)
    few = MaxPool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (r)
    padded = AveragePool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (r)
    joined = Concat <axis = 1> (few, padded)
    scales = Constant <value_floats = [1.0, 1.0, 2.0, 2.0]> ()
    larger = Resize <mode = "nearest"> (few, , scales)
}
"""

ROWS = """
rows (float[3,50,64] x, float[3,50,64] z, float[64] scale, float[64] shift, int64[70] ids,
      float[1,128,64] wi, float[1,128,32] wr)
=> (float[3,50,50] weights, float[3,50,64] sums, float[50,64] total, float[3,64] most, float[70,50,64] picked,
    float[3,1,50,32] states)
{
    normal = LayerNormalization <axis = -1> (x, scale, shift)
    turned = Transpose <perm = [0, 2, 1]> (normal)
    scores = MatMul(normal, turned)
    weights = Softmax <axis = -1> (scores)
    mixed = MatMul(weights, z)
    out = Gelu(mixed)
    one = Constant <value_int = 1> ()
    sums = CumSum(out, one)
    zero = Constant <value_ints = [0]> ()
    total = ReduceSum <keepdims = 0> (out, zero)
    ones = Constant <value_ints = [1]> ()
    most = ReduceMax <keepdims = 0> (sums, ones)
    picked = Gather(sums, ids)
    states = LSTM <hidden_size = 32> (normal, wi, wr)
}
"""


def test_small_work_is_for_one_thread() -> None:
    assert worthwhile_threads(1000, 1000) == 1
    assert worthwhile_threads(10 * parallel.THREAD_WORK, 0) == 10


def test_the_outermost_long_loop_is_cut() -> None:
    few, many, more = Var("a", 3), Var("b", 20), Var("c", 50)
    run_time = Var("d", Size("n", 100))
    assert Share(2).loop([few, many, more]) is many
    assert Share(2).loop([few, run_time]) is run_time
    assert Share(2).loop([Var("e", 2), few]) is few
    assert Share(2).loop([Var("e", 1)]) is None
    assert Share(2).loop([]) is None


def test_loops_that_depend_on_each_other_are_not_cut() -> None:
    rows, columns = Var("i", 3000), Var("j", 2000)
    x, out = Tensor("x", "float32", (3000, 2000)), Tensor("y", "float32", (3000, 2000))
    value = x[rows, columns]
    assert independent(Accumulate(out, (rows, columns), columns, "sum", value, False, False)) == (rows,)
    assert independent(Reduce(Tensor("r", "float32", (3000,)), (rows,), (columns,), "sum", value)) == (rows,)
    scatter = Scatter(out, (rows, columns), value, (rows,), (rows, Literal(0, INDEX)), x[rows, rows], "add")
    assert share(scatter) is None
    assert share(Reduce(Tensor("s", "float32", ()), (), (rows, columns), "sum", value)) is None


def test_functions_are_more_work_than_copies() -> None:
    i = Var("i", 100_000)
    x, out = Tensor("x", "float32", (100_000,)), Tensor("y", "float32", (100_000,))
    copied, exponential = share(Map(out, (i,), x[i])), share(Map(out, (i,), Apply("exp", (x[i],), "float32")))
    assert copied is not None
    assert exponential is not None
    assert 1 < copied.threads < exponential.threads


def model_of(text: str, constants: str) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """A graph, with some of its inputs as initializers, and the others."""
    model = parsed(text, 20)
    random = np.random.default_rng(7)
    inputs = {}
    for value in list(model.graph.input):
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        array: Array = random.normal(size=shape, scale=0.3).astype(np.float32)
        if value.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            array = random.integers(0, 3, shape)
        if value.name in constants.split():
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
            model.graph.input.remove(value)
        else:
            inputs[value.name] = array
    return model, inputs


def answers_of(library: Path, inputs: dict[str, Array], like: list[Array]) -> list[Array]:
    """One run of a library."""
    native = ctypes.CDLL(str(library))
    found = [np.zeros_like(array) for array in like]
    given = (ctypes.c_void_p * len(inputs))(*(array.ctypes.data for array in inputs.values()))
    taken = (ctypes.c_void_p * len(found))(*(array.ctypes.data for array in found))
    assert native.tinsmith_run(given, taken, None, 0) == 0
    return found


@pytest.mark.parametrize(("text", "constants"), [(IMAGES, "w d p deep"), (ROWS, "scale shift wi wr")])
def test_threads_change_no_bit(
    text: str, constants: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "THREAD_WORK", 1)
    monkeypatch.setenv("TINSMITH_NUM_THREADS", "1")
    model, inputs = model_of(text, constants)
    alone = answers(tmp_path, model, inputs)
    assert not difference(alone, reference(model, inputs), 1e-4, 1e-4)
    source = (tmp_path / "network.c").read_text()
    assert source.count("ts_share(stage") >= 5
    for threads in (2, 3, 5):
        monkeypatch.setenv("TINSMITH_NUM_THREADS", str(threads))
        library = tmp_path / f"{threads}.so"
        shutil.copy(tmp_path / host().library, library)
        with ThreadPoolExecutor(3) as pool:
            runs = list(pool.map(lambda _: answers_of(library, inputs, alone), range(12)))  # noqa: B023
        for run in runs:
            assert [a.tobytes() for a in run] == [a.tobytes() for a in alone]
