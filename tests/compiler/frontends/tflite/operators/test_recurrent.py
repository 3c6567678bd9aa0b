"""Recurrent layers beside LiteRT: sequences at the first call, single steps over several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.tflite.build import Builder, T, c, evaluate, feeds_of, litert, one, read_bytes
from tests.compiler.frontends.tflite.cases import q, qw, w, x
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError

BATCH, TIME, IN, UNITS = 2, 5, 3, 4


def cell(coupled: bool = False, peepholes: bool = False, projection: bool = False) -> list[T | None]:
    """The weights of an LSTM, inputs 1 to 17."""
    outputs = 3 if projection else UNITS
    gates: list[T | None] = [w(UNITS, IN) for _ in range(4)]
    gates += [w(UNITS, outputs) for _ in range(4)]
    gates += [w(UNITS) if peepholes else None for _ in range(3)]
    gates += [w(UNITS) for _ in range(4)]
    gates += [w(3, UNITS), w(3)] if projection else [None, None]
    if coupled:
        for index in (0, 4, 8, 11):
            gates[index] = None
    return gates


def states(projection: bool = False) -> list[T | None]:
    shapes = [(BATCH, 3 if projection else UNITS), (BATCH, UNITS)]
    return [T(shape, variable=True, name=name) for shape, name in zip(shapes, ("h", "c"), strict=True)]


def lstm(name: str) -> Builder:
    flags = {flag: flag in name for flag in ("coupled", "peepholes", "projection")}
    inputs = [x(BATCH, TIME, IN), *cell(**flags), *states(flags["projection"])]
    if "normalised" in name:
        inputs += [None if flags["coupled"] else w(UNITS), *(w(UNITS) for _ in range(3))]
    options = {
        "fusedActivationFunction": 4,
        "cellClip": 0.4 if "clipped" in name else 0.0,
        "projClip": 0.3 if "clipped" in name else 0.0,
    }
    return one(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        [T((BATCH, TIME, 3 if flags["projection"] else UNITS))],
        ("UnidirectionalSequenceLSTMOptions", options),
    )


def bidirectional_lstm(name: str) -> Builder:
    merged = "merged" in name  # of batches in front LiteRT merges only the first, into memory as it finds it
    shape = (TIME, BATCH) if merged else (BATCH, TIME)
    inputs = [x(*shape, IN), *cell(), *cell(), *states(), *states(), *[None] * 9]
    outputs = [T((*shape, 2 * UNITS))] if merged else [T((*shape, UNITS))] * 2
    return one(
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        outputs,
        (
            "BidirectionalSequenceLSTMOptions",
            {"fusedActivationFunction": 4, "timeMajor": merged, "mergeOutputs": merged},
        ),
    )


def rnn(name: str) -> Builder:
    weights = [w(UNITS, IN), w(UNITS, UNITS), w(UNITS), T((BATCH, UNITS), variable=True)]
    shape = (TIME, BATCH) if "time" in name else (BATCH, TIME)
    return one(
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        [x(*shape, IN), *weights],
        [T((*shape, UNITS))],
        ("SequenceRNNOptions", {"timeMajor": "time" in name, "fusedActivationFunction": 1}),
    )


def bidirectional_rnn(name: str) -> Builder:
    weights = [w(UNITS, IN), w(UNITS, UNITS), w(UNITS), T((BATCH, UNITS), variable=True)] * 2
    return one(
        "BIDIRECTIONAL_SEQUENCE_RNN",
        [x(BATCH, TIME, IN), *weights, None, None, None],
        [T((BATCH, TIME, UNITS))] * 2,
        ("BidirectionalSequenceRNNOptions", {"fusedActivationFunction": 4}),
    )


SEQUENCES: dict[str, Callable[[str], Builder]] = {
    "lstm": lstm,
    "lstm peepholes": lstm,
    "lstm coupled peepholes": lstm,
    "lstm projection": lstm,
    "lstm normalised": lstm,
    "lstm coupled normalised projection clipped": lstm,
    "bidirectional lstm": bidirectional_lstm,
    "bidirectional lstm merged": bidirectional_lstm,
    "rnn": rnn,
    "rnn time first": rnn,
    "bidirectional rnn": bidirectional_rnn,
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name: str, tmp_path: Path) -> None:
    builder = SEQUENCES[name](name)
    content, feeds = builder.bytes(), feeds_of(builder)
    network = read_bytes(tmp_path, content)
    found = evaluate(network, {network.inputs[0].name: feeds[0]})
    for got, want in zip(found, litert(content, feeds), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)
    (warning,) = network.warnings
    assert "start from zero at every call" in warning


def single(name: str) -> Builder:
    if name == "LSTM":
        inputs = [x(BATCH, IN), *cell(), *states()]
        return one("LSTM", inputs, [T((BATCH, UNITS))], ("LSTMOptions", {"fusedActivationFunction": 4}))
    if name == "RNN":
        inputs = [x(BATCH, IN), w(UNITS, IN), w(UNITS, UNITS), w(UNITS), T((BATCH, UNITS), variable=True)]
        return one("RNN", inputs, [T((BATCH, UNITS))], ("RNNOptions", {"fusedActivationFunction": 4}))
    inputs = [x(BATCH, IN), w(6, IN), w(6, 4), w(3), T((BATCH, 24), variable=True, name="memory")]
    return one("SVDF", inputs, [T((BATCH, 3))], ("SVDFOptions", {"rank": 2, "fusedActivationFunction": 1}))


@pytest.mark.parametrize("name", ["LSTM", "RNN", "SVDF"])
def test_single_steps_hand_their_states_on(name: str, tmp_path: Path) -> None:
    builder = single(name)
    content, feeds = builder.bytes(), feeds_of(builder)
    network = read_bytes(tmp_path, content)
    named = {network.inputs[0].name: feeds[0]}
    named |= {spec.name: np.zeros(spec.shape, spec.dtype) for spec in network.inputs[1:]}
    assert [f"{spec.name}:next" for spec in network.inputs[1:]] == [s.name for s in network.outputs[1:]]
    for calls in range(1, 4):
        found = evaluate(network, named)
        np.testing.assert_allclose(found[0], litert(content, feeds, calls)[0], rtol=2e-5, atol=2e-5)
        named |= {spec.name: state for spec, state in zip(network.inputs[1:], found[1:], strict=True)}


def test_layers_of_integers_are_refused(tmp_path: Path) -> None:
    inputs = [
        q(BATCH, IN),
        qw(6, IN),
        qw(6, 4),
        c(np.zeros(3), "int32"),
        T((BATCH, 24), "int16", variable=True),
    ]
    content = one("SVDF", inputs, [q(BATCH, 3)], ("SVDFOptions", {"rank": 2})).bytes()
    with pytest.raises(ClientError, match="operator 0 \\(SVDF\\) 't0_5': a recurrent layer of integers"):
        read_bytes(tmp_path, content)


def test_the_batch_may_be_open(tmp_path: Path) -> None:
    builder = lstm("lstm projection")
    tensor = builder.parts[0].tensors[0]
    builder.parts[0].tensors[0] = T(tensor.shape, signature=(-1, TIME, IN), name="x")
    network: Network = read_bytes(tmp_path, builder.bytes(), '{"x": [3, 5, 3]}')
    assert network.outputs[0].shape == (3, TIME, 3)
