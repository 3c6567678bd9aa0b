"""Tensors and element types of TensorFlow as numpy and ONNX have them."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tensorflow.messages import Message, type_name
from tinsmith.spec.data_input import MAX_RANK

MAX_ELEMENTS = 2**27
"""Of one tensor in a file whose content is one number repeated."""

STRING = 7

_DTYPES: dict[int, Any] = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    8: np.complex64,
    9: np.int64,
    10: np.bool_,
    11: np.int8,
    12: np.uint8,
    13: np.int32,
    14: ml_dtypes.bfloat16,
    15: np.int16,
    16: np.uint16,
    17: np.uint16,
    18: np.complex128,
    19: np.float16,
    22: np.uint32,
    23: np.uint64,
}

_FIELDS = {
    1: "float_val",
    2: "double_val",
    9: "int64_val",
    10: "bool_val",
    14: "half_val",
    19: "half_val",
    22: "uint32_val",
    23: "uint64_val",
}  # every other type is stored in int_val


def dtype_of(number: int) -> np.dtype[Any] | None:
    """The numpy type of TensorFlow's element type `number`; None for text, resources and unknown types."""
    found = _DTYPES.get(number % 100)
    return None if found is None else np.dtype(found)


def number_type(number: int) -> np.dtype[Any]:
    """The numpy type of TensorFlow's element type `number`. Raises ValueError for one that is no number."""
    dtype = dtype_of(number)
    if dtype is None:
        raise ValueError(f"its type is {type_name(number)}, expected a type of numbers")
    return dtype


def shape_of(message: Message) -> tuple[int | None, ...] | None:
    """The dimensions of a TensorShapeProto, None where not known."""
    if message.unknown_rank:
        return None
    return tuple(dim.size if dim.size >= 0 else None for dim in message.dim)


def array_of(message: Message) -> NDArray[Any]:
    """The content of a TensorProto. Raises ValueError for one that contradicts itself."""
    dtype = dtype_of(message.dtype)
    if dtype is None:
        raise ValueError(f"its tensor has the type {type_name(message.dtype)}, expected a type of numbers")
    shape = shape_of(message.tensor_shape)
    if shape is None or None in shape or len(shape) > MAX_RANK:
        raise ValueError(f"its tensor has the shape {shape}, expected known sizes and rank up to {MAX_RANK}")
    sizes = tuple(size or 0 for size in shape)
    count = math.prod(sizes)
    if message.tensor_content:
        if len(message.tensor_content) != count * dtype.itemsize:
            raise ValueError(
                f"its tensor has {len(message.tensor_content)} bytes, expected {count * dtype.itemsize} for "
                f"{type_name(message.dtype)} {list(sizes)}"
            )
        return np.frombuffer(message.tensor_content, dtype).reshape(sizes)
    return _repeated(_listed(message, dtype), sizes, count)


def _listed(message: Message, dtype: np.dtype[Any]) -> NDArray[Any]:
    number = message.dtype % 100
    if number in (8, 18):
        parts = np.array(message.scomplex_val if number == 8 else message.dcomplex_val)
        return (parts[0::2] + 1j * parts[1::2]).astype(dtype)
    found = getattr(message, _FIELDS.get(number, "int_val"))
    if number in (14, 19):
        return np.array(found, np.int64).astype(np.uint16).view(dtype)
    return (
        np.array(found, np.int64).astype(dtype)
        if dtype.kind in "iu" and number != 23
        else np.array(found, dtype)
    )


def _repeated(found: NDArray[Any], sizes: tuple[int, ...], count: int) -> NDArray[Any]:
    """The last number stands for all that are left out."""
    if len(found) > count:
        raise ValueError(f"its tensor has {len(found)} elements, expected at most {count}")
    if count > MAX_ELEMENTS:
        raise ValueError(f"its tensor has {count} elements, expected at most {MAX_ELEMENTS}")
    if len(found) == count:
        return found.reshape(sizes)
    full = np.full(count, found[-1] if len(found) else 0, found.dtype)
    full[: len(found)] = found
    return full.reshape(sizes)
