"""The node tests of the installed onnx package, through the compiler and the compiled library.

python -m tests.onnx_suite.suite [--only SUBSTRING] [--shard K/N] [--verbose]
"""

from __future__ import annotations

import argparse
import ctypes
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnx_ir
from onnx.backend.test.case.node import collect_testcases

from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.cpu import lacking
from tinsmith.errors import ClientError
from tinsmith.spec.targets import Target, platforms

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Outcome:
    """Of one case: passed, refused or failed, and why."""

    name: str
    status: str
    detail: str = ""


def cases() -> list[Any]:
    """All cases whose inputs and outputs are numeric tensors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    return [case for case in found if _is_numeric(case.model)]


def _is_numeric(model: Any) -> bool:
    return all(map(_numeric, [*model.graph.input, *model.graph.output]))


def _numeric(value: onnx.ValueInfoProto) -> bool:
    return value.type.HasField("tensor_type") and value.type.tensor_type.elem_type != onnx.TensorProto.STRING


def host() -> Target:
    """A target of one processor that this machine can be."""
    generic = platforms()["LINUX_X86_64"]
    for cpu in reversed(generic.variants):
        target = replace(generic, cpu=cpu, variants=())
        if not lacking(target):
            return target
    raise AssertionError("no x86-64 processor")


def run_case(case: Any, target: Target, folder: Path) -> Outcome:
    """Compiles, executes and compares one case."""
    inputs, expected = (list(map(_array, arrays)) for arrays in case.data_sets[0])
    try:
        network = as_network(case.model, inputs)
        program = emit(network, target, folder)
        library = folder / target.library
        build(program, target, library)
        answers = execute(library, network, inputs, expected)
    except ClientError as error:
        return Outcome(case.name, "refused", str(error))
    except Exception as error:  # a failure is a result here
        return Outcome(case.name, "failed", f"{type(error).__name__}: {error}"[:1500])
    problem = difference(answers, expected, case.rtol, case.atol)
    return Outcome(case.name, "failed" if problem else "passed", problem)


def _array(value: Array | onnx.TensorProto) -> Array:
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


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


def execute(
    library: Path, network: Network, inputs: Sequence[Array], expected: Sequence[Array]
) -> list[Array]:
    """What the library answers."""
    import json

    native = ctypes.CDLL(str(library))
    native.tinsmith_describe.restype = ctypes.c_char_p
    description = json.loads(native.tinsmith_describe())
    arrays = [
        np.ascontiguousarray(np.asarray(array), spec.dtype if _plain(spec.dtype) else None)
        for array, spec in zip(inputs, network.inputs, strict=True)
    ]
    outputs, shapes = [], []
    for tensor in description["outputs"]:
        dtype = _dtype(tensor["dtype"])
        outputs.append(np.zeros(max(int(np.prod(tensor.get("largest", tensor["shape"]))), 1), dtype))
        shapes.append((ctypes.c_int64 * max(len(tensor.get("largest", tensor["shape"])), 1))())
    pointers = (ctypes.c_void_p * max(len(arrays), 1))(*(array.ctypes.data for array in arrays))
    targets = (ctypes.c_void_p * len(outputs))(*(array.ctypes.data for array in outputs))
    sizes = (ctypes.c_void_p * len(outputs))(*(ctypes.addressof(shape) for shape in shapes))
    status = native.tinsmith_run(pointers, targets, sizes, 0)
    assert status == 0, status
    answers = []
    for array, shape, tensor in zip(outputs, shapes, description["outputs"], strict=True):
        dims = list(shape)[: len(tensor.get("largest", tensor["shape"]))]
        answers.append(array[: int(np.prod(dims))].reshape(dims))
    return answers


def _plain(name: str) -> bool:
    return hasattr(np, name) or name == "bool"


def _dtype(name: str) -> np.dtype[Any]:
    from tinsmith.compiler.ir.dtypes import numpy_dtype

    return numpy_dtype(name)


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


def main() -> None:
    """Prints every case that does not pass, and the count."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", default="")
    arguments.add_argument("--shard", default="1/1")
    arguments.add_argument("--jobs", type=int, default=2)
    options = arguments.parse_args()
    shard, shards = map(int, options.shard.split("/"))
    chosen = [case for case in cases() if options.only in case.name][shard - 1 :: shards]
    target = host()

    def run(case: Any) -> Outcome:
        with TemporaryDirectory() as folder:
            return run_case(case, target, Path(folder))

    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(run, chosen))
    for outcome in outcomes:
        if outcome.status != "passed":
            print(f"{outcome.status}: {outcome.name}: {outcome.detail}")
    count = {status: sum(o.status == status for o in outcomes) for status in ("passed", "refused", "failed")}
    print(
        f"node suite: {count['passed']} passed, {count['refused']} refused, {count['failed']} failed "
        f"of {len(outcomes)}"
    )


if __name__ == "__main__":
    main()
