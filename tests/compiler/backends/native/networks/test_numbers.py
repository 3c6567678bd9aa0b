"""Small number formats next to ml_dtypes and ONNX's reference; integers next to unbounded ones."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx.reference.ops.op_cast import cast_to

Array = NDArray[Any]
Arithmetic = Callable[..., Array]

RANDOM = np.random.RandomState(17)
FLOAT8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
VERBS = ("div", "mod", "fmod", "pow", "shl", "shr", "any_shl", "any_shr", "min", "max")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def floats(kind: Any = np.float32) -> Array:
    """All exponents, edge values, and everything on or beside the middle of two numbers of a small format."""
    word: Any = np.uint32 if kind is np.float32 else np.uint64
    patterns = np.frombuffer(RANDOM.bytes(word(0).nbytes * 20_000), word).view(kind)
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    upper = (np.arange(0x7F80, dtype=np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    bytes_ = np.arange(256, dtype=np.uint8)
    small = [bytes_.view(getattr(ml_dtypes, name)).astype(np.float64) for name in FLOAT8]
    grids = [np.unique(grid[np.isfinite(grid)]) for grid in (halves, upper, *small)]
    with np.errstate(over="ignore"):
        points = np.concatenate([*grids, *((grid[1:] + grid[:-1]) / 2 for grid in grids)]).astype(kind)
        beside = [np.nextafter(points, kind(way)) for way in (np.inf, -np.inf)]
    edges = np.array([0.0, np.inf, np.nan, 65519, 65520, 464, 465, 480, 57344, 61440, 2.0**-150], kind)
    all_ = np.concatenate([patterns, points, *beside, edges])
    return np.concatenate([all_, -all_])


def same_floats(found: Array, expected: Array) -> bool:
    """Equal with the sign of zeros; NaNs are equal."""
    nan = np.isnan(expected)
    same = (found == expected) & (np.signbit(found) == np.signbit(expected))
    return bool((same | (nan & np.isnan(found))).all())


def same_codes(found: Array, expected: Array, nan: Array) -> bool:
    """Equal bits; where a NaN was converted any NaN will do."""
    kind = expected.dtype
    values = found.view(kind).astype(np.float32)
    return bool(((found == expected.view(found.dtype)) | (nan & np.isnan(values))).all())


@pytest.mark.parametrize(("name", "kind"), [("half", np.float16), ("bfloat16", ml_dtypes.bfloat16)])
def test_16_bits(arithmetic: Arithmetic, name: str, kind: Any) -> None:
    codes = np.arange(65536, dtype=np.uint16)
    assert same_floats(arithmetic(f"{name}_to_float", codes), codes.view(kind).astype(np.float32))
    x = floats()
    with np.errstate(all="ignore"):
        expected = x.astype(kind)
    assert same_codes(arithmetic(f"float_to_{name}", x), expected, np.isnan(x))
    assert same_floats(arithmetic(f"round_{name}", x), expected.astype(np.float32))


def nearest_even(x: float, grid: list[float], limit: float) -> float:
    """Of the numbers `grid` >= 0 in order, whose even places have even mantissas."""
    if abs(x) >= limit:
        return float(np.copysign(np.inf, x))
    above = int(np.searchsorted(grid, abs(x)))
    low, high = grid[max(above - 1, 0)], grid[min(above, len(grid) - 1)]
    down, up = Fraction(abs(x)) - Fraction(low), Fraction(high) - Fraction(abs(x))
    even = low if max(above - 1, 0) % 2 == 0 else high
    return float(np.copysign(low if down < up else high if up < down else even, x))


@pytest.mark.parametrize(
    ("name", "last", "shift"), [("half", 0x7BFF, np.float16), ("bfloat16", 0x7F7F, ml_dtypes.bfloat16)]
)
def test_doubles_are_rounded_once(arithmetic: Arithmetic, name: str, last: int, shift: Any) -> None:
    codes = np.arange(last + 1, dtype=np.uint16)
    grid = codes.view(shift).astype(np.float64).tolist()
    limit = grid[-1] + (grid[-1] - grid[-2]) / 2
    places = RANDOM.randint(0, last, 300)
    middle = np.array([(grid[place] + grid[place + 1]) / 2 for place in places])
    offsets = middle * 2.0 ** RANDOM.randint(-52, -20, 300) * RANDOM.choice([-1, 0, 1], 300)
    x = np.concatenate(
        [middle + offsets, -middle, [limit, np.nextafter(limit, 0), 1e300, -1e300, 5e-324, 0.0]]
    )
    expected = np.array([nearest_even(value, grid, limit) for value in x.tolist()], np.float32)
    assert same_floats(arithmetic(f"round_{name}_double", x), expected)
    assert np.isnan(arithmetic(f"round_{name}_double", np.array([np.nan]))).all()
    infinite = np.array([np.inf, -np.inf])
    assert same_floats(arithmetic(f"round_{name}_double", infinite), infinite.astype(np.float32))


@pytest.mark.parametrize("name", [*FLOAT8, "float8_e8m0fnu"])
def test_8_bits_to_float(arithmetic: Arithmetic, name: str) -> None:
    codes = np.arange(256, dtype=np.uint8)
    expected = codes.view(getattr(ml_dtypes, name)).astype(np.float32)
    assert same_floats(arithmetic(f"{name}_to_float", codes), expected)


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("name", FLOAT8)
def test_float_to_8_bits(arithmetic: Arithmetic, name: str, saturate: bool) -> None:
    x = floats()
    code = getattr(onnx.TensorProto, name.replace("_", "").upper())
    with np.errstate(all="ignore"):
        expected = cast_to(x, code, saturate)
    suffix = "saturated" if saturate else "unsaturated"
    found = arithmetic(f"float_to_{name}_{suffix}", x)
    assert same_codes(found, expected, np.isnan(x))


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize(("suffix", "mode"), [("", "up"), ("_down", "down"), ("_nearest", "nearest")])
def test_float_to_scale(arithmetic: Arithmetic, suffix: str, mode: str, saturate: bool) -> None:
    x = abs(floats())
    with np.errstate(all="ignore"):
        expected = cast_to(x, onnx.TensorProto.FLOAT8E8M0, saturate, mode)
    ending = "saturated" if saturate else "unsaturated"
    found = arithmetic(f"float_to_float8_e8m0fnu{suffix}_{ending}", x)
    assert (found == expected.view(np.uint8)).all()


def test_4_bits(arithmetic: Arithmetic) -> None:
    kind = ml_dtypes.float4_e2m1fn
    codes = np.arange(16, dtype=np.uint8)
    assert same_floats(arithmetic("float4_e2m1fn_to_float", codes), codes.view(kind).astype(np.float32))
    x = np.concatenate([floats(), (np.arange(-64, 64) / 8).astype(np.float32)])
    with np.errstate(all="ignore"):
        expected = x.astype(kind).view(np.uint8)
    for ending in ("saturated", "unsaturated"):
        assert (arithmetic(f"float_to_float4_e2m1fn_{ending}", x) == expected).all()


def around_limits(kind: Any) -> Array:
    """Numbers in, on and beside the ends of every integer type."""
    ends = np.array([s * 2.0**p for p in (0, 7, 8, 15, 16, 31, 32, 63, 64) for s in (1, -1)], kind)
    beside = [np.nextafter(ends, kind(way)) for way in (np.inf, -np.inf)]
    steps = [ends + kind(step) for step in (-1, -0.5, 0.5, 1)]
    scaled = [(RANDOM.randn(500) * 2.0**power).astype(kind) for power in range(0, 66, 3)]
    edges = np.array([0, -0.0, 0.5, -0.5, 1e30, -1e30, np.inf, -np.inf, np.nan], kind)
    return np.concatenate([ends, *beside, *steps, *scaled, edges])


def to_integer(x: float, bits: int, signed: bool) -> int:
    """The rule of x86-64, as numpy and ONNX Runtime follow it; the number's bits."""
    if bits < 32:
        return to_integer(x, 32, True) & ((1 << bits) - 1)
    top = 1 << (bits - 1)
    if not signed and x >= top:
        return to_integer(x - top, bits, True) ^ top
    return int(x) & (2 * top - 1) if -top <= x < top else top


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("name", INTEGERS)
def test_cast_to_integer(arithmetic: Arithmetic, name: str, kind: Any) -> None:
    x = around_limits(kind)
    bits = np.dtype(name).itemsize * 8
    found = arithmetic(f"{name}_from{'f' if kind is np.float32 else ''}", x)
    expected = [to_integer(value, bits, name.startswith("int")) for value in x.tolist()]
    assert found.view(f"uint{bits}").tolist() == expected
    info = np.iinfo(name)
    inside = (x > info.min - 1) & (x < info.max)
    assert (found[inside] == x[inside].astype(name)).all()


@pytest.mark.parametrize(
    "name", ["int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32"]
)
def test_saturation(arithmetic: Arithmetic, name: str) -> None:
    signed, bits = name.startswith("int"), int(name.strip("uint"))
    least, most = (-1 << (bits - 1), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    x = np.concatenate([around_limits(np.float32), (np.arange(-1200, 1200) / 4).astype(np.float32)])
    ordered = np.where(np.isnan(x), -np.inf, x).astype(np.float64)
    wide = np.clip(np.rint(ordered), least, most)
    assert (arithmetic(f"saturate_{name}", x) == wide).all()


@pytest.mark.parametrize("name", ["int4", "uint4", "int2", "uint2"])
def test_wrap(arithmetic: Arithmetic, name: str) -> None:
    x = np.arange(-128, 128).astype(np.int8)
    bits = int(name[-1])
    low = x.astype(int) & ((1 << bits) - 1)
    expected = np.where(low >= (1 << (bits - 1)), low - (1 << bits), low) if name.startswith("int") else low
    assert (arithmetic(f"wrap_{name}", x) == expected).all()


def operands(name: str) -> tuple[Array, Array]:
    """Edge values with each other, and numbers of all sizes."""
    info = np.iinfo(name)
    bits = info.bits
    edges = {0, 1, 2, 3, 5, 7, info.max, info.max - 1, info.min, info.min + 1, bits, bits - 1, bits + 1}
    if info.min < 0:
        edges |= {-1, -2, -3, -7}
    fixed = np.array(sorted(edges), name)
    left, right = (grid.ravel() for grid in np.meshgrid(fixed, fixed))
    random = np.frombuffer(RANDOM.bytes(bits // 8 * 4_000), name)
    sized = random >> RANDOM.randint(0, bits, len(random)).astype(name)
    small = RANDOM.randint(0, bits + 3, 2_000).astype(name)
    one = np.concatenate([left, sized[:2_000], random[:2_000]])
    two = np.concatenate([right, sized[2_000:], small])
    return one, two


def divide(a: int, b: int) -> int:
    return 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def integer_truth(verb: str, a: int, b: int, bits: int) -> int:
    """With unbounded integers."""
    if verb == "pow" and b < 0:
        return {0: -(1 << (bits - 1)), 1: 1, -1: -1 if b % 2 else 1}.get(a, 0)
    shifts = 0 <= b < bits
    rules: dict[str, Callable[[], int]] = {
        "div": lambda: divide(a, b),
        "fmod": lambda: a - divide(a, b) * b if b else 0,
        "mod": lambda: a % b if b else 0,
        "pow": lambda: pow(a, b, 1 << bits),
        "shl": lambda: a << b if shifts else 0,
        "shr": lambda: a >> b if shifts else (-1 if a < 0 else 0),
        "min": lambda: min(a, b),
        "max": lambda: max(a, b),
    }
    return rules[verb.removeprefix("any_")]()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", INTEGERS)
def test_integers(arithmetic: Arithmetic, name: str, verb: str) -> None:
    a, b = operands(name)
    bits = np.dtype(name).itemsize * 8
    found = arithmetic(f"{name}_{verb}", a, b).view(f"uint{bits}").tolist()
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    assert found == [integer_truth(verb, x, y, bits) & ((1 << bits) - 1) for x, y in pairs]


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_alone(arithmetic: Arithmetic, name: str) -> None:
    a, _ = operands(name)
    with np.errstate(over="ignore"):
        assert (arithmetic(f"{name}_abs", a) == np.abs(a)).all()
    assert (arithmetic(f"{name}_sign", a) == np.sign(a)).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=st.integers(-(2**63), 2**63 - 1), b=st.integers(-(2**63), 2**63 - 1).filter(operator.truth))
def test_quotient_and_remainder_give_the_dividend(arithmetic: Arithmetic, a: int, b: int) -> None:
    x, y = np.array([a]), np.array([b])
    quotient, rest = int(arithmetic("int64_div", x, y)[0]), int(arithmetic("int64_fmod", x, y)[0])
    assert (quotient * b + rest - a) % 2**64 == 0
    assert abs(rest) < abs(b)
