from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.breadth import runner
from tests.breadth.runner import Arrays, Built, Entry, Unbuilt, difference, judge, read_and_run, select
from tinsmith.errors import ClientError

ONES = {"y": np.array([1, 2, 4], np.float32)}


def built(expected: Arrays = ONES, tolerance: float = 0.1) -> Built:
    return Built(Path("none"), None, {}, expected, tolerance)


def entry(framework: str, name: str, form: str, answer: Built | Exception | None = None) -> Entry:
    def build(folder: Path) -> Built:
        if isinstance(answer, Exception):
            raise answer
        return answer or built()

    return Entry(framework, name, form, build)


def test_words_choose_entries() -> None:
    names = [("KERAS", "A", "h5"), ("KERAS", "B", "keras"), ("TFLITE", "A", "int8"), ("TFLITE", "B", "int8")]
    entries = [entry(*parts) for parts in names]

    def chosen(*words: str) -> list[tuple[str, str]]:
        return [(one.name, one.form) for one in select(entries, words)]

    assert len(chosen()) == 4
    assert chosen("a") == [("A", "h5"), ("A", "int8")]
    assert chosen("a", "KERAS") == [("A", "h5")]
    assert chosen("a,b", "h5,keras") == [("A", "h5"), ("B", "keras")]
    assert chosen("c") == []


def test_differences_are_shares_of_the_largest_or_steps() -> None:
    assert difference({"y": np.array([1, 2, 4.2], np.float32)}, ONES)[0] == pytest.approx(0.05)
    assert difference({"z": np.array([1, 3], np.int8)}, [np.array([1, 5], np.int8)]) == (2, " steps")
    assert difference({"y": np.array([1, np.nan, 4], np.float32)}, ONES)[0] == np.inf
    infinite = np.array([np.inf, 1], np.float32)
    assert difference({"y": infinite}, {"y": infinite}) == (0, "")


@pytest.mark.parametrize(
    "found", [{"y": np.ones(3)}, {"y": np.ones((1, 3), np.float32)}, {"x": np.ones(3, np.float32)}, {}]
)
def test_other_outputs_are_no_answer(found: Arrays) -> None:
    with pytest.raises(ValueError, match="expected"):
        difference(found, ONES)


def outcome(answer: Built | Exception, found: Arrays | Exception = ONES) -> tuple[bool, str]:
    def execute(entry: Entry, built: Built) -> Arrays:
        if isinstance(found, Exception):
            raise found
        return found

    judged = judge(entry("KERAS", "A", "h5", answer=answer), Path(), execute)
    return judged.agrees, judged.text


def test_what_is_near_agrees() -> None:
    assert outcome(built(), {"y": ONES["y"] + np.float32(0.3)}) == (True, "of 0.1")
    assert outcome(built(), {"y": ONES["y"] + np.float32(0.5)}) == (False, "of 0.1")


def test_every_failure_is_an_outcome() -> None:
    assert outcome(Unbuilt("no framework")) == (False, "not built: no framework")
    assert outcome(built(), ClientError("Area", "refused")) == (False, "ClientError: Area: refused")
    assert outcome(built(), RuntimeError("broken")) == (False, "RuntimeError: broken")
    agrees, text = outcome(built({"y": np.full(5, 3, np.float32)}))
    assert not agrees
    assert "says nothing" in text


def test_messages_are_evaluated(tmp_path: Path) -> None:
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", infos[:1], infos[1:])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        data = onnx.ModelProto.SerializeToString(content)
        info = tarfile.TarInfo("model.onnx")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    x = np.array([1, 2, 3], np.float32)
    model = Built(tmp_path / "model.tar.gz", json.dumps({"x": [3]}), {"x": x}, [-x], 0)
    judged = judge(entry("ONNX", "A", "onnx", answer=model), tmp_path, read_and_run)
    assert (judged.agrees, judged.difference) == (True, 0)


def test_the_table_counts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [entry("KERAS", "A", "h5"), entry("KERAS", "B", "h5", answer=Unbuilt("why"))]
    monkeypatch.setattr(runner, "entries", lambda: iter(entries))
    monkeypatch.setattr(runner, "compile_and_run", lambda entry, built: ONES)
    assert runner.main([], False, None) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[:2]] == [
        ["agrees", "KERAS", "A", "h5"],
        ["DIFFERS", "KERAS", "B", "h5"],
    ]
    assert lines[2] == "breadth: 1 of 2 agree"
    assert runner.main(["A"], False, None) == 0
