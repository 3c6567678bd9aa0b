from __future__ import annotations

import json
from typing import Any

import pytest

from tests.identity.conftest import allow, deny, document
from tinsmith.identity.policy import Effect, PolicyError, Request, evaluate, parse
from tinsmith.identity.principals import Requester

ALLOW, DENY, NONE = Effect.ALLOW, Effect.DENY, Effect.NONE
KEY = "arn:aws:s3:::models/in/a.tar.gz"


def effect(
    *statements: dict[str, Any], action: str = "s3:GetObject", resource: str = KEY, **context: str
) -> Effect:
    keys = {name.replace("_", ":"): (value,) for name, value in context.items()}
    return parse(document(*statements)).evaluate(Request(action, resource, keys))


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("s3:GetObject", True),
        ("S3:getobject", True),
        ("s3:Get*", True),
        ("s3:?etObject", True),
        ("*", True),
        ("s3:*", True),
        ("s3:Get", False),
        ("s3:GetObjectTagging", False),
        ("sagemaker:*", False),
    ],
)
def test_actions(pattern: str, matches: bool) -> None:
    assert effect(allow(pattern)) is (ALLOW if matches else NONE)
    assert effect(allow(["ec2:*", pattern])) is (ALLOW if matches else NONE)
    reverse = {"Effect": "Allow", "NotAction": pattern, "Resource": "*"}
    assert effect(reverse) is (NONE if matches else ALLOW)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (KEY, True),
        ("*", True),
        ("arn:aws:s3:::models/*", True),
        ("arn:aws:s3:::*", True),
        ("arn:aws:s3:::models/??/*.gz", True),
        ("arn:*:s3:::models/in/*", True),
        ("arn:aws:s3", True),
        ("arn:aws:s3:::Models/*", False),
        ("arn:aws:s3:::models", False),
        ("arn:aws:s3:::models/in/a.tar.gz/", False),
        ("arn:aws:*:models/in/a.tar.gz", False),
        ("arn:aws:s3:::models/in/a?tar?g", False),
    ],
)
def test_resources(pattern: str, matches: bool) -> None:
    assert effect(allow("*", pattern)) is (ALLOW if matches else NONE)
    reverse = {"Effect": "Allow", "Action": "*", "NotResource": pattern}
    assert effect(reverse) is (NONE if matches else ALLOW)


def test_a_wildcard_stays_in_its_segment() -> None:
    other = "arn:aws:sagemaker:us-east-1:222222222222:compilation-job/x"
    assert effect(allow("*", "arn:aws:sagemaker:*:111111111111:compilation-job/*"), resource=other) is NONE
    assert effect(allow("*", "arn:aws:sagemaker:*:compilation-job/x"), resource=other) is NONE
    assert effect(allow("*", "arn:aws:sagemaker:*:*:compilation-job/*"), resource=other) is ALLOW


def test_one_deny_beats_every_allow() -> None:
    policies = [parse(document(allow("*"), deny("s3:Get*"))), parse(document(allow("s3:GetObject")))]
    assert evaluate(policies, Request("s3:GetObject", KEY)) is DENY
    assert evaluate(reversed(policies), Request("s3:GetObject", KEY)) is DENY
    assert evaluate(policies, Request("s3:PutObject", KEY)) is ALLOW
    assert evaluate([], Request("s3:PutObject", KEY)) is NONE


def test_variables_stand_for_themselves_only() -> None:
    own = allow("*", "arn:aws:s3:::${aws:username}/*")
    assert effect(own, resource="arn:aws:s3:::ann/k", aws_username="ann") is ALLOW
    assert effect(own, resource="arn:aws:s3:::bob/k", aws_username="ann") is NONE
    assert effect(own, resource="arn:aws:s3:::bob/k", aws_username="*") is NONE
    assert effect(own, resource="arn:aws:s3:::ann/k") is NONE
    assert effect(allow("*", "arn:aws:s3:::a${*}/k"), resource="arn:aws:s3:::a*/k") is ALLOW
    assert effect(allow("*", "arn:aws:s3:::a${*}/k"), resource="arn:aws:s3:::ab/k") is NONE


def test_an_unknown_variable_never_allows() -> None:
    others = {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::${aws:username}/*"}
    assert effect(others) is NONE
    assert effect({**others, "Effect": "Deny"}) is DENY


def test_variables_mean_nothing_in_the_old_version() -> None:
    old = parse({"Version": "2008-10-17", "Statement": [allow("*", "arn:aws:s3:::${aws:username}/*")]})
    request = Request("s3:GetObject", "arn:aws:s3:::ann/k", {"aws:username": ("ann",)})
    assert old.evaluate(request) is NONE


def test_conditions_count() -> None:
    only = {**allow("*"), "Condition": {"StringEquals": {"aws:username": "ann"}}}
    assert effect(only, aws_username="ann") is ALLOW
    assert effect(only, aws_username="bob") is NONE


@pytest.mark.parametrize(
    ("principal", "requester", "matches"),
    [
        ({"Service": "sagemaker.amazonaws.com"}, Requester(service="sagemaker.amazonaws.com"), True),
        (
            {"Service": ["a.amazonaws.com", "sagemaker.amazonaws.com"]},
            Requester(service="a.amazonaws.com"),
            True,
        ),
        ({"Service": "ec2.amazonaws.com"}, Requester(service="sagemaker.amazonaws.com"), False),
        ({"AWS": "*"}, Requester(service="sagemaker.amazonaws.com"), False),
        ("*", Requester(service="sagemaker.amazonaws.com"), True),
        ({"AWS": "111111111111"}, Requester("arn:aws:iam::111111111111:user/a", "111111111111"), True),
        (
            {"AWS": "arn:aws:iam::111111111111:root"},
            Requester("arn:aws:iam::111111111111:user/a", "111111111111"),
            True,
        ),
        ({"AWS": "222222222222"}, Requester("arn:aws:iam::111111111111:user/a", "111111111111"), False),
        ({"AWS": "arn:aws:iam::1:user/a"}, Requester("arn:aws:iam::1:user/a", "1"), True),
        (
            {"AWS": "arn:aws:iam::1:role/r"},
            Requester("arn:aws:sts::1:assumed-role/r/s", "1", issuer="arn:aws:iam::1:role/r"),
            True,
        ),
        ({"AWS": "arn:aws:iam::1:user/b"}, Requester("arn:aws:iam::1:user/a", "1"), False),
        ({"Federated": "idp"}, Requester("arn:aws:iam::1:user/a", "1"), False),
    ],
)
def test_principals(principal: Any, requester: Requester, matches: bool) -> None:
    for element, expected in (("Principal", matches), ("NotPrincipal", not matches)):
        statement = {"Effect": "Allow", element: principal, "Action": "sts:AssumeRole"}
        policy = parse(document(statement), "trust")
        request = Request("sts:AssumeRole", "*", requester=requester)
        assert policy.evaluate(request) is (ALLOW if expected else NONE)


GOOD = allow("s3:GetObject")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object, found list"),
        ('{"Statement": [], "Statement": []}', "'Statement' is there twice"),
        (" " * 10_241, "has 10241 characters, expected at most 10240"),
        ("[" * 10_000, "not valid JSON"),
        ({}, "Statement: missing"),
        ({"Statement": []}, "Statement: missing"),
        ({"Version": "2012-10-18", "Statement": GOOD}, "Version: expected one of"),
        ({"Statements": [], "Statement": GOOD}, "Statements: no such element"),
        ({"Statement": ["x"]}, "Statement[0]: expected an object, found str"),
        (
            document(GOOD, {**GOOD, "Effect": "Permit"}),
            "Statement[1].Effect: expected Allow or Deny, found 'Permit'",
        ),
        (document({**GOOD, "Sid": "a b"}), "Statement[0].Sid: expected letters and digits"),
        (
            document({**GOOD, "NotAction": "*"}),
            "Statement[0]: expected one of Action and NotAction, found both",
        ),
        (document({"Effect": "Allow", "Resource": "*"}), "one of Action and NotAction, found neither"),
        (document({"Effect": "Allow", "Action": "*"}), "one of Resource and NotResource, found neither"),
        (
            document(allow("GetObject")),
            "Statement[0].Action: expected service:Action or *, found 'GetObject'",
        ),
        (document(allow([])), "Statement[0].Action: expected at least one text"),
        (document(allow([1])), "Statement[0].Action: expected a text, found 1"),
        (document(allow("*", "bucket")), "Statement[0].Resource: expected an ARN or *, found 'bucket'"),
        (document({**GOOD, "Resources": "*"}), "Statement[0].Resources: no such element"),
        (document({**GOOD, "Principal": "*"}), "Statement[0].Principal: not allowed here"),
        (document({**GOOD, "Condition": []}), "Statement[0].Condition: expected an object"),
        (
            document({**GOOD, "Condition": {"Is": {}}}),
            "Statement[0].Condition.Is: no such condition operator",
        ),
    ],
)
def test_problems_name_statement_and_field(source: Any, problem: str) -> None:
    with pytest.raises(PolicyError) as raised:
        parse(source)
    assert len(raised.value.problems) == 1
    assert problem in raised.value.problems[0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Resource": "*"}, "Statement[0].Resource: not allowed here"),
        ({"Principal": {"User": "a"}}, "Statement[0].Principal.User: no such kind of principal"),
        (
            {"Principal": {"Service": "sagemaker"}},
            "Statement[0].Principal.Service: expected a service such as",
        ),
        ({"Principal": {"AWS": "arn:aws:iam::1:user/*"}}, "without wildcards, found"),
        ({"Principal": 7}, "Statement[0].Principal: expected * or an object"),
        ({"Principal": {}}, "Statement[0].Principal: expected * or an object"),
    ],
)
def test_problems_of_trust_policies(changes: dict[str, Any], problem: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "a.b"}, "Action": "sts:AssumeRole"}
    assert parse(document(trust), "trust")
    with pytest.raises(PolicyError) as raised:
        parse(document({**trust, **changes}), "trust")
    assert len(raised.value.problems) == 1
    assert problem in raised.value.problems[0]


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(PolicyError) as raised:
        parse(json.dumps({"Version": "x", "Statement": [{"Effect": "No"}, {"Effect": "Allow", "Sid": 1}]}))
    assert len(raised.value.problems) == 7
