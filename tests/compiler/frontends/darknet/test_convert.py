"""Every kind of layer against what Darknet itself computes (recorded.npz, made by record.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.compiler.frontends.darknet.cases import CASES, CRASHES, RECORDED, image, picture, row, weights
from tests.compiler.frontends.darknet.conftest import evaluate
from tinsmith.compiler.ir.network import Network


@pytest.mark.parametrize("name", sorted(CASES.keys() - CRASHES))
def test_like_darknet(read_net: Callable[..., Network], name: str) -> None:
    network = read_net(CASES[name], None, weights(name))
    with np.load(RECORDED) as recorded:
        expected = recorded[name]
    found = evaluate(network, picture(network.inputs[0].shape, name))[-1]
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def numbers(name: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.frombuffer(weights(name)[20:], np.float32)


def test_batchnorm_by_hand(read_net: Callable[..., Network]) -> None:
    network = read_net(image("[batchnorm] [activation];activation=leaky"), None, weights("b"))
    x = picture(network.inputs[0].shape, "b")
    scales, mean, variance = numbers("b")[:9].reshape(3, 3, 1, 1)
    expected = (x - mean) / (np.sqrt(variance) + 1e-6) * scales
    expected = np.where(expected > 0, expected, 0.1 * expected)
    np.testing.assert_allclose(evaluate(network, x)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("pad", "stride"), [(1, 1), (0, 2)])
def test_local_by_hand(read_net: Callable[..., Network], pad: int, stride: int) -> None:
    network = read_net(image(f"[local];filters=2;size=3;stride={stride};pad={pad};activation=linear", 7, 5))
    x = picture(network.inputs[0].shape, "l")
    padded = np.pad(x[0], ((0, 0), (pad, pad), (pad, pad)))
    _, filters, rows, columns = network.outputs[0].shape
    places = rows * columns
    values = numbers("x")
    biases = values[: filters * places].reshape(filters, rows, columns)
    filters_of = values[filters * places :][: places * filters * 27].reshape(rows, columns, filters, 27)
    expected = biases.copy()
    for j in range(rows):
        for i in range(columns):
            window = padded[:, j * stride : j * stride + 3, i * stride : i * stride + 3].reshape(27)
            expected[:, j, i] += filters_of[j, i] @ window
    np.testing.assert_allclose(evaluate(network, x)[0][0], expected, rtol=1e-4, atol=1e-5)


def test_iseg_by_hand(read_net: Callable[..., Network]) -> None:
    network = read_net(image("[iseg];classes=2;ids=1", 3, 4))
    x = picture(network.inputs[0].shape, "i")
    expected = np.concatenate([1 / (1 + np.exp(-x[:, :2])), x[:, 2:]], 1)
    np.testing.assert_allclose(evaluate(network, x)[0], expected, rtol=1e-5)


def test_crnn_by_hand(read_net: Callable[..., Network]) -> None:
    network = read_net(CASES["crnn"], None, weights("x"))
    x = picture(network.inputs[0].shape, "c")
    values, layers = numbers("x"), []
    for channels, filters in ((2, 3), (3, 3), (3, 4)):
        biases, values = values[:filters], values[filters:]
        kernels, values = np.split(values, [filters * channels * 9])
        layers.append((kernels.reshape(filters, channels, 3, 3), biases))

    def leaky(picture: NDArray[Any], index: int) -> NDArray[Any]:
        kernels, biases = layers[index]
        padded = np.pad(picture, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
        found = np.einsum("chwij,fcij->fhw", windows, kernels) + biases[:, None, None]
        result: NDArray[Any] = np.where(found > 0, found, 0.1 * found)
        return result

    state = np.zeros((3, 4, 5), np.float32)
    for step, output in enumerate(evaluate(network, x)[0]):
        state = leaky(x[step], 0) + leaky(state, 1)
        np.testing.assert_allclose(output, leaky(state, 2), rtol=1e-4, atol=1e-5)


NEWER: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "relu6": lambda x: np.clip(x, 0, 6),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "hard_mish": lambda x: np.where(x > 0, x, np.where(x > -2, x * x / 2 + x, 0)),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(0.797885 * x + 0.035677 * x**3)),
}


@pytest.mark.parametrize("name", NEWER)
def test_activations_of_the_other_darknet(read_net: Callable[..., Network], name: str) -> None:
    network = read_net(image(f"[activation];activation={name}"))
    x = 3 * picture(network.inputs[0].shape, name)
    np.testing.assert_allclose(evaluate(network, x)[0], NEWER[name](x), rtol=1e-4, atol=1e-5)


def test_layers_of_the_other_darknet(read_net: Callable[..., Network]) -> None:
    x = picture((1, 4, 6, 6), "r")

    def result(text: str) -> NDArray[Any]:
        return evaluate(read_net(image(text, 6, 6, 4)), x)[-1]

    keep = "[activation];activation=linear"
    np.testing.assert_array_equal(result(f"{keep} [route];layers=-1;groups=2;group_id=1"), x[:, 2:])
    deep = x.reshape(1, 4, 3, 2, 3, 2).transpose(0, 3, 5, 1, 2, 4).reshape(1, 16, 3, 3)
    np.testing.assert_array_equal(result("[reorg3d];stride=2"), deep)
    np.testing.assert_allclose(
        result(f"{keep} [avgpool] [scale_channels];from=0"), x * x.mean((2, 3), keepdims=True), rtol=1e-5
    )
    np.testing.assert_allclose(
        result(f"{keep} [activation];activation=relu [sam];from=0"), x * np.maximum(x, 0), rtol=1e-5
    )
    np.testing.assert_allclose(result(f"{keep} {keep} [shortcut];from=-2,-2"), 3 * x, rtol=1e-5)
    means = x.reshape(1, 4, 3, 2, 3, 2).mean((3, 5))
    np.testing.assert_allclose(result("[local_avgpool];size=2;stride=2;padding=0"), means, rtol=1e-5)


def test_boxes_of_yolov4(read_net: Callable[..., Network]) -> None:
    x = picture((1, 6, 2, 2), "y")

    def result(text: str) -> NDArray[Any]:
        return evaluate(read_net(image(f"[yolo];classes=1;num=1;{text}", 2, 2, 6)), x)[0]

    sigmoid = 1 / (1 + np.exp(-x))
    expected = np.concatenate([sigmoid[:, :2] * 1.05 - 0.025, x[:, 2:4], sigmoid[:, 4:]], 1)
    np.testing.assert_allclose(result("scale_x_y=1.05"), expected, rtol=1e-5, atol=1e-6)
    expected = np.concatenate([x[:, :2] * 2 - 0.5, x[:, 2:]], 1)
    np.testing.assert_allclose(result("scale_x_y=2;new_coords=1"), expected, rtol=1e-5, atol=1e-6)


def test_outputs_are_the_heads_and_the_last_layer(read_net: Callable[..., Network]) -> None:
    head = "[conv];filters=6;size=1;activation=linear [yolo];classes=1;num=1"
    network = read_net(image(f"{head} [route];layers=0 {head}"))
    assert [spec.name for spec in network.outputs] == ["yolo_1", "yolo_4"]
    network = read_net(image(f"{head} [route];layers=0"))
    assert [(spec.name, spec.shape) for spec in network.outputs] == [
        ("yolo_1", (1, 6, 9, 9)),
        ("route_2", (1, 6, 9, 9)),
    ]


def test_a_row_for_every_step_of_time(read_net: Callable[..., Network]) -> None:
    network = read_net(row("[lstm];output=4", steps=3), '{"data": [6, 6]}')
    assert network.outputs[0].shape == (6, 4)
    x = picture((6, 6), "t")
    both = evaluate(network, x)[0]
    for sequence in (0, 1):
        alone = evaluate(read_net(row("[lstm];output=4", steps=3)), x[sequence::2])[0]
        np.testing.assert_allclose(both[sequence::2], alone, rtol=1e-5)
