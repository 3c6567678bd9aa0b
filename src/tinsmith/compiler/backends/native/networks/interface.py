"""The tensors that a network takes and gives, as network_entry.c tells of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import onnx_ir

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.loops import Loops
from tinsmith.compiler.ir.scalars import Size
from tinsmith_runtime.manifest import Tensor


def network_interface(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], loops: Loops, sizes: Mapping[Size, int]
) -> str:
    """network_interface.h; `sizes` numbers the dimensions that a run finds out."""
    dimensions = [
        str(dim) if isinstance(dim, int) else str(-1 - sizes[dim])
        for tensor in loops.outputs
        for dim in tensor.shape
    ]
    return (
        "/* network_interface.h: inputs and outputs. */\n"
        f"#define TS_INPUT_TENSORS{''.join(map(_tensor, inputs))}\n\n"
        f"#define TS_OUTPUT_TENSORS{''.join(map(_tensor, outputs))}\n\n"
        "/* Of all outputs: a number, or -1 - n for the n-th size of the run. */\n"
        f"#define TS_OUTPUT_DIMENSIONS {''.join(f'{dim}, ' for dim in dimensions)}\n"
    )


def _tensor(tensor: Tensor) -> str:
    """One struct tinsmith_tensor."""
    dtype = dtypes.numpy_dtype(tensor.dtype)
    size = dtypes.itemsize(tensor.dtype) * math.prod(tensor.bounds)
    fields = (
        c_string(tensor.name),
        _dimensions(tensor.shape),
        _dimensions(tensor.bounds),
        f"{size}u",
        str(len(tensor.shape)),
        str(onnx_ir.DataType.from_numpy(dtype).value),
    )
    return f" \\\n\t{{{', '.join(fields)}}},"


def _dimensions(shape: Sequence[int]) -> str:
    return f"(const int64_t[]){{{', '.join(map(str, shape or (0,)))}}}"


def c_string(text: str) -> str:
    """A C literal of the UTF-8 bytes of `text`."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8", "surrogateescape")
    )
    return f'"{plain}"'
