from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]


def numbers(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def pairs(x: Array) -> Array:
    """Complex numbers as ONNX writes them."""
    return np.stack([x.real, x.imag], -1).astype(np.float32)


def test_transforms_of_every_length(nodes: Nodes) -> None:
    for points in (1, 2, 3, 8, 12, 31, 60, 521, 600, 768):
        x = numbers(2, points, 2)
        given = x[..., 0] + 1j * x[..., 1].astype(np.float64)
        how: dict[str, Any] = {"tolerance": 1e-4, "folds": points < 600}
        nodes.add("DFT", x, expected=pairs(np.fft.fft(given, axis=1)), **how)
        nodes.add("DFT", x, expected=pairs(np.fft.ifft(given, axis=1)), inverse=1, **how)
        real = x[..., :1].copy()
        wanted = pairs(np.fft.rfft(real[..., 0].astype(np.float64), axis=1))
        nodes.add("DFT", real, expected=wanted, onesided=1, **how)
        if points > 1:
            back = np.fft.irfft(given, 2 * (points - 1), axis=1)[..., None].astype(np.float32)
            nodes.add("DFT", x, expected=back, onesided=1, inverse=1, **how)
    nodes.run()


def test_other_axes_and_lengths(nodes: Nodes) -> None:
    x = numbers(3, 5, 4, 2)
    given = x[..., 0] + 1j * x[..., 1].astype(np.float64)
    how: dict[str, Any] = {"tolerance": 1e-5}
    for axis in (0, 1, 2, -2):
        real = axis if axis >= 0 else 2
        for length in (3, 5, 9):
            wanted = pairs(np.fft.fft(given, length, axis=real))
            inputs = (x, np.array(length), np.array(axis))
            nodes.add("DFT", *inputs, expected=wanted, constant=[1, 2], **how)
            nodes.add("DFT", *inputs, expected=wanted, constant=[2], declared=True, **how)
    nodes.add("DFT", x, None, np.array(1), expected=pairs(np.fft.fft(given, axis=1)), declared=True, **how)
    half = pairs(np.fft.rfft(x[..., 0].astype(np.float64), 7, axis=1))
    inputs = (x[..., :1].copy(), np.array(7), np.array(1))
    nodes.add("DFT", *inputs, expected=half, constant=[2], declared=True, onesided=1, **how)
    nodes.run()


def test_the_axis_was_an_attribute(nodes: Nodes) -> None:
    nodes.opset = 19
    x = numbers(2, 6, 5, 1)
    nodes.add("DFT", x, expected=pairs(np.fft.fft(x[..., 0], axis=1)), tolerance=1e-5)
    nodes.add("DFT", x, expected=pairs(np.fft.fft(x[..., 0], axis=2)), axis=2, tolerance=1e-5)
    nodes.run()


def test_short_time_transforms(nodes: Nodes) -> None:
    signal, window = numbers(2, 100), np.hanning(16).astype(np.float32)
    frames = np.stack([signal[:, start : start + 16] for start in range(0, 85, 7)], 1).astype(np.float64)
    step, length = np.array(7), np.array(16)
    x = signal[..., None].copy()
    how: dict[str, Any] = {"tolerance": 1e-5, "declared": True}
    for constant in ([1, 3], [], [1]):
        shaped = pairs(np.fft.rfft(frames * window))
        nodes.add("STFT", x, step, window, length, expected=shaped, constant=constant, **how)
        nodes.add(
            "STFT", x, step, None, length, expected=pairs(np.fft.rfft(frames)), constant=constant, **how
        )
        whole = pairs(np.fft.fft(frames))
        nodes.add("STFT", x, step, None, length, expected=whole, constant=constant, onesided=0, **how)
    nodes.run()


def test_mel_bands(nodes: Nodes) -> None:
    inputs = [np.array(value) for value in (8, 16, 8192)]
    inputs += [np.array(value, np.float32) for value in (0, 4096)]
    nodes.add("MelWeightMatrix", *inputs, constant=range(5))
    nodes.add("MelWeightMatrix", *inputs, declared=True)
    nodes.run()


def test_what_only_a_run_knows_is_refused(nodes: Nodes) -> None:
    x = numbers(2, 6, 2)
    nodes.add("DFT", x, np.array(5), expected=pairs(x[..., 0]))
    nodes.add("STFT", x[..., :1].copy(), np.array(2), None, np.array(4), expected=x)
    nodes.add("DFT", numbers(2, 6, 3), expected=x)
    with pytest.raises(ClientError) as error:
        nodes.run()
    for part in ("dft_length", "frame_length is not a constant", "input of shape (2, 6, 3)"):
        assert part in str(error.value)
