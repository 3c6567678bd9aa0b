"""Forms as botocore makes them are read, and the XML is what botocore reads."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import botocore.session
import pytest
from botocore.parsers import QueryParser
from botocore.serialize import QuerySerializer

from tinsmith.api.errors import ApiError
from tinsmith.api.metrics import HANDLERS, MODEL
from tinsmith.api.model import operations
from tinsmith.api.query import document, error_reply, parse_form, reply
from tinsmith.api.validation import parse

OPERATIONS = operations(MODEL, tuple(HANDLERS))
BOTO = botocore.session.get_session().get_service_model("cloudwatch")
NAMESPACE = "http://monitoring.amazonaws.com/doc/2010-08-01/"

PUT = {
    "Namespace": "T & Co",
    "MetricData": [
        {
            "MetricName": "ä",
            "Value": 1.5,
            "Dimensions": [{"Name": "a", "Value": "b"}, {"Name": "c", "Value": ""}],
        },
        {"MetricName": "m", "Values": [1.0, 2.0], "Counts": [3.0, 4.0], "StorageResolution": 1},
        {"MetricName": "s", "StatisticValues": {"SampleCount": 1, "Sum": 2, "Minimum": 2, "Maximum": 2}},
        *({"MetricName": f"n{number}", "Value": number} for number in range(10)),
    ],
    "StrictEntityValidation": True,
}


def test_a_form_says_what_json_says() -> None:
    serialized = QuerySerializer().serialize_to_request(PUT, BOTO.operation_model("PutMetricData"))
    fields = parse_form(urlencode(serialized["body"]).encode())
    assert fields["Action"] == "PutMetricData"
    assert document(OPERATIONS["PutMetricData"].input, fields) == PUT


@pytest.mark.parametrize("body", [b"\xff=1", b"a&b", b'{"a": 1}'])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError, match="not a form"):
        parse_form(body)


def test_numbers_that_are_none_stay_texts() -> None:
    fields = {"MetricData.member.1.Value": "five", "StrictEntityValidation": "maybe"}
    assert document(OPERATIONS["PutMetricData"].input, fields) == {
        "MetricData": [{"Value": "five"}],
        "StrictEntityValidation": "maybe",
    }


def parsed(operation: str, content: Any) -> Any:
    body = reply(operation, NAMESPACE, OPERATIONS[operation].output, content, "id")
    response = {"headers": {}, "status_code": 200, "body": body}
    return QueryParser().parse(response, BOTO.operation_model(operation).output_shape)


def test_botocore_reads_the_replies() -> None:
    content = {
        "Label": "m",
        "Datapoints": [
            {"Timestamp": 1_700_000_000.5, "Sum": 2.5, "ExtendedStatistics": {"p9": 1.0, "p<": 2.0}}
        ],
    }
    found = parsed("GetMetricStatistics", content)
    assert found["Datapoints"][0]["Timestamp"].timestamp() == 1_700_000_000.5
    assert (found["Label"], found["Datapoints"][0]["Sum"]) == ("m", 2.5)
    assert found["Datapoints"][0]["ExtendedStatistics"] == {"p9": 1.0, "p<": 2.0}
    assert found["ResponseMetadata"]["RequestId"] == "id"
    listed = parsed("ListMetrics", {"Metrics": [], "NextToken": "a&b"})
    assert (listed["Metrics"], listed["NextToken"]) == ([], "a&b")
    assert parsed("PutMetricData", None)["ResponseMetadata"]["RequestId"] == "id"


def test_botocore_reads_the_errors() -> None:
    body = error_reply(ApiError("InvalidParameterValue", "a < b"), NAMESPACE, "id")
    response = {"headers": {}, "status_code": 400, "body": body}
    found = QueryParser().parse(response, None)
    assert found["Error"] == {"Type": "Sender", "Code": "InvalidParameterValue", "Message": "a < b"}


def test_what_xml_cannot_carry_is_replaced() -> None:
    error = ApiError("InvalidParameterValue", "a\0\x1b[0m\ufffe b")
    assert "a\ufffd\ufffd[0m\ufffd b" in ElementTree.fromstring(error_reply(error, "urn:x", "id")).itertext()


def test_a_scalar_with_fields_below_it_is_refused() -> None:
    shape = OPERATIONS["PutMetricData"].input
    found = document(shape, {"Namespace.member.1": "n", "MetricData.member.1.MetricName": "m"})
    with pytest.raises(ApiError, match="not expected at 'namespace'"):
        parse(shape, found)


def test_a_long_form_takes_time_by_its_length() -> None:
    fields = {f"MetricData.member.{number}.MetricName": "m" for number in range(1, 25_001)}
    began = time.perf_counter()
    assert len(document(OPERATIONS["PutMetricData"].input, fields)["MetricData"]) == 25_000
    assert time.perf_counter() - began < 5
