"""compiled_model.json and compiled.params: how the graph runtime of TVM, inside DLR's own native library,
runs a network of ours as a graph of one operator.

The format is that of TVM 0.6 to 0.10. Weights lie in the compiled library, so the parameters are none but
one number that is there because a file of none counts as missing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

from tinsmith_runtime.manifest import Tensor

FUNCTION = "tinsmith_tvm_run"
"""That the library exports; see tvm_abi.c."""
GRAPH = "compiled_model.json"
PARAMETERS = "compiled.params"

_TYPES = frozenset(
    (
        *("float16", "float32", "float64", "bool"),
        *("int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64"),
    )
)
"""That TVM of that time can name."""
_LIST_MAGIC = 0xF7E58D4F05049CB7
_ARRAY_MAGIC = 0xDD5E40F096B4A13F
_CPU = 1
_FLOAT32 = (2, 32, 1)
"""Code, bits, lanes."""


def expressible(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
    """Whether TVM knows such tensors: every size is known, and their types have names."""
    tensors = (*inputs, *outputs)
    return bool(outputs) and all(tensor.dtype in _TYPES and -1 not in tensor.shape for tensor in tensors)


def to_files(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[str, bytes]:
    """The two files by their names in the artifact."""
    return {
        GRAPH: json.dumps(_graph(inputs, outputs), indent=1).encode() + b"\n",
        PARAMETERS: _parameters("tinsmith"),
    }


def _graph(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[str, object]:
    count = len(inputs)
    tensors = (*inputs, *outputs)
    operator = {
        "op": "tvm_op",
        "name": FUNCTION,
        "attrs": {
            "func_name": FUNCTION,
            "flatten_data": "0",
            "num_inputs": str(count),
            "num_outputs": str(len(outputs)),
        },
        "inputs": [[index, 0, 0] for index in range(count)],
    }
    return {
        "nodes": [*({"op": "null", "name": tensor.name, "inputs": []} for tensor in inputs), operator],
        "arg_nodes": list(range(count)),
        "heads": [[count, index, 0] for index in range(len(outputs))],
        "node_row_ptr": [*range(count + 1), len(tensors)],
        "attrs": {
            "shape": ["list_shape", [list(tensor.shape) for tensor in tensors]],
            "dltype": ["list_str", [tensor.dtype for tensor in tensors]],
            "storage_id": ["list_int", list(range(len(tensors)))],
        },
    }


def _parameters(name: str) -> bytes:
    """A list of one array, float32 (1,): zero."""
    text = name.encode()
    names = struct.pack("<QQ", 1, len(text)) + text
    array = struct.pack("<QQii", _ARRAY_MAGIC, 0, _CPU, 0) + struct.pack("<i", 1)
    array += struct.pack("<BBH", *_FLOAT32) + struct.pack("<qqf", 1, 4, 0.0)
    return struct.pack("<QQ", _LIST_MAGIC, 0) + names + struct.pack("<Q", 1) + array
