"""A neural network, or any other graph of tensor operators, between stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx_ir
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import TensorSpec

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Original:
    """The framework that saved the model, where it is at hand to answer for itself."""

    name: str
    """With version, for people: "torch 2.13.0"."""
    answer: Callable[[Sequence[Arrays]], list[Arrays]]
    """Per run, the arrays of the network's inputs in order to those of its outputs in order; runs are calls
    on a fresh model, in order. Raises ClientError or InternalError where the framework itself refuses."""
    rounds: bool = False
    """It rounds real numbers to a few bits where the network does not: answers differ by such steps."""


@dataclass(frozen=True)
class Network:
    """An ONNX graph whose inputs have fixed shapes.

    The graph holds nodes of the ONNX operator sets only, with known operators and attributes: functions are
    inlined, external data is loaded, and an initialiser that is also an input counts as a constant.
    """

    framework: str
    producer: str
    """Library and version that saved the file, as far as the file tells."""
    kind: str
    """The user's word for it, e.g. "torch-jit-export"."""
    graph: onnx_ir.Model
    inputs: tuple[TensorSpec, ...]
    """In the order of the graph; every dimension is known."""
    outputs: tuple[TensorSpec, ...]
    """In the order of the graph; -1 is a size that only a run can tell, or that the file does not tell."""
    files: tuple[str, ...] = ()
    """What it was read from, relative to the input folder: files that the artifact need not carry."""
    class_labels: tuple[str, ...] = ()
    """Column meanings of a probability output, in order, where the file tells them."""
    feature_names: tuple[str, ...] = ()
    texts: Mapping[int, Mapping[str, int]] = field(default_factory=dict, hash=False)
    """Of columns of the one input that hold text for the customer: the numbers that stand for the texts."""
    config_inputs: tuple[TensorSpec, ...] = ()
    """The inputs as DataInputConfig has them, where that is another layout than the graph's."""
    warnings: tuple[str, ...] = ()
    original: Original | None = None
