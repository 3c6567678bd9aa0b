"""The section of docs/benchmarks.md on the corpus."""

from __future__ import annotations

from typing import Any

from bench.corpus_cost import kept_section, section, with_section


def row(**changed: Any) -> dict[str, Any]:
    known = {"id": "m", "framework": "ONNX", "input": 1.5, "wall": 30.0, "cpu": 20.0, "peak": 300.0}
    measured = {"timings": {"read": 2.0}, "memory": {"read": 150.0}, "failed": None, "date": "2026-01-01"}
    return known | measured | {"load": 3.25, "original": True} | changed


def test_a_section_is_replaced_and_the_rest_of_the_page_stays() -> None:
    page = "# Page\n\ntext\n"
    first = with_section(page, section([row()]))
    second = with_section(first, section([row(id="other")]))
    assert first.startswith("# Page\n\ntext\n")
    assert "| m | ONNX | 1.50 | 2.0 | 150 | 30.0 | 20.0 | 300 | 3.2 |" in first
    assert "| other |" in second
    assert "| m |" not in second
    assert with_section(page, kept_section(second)) == second
    assert kept_section(page) == ""


def test_what_reads_too_slowly_or_fails_is_named() -> None:
    text = section([row(), row(id="slow", timings={"read": 121.0}), row(id="bad", failed="no | reason")])
    assert "Reading takes more than 120 s or 4096 MB for slow." in text
    assert "| bad | ONNX | 1.50 | failed: no / reason ||||| 3.2 |" in text


def test_models_whose_framework_was_not_asked_are_named() -> None:
    frameworks = {"pt": "PYTORCH", "tf": "TENSORFLOW", "onnx": "ONNX"}
    rows = [
        row(id=name, framework=framework, original=name == "pt") for name, framework in frameworks.items()
    ]
    assert "did not ask the framework itself about tf." in section(rows)
    assert "did not ask" not in section(rows[:1])
