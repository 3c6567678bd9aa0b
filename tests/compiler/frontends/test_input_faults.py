"""Frameworks x faults of DataInputConfig: each fault is told in one sentence, with what the model wants.

A fault that a framework cannot have is in the table too, with the reason; the model is then compiled, or at
least read. The rows of PYTORCH are in `pytorch/test_pytorch.py`, since its models are made by PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.compiler.frontends.tiny import MODELS, config, sklearn_network
from tinsmith.compiler import frontends
from tinsmith.compiler.pipeline import run
from tinsmith.spec.frameworks import FRAMEWORKS
from tinsmith.spec.request import CompileRequest, Report, WorkDirectory

FAULTS = ("layout", "name", "missing", "too many", "rank", "batch of None", "batch of -1", "type")
"""Of every framework there is a row for each."""


@dataclass(frozen=True)
class Row:
    """A request that is refused in one sentence."""

    config: str | None
    found: str
    """What of the sentence repeats the request."""
    wanted: str
    """What of it says what the model declares."""
    area: str = "InputConfiguration"
    dtype: Any = None


@dataclass(frozen=True)
class Cannot:
    """A request that is all right, and why."""

    why: str
    config: str


NCHW, NHWC = [1, 3, 8, 9], [1, 8, 9, 3]


def table(x: list[int], declared: str, rows: str, kind: tuple[Any, str, str]) -> dict[str, Row | Cannot]:
    """The rows of a framework whose images `x` are `declared` so, and whose `y` is declared as `rows`."""
    first = x[1] == 3
    other, wrong = ([x[0], *x[2:], 3], "NCHW") if first else ([x[0], 3, *x[1:3]], "NHWC")
    image, both = f"'x' (float32 {declared})", f"'x' (float32 {declared}), 'y' (float32 {rows})"
    return {
        "layout": Row(
            config(x=other, y=[1, 4]),
            f"Input x has wrong shape in Input Shape dictionary. Input shapes should be provided in {wrong} "
            f"format. Found {other}",
            f"expected {declared}; it takes float32",
        ),
        "name": Row(config(x=x, z=[1, 4]), "names 'z', which is no input of the model", both),
        "missing": Row(config(x=x), "DataInputConfig lacks the input 'y'", f"'y' (float32 {rows})"),
        "too many": Row(config(x=x, y=[1, 4], z=[1]), "names 'z', which is no input of the model", both),
        "rank": Row(config(x=[3, 8, 9], y=[1, 4]), "[3, 8, 9]", f"expected {declared}"),
        "batch of None": Row(config(x=[None, *x[1:]], y=[1, 4]), "found null", both),
        "batch of -1": Row(config(x=[-1, *x[1:]], y=[1, 4]), f"is given {[-1, *x[1:]]}", image),
        "type": Row(config(x=x, y=[1, 4]), kind[1], kind[2], dtype=kind[0]),
    }


ONE_TABLE = Cannot("a table of rows has no channels", config(data=[3, 4]))
ANY_NAME = Cannot("there is one input, so any name does", config(anything=[3, 4]))
TOLD = Cannot("the file tells the number of columns", "")
FLOATS = Cannot("its input is float32, in every file", config(data=[3, 4]))
IGNORED = "the service ignores what else the DataInputConfig of an XGBoost model says; the report warns"

TABLE: dict[str, dict[str, Row | Cannot]] = {
    "ONNX": {
        **table(NCHW, "[n, 3, h, w]", "[n, m]", (onnx.TensorProto.STRING, "string", "'x'")),
        "type": Row(
            config(x=NCHW, y=[1, 4]),
            "the input 'x'",
            "string",
            "OperatorNotImplemented",
            onnx.TensorProto.STRING,
        ),
    },
    "TENSORFLOW": {
        **table(NHWC, "[?, ?, ?, 3]", "[?, ?]", (7, "", "")),
        "type": Row(
            config(x=NHWC, y=[1, 4]),
            "text is the input",
            "'x' (DT_STRING [?, ?, ?, 3])",
            "OperatorNotImplemented",
            7,
        ),
    },
    "KERAS": {
        **table(
            NCHW,
            "[batch, 3, ?, ?]",
            "[batch, ?]",
            ("complex64", "the input 'x' is of the type 'complex64'", "expected numbers"),
        ),
        "layout": Cannot(
            "channels last is understood where nothing else can be meant", config(x=NHWC, y=[1, 4])
        ),
        "rank": Row(
            config(x=[3, 8, 9], y=[1, 4]),
            "Input shapes should be provided in NCHW format. Found [3, 8, 9]",
            "expected [?, 3, ?, ?]: the model stores it as [?, ?, ?, 3]; it takes float32",
        ),
    },
    "MXNET": table(
        NCHW,
        "[?, 3, ?, ?]",
        "[?, ?]",
        ("99", "the input 'x' has the element type '99'", "one of 0 (float32)"),
    ),
    "TFLITE": {
        **table([1, 8, 8, 3], "[?, 8, 8, 3]", "[?, ?]", ("string", "", "")),
        "type": Row(
            config(x=[1, 8, 8, 3], y=[1, 4]), "string input", "'x'", "OperatorNotImplemented", "string"
        ),
    },
    "DARKNET": {
        "layout": Row(
            config(data=NHWC),
            f"Input shapes should be provided in NCHW format. Found {NHWC}",
            "expected [?, 3, ?, ?]; it takes float32",
        ),
        "name": Row(config(image=NCHW), "names 'image'", "its inputs are 'data' (float32 [?, 3, ?, ?])"),
        "missing": Cannot("the .cfg tells the size", ""),
        "too many": Row(
            config(data=NCHW, more=[1]), "names 'more'", "its inputs are 'data' (float32 [?, 3, ?, ?])"
        ),
        "rank": Row(
            config(data=[3, 8, 9]), "has the shape [3, 8, 9]", "expected [?, 3, ?, ?]: 4 dimensions, not 3"
        ),
        "batch of None": Row(config(data=[None, 3, 8, 9]), "found null", "'data' (float32 [?, 3, ?, ?])"),
        "batch of -1": Row(
            config(data=[-1, 3, 8, 9]), "is given [-1, 3, 8, 9]", "'data' (float32 [?, 3, ?, ?])"
        ),
        "type": Cannot("Darknet computes in float32 alone", config(data=NCHW)),
    },
    "XGBOOST": {
        "layout": ONE_TABLE,
        "name": ANY_NAME,
        "missing": TOLD,
        "too many": Cannot(IGNORED, config(a=[1, 4], b=[1, 4])),
        "rank": Cannot(IGNORED, config(data=[1, 2, 3, 4])),
        "batch of None": Cannot(IGNORED, config(data=[None, 4])),
        "batch of -1": Cannot("any number of rows", config(data=[-1, 4])),
        "type": FLOATS,
    },
    "SKLEARN": {
        "layout": ONE_TABLE,
        "name": ANY_NAME,
        "missing": TOLD,
        "too many": Row(
            config(a=[1, 4], b=[1, 4]),
            "names 2 inputs, expected one, found 'a', 'b'",
            "'data' (float32 [?, 4])",
        ),
        "rank": Row(
            config(a=[1, 2, 2]), "[1, 2, 2], expected a table of rows, 2 dim", "'data' (float32 [?, 4])"
        ),
        "batch of None": Row(config(a=[None, 4]), "found null", "'data' (float32 [?, 4])"),
        "batch of -1": Cannot("any number of rows", config(data=[-1, 4])),
        "type": FLOATS,
    },
}
CASES = [(framework, fault) for framework, rows in TABLE.items() for fault in rows]


def test_every_framework_has_every_row() -> None:
    assert {*TABLE, "PYTORCH"} == set(FRAMEWORKS)
    assert all(tuple(rows) == FAULTS for rows in TABLE.values())


def written(framework: str, folder: Path, dtype: Any = None) -> WorkDirectory:
    """A work directory with the model."""
    work = WorkDirectory(folder)
    work.input.mkdir(parents=True)
    MODELS[framework](work.input, *([] if dtype is None else [dtype]))
    return work


def asked(framework: str, text: str | None) -> CompileRequest:
    """Of a machine on which all nine can run."""
    return CompileRequest(framework, "model", device="rasp4b", data_input_config=text or None)


@pytest.mark.parametrize(("framework", "fault"), CASES)
def test_the_sentence(framework: str, fault: str, tmp_path: Path) -> None:
    row = TABLE[framework][fault]
    if isinstance(row, Cannot):
        work = written(framework, tmp_path)
        assert frontends.load(framework)(work.input, asked(framework, row.config))
        return
    work = written(framework, tmp_path, row.dtype)
    work.request.write_text(asked(framework, row.config).to_json())
    assert run(work) == 3
    reason = Report.from_json(work.report.read_text()).failure_reason or ""
    assert reason.startswith(f"ClientError: {row.area}: ")
    assert row.found in reason
    assert row.wanted in reason
    first, *others = reason.split(" | ")
    assert row.found in first
    assert not others or (fault == "type" and all("string" in other for other in others)), "one sentence"


@pytest.mark.parametrize("fault", ["too many", "rank", "batch of None"])
def test_estimators_that_are_no_trees(fault: str, tmp_path: Path) -> None:
    row = TABLE["SKLEARN"][fault]
    assert isinstance(row, Row)
    work = WorkDirectory(tmp_path)
    work.input.mkdir()
    sklearn_network(work.input)
    work.request.write_text(asked("SKLEARN", row.config).to_json())
    assert run(work) == 3
    reason = Report.from_json(work.report.read_text()).failure_reason or ""
    assert row.found in reason
    assert row.wanted in reason


@pytest.mark.parametrize("framework", MODELS)
def test_the_models_are_read(framework: str, tmp_path: Path) -> None:
    """With the right DataInputConfig, so that what is wrong above is what the row says."""
    images = {"TENSORFLOW": NHWC, "TFLITE": [1, 8, 8, 3]}.get(framework, NCHW)
    texts = {"DARKNET": config(data=NCHW), "XGBOOST": config(data=[3, 4]), "SKLEARN": config(data=[3, 4])}
    text = texts.get(framework, config(x=images, y=[1, 4]))
    model = frontends.load(framework)(written(framework, tmp_path).input, asked(framework, text))
    assert model.framework == framework
