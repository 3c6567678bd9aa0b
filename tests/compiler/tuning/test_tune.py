from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from bench.graph import Graph
from tests.onnx_suite.cases import as_network
from tests.onnx_suite.native import host
from tinsmith.compiler import pipeline
from tinsmith.compiler.artifact.inspect import read_files
from tinsmith.compiler.backends.native.networks.choices import FILE_NAME, Book, instruction_sets
from tinsmith.compiler.backends.native.networks.kernels.schedule import Geometry, Schedule
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.tuning import search as searching
from tinsmith.compiler.tuning import tune as tuning
from tinsmith.compiler.tuning.search import Found, Gain
from tinsmith.compiler.tuning.trial import Measured, Workshop
from tinsmith.compiler.tuning.tune import seconds_allowed, tune
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest, Report, TargetPlatform, WorkDirectory
from tinsmith.spec.targets import devices, platforms

LAYER = Geometry("gemm", (1, 40), 96, 200)
MAX_RUNTIME = 2400
MINE = f'[avx2]\n"{LAYER}" = {{ vectors = 4, rows = 2 }}\n'


def model() -> onnx.ModelProto:
    graph = Graph("rows")
    return graph.model(graph.add("Relu", graph.dense(graph.input("x", (40, 96)), (96, 200))))


@pytest.fixture
def network() -> Network:
    return as_network(model(), [np.zeros((40, 96), np.float32)])


def compiled(
    folder: Path, options: str | None, schedules: str | None = None
) -> tuple[Report, dict[str, bytes]]:
    """A job's report and the files of its artifact, for any x86-64."""
    request = CompileRequest(
        "ONNX",
        "m",
        platform=TargetPlatform("LINUX", "X86_64"),
        compiler_options=options,
        max_runtime_seconds=MAX_RUNTIME,
    )
    work = WorkDirectory(folder)
    work.input.mkdir(parents=True)
    work.request.write_text(request.to_json())
    onnx.save(model(), work.input / "model.onnx")
    if schedules is not None:
        (work.input / FILE_NAME).write_text(schedules)
    assert pipeline.run(work) == 0, work.report.read_text()
    report = Report.from_json(work.report.read_text())
    return report, read_files(work.output / str(report.artifact))


def test_seconds_come_from_the_job() -> None:
    assert seconds_allowed(None) == tuning.DEFAULT_SECONDS
    assert seconds_allowed(600) == 150
    assert seconds_allowed(86_400) == tuning.MOST_SECONDS


def test_a_job_is_tuned_and_verified_and_its_schedules_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if instruction_sets(host()) != ("avx2",):
        pytest.skip("this processor has no AVX2, or more")
    measure = Workshop.measure

    def flattering(shop: Workshop, first: Path, second: Path, seconds: float) -> Measured:
        found = measure(shop, first, second, 0.01)
        return replace(found, ratios=dict.fromkeys(found.ratios, 0.5), whole=0.5)

    monkeypatch.setattr(Workshop, "measure", flattering)
    monkeypatch.setattr(searching, "candidates", lambda *_: [Schedule(vectors=4), Schedule(rows=5)])
    report, files = compiled(tmp_path / "tuned", '{"tune": true}')
    assert report.verification is not None
    assert report.verification["executed"]
    assert report.coverage is not None
    record = report.coverage["tuning"]
    assert 0 < record["seconds"] <= seconds_allowed(MAX_RUNTIME)
    assert (record["instruction_set"], record["trials"], record["complete"]) == ("avx2", 5, True)
    assert record["layers"][str(LAYER)]["schedule"] == {"vectors": 4}
    assert report.coverage["kernels"]["scheduled"] == 1
    text = files[FILE_NAME].decode()
    assert f'"{LAYER}" = {{ vectors = 4, gain = 0.5 }}' in text

    reused, again = compiled(tmp_path / "reused", None, text)
    assert "tuning" not in (reused.coverage or {})
    assert again[FILE_NAME] == files[FILE_NAME]
    assert again["compiled.so"] == files["compiled.so"]


def test_the_customers_schedules_are_used(tmp_path: Path) -> None:
    report, files = compiled(tmp_path / "mine", None, MINE)
    assert files[FILE_NAME].decode() == MINE
    assert report.coverage is not None
    assert report.coverage["kernels"]["scheduled"] == 1
    assert "input/" + FILE_NAME not in files
    usual, others = compiled(tmp_path / "usual", "{'tune': False}")
    assert FILE_NAME not in others
    assert json.loads(others["manifest"])["kernels"]["scheduled"] == 0
    assert usual.warnings == report.warnings == ()


def test_what_was_found_comes_before_what_was_given(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = host()
    if instruction_sets(one) != ("avx2",):
        pytest.skip("this processor has no AVX2, or more")
    other = Geometry("gemm", (1, 7), 8, 9)
    (tmp_path / FILE_NAME).write_text(f'{MINE}"{other}" = {{ rows = 3, gain = 0.5 }}\n')
    found = Found("avx2", {LAYER: Gain(Schedule(rows=5), 0.25, 0.5)}, 1, 4, 12.34, False, 0.875)
    monkeypatch.setattr(tuning, "search", lambda *_: found)
    tuned = tune(network, one, True, 10, tmp_path, tmp_path, print)
    assert tuned.book.schedules(LAYER, ("avx2",)) == (Schedule(rows=5),)
    assert tuned.book.schedules(other, ("avx2",)) == (Schedule(rows=3),)
    text = tuned.files[FILE_NAME].decode()
    assert f'"{LAYER}" = {{ rows = 5, gain = 0.25 }}' in text
    assert f'"{other}" = {{ rows = 3, gain = 0.5 }}' in text
    assert tuned.record is not None
    assert (tuned.record["network_time"], tuned.record["complete"]) == (0.875, False)
    assert tuned.record["layers"][str(LAYER)] == {
        "schedule": {"rows": 5},
        "gain": 0.25,
        "share_of_layers": 0.5,
    }


@pytest.mark.parametrize("target", [devices()["rasp3b"], platforms()["ANDROID_X86_64"]], ids=lambda t: t.name)
def test_a_search_for_another_machine_is_refused_with_a_sentence(
    network: Network, tmp_path: Path, target: object
) -> None:
    tuned = tune(network, target, True, 10, tmp_path, tmp_path, print)  # type: ignore[arg-type]
    assert tuned.record is None
    assert tuned.files == {}
    assert "'tune' has no effect" in tuned.warnings[0]
    assert target.name in tuned.warnings[0]  # type: ignore[attr-defined]


def test_trees_have_no_layers(make_model: Callable[[], Model], tmp_path: Path) -> None:
    tuned = tune(make_model(), host(), True, 10, tmp_path, tmp_path, print)
    assert (tuned.book, tuned.files) == (Book(), {})
    assert "no layers" in tuned.warnings[0]
    assert tune(make_model(), host(), False, 10, tmp_path, tmp_path, print).warnings == ()


@pytest.mark.parametrize("content", [b"[avx2", b"\xff", b'[avx2]\n"a" = 3\n'])
def test_damaged_schedules_are_the_customers_fault(network: Network, tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ClientError, match=FILE_NAME):
        tune(network, host(), False, 10, tmp_path, tmp_path, print)
