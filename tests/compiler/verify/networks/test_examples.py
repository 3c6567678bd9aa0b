from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler.artifact.samples import Arrays, Samples, from_files, to_files
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.networks import examples as module
from tinsmith.compiler.verify.networks import reference
from tinsmith.compiler.verify.networks.compare import compare
from tinsmith.compiler.verify.networks.evaluator import DisturbedEvaluator
from tinsmith.compiler.verify.networks.examples import Examples, arithmetics_of, evidence, examples, runs_of
from tinsmith.compiler.verify.networks.inputs import KINDS
from tinsmith.errors import ClientError, InternalError
from tinsmith_runtime.manifest import Tensor


def unary(operator: str, out: str = "float32", size: int = 3, **attributes: Any) -> Network:
    """y = operator(x)"""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(out))
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size])],
        [helper.make_tensor_value_info("y", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return Network(
        "ONNX",
        "",
        "",
        onnx_ir.serde.deserialize_model(model),
        (TensorSpec("x", "float32", (size,)),),
        (TensorSpec("y", out, (size,)),),
    )


ROWS, WIDTH, LAYERS = 512, 64, 32


def deep(wrong: str = "") -> Network:
    """Layers of bytes, quantised one after the other, so that a number that falls to the other side of the
    middle between two steps moves some of the next layer's; `wrong` is how one of them errs."""
    random = np.random.default_rng(0)
    x = random.standard_normal((512, WIDTH))
    steps: dict[str, Any] = {"s0": np.float32(4 / 127), "z0": np.uint8(128)}
    nodes = [helper.make_node("QuantizeLinear", ["x", "s0", "z0"], ["q0"])]
    for n in range(LAYERS):
        w = random.standard_normal((WIDTH, WIDTH)) * np.sqrt(2 / WIDTH)
        scale = (np.abs(w).max(axis=0) / 127).astype(np.float32)
        bias = (random.standard_normal(WIDTH) / 10).astype(np.float32)
        codes = np.rint(w / scale).astype(np.int8)
        x = np.maximum(x @ (codes * scale) + bias, 0)
        step = np.float32(x.max() / 255)
        x = np.clip(np.rint(x / step), 0, 255) * step
        zero = 0 if n else 128
        if n == LAYERS // 3:
            zero += wrong == "zero point"
            scale[::16] *= np.float32(1.1 if wrong == "scale" else 1)
            codes[40:44] *= wrong != "depth"
            codes[:, 5] = np.roll(codes[:, 5], wrong == "channel")
            bias *= wrong != "bias"
        steps |= {f"s{n + 1}": step, f"z{n + 1}": np.uint8(0), f"x{n}": np.uint8(zero)}
        steps |= {f"w{n}": codes, f"ws{n}": scale, f"wz{n}": np.zeros(WIDTH, np.int8), f"b{n}": bias}
        nodes += [
            helper.make_node("DequantizeLinear", [f"q{n}", f"s{n}", f"x{n}"], [f"d{n}"]),
            helper.make_node("DequantizeLinear", [f"w{n}", f"ws{n}", f"wz{n}"], [f"v{n}"], axis=1),
            helper.make_node("MatMul", [f"d{n}", f"v{n}"], [f"m{n}"]),
            helper.make_node("Add", [f"m{n}", f"b{n}"], [f"a{n}"]),
            helper.make_node("Relu", [f"a{n}"], [f"r{n}"]),
            helper.make_node("QuantizeLinear", [f"r{n}", f"s{n + 1}", f"z{n + 1}"], [f"q{n + 1}"]),
        ]
    nodes.append(helper.make_node("DequantizeLinear", [f"q{LAYERS}", f"s{LAYERS}", f"z{LAYERS}"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [ROWS, WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [ROWS, WIDTH])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in steps.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    x_spec, y_spec = (TensorSpec(name, "float32", (ROWS, WIDTH)) for name in "xy")
    return Network("ONNX", "", "", onnx_ir.serde.deserialize_model(model), (x_spec,), (y_spec,))


@pytest.fixture(scope="module")
def right() -> Network:
    return deep()


@pytest.fixture(scope="module")
def quantised(right: Network) -> Examples:
    return examples(right)


def errors(found: Examples, answers: Callable[[Arrays], Arrays]) -> list[str]:
    """What comparing tells of every run that is wrong."""
    texts = []
    for run in found.runs:
        (y,) = answers(run.inputs)
        try:
            compare(run.wanted, (y.astype(np.float32),), ["y"], "")
        except InternalError as error:
            texts.append(str(error))
    return texts


def test_a_deep_quantised_network_may_round_otherwise(
    quantised: Examples, right: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert quantised.arithmetics == ("quantised",)
    assert "float64" in quantised.reference
    assert errors(quantised, reference.native(right).evaluate) == []
    monkeypatch.setattr(DisturbedEvaluator, "turn", 7)
    other = reference.disturbed(right)[0]
    assert errors(quantised, other.evaluate) == []
    apart = [np.abs(other.evaluate(run.inputs)[0] - run.wanted.exact[0]).max() for run in quantised.runs]
    limits = [0.03 * np.abs(run.wanted.exact[0]).max() for run in quantised.runs]
    assert any(np.greater(apart, limits)), "nothing that a fixed tolerance of 3 % would have refused"


@pytest.mark.parametrize("wrong", ["zero point", "scale", "depth", "channel", "bias"])
def test_but_not_compute_otherwise(quantised: Examples, wrong: str) -> None:
    assert errors(quantised, reference.native(deep(wrong)).evaluate)


def test_the_evidence_holds_what_roundings_come_to(quantised: Examples, right: Network) -> None:
    runs = runs_of(evidence(right))
    assert [run.wanted.kind for run in runs] == list(KINDS)
    for carried, run in zip(runs, quantised.runs, strict=True):
        (allowed,), (original,) = carried.wanted.allowances, run.wanted.allowances
        assert original.typical is not None
        assert allowed.typical is not None
        assert original.typical <= allowed.typical <= 1.1 * original.typical


def test_runs_of_every_kind_with_exact_and_native_answers(network: Network) -> None:
    found = examples(network)
    assert found.unable is None
    assert "float64" in found.reference
    assert [run.wanted.kind for run in found.runs] == list(KINDS)
    for run in found.runs:
        assert run.wanted.native is not None
        assert run.wanted.exact[0].dtype == np.float64
        assert run.wanted.native[0].dtype == np.float32
        np.testing.assert_array_equal(run.wanted.exact[3], np.nonzero(run.inputs[0]))


def test_the_reference_is_evaluated_once(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    first = examples(network)
    monkeypatch.setattr(module, "make_inputs", None)
    assert examples(network) is first
    evidence(network)


def test_a_second_oracle_helps_where_the_first_is_unable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: object) -> Any:
        raise reference.Unable("broken")

    network = unary("Neg")
    monkeypatch.setattr(reference._Reference, "__call__", unable)
    found = examples(network)
    assert found.reference.startswith("onnxruntime")
    assert found.unable is None
    assert found.runs[0].wanted.native is None
    monkeypatch.setattr(reference, "onnxruntime", lambda _: None)
    found = examples(unary("Neg"))
    assert found.runs == ()
    assert (found.unable or "").count("broken") == 2
    assert evidence(unary("Neg")).runs == ()


def test_evidence_survives_the_artifact(network: Network) -> None:
    samples = evidence(network)
    inputs = [Tensor(spec.name, spec.dtype, spec.shape) for spec in network.inputs]
    outputs = [Tensor(spec.name, spec.dtype, spec.shape) for spec in network.outputs]
    found = from_files(to_files(samples), inputs, outputs)
    assert [run.kind for run in found.runs] == list(KINDS)
    runs = runs_of(found)
    for carried, run in zip(runs, examples(network).runs, strict=True):
        for exact, array in zip(run.wanted.exact, carried.wanted.exact, strict=True):
            np.testing.assert_allclose(
                array.astype(float), exact.astype(array.dtype).astype(float), rtol=1e-5
            )
        for allowed, original in zip(carried.wanted.allowances, run.wanted.allowances, strict=True):
            assert allowed.absolute >= original.absolute
    assert arithmetics_of(found) == ("float32", "float16", "float32", "float32")


def test_what_travels_does_not_depend_on_the_last_bits() -> None:
    for value in (1.0, np.pi, 1e-38, 65504.0):
        near = np.array([value * (1 + 1e-14), -value * (1 - 1e-14)])
        one = module._carried(near, np.dtype(np.float32))
        other = module._carried(np.array([value, -value]), np.dtype(np.float32))
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, near, rtol=2.0**-16)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, 1e40])
    np.testing.assert_array_equal(
        module._carried(special, np.dtype(np.float32)), [np.nan, np.inf, -np.inf, 0, np.inf]
    )


def test_runs_whose_answer_is_a_matter_of_rounding_do_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    floats, integers = [np.dtype(np.float32)], [np.dtype(np.int64)]
    wanted = examples(unary("Exp")).runs[0].wanted
    assert module._settled(wanted, floats)
    for other in (np.full(3, np.inf, np.float32), np.full(3, np.nan, np.float32), np.zeros(2, np.float32)):
        assert not module._settled(replace(wanted, native=(other,)), floats)
    one, two = np.array([1]), np.array([2])
    assert module._settled(replace(wanted, exact=(one,), native=(one,)), integers)
    assert not module._settled(replace(wanted, exact=(one,), native=(two,)), integers)
    network = unary("Exp")
    monkeypatch.setattr(module, "_settled", lambda wanted, _: wanted.kind == "zeros")
    assert [run.kind for run in evidence(network).runs] == ["zeros"]


def test_no_more_travels_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = unary("Neg", size=1000)
    assert len(evidence(network).runs) == 4
    monkeypatch.setattr(module, "MAX_CARRIED_BYTES", 20_000)
    assert [run.kind for run in evidence(network).runs] == ["normal", "uniform"]
    monkeypatch.setattr(module, "MAX_CARRIED_BYTES", 7_999)
    assert evidence(network).runs == ()


@pytest.mark.parametrize(
    "claim",
    [
        {},
        {"allowed": 3},
        {"allowed": [[[0, 0]]] * 3},
        {"allowed": [[]] * 4},
        {"allowed": [[[0]]] * 4},
        {"allowed": [[["a", "b"]]] * 4},
        {"allowed": [[[0, 0, 0, 0]]] * 4},
        {"allowed": [[[0, 0, "c"]]] * 4},
    ],
)
def test_a_malformed_claim_is_refused(claim: dict[str, Any]) -> None:
    samples = evidence(unary("Neg"))
    with pytest.raises(ClientError, match="claim is malformed"):
        runs_of(Samples(samples.runs, claim))
    with pytest.raises(ClientError, match="claim is malformed"):
        arithmetics_of(Samples(samples.runs, {"arithmetics": ["float7"]}))
