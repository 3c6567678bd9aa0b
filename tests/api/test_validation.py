from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinsmith.api.errors import ApiError
from tinsmith.api.model import OPERATIONS, operations
from tinsmith.api.validation import MAX_QUOTED, parse

CREATE = operations()["CreateCompilationJob"].input
LIST = operations()["ListCompilationJobs"].input
LIST_TAGS = operations()["ListTags"].input
DELETE_TAGS = operations()["DeleteTags"].input

ARN = "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/job"


def refusal(operation: str, document: object) -> ApiError:
    with pytest.raises(ApiError) as raised:
        parse(operations()[operation].input, document)
    return raised.value


def test_all_violations_are_told_at_once() -> None:
    error = refusal(
        "CreateCompilationJob",
        {
            "CompilationJobName": "-bad name!",
            "RoleArn": "arn:aws:iam::123456789012:role/compiler",
            "InputConfig": {"S3Uri": "s3://b/k", "Framework": "CAFFE"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 0, "MaxPendingTimeInSeconds": 2419201},
            "Tags": [{"Key": "a", "Value": "b"}, {"Key": "!"}],
        },
    )
    assert error.code == "ValidationException"
    assert error.status == 400
    assert error.message == (
        "7 validation errors detected: "
        "Value '-bad name!' at 'compilationJobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}; "
        "Value 'CAFFE' at 'inputConfig.framework' failed to satisfy constraint: "
        "Member must satisfy enum value set: "
        "[TENSORFLOW, KERAS, MXNET, ONNX, PYTORCH, XGBOOST, TFLITE, DARKNET, SKLEARN]; "
        "Value null at 'outputConfig' failed to satisfy constraint: Member must not be null; "
        "Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1; "
        "Value '2419201' at 'stoppingCondition.maxPendingTimeInSeconds' failed to satisfy constraint: "
        "Member must have value less than or equal to 2419200; "
        "Value '!' at 'tags.2.member.key' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*); "
        "Value null at 'tags.2.member.value' failed to satisfy constraint: Member must not be null"
    )


def test_a_list_of_strings_is_named_once_with_every_bound() -> None:
    error = refusal("DeleteTags", {"ResourceArn": ARN, "TagKeys": ["", "ok", "!" * 129]})
    assert error.message == (
        f"1 validation error detected: Value '[, ok, {'!' * 129}]' at 'tagKeys' failed to satisfy "
        "constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, "
        "Member must have length greater than or equal to 1, "
        r"Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)]"
    )


def test_null_list_items_are_violations() -> None:
    error = refusal("DeleteTags", {"ResourceArn": ARN, "TagKeys": ["a", None]})
    assert error.message == (
        "1 validation error detected: Value null at 'tagKeys.2.member' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_structures_in_a_list_are_spelled_out() -> None:
    tags = [{"Key": str(number), "Value": "v", "Colour": "red"} for number in range(51)]
    error = refusal("AddTags", {"ResourceArn": ARN, "Tags": tags})
    assert error.message.startswith(
        "1 validation error detected: Value '[Tag(key=0, value=v), Tag(key=1, value=v), "
    )
    assert error.message.endswith(
        "...' at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"
    )


def test_long_values_are_cut_in_the_text() -> None:
    error = refusal("DescribeCompilationJob", {"CompilationJobName": "x" * 100_000})
    assert f"Value '{'x' * MAX_QUOTED}...' at" in error.message
    assert len(error.message) < 3 * MAX_QUOTED


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"CompilationJobName": 3}, "NUMBER_VALUE cannot be converted to String at 'compilationJobName'"),
        ({"CompilationJobName": 3.5}, "NUMBER_VALUE cannot be converted to String at 'compilationJobName'"),
        ({"CompilationJobName": True}, "TRUE_VALUE cannot be converted to String at 'compilationJobName'"),
        ({"CompilationJobName": False}, "FALSE_VALUE cannot be converted to String at 'compilationJobName'"),
        (
            {"CompilationJobName": {}},
            "Start of structure or map found where not expected at 'compilationJobName'",
        ),
        ({"CompilationJobName": ["a"]}, "Start of list found where not expected at 'compilationJobName'"),
        ({"OutputConfig": "s3"}, "STRING_VALUE cannot be converted to Structure at 'outputConfig'"),
        ({"OutputConfig": []}, "Start of list found where not expected at 'outputConfig'"),
        ({"Tags": {"a": "b"}}, "Start of structure or map found where not expected at 'tags'"),
        ({"Tags": 1}, "NUMBER_VALUE cannot be converted to List at 'tags'"),
        ({"Tags": ["a"]}, "STRING_VALUE cannot be converted to Structure at 'tags.1.member'"),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": "900"}},
            "STRING_VALUE cannot be converted to Integer at 'stoppingCondition.maxRuntimeInSeconds'",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": True}},
            "TRUE_VALUE cannot be converted to Integer at 'stoppingCondition.maxRuntimeInSeconds'",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 1.5}},
            "NUMBER_VALUE cannot be converted to Integer at 'stoppingCondition.maxRuntimeInSeconds'",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 2**31}},
            "NUMBER_VALUE cannot be converted to Integer at 'stoppingCondition.maxRuntimeInSeconds'",
        ),
        (
            {"VpcConfig": {"Subnets": [1, "subnet-1"]}},
            "NUMBER_VALUE cannot be converted to String at 'vpcConfig.subnets.1.member'",
        ),
        (None, "NULL_VALUE cannot be converted to Structure"),
        ("text", "STRING_VALUE cannot be converted to Structure"),
        ([], "Start of list found where not expected"),
    ],
)
def test_wrong_json_types(document: object, text: str) -> None:
    error = refusal("CreateCompilationJob", document)
    assert (error.code, error.message) == ("SerializationException", text)


def test_wrong_types_are_all_told_and_come_before_violations() -> None:
    error = refusal("CreateCompilationJob", {"CompilationJobName": "-", "RoleArn": 1, "Tags": 2})
    assert error.code == "SerializationException"
    assert error.message == (
        "NUMBER_VALUE cannot be converted to String at 'roleArn'; "
        "NUMBER_VALUE cannot be converted to List at 'tags'"
    )


def test_unknown_members_and_nulls_are_dropped_and_the_rest_is_kept() -> None:
    request = {
        "CompilationJobName": "job",
        "RoleArn": "arn:aws:iam::123456789012:role/compiler",
        "InputConfig": {"S3Uri": "s3://b/k", "Framework": "XGBOOST", "DataInputConfig": "{'data': [1]}"},
        "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }
    noisy = request | {
        "VpcConfig": None,
        "Colour": "red",
        "InputConfig": {**request["InputConfig"], "FrameworkVersion": None, "x": 1},  # type: ignore[dict-item]
        "StoppingCondition": {"MaxRuntimeInSeconds": 900.0, "MaxWaitTimeInSeconds": None},
    }
    assert parse(CREATE, noisy) == request
    assert isinstance(parse(CREATE, noisy)["StoppingCondition"]["MaxRuntimeInSeconds"], int)


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("1713274189", 1713274189.0),
        ("1713274189.17", 1713274189.17),
        ("1.713274291E9", 1713274291.0),
        ("-1", -1.0),
        ('"2024-04-16T13:29:49.170Z"', 1713274189.17),
        ('"2024-04-16T13:29:49"', 1713274189.0),
        ('"2024-04-16T15:29:49+02:00"', 1713274189.0),
    ],
)
def test_timestamps(sent: str, seconds: float) -> None:
    assert parse(LIST, json.loads(f'{{"CreationTimeAfter": {sent}}}')) == {"CreationTimeAfter": seconds}


@pytest.mark.parametrize("sent", ["yesterday", "", True, {}, float("inf"), float("nan")])
def test_what_is_no_timestamp(sent: object) -> None:
    error = refusal("ListCompilationJobs", {"LastModifiedTimeBefore": sent})
    assert error.code == "SerializationException"
    assert error.message.endswith("at 'lastModifiedTimeBefore'")


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(OPERATIONS), st.data())
def test_any_document_is_parsed_or_refused(operation: str, data: st.DataObject) -> None:
    shape = operations()[operation].input
    document = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(shape.members, JSON)) | JSON)
    with suppress(ApiError):
        parsed = parse(shape, document)
        assert parsed.keys() <= shape.members.keys()
        assert parse(shape, parsed) == parsed
