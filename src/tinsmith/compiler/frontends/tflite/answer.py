"""LiteRT answers for a TFLite model; runs in the toolchain tflite, called by `answering`.

Its reference kernels compute, without delegates.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ai_edge_litert.interpreter import Interpreter, OpResolverType


def answer(runs: Sequence[Sequence[Any]], model: str, tensors: str) -> Iterator[list[Any]]:
    """`tensors`: JSON of "inputs" and "outputs", numbers of tensors."""
    wanted = json.loads(tensors)
    kernels = OpResolverType.BUILTIN_REF
    interpreter = Interpreter(model_path=model, experimental_op_resolver_type=kernels, num_threads=1)
    for index, array in zip(wanted["inputs"], runs[0], strict=True):
        interpreter.resize_tensor_input(index, array.shape)
    interpreter.allocate_tensors()
    for arrays in runs:
        for index, array in zip(wanted["inputs"], arrays, strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        yield [interpreter.get_tensor(index) for index in wanted["outputs"]]
