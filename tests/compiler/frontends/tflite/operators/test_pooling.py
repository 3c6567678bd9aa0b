"""MediaPipe's pooling with places, and back: computed by hand, as LiteRT has no kernels for them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.tflite.build import T, evaluate, one, read_bytes
from tests.compiler.frontends.tflite.cases import x
from tinsmith.errors import ClientError

SAME, VALID = 1, 2


def options(padding: int, stride: tuple[int, int], window: tuple[int, int]) -> bytes:
    """Padding, strides and window as width, height, and a word for the activation."""
    return struct.pack("<6i", padding, stride[1], stride[0], window[1], window[0], 0)


def pooled(
    image: np.ndarray[Any, Any], padding: int, stride: tuple[int, int], window: tuple[int, int]
) -> Any:
    _, rows, columns, channels = image.shape
    steps = [-(-size // s) if padding == SAME else (size - k) // s + 1
             for size, s, k in zip((rows, columns), stride, window, strict=True)]  # fmt: skip
    over = [max(0, (n - 1) * s + k - size) // 2 if padding == SAME else 0
            for n, size, s, k in zip(steps, (rows, columns), stride, window, strict=True)]  # fmt: skip
    values = np.full((1, *steps, channels), -np.inf, np.float32)
    places = np.zeros((1, *steps, channels), np.float32)
    for r, c, ch, i, j in np.ndindex(*steps, channels, *window):
        y, z = r * stride[0] - over[0] + i, c * stride[1] - over[1] + j
        if 0 <= y < rows and 0 <= z < columns and image[0, y, z, ch] > values[0, r, c, ch]:
            values[0, r, c, ch], places[0, r, c, ch] = image[0, y, z, ch], i * window[1] + j
    return values, places


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("window", [(2, 2), (2, 3)])
def test_pooling_with_places(padding: int, window: tuple[int, int], tmp_path: Path) -> None:
    image = np.random.default_rng(2).uniform(-1, 1, (1, 6, 7, 3)).astype(np.float32)
    outputs = [T((1, 3, 3, 3)), T((1, 3, 3, 3))]
    builder = one("MaxPoolingWithArgmax2D", [x(1, 6, 7, 3)], outputs, custom=options(padding, (2, 2), window))
    found = evaluate(network := read_bytes(tmp_path, builder.bytes()), {network.inputs[0].name: image})
    for got, want in zip(found, pooled(image, padding, (2, 2), window), strict=True):
        np.testing.assert_array_equal(got, want)


def test_unpooling_undoes_it(tmp_path: Path) -> None:
    image = np.random.default_rng(2).uniform(-1, 1, (1, 4, 6, 2)).astype(np.float32)
    values, places = pooled(image, VALID, (2, 2), (2, 2))
    inputs = [x(1, 2, 3, 2), x(1, 2, 3, 2)]
    builder = one("MaxUnpooling2D", inputs, [T((1, 4, 6, 2))], custom=options(VALID, (2, 2), (2, 2)))
    network = read_bytes(tmp_path, builder.bytes())
    (found,) = evaluate(network, dict(zip((s.name for s in network.inputs), (values, places), strict=True)))
    np.testing.assert_array_equal(found[found != 0], image[found != 0])
    assert (found != 0).sum() == values.size


def test_options_that_are_too_short(tmp_path: Path) -> None:
    builder = one("MaxUnpooling2D", [x(1, 2, 3, 2), x(1, 2, 3, 2)], [T((1, 4, 6, 2))], custom=b"123")
    with pytest.raises(ClientError, match="its options have 3 bytes, expected 20"):
        read_bytes(tmp_path, builder.bytes())
