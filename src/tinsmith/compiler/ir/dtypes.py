"""Element types by name: those of numpy, and the small ones of ml_dtypes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

FLOATS = ("float32", "float64", "float16", "bfloat16")
SMALL_FLOATS = (
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn",
)
"""Types of storage: nothing is computed in them."""
SIGNED = ("int8", "int16", "int32", "int64", "int4", "int2")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64", "uint4", "uint2")
BITS = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2, "float4_e2m1fn": 4, "bool": 8}


def numpy_dtype(name: str) -> np.dtype[Any]:
    """One element takes whole bytes: int4 is stored as int8."""
    return np.dtype(getattr(ml_dtypes, name)) if hasattr(ml_dtypes, name) else np.dtype(name)


def is_float(name: str) -> bool:
    """A type to compute in."""
    return name in FLOATS


def is_integer(name: str) -> bool:
    """Signed or not, of any width."""
    return name in SIGNED or name in UNSIGNED


def is_known(name: str) -> bool:
    """A type that tensors may have."""
    return name == "bool" or name in SMALL_FLOATS or is_float(name) or is_integer(name)


def itemsize(name: str) -> int:
    """Bytes of an element in memory."""
    return 1 if BITS.get(name, 8) <= 4 else numpy_dtype(name).itemsize


def range_of(name: str) -> tuple[float, float]:
    """Least and greatest finite number of a float type."""
    info: Any = ml_dtypes.finfo(numpy_dtype(name))  # type: ignore[no-untyped-call]
    return float(info.min), float(info.max)


def limits(name: str) -> tuple[int, int]:
    """Least and greatest integer."""
    bits = BITS.get(name) or numpy_dtype(name).itemsize * 8
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if name in SIGNED else (0, 2**bits - 1)
