"""Floating-point arithmetic in integers agrees bit for bit with the processor's."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.spec.targets import platforms

Bits = NDArray[np.uint64]

EXPORTS = ("arithmetic", "compare", "convert", "from_integer", "to_signed", "to_unsigned")
RANDOM = np.random.RandomState(7)


@pytest.fixture(scope="module")
def soft(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("soft") / "soft.so"
    source = Path(__file__).parent / "c" / "soft.c"
    compile_and_link([source], platforms()["LINUX_X86_64"], library, exports=EXPORTS)
    loaded = ctypes.CDLL(str(library))
    whole, array, size = ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t
    loaded.arithmetic.argtypes = [whole, whole, array, array, array, size]
    loaded.compare.argtypes = [whole, array, array, array, size]
    loaded.convert.argtypes = [whole, array, array, size]
    loaded.from_integer.argtypes = [whole, whole, array, array, size]
    loaded.to_signed.argtypes = [whole, ctypes.c_int64, array, array, size]
    loaded.to_unsigned.argtypes = [whole, ctypes.c_uint64, array, array, size]
    return loaded


def call(function: Any, *arguments: int, inputs: tuple[Bits, ...]) -> Bits:
    out = np.zeros(len(inputs[0]), np.uint64)
    arrays = [np.ascontiguousarray(array) for array in inputs]
    function(*arguments, *(array.ctypes.data for array in (*arrays, out)), len(out))
    return out


def numbers(wide: bool, bits: Bits) -> NDArray[Any]:
    return bits.view(np.float64) if wide else bits.astype(np.uint32).view(np.float32)


def same(wide: bool, found: Bits, expected: NDArray[Any]) -> NDArray[np.bool_]:
    """Bit for bit; any NaN equals any other."""
    bits = expected.view(np.uint64 if wide else np.uint32).astype(np.uint64)
    agree: NDArray[np.bool_] = (found == bits) | (np.isnan(numbers(wide, found)) & np.isnan(expected))
    return agree


def cases(wide: bool, count: int) -> Bits:
    """Edge values, random bit patterns, and numbers near each other, near 1 and near the ends."""
    kind: Any = np.float64 if wide else np.float32
    word: Any = np.uint64 if wide else np.uint32
    info = np.finfo(kind)
    edges = [
        0,
        1,
        1.5,
        2,
        3,
        0.1,
        info.max,
        info.tiny,
        info.smallest_subnormal,
        info.eps,
        np.inf,
        np.nan,
        2.0**31,
    ]
    edges += [2.0**32, 2.0**63, 2.0**64, 16777216, 16777217, info.tiny - info.smallest_subnormal]
    fixed = np.array(edges, kind).view(word)
    around = np.concatenate([fixed - word(1), fixed, fixed + word(1)])
    both = np.concatenate([around, around ^ word(1 << (word(0).nbytes * 8 - 1))])
    patterns = np.frombuffer(RANDOM.bytes(count * word(0).nbytes), word)
    near_one = (
        (1 + RANDOM.randn(count // 2) * 2.0 ** RANDOM.randint(-60, 60, count // 2)).astype(kind).view(word)
    )
    small = (RANDOM.randn(count // 2) * float(info.tiny)).astype(kind).view(word)
    return np.concatenate([both, patterns, near_one, small]).astype(np.uint64)


def pairs(wide: bool) -> tuple[Bits, Bits]:
    one = cases(wide, 100_000)
    edges = one[:114]
    left, right = (grid.ravel() for grid in np.meshgrid(edges, edges))
    other = RANDOM.permutation(one)
    neighbour = one ^ RANDOM.randint(0, 8, len(one)).astype(np.uint64)
    return np.concatenate([left, one, one]), np.concatenate([right, other, neighbour])


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("operation", "ufunc"), [(0, np.add), (1, np.multiply), (2, np.divide)])
def test_arithmetic(soft: ctypes.CDLL, wide: bool, operation: int, ufunc: np.ufunc) -> None:
    a, b = pairs(wide)
    found = call(soft.arithmetic, operation, wide, inputs=(a, b))
    with np.errstate(all="ignore"):
        expected = ufunc(numbers(wide, a), numbers(wide, b))
    assert same(wide, found, expected).all()


@pytest.mark.parametrize("wide", [False, True])
def test_order(soft: ctypes.CDLL, wide: bool) -> None:
    a, b = pairs(wide)
    found = call(soft.compare, wide, inputs=(a, b))
    x, y = numbers(wide, a), numbers(wide, b)
    expected = np.select([x < y, x == y, x > y], [0, 1, 2], 3)
    assert (found == expected.astype(np.uint64)).all()


@pytest.mark.parametrize("wide", [False, True])
def test_conversion_between_widths(soft: ctypes.CDLL, wide: bool) -> None:
    a = cases(wide, 200_000)
    if wide:
        near = RANDOM.randn(200_000) * 2.0 ** RANDOM.randint(-150, 129, 200_000)
        a = np.concatenate([a, near.view(np.uint64)])
    with np.errstate(all="ignore"):
        expected = numbers(wide, a).astype(np.float32 if wide else np.float64)
    assert same(not wide, call(soft.convert, wide, inputs=(a,)), expected).all()


@pytest.mark.parametrize("wide", [False, True])
def test_from_integers(soft: ctypes.CDLL, wide: bool) -> None:
    shift = RANDOM.randint(0, 64, 100_000).astype(np.uint64)
    random = np.frombuffer(RANDOM.bytes(800_000), np.uint64) >> shift
    edges = [
        0,
        1,
        2**24,
        2**24 + 1,
        2**24 + 3,
        2**53,
        2**53 + 1,
        2**63 - 1,
        2**63,
        2**64 - 1,
        2**64 - 2**10 - 1,
    ]
    values = np.concatenate([np.array(edges, np.uint64), random])
    kind = np.float64 if wide else np.float32
    assert same(wide, call(soft.from_integer, wide, 0, inputs=(values,)), values.astype(kind)).all()
    signed = values.view(np.int64).astype(kind)
    assert same(wide, call(soft.from_integer, wide, 1, inputs=(values,)), signed).all()


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("bits", [32, 64])
def test_to_integers_saturates(soft: ctypes.CDLL, wide: bool, bits: int) -> None:
    a = cases(wide, 20_000)
    x = numbers(wide, a)
    top, full = 2 ** (bits - 1), 2**bits
    signed = [0 if v != v else max(-top, min(top - 1, whole(v))) for v in x.tolist()]
    unsigned = [0 if v != v else max(0, min(full - 1, whole(v))) for v in x.tolist()]
    assert call(soft.to_signed, wide, top - 1, inputs=(a,)).view(np.int64).tolist() == signed
    assert call(soft.to_unsigned, wide, full - 1, inputs=(a,)).tolist() == unsigned


def whole(value: float) -> int:
    return int(value) if abs(value) < 2.0**70 else (2**70 if value > 0 else -(2**70))


@given(a=st.floats(), b=st.floats())
def test_doubles_of_hypothesis(soft: ctypes.CDLL, a: float, b: float) -> None:
    x, y = np.array([a]), np.array([b])
    bits = (x.view(np.uint64), y.view(np.uint64))
    with np.errstate(all="ignore"):
        for operation, expected in enumerate((x + y, x * y, x / y)):
            assert same(True, call(soft.arithmetic, operation, 1, inputs=bits), expected).all()
