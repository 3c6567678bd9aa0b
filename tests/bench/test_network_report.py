from typing import Any

import pytest

from bench import network_report


def _engine(cpu: float, ours: float, difference: float = 1e-6) -> dict[str, Any]:
    return {
        "cpu": cpu,
        "wall": 2 * cpu,
        "ours": {"cpu": ours, "wall": 4 * ours},
        "difference": difference,
        "others": 0.0,
        "version": "1",
        "samples": [[2 * cpu, cpu]],
        "peak bytes": 50_000_000,
        "library bytes": 1_000_000,
        "model bytes": 0,
        "import": 0.1,
        "load": 0.01,
        "first": 0.01,
        "converted": None,
    }


def _row(network: str, threads: int = 1, **engines: dict[str, Any]) -> dict[str, Any]:
    return {
        "network": network,
        "batch": 1,
        "threads": threads,
        "quick": False,
        "date": "2026-11-30",
        "flops": 2_000_000,
        "compile": {"seconds": 9.0, "stages": {"emit": 1.0, "build": 2.0}, "code bytes": 1000},
        "engines": {"tinsmith": _engine(0.002, 0.002), **engines},
    }


@pytest.fixture(autouse=True)
def _peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_report, "roofline", lambda threads: 100.0 * threads)


def _line(page: str, network: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(f"| {network}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_ratio_is_of_our_time_in_the_same_rounds_and_the_fastest_peer_counts() -> None:
    rows = [
        _row("a", onnxruntime=_engine(0.004, 0.002), openvino=_engine(0.010, 0.004)),
        _row("b", onnxruntime=_engine(0.001, 0.002)),
    ]
    page = network_report.page(rows)
    assert _line(page, "a") == ["a", "0.002", "2", "4 (0.50)", "10 (0.40)", "0.50", "1 %"]
    assert _line(page, "b") == ["b", "0.002", "2", "1 (2.00)", "-", "2.00", "1 %"]
    assert "the fastest peer 1.000 over 2 rows (1 above 1.00)" in page
    assert "OpenVINO 0.400 over 1 rows" in page


def test_several_threads_are_timed_by_the_clock() -> None:
    page = network_report.page([_row("a", 2, onnxruntime=_engine(0.004, 0.002))])
    assert _line(page, "a")[2:4] == ["4", "8 (1.00)"]


def test_wrong_results_and_failures_have_no_time() -> None:
    rows = [
        _row("a", onnxruntime=_engine(0.004, 0.002), openvino=_engine(0.001, 0.002, difference=0.5)),
        _row("b", onnxruntime=_engine(0.004, 0.002), openvino={"failure": "no rule for Foo"}),
    ]
    page = network_report.page(rows)
    assert _line(page, "a")[4:6] == ["wrong", "0.50"]
    assert _line(page, "b")[4:6] == ["-", "0.50"]
    assert "- b, OpenVINO: no rule for Foo" in page


def test_rows_beside_other_programs_are_marked() -> None:
    busy = {**_engine(0.004, 0.002), "others": 0.5}
    assert _line(network_report.page([_row("a", onnxruntime=busy)]), "a")[0] == "a*"
