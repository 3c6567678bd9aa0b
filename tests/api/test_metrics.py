from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tinsmith.api.errors import ApiError
from tinsmith.api.metrics import HANDLERS, MODEL, MetricsCall, answer
from tinsmith.api.model import operations
from tinsmith.api.validation import parse
from tinsmith.identity.owner import Owner
from tinsmith.jobs.engines import open_database
from tinsmith.telemetry.metrics import MetricStore

OPERATIONS = operations(MODEL, tuple(HANDLERS))
NOW = 1_700_000_040.0


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    """Asks for an operation with a request as it comes off the wire."""
    metrics = MetricStore(open_database(f"sqlite:///{tmp_path / 'jobs.db'}"), lambda: NOW)
    owner = Owner("000000000000", "us-east-1")

    def ask(operation: str, **request: Any) -> Any:
        shape = OPERATIONS[operation]
        reply = answer(operation, MetricsCall(metrics, owner, parse(shape.input, request), NOW))
        assert (reply or {}).keys() <= (shape.output.members.keys() if shape.output else set())
        return reply

    return ask


def put(ask: Any, name: str = "Duration", **datum: Any) -> None:
    ask("PutMetricData", Namespace="T", MetricData=[{"MetricName": name, **datum}])


def statistics(ask: Any, **request: Any) -> Any:
    fixed = {"Namespace": "T", "MetricName": "Duration", "StartTime": NOW - 600, "EndTime": NOW + 60}
    return ask("GetMetricStatistics", **{**fixed, "Period": 60, **request})["Datapoints"]


def test_the_three_forms_of_data_come_back(ask: Any) -> None:
    put(ask, Value=5, Unit="Seconds")
    put(ask, Values=[1, 2], Counts=[3, 1], Unit="Seconds")
    put(ask, StatisticValues={"SampleCount": 2, "Sum": 9, "Minimum": 4, "Maximum": 5}, Unit="Seconds")
    wanted = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"]
    assert statistics(ask, Statistics=wanted) == [
        {
            "Timestamp": NOW,
            "Unit": "Seconds",
            "SampleCount": 7,
            "Sum": 19,
            "Average": 19 / 7,
            "Minimum": 1,
            "Maximum": 5,
        }
    ]


def test_percentiles_of_values(ask: Any) -> None:
    put(ask, Values=list(range(1, 101)))
    (point,) = statistics(ask, ExtendedStatistics=["p90", "p99.5"])
    assert point["ExtendedStatistics"] == {"p90": 90, "p99.5": 100}


def test_several_metrics_at_once_newest_first(ask: Any) -> None:
    for minute in range(3):
        put(ask, Value=minute, Timestamp=NOW - 60 * minute, Dimensions=[{"Name": "F", "Value": "ONNX"}])
    put(ask, "Other", Value=7)

    def query(name: str, label: str, *dimensions: dict[str, str]) -> dict[str, Any]:
        metric = {"Namespace": "T", "MetricName": name, "Dimensions": list(dimensions)}
        return {"Id": label, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}

    queries = [
        query("Duration", "a", {"Name": "F", "Value": "ONNX"}),
        query("Other", "b"),
        {**query("Other", "c"), "ReturnData": False},
    ]
    request = {"MetricDataQueries": queries, "StartTime": NOW - 600, "EndTime": NOW + 60}
    results = ask("GetMetricData", **request)["MetricDataResults"]
    assert [(it["Id"], it["Timestamps"], it["Values"]) for it in results] == [
        ("a", [NOW, NOW - 60, NOW - 120], [0, 1, 2]),
        ("b", [NOW], [7]),
    ]
    rising = ask("GetMetricData", ScanBy="TimestampAscending", **request)["MetricDataResults"]
    assert rising[0]["Values"] == [2, 1, 0]


def test_metrics_are_listed_by_their_dimensions(ask: Any) -> None:
    for value in ("ONNX", "KERAS"):
        put(ask, Value=1, Dimensions=[{"Name": "F", "Value": value}])
    put(ask, "Other", Value=1)

    def names(**request: Any) -> list[tuple[str, str]]:
        found = ask("ListMetrics", **request)["Metrics"]
        return [(it["MetricName"], "".join(d["Value"] for d in it["Dimensions"])) for it in found]

    assert names() == [("Duration", "KERAS"), ("Duration", "ONNX"), ("Other", "")]
    assert names(Dimensions=[{"Name": "F"}]) == [("Duration", "KERAS"), ("Duration", "ONNX")]
    assert names(Dimensions=[{"Name": "F", "Value": "ONNX"}]) == [("Duration", "ONNX")]
    assert names(MetricName="Other", Namespace="T") == [("Other", "")]
    assert names(Namespace="U") == []


def test_lists_are_paged(ask: Any) -> None:
    data = [{"MetricName": f"m{number:04d}", "Value": 1} for number in range(700)]
    ask("PutMetricData", Namespace="T", MetricData=data)
    page = ask("ListMetrics")
    rest = ask("ListMetrics", NextToken=page["NextToken"])
    assert (len(page["Metrics"]), len(rest["Metrics"]), "NextToken" in rest) == (500, 200, False)


@pytest.mark.parametrize(
    ("datum", "text"),
    [
        ({}, "expected one of Value, Values and StatisticValues, found none"),
        ({"Value": 1, "Values": [1]}, "found Value, Values"),
        ({"Values": [1, 2], "Counts": [1]}, "Values and Counts must be of the same length"),
        ({"Value": "five"}, "STRING_VALUE cannot be converted to Double"),
    ],
)
def test_data_that_are_refused(ask: Any, datum: dict[str, Any], text: str) -> None:
    with pytest.raises(ApiError, match=text):
        put(ask, **datum)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({}, "At least one of Statistics and ExtendedStatistics"),
        ({"Statistics": ["Sum"], "EndTime": NOW - 600}, "StartTime must be less than"),
        ({"Statistics": ["Sum"], "StartTime": 0}, "more than 1440 datapoints"),
        ({"ExtendedStatistics": ["p101"]}, "'p101' is not known"),
        ({"Statistics": ["Mode"]}, "Member must satisfy"),
    ],
)
def test_questions_that_are_refused(ask: Any, request_: dict[str, Any], text: str) -> None:
    put(ask, Value=1)
    with pytest.raises(ApiError, match=text):
        statistics(ask, **request_)


def test_expressions_are_refused_by_name(ask: Any) -> None:
    queries = [{"Id": "sum", "Expression": "a + b"}]
    with pytest.raises(ApiError, match=r"MetricDataQueries\.sum: expressions are not supported"):
        ask("GetMetricData", MetricDataQueries=queries, StartTime=0, EndTime=60)
