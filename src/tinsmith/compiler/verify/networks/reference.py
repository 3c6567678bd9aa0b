"""What a network must answer, by evaluations that share nothing with the compiler."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import onnx

from tinsmith.compiler.artifact.samples import Arrays
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.networks.arithmetic import OPERATORS
from tinsmith.compiler.verify.networks.evaluator import (
    DisturbedAgain,
    DisturbedEvaluator,
    Evaluator,
    WideEvaluator,
    message,
    widened,
)
from tinsmith.compiler.verify.networks.widen import widen

RANDOM = frozenset(
    ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
)
"""Operators without one right answer."""
DISABLED_OPTIMISERS = ("Pad_Fusion",)
"""Of ONNX Runtime: it turns a padding by zeros before a MaxPool into one by -inf."""

Evaluate = Callable[[Arrays], Arrays]


class Unable(Exception):
    """The oracle cannot evaluate the network; the text says why."""


@dataclass(frozen=True)
class Oracle:
    """An evaluation of a network, by the arrays of its inputs in order; may raise Unable."""

    name: str
    """With version and precision, for people."""
    evaluate: Evaluate


def exact(network: Network) -> Oracle:
    """ONNX's own reference evaluator on the network in float64."""
    return Oracle(f"onnx {onnx.__version__} reference evaluator, float64", _Reference(network, WideEvaluator))


def disturbed(network: Network) -> list[Oracle]:
    """Evaluations of a quantised network that are as right as the exact one: in float64 as well, but whatever
    is rounded to steps has been moved a little, each time otherwise."""
    return [
        Oracle(f"onnx {onnx.__version__} reference evaluator, float64, disturbed", _Reference(network, kind))
        for kind in (DisturbedEvaluator, DisturbedAgain)
    ]


def native(network: Network) -> Oracle:
    """The same in the network's own types."""
    return Oracle(f"onnx {onnx.__version__} reference evaluator", _Reference(network, Evaluator))


def steered(network: Network, steer: Callable[[str, Any], Any], wide: bool) -> Oracle:
    """The exact evaluation, or the one in the network's own types, with what `steer` puts in the place of its
    own numbers; see Evaluator.steer. For one run."""
    kind = WideEvaluator if wide else Evaluator
    return Oracle(f"onnx {onnx.__version__} reference evaluator", _Reference(network, kind, steer))


def onnxruntime(network: Network) -> Oracle | None:
    """ONNX Runtime, where it is installed."""
    try:
        import onnxruntime as ort
    except ImportError:
        return None
    return Oracle(f"onnxruntime {ort.__version__}", _OnnxRuntime(network, ort))


class _Reference:
    def __init__(
        self, network: Network, kind: type[Evaluator], steer: Callable[[str, Any], Any] | None = None
    ) -> None:
        self._network = network
        self._kind = kind
        self._steer = steer
        self._session: Any = None
        self._opening = Lock()

    def __call__(self, inputs: Arrays) -> Arrays:
        random = sorted({node.op_type for node in self._network.graph.graph.all_nodes()} & RANDOM)
        if random:
            raise Unable(f"{', '.join(random)} answers by chance")
        names = [spec.name for spec in self._network.inputs]
        given = {
            name: widened(array) if self._kind.wide else array
            for name, array in zip(names, inputs, strict=True)
        }
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                with self._opening:
                    session = self._open()
                found = session.run(None, given)
            except Exception as error:  # the evaluator raises whatever an operator's code happens to raise
                raise Unable(_text(error)) from None
        return _arrays(found)

    def _open(self) -> Any:
        if self._session is None:
            model, weights = message(self._network)
            graph = widen(model) if self._kind.wide else model
            self._session = self._kind(graph, new_ops=list(OPERATORS), weights=weights)
            self._session.steer = self._steer
        return self._session


class _OnnxRuntime:
    def __init__(self, network: Network, ort: Any) -> None:
        self._network = network
        self._ort = ort
        self._session: Any = None
        self._opening = Lock()

    def __call__(self, inputs: Arrays) -> Arrays:
        given = {spec.name: array for spec, array in zip(self._network.inputs, inputs, strict=True)}
        try:
            with self._opening:
                self._session = self._session or self._open()
            return _arrays(self._session.run(None, given))
        except Exception as error:  # its exceptions have no common base
            raise Unable(_text(error)) from None

    def _open(self) -> Any:
        options = self._ort.SessionOptions()
        options.log_severity_level = 4
        model, weights = message(self._network)
        # Our arrays serve as weights, and are not packed: a second copy of a large network is too much.
        self._weights = [self._ort.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
        options.add_external_initializers(list(weights), self._weights)
        options.add_session_config_entry("session.disable_prepacking", "1")
        return self._ort.InferenceSession(
            model.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=list(DISABLED_OPTIMISERS),
        )


def _arrays(found: Any) -> Arrays:
    if not all(isinstance(value, np.ndarray | np.generic) for value in found):
        raise Unable("a result is no tensor")
    return tuple(np.asarray(value) for value in found)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"
