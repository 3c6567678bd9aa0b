from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.onnx_suite.graphs import Side, answers, parsed
from tinsmith.errors import ClientError

TIME, BATCH, WIDTH, UNITS = 5, 3, 4, 6
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FLOAT = onnx.TensorProto.FLOAT


def add(
    side: Side,
    op: str,
    given: str = "b",
    constant: str = "w r b p",
    outputs: str = "y h c",
    directions: int = 1,
    **attributes: Any,
) -> None:
    """A node with random weights; `given` names the optional inputs: biases, lengths, states, peepholes."""
    random = np.random.default_rng(len(side.nodes))

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return (random.normal(size=shape) * 0.5).astype(np.float32)

    gates = GATES[op] * UNITS
    inputs: dict[str, np.ndarray[Any, Any] | None] = {
        "x": normal(TIME, BATCH, WIDTH),
        "w": normal(directions, gates, WIDTH),
        "r": normal(directions, gates, UNITS),
        "b": normal(directions, 2 * gates) if "b" in given else None,
        "l": np.array([2, 5, 3], np.int32) if "l" in given else None,
        "h": normal(directions, BATCH, UNITS) if "h" in given else None,
    }
    if op == "LSTM":
        inputs["c"] = normal(directions, BATCH, UNITS) if "h" in given else None
        inputs["p"] = normal(directions, 3 * UNITS) if "p" in given else None
    kinds = {name if name in outputs else "": FLOAT for name in ("y", "h", *("c" * (op == "LSTM")))}
    name = {1: attributes.pop("direction", "forward"), 2: "bidirectional"}[directions]
    types = {f"o{key}" if key else "": kind for key, kind in kinds.items()}
    side.add(op, inputs, types, constant, direction=name, hidden_size=UNITS, **attributes)


def test_recurrent_networks_are_those_of_onnxruntime(tmp_path: Path) -> None:
    side = Side(tmp_path)
    for op in GATES:
        add(side, op, given="")
        add(side, op, given="blh")
        add(side, op, given="blh", constant="w", direction="reverse")
        add(side, op, given="blh", constant="l", directions=2)
        add(side, op, clip=0.3)
        add(side, op, outputs="h")
        add(side, op, outputs="y", direction="reverse")
    add(side, "GRU", linear_before_reset=1)
    add(side, "GRU", given="blh", constant="", directions=2, linear_before_reset=1)
    add(side, "LSTM", given="bhp", directions=2)
    add(side, "LSTM", given="bhp", constant="", clip=0.4)
    add(side, "LSTM", input_forget=1)
    side.check()


def test_activations_take_their_parameters_in_order(tmp_path: Path) -> None:
    side = Side(tmp_path)
    for name in ("Relu", "LeakyRelu", "HardSigmoid", "Elu", "Softsign", "Softplus", "Sigmoid", "Tanh"):
        add(side, "RNN", activations=[name])
    for name in ("Affine", "ScaledTanh", "HardSigmoid"):
        add(side, "RNN", activations=[name], activation_alpha=[0.5], activation_beta=[0.7])
    add(side, "RNN", activations=["ThresholdedRelu"], activation_alpha=[0.3])
    add(
        side,
        "LSTM",
        activations=["HardSigmoid", "LeakyRelu", "Tanh"],
        activation_alpha=[0.3, 0.2],
        activation_beta=[0.4],
    )
    add(
        side,
        "GRU",
        directions=2,
        activations=["HardSigmoid", "LeakyRelu", "Sigmoid", "Affine"],
        activation_alpha=[0.3, 0.2, 0.5],
        activation_beta=[0.4, 0.1],
    )
    side.check()


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ('direction="sideways"', "direction sideways; one of forward, reverse, bidirectional is needed"),
        ('direction="bidirectional"', "in direction bidirectional"),
        ('activations=["Gelu"]', "activation gelu; one of relu"),
        ('activations=["Tanh","Tanh"]', "2 activations; 1 are needed"),
        ("hidden_size=7", "hidden_size is 7, but R has shape"),
    ],
)
def test_what_contradicts_the_weights_is_refused(tmp_path: Path, attributes: str, problem: str) -> None:
    arrays = "float[2,1,3] x, float[1,4,3] w, float[1,4,4] r"
    text = f"a ({arrays}) => (float[2,1,1,4] y) {{ y = RNN<{attributes}>(x, w, r) }}"
    given = {
        name: np.zeros(shape, np.float32)
        for name, shape in [("x", (2, 1, 3)), ("w", (1, 4, 3)), ("r", (1, 4, 4))]
    }
    with pytest.raises(ClientError, match=problem):
        answers(tmp_path, parsed(text, 14), given)
