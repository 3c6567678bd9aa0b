from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler.artifact.package import package
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.emit import emit
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.network import Arrays, Network, Original
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.compiler.verify.evidence import collect
from tinsmith.compiler.verify.networks import reference, selections
from tinsmith.compiler.verify.networks.examples import examples
from tinsmith.compiler.verify.networks.original import agree
from tinsmith.compiler.verify.networks.ties import decisive, undecided
from tinsmith.compiler.verify.networks.trial import NetworkVerification
from tinsmith.compiler.verify.verify import verify
from tinsmith.errors import InternalError
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target

REQUEST = CompileRequest("ONNX", "detector", platform=TargetPlatform("LINUX", "X86_64"))
PLACES, FEATURES, KEPT = 300, 48, 20


def detector(wrong: str = "", spread: float = 1.0) -> Network:
    """Scores of 300 places that are, at `spread` 1, so close to each other that float32 rounds many of them
    to the same number, boxes, and what suppression keeps of them; `wrong` is how it errs."""
    random = np.random.default_rng(0)
    constants: dict[str, Any] = {
        "to_score": (random.standard_normal((FEATURES, 1)) * 3e-6 * spread).astype(np.float32),
        "to_box": (random.standard_normal((FEATURES, 4)) / 7).astype(np.float32),
        "middle": np.array([1, 1, 1, 1] if wrong != "middle" else [1, 1, 1.5, 1], np.float32),
        "one": np.float32(1 if wrong != "score" else 1.001),
        "count": np.array([KEPT]),
        "most": np.int64(KEPT),
        "overlap": np.float32(0.5 if wrong != "overlap" else 0.7),
        "least": np.float32(0.1),
        "row": np.array([0]),
        "last": np.int64(2),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "to_score"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["plain"]),
        helper.make_node("Mul", ["plain", "one"], ["score"]),
        helper.make_node("Transpose", ["score"], ["scores"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "to_box"], ["offset"]),
        helper.make_node("Sigmoid", ["offset"], ["side"]),
        helper.make_node("Mul", ["side", "middle"], ["boxes"]),
        helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "overlap", "least"], ["kept"]),
        helper.make_node("Gather", ["kept", "last"], ["places"], axis=1),
        helper.make_node("Gather", ["boxes", "places"], ["found"], axis=1),
        helper.make_node(
            "TopK", ["scores", "count"], ["best", "where"], axis=2, largest=0 if wrong == "order" else 1
        ),
    ]
    outputs = {"found": TensorProto.FLOAT, "kept": TensorProto.INT64, "best": TensorProto.FLOAT}
    outputs["where"] = TensorProto.INT64
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, PLACES, FEATURES])],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return shape(model, Origin("ONNX", Path(), Path("detector.onnx")), None)


@pytest.fixture
def plain(x86_64: Target) -> Target:
    """This machine, one variant."""
    return replace(x86_64, variants=())


def packed(made: Network, network: Network, target: Target, folder: Path) -> Path:
    """A tarball of `network` whose library is that of `made`."""
    sources = folder / "sources"
    sources.mkdir()
    program = emit(made, target, sources)
    library = folder / target.library
    build(program, target, library)
    return package(REQUEST, network, target, library, collect(network), folder, None, program).path


def test_the_reference_follows_a_detector_whose_scores_are_nearly_equal(
    plain: Target, tmp_path: Path
) -> None:
    network = detector()
    found = verify(packed(network, network, plain, tmp_path), network, plain, tmp_path)
    assert isinstance(found, NetworkVerification)
    assert found.followed
    assert len(network.graph.graph.outputs) == 4


@pytest.mark.parametrize(
    ("wrong", "text"),
    [("middle", "'found'"), ("score", "'best'"), ("overlap", "'kept'"), ("order", "'where'")],
)
def test_a_wrong_detector_is_caught(plain: Target, tmp_path: Path, wrong: str, text: str) -> None:
    network = detector()
    with pytest.raises(InternalError, match=f"output {text}"):
        verify(packed(detector(wrong), network, plain, tmp_path), network, plain, tmp_path)


@pytest.mark.parametrize("wrong", ["middle", "score"])
def test_and_not_followed(plain: Target, tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that errs compiles what the reference follows as wrongly."""

    def emit_wrongly(network: Network, *more: Any) -> Program:
        other = detector(wrong)
        with selections.showing(other, decisive(other)) as shown:
            return emit(shown, *more)

    monkeypatch.setattr(selections, "emit", emit_wrongly)
    network = detector()
    name = {"middle": "boxes", "score": "scores"}[wrong]
    with pytest.raises(InternalError, match=f"'{name}', which decides: .* elements are wrong"):
        verify(packed(detector(wrong), network, plain, tmp_path), network, plain, tmp_path)


def test_what_decides() -> None:
    assert [value.name for value in decisive(detector())] == ["scores", "boxes"]


def test_runs_that_hang_on_ties_do_not_travel() -> None:
    network = detector()
    runs = examples(network).runs
    hanging = {run.wanted.kind for run in runs if undecided(network, run.inputs, run.wanted)}
    assert {"normal", "uniform"} <= hanging
    assert {run.kind for run in collect(network).runs}.isdisjoint(hanging)


def test_the_original_framework_may_choose_among_ties() -> None:
    """Its answer is that of the network in float32, which differs from the exact one in every such run."""
    evaluate = reference.native(detector()).evaluate

    network = replace(detector(), original=Original("framework 1", lambda runs: [*map(evaluate, runs)]))
    runs = [replace(run, wanted=replace(run.wanted, native=None)) for run in examples(network).runs]
    found = agree(network, runs)
    assert found is not None
    assert found["undecided"] == ["normal", "uniform"]


def test_but_not_where_nothing_hangs_on_them() -> None:
    clear = detector(spread=3e4)
    evaluate = reference.native(clear).evaluate

    def answer(runs: Sequence[Arrays]) -> list[Arrays]:
        return [(found * 1.1, *more) for found, *more in map(evaluate, runs)]

    network = replace(clear, original=Original("framework 1", answer))
    with pytest.raises(InternalError, match="the original framework, framework 1: uniform inputs"):
        agree(network, [run for run in examples(network).runs if run.wanted.kind == "uniform"])
