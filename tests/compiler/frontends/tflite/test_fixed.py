"""The very integers of LiteRT's reference kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.tflite.build import Builder, T, c, evaluate, feeds_of, litert, one, read_bytes
from tests.compiler.frontends.tflite.cases import conv, depthwise, pool, q, qb, qw
from tinsmith.compiler.frontends.tflite.fixed import Factor

SCALES = np.linspace(0.002, 0.03, 16).astype(np.float32)
REDUCTION = ("ReducerOptions", {"keepDims": True})
BINARY = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}
UNARY = {
    "HARD_SWISH": (0.043, -9, 0.021, -113),
    "HARD_SWISH coarse": (0.11, 4, 0.09, -120),
    "LOGISTIC": (0.05, 3, 1 / 256, -128),
    "TANH": (0.03, 3, 1 / 128, 0),
    "RELU": (0.05, 3, 0.031, -128),
    "RELU6": (0.05, 3, 0.031, -128),
    "QUANTIZE": (0.05, 3, 0.083, -5),
}
"""Scale and zero point of the input and of the output."""


def of_bytes(kind: str, inputs: list[T | None], output: T, options: Any = None, version: int = 2) -> Builder:
    return one(kind, inputs, [output], options, version=version)


def cases() -> dict[str, Builder]:
    image, bias = q(1, 9, 8, 16), qb(16, SCALES * np.float32(0.05))
    found = {
        "CONV_2D": of_bytes(
            "CONV_2D", [image, qw(16, 3, 3, 16, scale=SCALES), bias], q(scale=1.3), conv(), 3
        ),
        "CONV_2D relu6": of_bytes(
            "CONV_2D",
            [image, qw(16, 1, 1, 16, scale=SCALES), bias],
            q(scale=0.03, zero=-128),
            conv(fusedActivationFunction=3),
            3,
        ),
        "DEPTHWISE_CONV_2D": of_bytes(
            "DEPTHWISE_CONV_2D",
            [image, qw(1, 3, 3, 16, scale=SCALES, axis=3), bias],
            q(scale=0.5, zero=-20),
            depthwise(fusedActivationFunction=1),
            3,
        ),
        "FULLY_CONNECTED": of_bytes(
            "FULLY_CONNECTED",
            [q(40, 30), qw(20, 30, scale=0.011), qb(20, 0.00055)],
            q(scale=0.4),
            ("FullyConnectedOptions", {"fusedActivationFunction": 1}),
            4,
        ),
        "MEAN": of_bytes("MEAN", [q(3, 7, 7, 40), c([1, 2])], q(scale=0.013), REDUCTION),
        "MEAN flat": of_bytes("MEAN", [q(3, 5, 4, 40), c([1, 2])], q(scale=0.017), ("ReducerOptions", {})),
        "AVERAGE_POOL_2D": of_bytes("AVERAGE_POOL_2D", [q(1, 12, 12, 8)], q(), pool()),
        "AVERAGE_POOL_2D uint8": of_bytes(
            "AVERAGE_POOL_2D", [q(1, 12, 12, 8, dtype="uint8")], q(dtype="uint8"), pool(padding=1), 1
        ),
    }
    for kind, options in BINARY.items():
        more = {"fusedActivationFunction": 1}
        wide = q(1, 8, 8, 16), q(1, 1, 1, 16, scale=0.031, zero=-7)
        found[kind] = of_bytes(kind, [*wide], q(scale=0.07, zero=9), (options, more))
        unsigned = (
            q(400, dtype="uint8", zero=120),
            q(400, dtype="uint8", scale=0.02, zero=9),
        )
        found[f"{kind} uint8"] = of_bytes(kind, [*unsigned], q(scale=0.04, dtype="uint8"), (options, {}), 1)
    for kind, (scale, zero, step, point) in UNARY.items():
        output = q(scale=step, zero=point)
        version = 1 if kind.startswith("HARD_SWISH") else 2
        found[kind] = of_bytes(kind.split()[0], [q(4, 256, scale=scale, zero=zero)], output, version=version)
    return found


@pytest.mark.parametrize("name", cases())
def test_the_integers_are_those_of_litert(name: str, tmp_path: Path) -> None:
    builder = cases()[name]
    content, feeds = builder.bytes(), feeds_of(builder, 5)
    network = read_bytes(tmp_path, content)
    arrays = dict(zip((spec.name for spec in network.inputs), feeds, strict=True))
    (found,), (wanted,) = evaluate(network, arrays), litert(content, feeds)
    assert len(np.unique(wanted)) > 20
    np.testing.assert_array_equal(found, wanted)


def test_factors_are_mantissas_and_shifts() -> None:
    factor = Factor.of(np.array([0.75, 1.0, 6.0, 1 - 2.0**-40, 2.0**-40]))
    assert factor.mantissa.tolist() == [3 << 29, 1 << 30, 3 << 29, 1 << 30, 0]
    assert factor.shift.tolist() == [0, 1, 3, 1, 0]
    np.testing.assert_array_equal(factor.first * factor.second, [0.75, 1, 6, 1, 0])


def test_a_mean_divides_the_mantissa() -> None:
    factor = Factor.of(np.float64(0.75)).divided(36)
    assert (int(factor.mantissa), int(factor.shift)) == (((3 << 29) << 5) // 36, -5)
