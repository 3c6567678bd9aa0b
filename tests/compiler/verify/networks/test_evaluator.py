"""Values are forgotten, weights are not copied, and loops see what is around them."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

import numpy as np
import onnx
import onnx_ir
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.networks.arithmetic import Erf
from tinsmith.compiler.verify.networks.evaluator import LARGE, Evaluator, WideEvaluator, message
from tinsmith.compiler.verify.networks.widen import widen

F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
SIZE = LARGE + 1


def model(nodes: list[onnx.NodeProto], constants: dict[str, Any] | None = None) -> onnx.ModelProto:
    """From x, SIZE numbers, to y."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", F32, [SIZE])],
        [helper.make_tensor_value_info("y", F32, None)],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def network(proto: onnx.ModelProto) -> Network:
    spec = TensorSpec("x", "float32", (SIZE,))
    return Network("ONNX", "", "", onnx_ir.serde.deserialize_model(proto), (spec,), ())


X = np.linspace(-2, 2, SIZE).astype(np.float32)
ADDED: dict[str, Any] = {"w": np.arange(SIZE, dtype=np.float32), "small": np.array([2], np.float32)}
SCALED = [helper.make_node("Mul", ["x", "small"], ["a"]), helper.make_node("Add", ["a", "w"], ["y"])]


def test_large_weights_stay_out_of_the_message() -> None:
    made = network(model(SCALED, ADDED))
    before = {name: value.const_value for name, value in made.graph.graph.initializers.items()}
    proto, weights = message(made)
    assert weights.keys() == {"w"}
    assert proto.ByteSize() < 1000
    assert {tensor.name for tensor in proto.graph.initializer} == {"w", "small"}
    after = {name: value.const_value for name, value in made.graph.graph.initializers.items()}
    assert after == before
    np.testing.assert_array_equal(weights["w"], ADDED["w"], strict=True)


def test_weights_are_read_where_they_are_and_as_float64() -> None:
    proto, weights = message(network(model(SCALED, ADDED)))
    (narrow,) = Evaluator(proto, weights=weights).run(None, {"x": X})
    np.testing.assert_array_equal(narrow, 2 * X + ADDED["w"], strict=True)
    evaluator = WideEvaluator(widen(proto), weights=weights)
    assert evaluator.rt_inits_["w"] is weights["w"]
    (wide,) = evaluator.run(None, {"x": X.astype(np.float64)})
    np.testing.assert_array_equal(wide, 2 * X.astype(np.float64) + ADDED["w"], strict=True)


def test_a_value_is_forgotten_after_its_last_reader() -> None:
    alive: list[int] = []
    seen: list[weakref.ref[Any]] = []

    class Watching(Erf):
        def _run(self, x: Any) -> Any:
            alive.append(sum(reference() is not None for reference in seen))
            (answer,) = super()._run(x)
            seen.append(weakref.ref(answer))
            return (answer,)

    Watching.__name__ = "Erf"
    names = ["x", *(f"v{number}" for number in range(8)), "y"]
    chain = [helper.make_node("Erf", [a], [b]) for a, b in itertools.pairwise(names)]
    Evaluator(model(chain), new_ops=[Watching]).run(None, {"x": X})
    assert alive == [0, 1, 1, 1, 1, 1, 1, 1, 1]


def loop() -> list[onnx.NodeProto]:
    """y = x + 3 * (outer + w), the last two read by the body alone; one result of the body is not used."""
    body = helper.make_graph(
        [
            helper.make_node("Add", ["outer", "w"], ["both"]),
            helper.make_node("Add", ["state", "both"], ["next"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", I64, []),
            helper.make_tensor_value_info("go", BOOL, []),
            helper.make_tensor_value_info("state", F32, [SIZE]),
        ],
        [
            helper.make_tensor_value_info("on", BOOL, []),
            helper.make_tensor_value_info("next", F32, [SIZE]),
            helper.make_tensor_value_info("both", F32, [SIZE]),
        ],
    )
    return [
        helper.make_node("Neg", ["x"], ["outer"]),
        helper.make_node("Loop", ["three", "yes", "x"], ["y", "scans"], body=body),
    ]


def test_a_body_sees_what_is_around_it() -> None:
    constants = {"w": ADDED["w"], "three": np.int64(3), "yes": np.bool_(True)}
    proto, weights = message(network(model(loop(), {k: np.asarray(v) for k, v in constants.items()})))
    (found,) = Evaluator(proto, weights=weights).run(None, {"x": X})
    own: Any = ReferenceEvaluator(model(loop(), {k: np.asarray(v) for k, v in constants.items()}))
    np.testing.assert_array_equal(found, own.run(None, {"x": X})[0], strict=True)
    (wide,) = WideEvaluator(widen(proto), weights=weights).run(None, {"x": X.astype(np.float64)})
    exact = X.astype(np.float64)
    np.testing.assert_allclose(wide, exact + 3 * (ADDED["w"] - exact), rtol=1e-14, strict=True)


def test_an_input_may_be_an_output() -> None:
    graph = model([helper.make_node("Identity", ["x"], ["unused"])])
    graph.graph.output[0].name = "x"
    (found,) = Evaluator(graph).run(None, {"x": X})
    np.testing.assert_array_equal(found, X)
