"""The operations of CloudWatch that metrics are written and read with, over the store of metrics.

Metric math, search expressions, alarms and dashboards are not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinsmith.api.errors import ApiError
from tinsmith.identity.owner import Owner
from tinsmith.telemetry.metrics import Datum, Metric, MetricStore, Statistics, is_statistic

MODEL, PREFIX = "cloudwatch/2010-08-01", "GraniteServiceVersion20100801."
VERSION = "2010-08-01"
"""What requests of the query protocol call `Version`."""
NAMESPACE = f"http://monitoring.amazonaws.com/doc/{VERSION}/"
METRICS_PAGE, MAX_DATAPOINTS = 500, 1_440


@dataclass(frozen=True, slots=True)
class MetricsCall:
    """One request that fits its shape."""

    metrics: MetricStore
    owner: Owner
    request: Mapping[str, Any]
    now: float
    """Epoch seconds; the time of data that have none."""


Output = dict[str, Any] | None


def answer(operation: str, call: MetricsCall) -> Output:
    """The reply's content, timestamps as epoch seconds. Raises ApiError."""
    return HANDLERS[operation](call)


def put_metric_data(call: MetricsCall) -> Output:
    """Values, values with counts, or statistic sets."""
    namespace = call.request["Namespace"]
    data = call.request.get("MetricData", ())
    if not data:
        raise ApiError("MissingParameter", "The parameter MetricData is required.")
    call.metrics.put(
        call.owner,
        [
            (Metric.of(namespace, entry["MetricName"], _dimensions(entry)), datum)
            for entry in data
            for datum in _data(entry, call.now)
        ],
    )
    return None


def list_metrics(call: MetricsCall) -> Output:
    """A dimension filter without a value takes every value."""
    request = call.request
    filters = [(it["Name"], it.get("Value")) for it in request.get("Dimensions", ())]
    found = [
        metric
        for metric in call.metrics.metrics(call.owner, request.get("Namespace"), request.get("MetricName"))
        if all(any(name == n and value in (None, v) for n, v in metric.dimensions) for name, value in filters)
    ]
    first = _place(request.get("NextToken"))
    end = first + METRICS_PAGE
    rest = {"NextToken": str(end)} if end < len(found) else {}
    return {"Metrics": [_described(metric) for metric in found[first:end]], **rest}


def get_metric_statistics(call: MetricsCall) -> Output:
    """Each period with what was asked of it."""
    request = call.request
    wanted = [*request.get("Statistics", ()), *request.get("ExtendedStatistics", ())]
    if not wanted:
        raise ApiError("MissingParameter", "At least one of Statistics and ExtendedStatistics is required.")
    metric = Metric.of(request["Namespace"], request["MetricName"], _dimensions(request))
    points = []
    for statistics in _periods(call, metric, request["Period"], request.get("Unit")):
        plain = {name: statistics.value(_known(name)) for name in request.get("Statistics", ())}
        extended = {name: statistics.value(_known(name)) for name in request.get("ExtendedStatistics", ())}
        point = {"Timestamp": statistics.time, "Unit": statistics.unit, **_present(plain)}
        if extended:
            point["ExtendedStatistics"] = _present(extended)
        points.append(point)
    return {"Label": request["MetricName"], "Datapoints": points}


def get_metric_data(call: MetricsCall) -> Output:
    """Several metrics at once, newest first unless ScanBy says otherwise."""
    newest_first = call.request.get("ScanBy") != "TimestampAscending"
    results = []
    for query in call.request["MetricDataQueries"]:
        if "MetricStat" not in query:
            text = f"MetricDataQueries.{query['Id']}: expressions are not supported here, only MetricStat."
            raise ApiError("ValidationError", text)
        if query.get("ReturnData", True):
            results.append(_result(call, query, newest_first))
    return {"MetricDataResults": results, "Messages": []}


HANDLERS: Mapping[str, Callable[[MetricsCall], Output]] = {
    "PutMetricData": put_metric_data,
    "ListMetrics": list_metrics,
    "GetMetricStatistics": get_metric_statistics,
    "GetMetricData": get_metric_data,
}


def _result(call: MetricsCall, query: Mapping[str, Any], newest_first: bool) -> dict[str, Any]:
    wanted = query["MetricStat"]
    named = wanted["Metric"]
    metric = Metric.of(named.get("Namespace", ""), named.get("MetricName", ""), _dimensions(named))
    statistic = _known(wanted["Stat"])
    points = [
        (period.time, value)
        for period in _periods(call, metric, wanted["Period"], wanted.get("Unit"))
        if (value := period.value(statistic)) is not None
    ]
    if newest_first:
        points.reverse()
    return {
        "Id": query["Id"],
        "Label": query.get("Label", metric.name),
        "Timestamps": [time for time, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete",
    }


def _periods(call: MetricsCall, metric: Metric, period: int, unit: str | None) -> list[Statistics]:
    start, end = call.request["StartTime"], call.request["EndTime"]
    if end <= start:
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
    if (end - start) / period > MAX_DATAPOINTS:
        text = (
            f"more than {MAX_DATAPOINTS} datapoints were asked for: choose a longer Period or a shorter time."
        )
        raise ApiError("InvalidParameterCombination", text)
    return call.metrics.periods(call.owner, metric, start, end, period, unit)


def _data(entry: Mapping[str, Any], now: float) -> Iterator[Datum]:
    time, unit = entry.get("Timestamp", now), entry.get("Unit", "None")
    forms = [form for form in ("Value", "Values", "StatisticValues") if form in entry]
    if len(forms) != 1:
        found = ", ".join(forms) or "none"
        text = f"{entry['MetricName']}: expected one of Value, Values and StatisticValues, found {found}."
        raise ApiError("InvalidParameterCombination", text)
    if "Value" in entry:
        yield Datum.of(time, entry["Value"], unit=unit)
    elif "Values" in entry:
        counts: Sequence[float] = entry.get("Counts", [1.0] * len(entry["Values"]))
        if len(counts) != len(entry["Values"]):
            raise _invalid(f"{entry['MetricName']}: Values and Counts must be of the same length.")
        for value, count in zip(entry["Values"], counts, strict=True):
            yield Datum.of(time, value, count, unit)
    else:
        values = entry["StatisticValues"]
        yield Datum(time, values["SampleCount"], values["Sum"], values["Minimum"], values["Maximum"], unit)


def _known(statistic: str) -> str:
    if not is_statistic(statistic):
        raise _invalid(f"The statistic {statistic!r} is not known.")
    return statistic


def _invalid(text: str) -> ApiError:
    return ApiError("InvalidParameterValue", text)


def _dimensions(entry: Mapping[str, Any]) -> dict[str, str]:
    return {it["Name"]: it["Value"] for it in entry.get("Dimensions", ())}


def _described(metric: Metric) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    return {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}


def _present(fields: Mapping[str, float | None]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _place(token: str | None) -> int:
    if token is None:
        return 0
    if not (token.isascii() and token.isdigit()):
        raise _invalid("The NextToken is invalid.")
    return int(token)
