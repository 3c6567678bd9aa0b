from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

TRAINING = "ai.onnx.preview.training"
RATE, FIRST, LATER = np.array(0.1, np.float32), np.array(0), np.array(3)
X, G, V, H = (np.array(values, np.float32) for values in ([1.0, 2.8], [-0.94, -2.5], [1.7, 3.6], [0.1, 0.2]))


def test_adagrad(nodes: Nodes) -> None:
    gradient = 0.5 * X + G
    squares = H + gradient**2
    x = X - 0.1 / (1 + 3 * 0.25) * gradient / (np.sqrt(squares) + 0.125)
    options: dict[str, Any] = {"norm_coefficient": 0.5, "epsilon": 0.125, "decay_factor": 0.25}
    wanted = [x.astype(np.float32), squares.astype(np.float32)]
    nodes.add("Adagrad", RATE, LATER, X, G, H, expected=wanted, domain=TRAINING, tolerance=2e-6, **options)
    nodes.run()


def test_momentum(nodes: Nodes) -> None:
    gradient = 0.5 * X + G
    for count, share in ((FIRST, 1.0), (LATER, 0.25)):
        speed = 0.75 * V + share * gradient
        for mode, step in (("standard", speed), ("nesterov", gradient + 0.75 * speed)):
            wanted = [(X - 0.1 * step).astype(np.float32), speed.astype(np.float32)]
            options: dict[str, Any] = {"norm_coefficient": 0.5, "alpha": 0.75, "beta": 0.25}
            nodes.add(
                "Momentum", RATE, count, X, G, V, expected=wanted, domain=TRAINING, mode=mode, **options
            )
    nodes.run()


def test_adam_of_two_tensors(nodes: Nodes) -> None:
    wanted = []
    for x, g in ((X, G), (G, X)):
        speed, squares = 0.75 * V + 0.25 * g, 0.5 * H + 0.5 * g**2
        rate = 0.1 * np.sqrt(1 - 0.5**3) / (1 - 0.75**3)
        wanted.append((0.875 * (x - rate * speed / (np.sqrt(squares) + 0.125)), speed, squares))
    results = [np.asarray(pair[kind], np.float32) for kind in range(3) for pair in wanted]
    options: dict[str, Any] = {"alpha": 0.75, "beta": 0.5, "epsilon": 0.125, "norm_coefficient_post": 0.125}
    given = (X, G, G, X, V, V, H, H)
    nodes.add("Adam", RATE, LATER, *given, expected=results, domain=TRAINING, tolerance=2e-6, **options)
    nodes.run()


def test_odd_numbers_of_tensors_are_refused(nodes: Nodes) -> None:
    nodes.add("Adam", RATE, FIRST, X, G, V, expected=[X, V, H], domain=TRAINING)
    with pytest.raises(ClientError, match="3 tensors after the first two; a multiple of 4 is needed"):
        nodes.run()
