"""MediaPipe's transposed convolution beside LiteRT's, which has the same weights."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.tflite.build import T, c, evaluate, feeds_of, litert, one, read_bytes
from tests.compiler.frontends.tflite.cases import IMAGE, conv, w, x
from tinsmith.errors import ClientError


@pytest.mark.parametrize("padding", [1, 2])
def test_transposed_with_bias(padding: int, tmp_path: Path) -> None:
    weights, bias = w(3, 3, 3, 2), w(3)
    size = 8 if padding == 1 else 9
    custom = struct.pack("<4i", padding, 2, 2, 0)
    own = one(
        "Convolution2DTransposeBias", [x(1, 4, 4, 2), weights, bias], [T((1, size, size, 3))], custom=custom
    )
    options = ("TransposeConvOptions", {"padding": padding - 1, "strideW": 2, "strideH": 2})
    other = one(
        "TRANSPOSE_CONV", [c([1, size, size, 3]), weights, x(1, 4, 4, 2), bias], [T()], options, version=3
    )
    network, feeds = read_bytes(tmp_path, own.bytes()), feeds_of(own)
    (found,) = evaluate(network, {network.inputs[0].name: feeds[0]})
    np.testing.assert_allclose(found, litert(other.bytes(), feeds)[0], rtol=2e-5, atol=2e-5)


def test_a_fused_tanh_is_refused(tmp_path: Path) -> None:
    builder = one("CONV_2D", [IMAGE, w(4, 3, 3, 4), w(4)], [T()], conv(fusedActivationFunction=4))
    with pytest.raises(ClientError, match="its fused activation is TANH, which LiteRT leaves out"):
        read_bytes(tmp_path, builder.bytes())


def test_weights_that_are_computed(tmp_path: Path) -> None:
    builder = one("CONV_2D", [IMAGE, x(4, 3, 3, 4), w(4)], [T()], conv())
    with pytest.raises(
        ClientError, match="operator 0 \\(CONV_2D\\) 't0_3': its input 1 \\('t0_1'\\) is not a con"
    ):
        read_bytes(tmp_path, builder.bytes())
