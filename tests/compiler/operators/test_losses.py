from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]


def loss(logs: Array, target: Array, weight: Array | None, ignored: int | None, reduction: str) -> Array:
    """By the definition; ignored targets count nothing."""
    classes = logs.shape[1]
    kept = np.ones(target.shape, bool) if ignored is None else target != ignored
    safe = np.where(kept, target, 0)
    share = (np.ones(classes) if weight is None else weight)[safe] * kept
    picked = -np.take_along_axis(logs, safe[:, None], 1)[:, 0] * share
    total = picked if reduction == "none" else picked.sum()
    return np.asarray(total / share.sum() if reduction == "mean" else total, np.float32)


def test_losses(nodes: Nodes) -> None:
    draw = np.random.default_rng(0)
    for shape in ((3, 5), (2, 5, 4), (2, 5, 3, 2)):
        x = draw.standard_normal(shape).astype(np.float32)
        logs = x - np.log(np.exp(x.astype(np.float64)).sum(1, keepdims=True))
        target = draw.integers(0, 5, (shape[0], *shape[2:]))
        target.flat[1] = -7
        weight = draw.random(5).astype(np.float32)
        for reduction in ("none", "sum", "mean"):
            for given in (None, weight):
                inputs = (target,) if given is None else (target, given)
                how: dict[str, Any] = {"reduction": reduction, "ignore_index": -7, "tolerance": 1e-5}
                wanted = loss(x, target, given, -7, reduction)
                nodes.add("NegativeLogLikelihoodLoss", x, *inputs, expected=wanted, **how)
                crossed = [loss(logs, target, given, -7, reduction), logs.astype(np.float32)]
                nodes.add("SoftmaxCrossEntropyLoss", x, *inputs, expected=crossed, **how)
        plain = np.abs(target) % 5
        nodes.add("NegativeLogLikelihoodLoss", x, plain, expected=loss(x, plain, None, None, "mean"))
    nodes.run()


def test_determinants(nodes: Nodes) -> None:
    draw = np.random.default_rng(1)
    for shape in ((1, 1), (2, 2), (3, 4, 4), (2, 2, 7, 7)):
        x = draw.standard_normal(shape)
        nodes.add("Det", x, expected=np.linalg.det(x), tolerance=1e-12)
    turned = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    nodes.add("Det", turned, expected=np.array(1.0))
    nodes.add("Det", turned[[1, 0, 2]], expected=np.array(-1.0))
    nodes.add("Det", np.array([[1.0, 2.0], [2.0, 4.0]]), expected=np.array(0.0))
    nodes.add("Det", np.zeros((3, 3)), expected=np.array(0.0))
    nodes.run()


def test_what_does_not_fit_is_refused(nodes: Nodes) -> None:
    x = np.zeros((2, 5), np.float32)
    nodes.add("NegativeLogLikelihoodLoss", x, np.zeros(3, np.int64), expected=x)
    nodes.add("NegativeLogLikelihoodLoss", x, np.zeros(2, np.int64), expected=x, reduction="most")
    nodes.add("Det", x, expected=x)
    with pytest.raises(ClientError) as error:
        nodes.run()
    for part in ("target of shape (3,)", "reduction most", "not of square matrices"):
        assert part in str(error.value)
