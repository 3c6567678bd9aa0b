"""A compiled network in this process."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.onnx_suite.cases import Array
from tinsmith.compiler.ir.dtypes import numpy_dtype
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.cpu import lacking
from tinsmith.spec.targets import Target, devices, platforms


def find_target(name: str) -> Target:
    """A device, or a platform like LINUX/ARM64; of an x86 one, the best processor that this machine can
    be."""
    target = {**platforms(), **devices()}[name.replace("/", "_")]
    narrowed = [replace(target, cpu=cpu, variants=()) for cpu in reversed(target.variants)]
    return next((candidate for candidate in narrowed if not lacking(candidate)), target)


def host() -> Target:
    """A target of one processor that this machine can be."""
    return find_target("LINUX/X86_64")


def execute(
    library: Path, network: Network, inputs: Sequence[Array], expected: Sequence[Array]
) -> list[Array]:
    """What the library answers."""
    native = ctypes.CDLL(str(library))
    native.tinsmith_describe.restype = ctypes.c_char_p
    description = json.loads(native.tinsmith_describe())
    arrays = [plain_array(array, spec) for array, spec in zip(inputs, network.inputs, strict=True)]
    outputs, shapes = [], []
    for tensor in description["outputs"]:
        dtype = numpy_dtype(tensor["dtype"])
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


def plain_array(array: Array, spec: TensorSpec) -> Array:
    """The elements as the library takes them, end to end."""
    plain = hasattr(np, spec.dtype) or spec.dtype == "bool"
    return np.ascontiguousarray(array, spec.dtype if plain else None)
