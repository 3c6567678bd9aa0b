"""Fourier transforms beside LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.tflite.build import Builder, T, c, evaluate, feeds_of, litert, read_bytes
from tests.compiler.frontends.tflite.cases import x
from tinsmith.errors import ClientError


def transform(kinds: list[str], height: int = 4, width: int = 8) -> Builder:
    builder = Builder()
    part = builder.parts[0]
    image, sizes = part.input(x(2, height, width)), part.add(c([height, width]))
    shape = (2, height, width // 2 + 1)
    (spectrum,) = builder.operator("RFFT2D", [image, sizes], [T(shape, "complex64")], ("Rfft2dOptions", {}))
    part.outputs = [builder.operator(kind, [spectrum], [T(shape)])[0] for kind in kinds] or [spectrum]
    return builder


@pytest.mark.parametrize("sizes", [(4, 8), (1, 16)])
def test_transforms(sizes: tuple[int, int], tmp_path: Path) -> None:
    builder = transform(["REAL", "IMAG", "COMPLEX_ABS"], *sizes)
    content, feeds = builder.bytes(), feeds_of(builder)
    network = read_bytes(tmp_path, content)
    found = evaluate(network, {network.inputs[0].name: feeds[0]})
    for got, want in zip(found, litert(content, feeds, reference=False), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_complex_outputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ClientError, match="complex64 output: the model has the output 't0_2', which is not comp"
    ):
        read_bytes(tmp_path, transform([]).bytes())
