"""Every layer in its turn; what the network gives."""

from __future__ import annotations

import onnx

from tinsmith.compiler.frontends.darknet import (
    combinations,
    convolutions,
    heads,
    movement,
    pooling,
    recurrent,
)
from tinsmith.compiler.frontends.darknet.cfg import Config, OptionError, Section
from tinsmith.compiler.frontends.darknet.layer import RULES, Layer
from tinsmith.compiler.frontends.darknet.weights import Weights
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.shaping.builder import Builder, ShapeError, Value
from tinsmith.compiler.shaping.findings import Findings

__all__ = ["combinations", "convert", "convolutions", "heads", "movement", "pooling", "recurrent"]

PRODUCER = "darknet"
MAX_STEPS = 1024
_HEADS = ("yolo", "region", "detection", "iseg")


def convert(config: Config, source: TensorSpec, weights: Weights, findings: Findings) -> onnx.ModelProto:
    """The message. Outputs are those of the detection heads and of the last layer, in the order of the file.

    Stops with ClientError at the first layer that does not fit its input or its weights.
    """
    outputs = _outputs(config)
    message = Builder(Value, [section.name for section in outputs], least=1)
    data = message.input(source.name, source.dtype, source.shape)
    steps = config.net.integer("time_steps", 1)
    if not 1 <= steps <= MAX_STEPS or source.shape[0] % steps:
        findings.damaged(
            f"[net]: time_steps is {steps}, expected 1 to {MAX_STEPS} and a divisor of the first size of "
            f"{list(source.shape)}, which holds the steps of all sequences"
        )
        findings.stop()
    values: list[Value] = []
    value = data
    for section in config.layers:
        try:
            with message.layer(section.name):
                value = RULES[section.kind](Layer(section, message, weights, value, values, steps))
        except (OptionError, ShapeError) as error:
            findings.damaged(f"{section.place}: {error}")
            findings.stop()
        values.append(value)
    results = {section.name: values[section.index] for section in outputs}
    return message.model("darknet", [data], results, PRODUCER)


def _outputs(config: Config) -> list[Section]:
    """A cost layer only measures: what lies before it is the result."""
    layers = list(config.layers)
    while len(layers) > 1 and layers[-1].kind == "cost":
        layers.pop()
    return [section for section in layers if section.kind in _HEADS or section is layers[-1]]
