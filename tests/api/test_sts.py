"""STS as boto3 and the AWS CLI speak it: who am I, sessions of roles and of users."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.api.conftest import ACCOUNT, Service, running
from tinsmith.api.services import Kms, Logs, Sts
from tinsmith.identity.administration import Administration
from tinsmith.identity.builtin import document
from tinsmith.identity.entities import AccessKey
from tinsmith.identity.sealing import Sealer
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.engines import open_database
from tinsmith.kms.keys import KeyStore
from tinsmith.telemetry.logs import LogStore

OTHERS = "210987654321"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/work/builder"
ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/builder"
ASSUME = "sts:AssumeRole"


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def trust(principal: Any, **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ASSUME}
    return dict(document({**statement, "Condition": condition} if condition else statement))


@dataclass
class Site:
    """A service with STS, its identities, and clients of its users."""

    service: Service
    identities: IdentityStore
    administration: Administration

    def user(self, name: str, *statements: dict[str, Any], account: str = ACCOUNT) -> AccessKey:
        """The key of a new user with these permissions."""
        administration = Administration(self.identities, account)
        administration.create_user(name)
        if statements:
            administration.put_policy("user", name, "all", document(*statements))
        return administration.create_access_key(name)

    def role(self, trust: dict[str, Any], *statements: dict[str, Any], name: str = "builder") -> None:
        """A role of up to two hours."""
        self.administration.create_role(name, trust, path="/work/", max_session=7200)
        self.administration.put_policy("role", name, "all", document(*statements or (allow("*"),)))

    def client(self, name: str, keys: AccessKey | dict[str, Any]) -> Any:
        """A boto3 client with a user's key or with what STS gave."""
        if isinstance(keys, AccessKey):
            keys = {"AccessKeyId": keys.id, "SecretAccessKey": keys.secret, "SessionToken": None}
        return boto3.client(
            name,
            region_name="us-east-1",
            endpoint_url=self.service.url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )

    def assume(self, keys: AccessKey | dict[str, Any], **request: Any) -> Any:
        """The reply to AssumeRole."""
        request = {"RoleArn": ROLE, "RoleSessionName": "s1", **request}
        return self.client("sts", keys).assume_role(**request)

    def refused(self, keys: AccessKey | dict[str, Any], **request: Any) -> tuple[str, str]:
        """Code and text of the error that AssumeRole ends with."""
        return error_of(lambda: self.assume(keys, **request))


def error_of(call: Callable[..., Any], status: int | None = None, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    error, metadata = raised.value.response["Error"], raised.value.response["ResponseMetadata"]
    forbidden = ("AccessDenied", "InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch")
    assert metadata["HTTPStatusCode"] == (status or (403 if error["Code"] in forbidden else 400))
    return error["Code"], error["Message"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
    sealer = Sealer.of_file(tmp_path / "key")
    identities = IdentityStore(database, sealer)
    others = (Sts(identities), Logs(LogStore(database)), Kms(KeyStore(database, sealer, lambda: 0.0)))
    with running(tmp_path, identities, others=others) as service:
        yield Site(service, identities, Administration(identities, ACCOUNT))
    database.close()


def test_everybody_may_know_who_they_are(site: Site) -> None:
    ann = site.user("ann", {**allow("*"), "Effect": "Deny"})
    identity = site.client("sts", ann).get_caller_identity()
    user = site.identities.directory.entities[ANN]
    assert identity["Arn"] == ANN
    assert identity["Account"] == ACCOUNT
    assert identity["UserId"] == user.id


def test_the_aws_cli_asks_who_it_is_and_assumes_a_role(site: Site, tmp_path: Path) -> None:
    site.role(trust(ANN))
    ann = site.user("ann")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": ann.id,
        "AWS_SECRET_ACCESS_KEY": ann.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_STS": site.service.url,
    }
    aws = str(Path(sys.executable).with_name("aws"))

    def run(*arguments: str, **more: str) -> Any:
        command = (aws, "sts", *arguments, "--output", "json")
        return json.loads(
            subprocess.run(command, env=environment | more, capture_output=True, check=True).stdout
        )

    assert run("get-caller-identity")["Arn"] == ANN
    keys = run("assume-role", "--role-arn", ROLE, "--role-session-name", "cli")["Credentials"]
    names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY"}
    names["SessionToken"] = "AWS_SESSION_TOKEN"
    session = {variable: keys[name] for name, variable in names.items()}
    assert run("get-caller-identity", **session)["Arn"] == f"{SESSION}/cli"


def test_a_session_acts_as_its_role_in_every_service(site: Site) -> None:
    site.role(trust(ANN), allow(["sagemaker:List*", "logs:*", "kms:CreateKey"]))
    ann = site.user("ann")
    reply = site.assume(ann, DurationSeconds=900)
    keys = reply["Credentials"]
    role = site.identities.directory.role(ROLE)
    assert role is not None
    assert reply["AssumedRoleUser"] == {"AssumedRoleId": f"{role.id}:s1", "Arn": f"{SESSION}/s1"}
    assert "PackedPolicySize" not in reply
    assert abs(keys["Expiration"].timestamp() - site.service.clock() - 900) < 5
    assert site.client("sts", keys).get_caller_identity()["UserId"] == f"{role.id}:s1"
    assert site.client("sagemaker", keys).list_compilation_jobs()["CompilationJobSummaries"] == []
    assert site.client("logs", keys).describe_log_groups()["logGroups"] == []
    assert site.client("kms", keys).create_key()["KeyMetadata"]["AWSAccountId"] == ACCOUNT
    stop = site.client("sagemaker", keys).stop_compilation_job
    assert error_of(stop, CompilationJobName="j")[0] == "AccessDeniedException"
    assert error_of(site.client("sagemaker", ann).list_compilation_jobs)[0] == "AccessDeniedException"


def test_a_session_ends_with_its_role(site: Site) -> None:
    site.role(trust(ANN))
    ann = site.user("ann")
    keys = site.assume(ann, DurationSeconds=900)["Credentials"]
    client = site.client("sts", keys)
    assert client.get_caller_identity()
    site.administration.delete("role", "builder")
    assert error_of(client.get_caller_identity)[0] == "InvalidClientTokenId"
    site.role(trust(ANN))
    assert error_of(client.get_caller_identity)[0] == "InvalidClientTokenId"


def test_session_policies_narrow(site: Site) -> None:
    site.role(trust(ANN), allow(["sagemaker:*", "logs:DescribeLogGroups"]))
    ann = site.user("ann")
    lists = site.administration.create_policy("lists", document(allow(["sagemaker:List*", "kms:*"])))
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{lists.name}"
    inline = json.dumps(document(allow("logs:*")))

    def may(**request: Any) -> list[bool]:
        keys = site.assume(ann, **request)["Credentials"]
        calls = (
            site.client("sagemaker", keys).list_compilation_jobs,
            site.client("logs", keys).describe_log_groups,
            site.client("kms", keys).create_key,
            lambda: site.client("sagemaker", keys).stop_compilation_job(CompilationJobName="none"),
        )
        return [is_allowed(call) for call in calls]

    assert may() == [True, True, False, True]
    assert may(Policy=inline) == [False, True, False, False]
    assert may(PolicyArns=[{"arn": arn}]) == [True, False, False, False]
    assert may(Policy=inline, PolicyArns=[{"arn": arn}]) == [True, True, False, False]
    reply = site.assume(ann, Policy=inline, PolicyArns=[{"arn": arn}])
    assert reply["PackedPolicySize"] == -(-100 * (len(inline) + len(arn)) // 2048)
    site.administration.delete("policy", "lists")
    keys = reply["Credentials"]
    assert not is_allowed(site.client("sagemaker", keys).list_compilation_jobs)
    assert is_allowed(site.client("logs", keys).describe_log_groups)


def is_allowed(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        return bool(error.response["Error"]["Code"] != "AccessDeniedException")
    return True


NOT_ALLOWED = f"User: {ANN} is not authorized to perform: {ASSUME} on resource: {ROLE}"
NO_POLICY = f"{NOT_ALLOWED} because no identity-based policy allows the {ASSUME} action"


@pytest.mark.parametrize(
    ("principal", "own", "text"),
    [
        (ANN, (), None),
        ("*", (), None),
        (ACCOUNT, (), NO_POLICY),
        (ACCOUNT, (allow(ASSUME, ROLE),), None),
        (f"arn:aws:iam::{ACCOUNT}:root", (allow("sts:*", "arn:aws:iam::*:role/work/*"),), None),
        (ACCOUNT, (allow(ASSUME, f"arn:aws:iam::{ACCOUNT}:role/other"),), NO_POLICY),
        (OTHERS, (allow("*"),), NOT_ALLOWED),
        (f"arn:aws:iam::{ACCOUNT}:user/bob", (allow("*"),), NOT_ALLOWED),
        (
            ANN,
            ({**allow(ASSUME, ROLE), "Effect": "Deny"},),
            f"{NOT_ALLOWED} with an explicit deny in an identity-based policy",
        ),
    ],
)
def test_trust_and_permission(site: Site, principal: str, own: Any, text: str | None) -> None:
    site.role(trust(principal))
    ann = site.user("ann", *own)
    if text is None:
        assert site.assume(ann)
    else:
        assert site.refused(ann) == ("AccessDenied", text)


def test_a_role_that_is_not_there_is_refused_like_one_that_does_not_trust(site: Site) -> None:
    assert site.refused(site.user("ann", allow("*"))) == ("AccessDenied", NOT_ALLOWED)
    assert site.refused(site.user("ben"))[1] == NO_POLICY.replace("ann", "ben")


def test_a_boundary_holds_even_where_the_role_names_the_user(site: Site) -> None:
    site.role(trust(ANN))
    ann = site.user("ann", allow("*"))
    site.administration.create_policy("limit", document(allow("sagemaker:*")))
    site.administration.set_boundary("user", "ann", f"arn:aws:iam::{ACCOUNT}:policy/limit")
    assert site.refused(ann)[1].endswith(f"because no permissions boundary allows the {ASSUME} action")


def test_another_account_needs_both(site: Site) -> None:
    user = f"arn:aws:iam::{OTHERS}:user/eve"
    site.role(trust(user))
    assert site.refused(site.user("eve", account=OTHERS))[0] == "AccessDenied"
    Administration(site.identities, OTHERS).put_policy("user", "eve", "a", document(allow(ASSUME, ROLE)))
    eve = Administration(site.identities, OTHERS).create_access_key("eve")
    keys = site.assume(eve)["Credentials"]
    assert site.client("sts", keys).get_caller_identity()["Account"] == ACCOUNT


def test_conditions_of_trust(site: Site) -> None:
    site.role(trust(ANN, StringEquals={"sts:ExternalId": "e1"}, StringLike={"sts:RoleSessionName": "ann-*"}))
    ann = site.user("ann")
    assert site.refused(ann) == ("AccessDenied", NO_POLICY)
    assert site.refused(ann, ExternalId="e2", RoleSessionName="ann-1")[0] == "AccessDenied"
    assert site.refused(ann, ExternalId="e1")[0] == "AccessDenied"
    assert site.assume(ann, ExternalId="e1", RoleSessionName="ann-1")


def test_a_chain_of_roles_lasts_an_hour(site: Site) -> None:
    site.role(trust(ANN), allow(ASSUME))
    site.role(trust(ROLE), name="second")
    site.role(trust(ACCOUNT), name="third")
    second = {"RoleArn": ROLE.replace("builder", "second")}
    ann = site.user("ann")
    first = site.assume(ann, DurationSeconds=7200)["Credentials"]
    code, text = site.refused(first, **second, DurationSeconds=3601)
    assert (code, "role chaining" in text) == ("ValidationError", True)
    keys = site.assume(first, **second, DurationSeconds=3600)["Credentials"]
    assert site.client("sts", keys).get_caller_identity()["Arn"].endswith(":assumed-role/second/s1")
    assert site.assume(first, RoleArn=ROLE.replace("builder", "third"))
    narrow = site.assume(ann, Policy=json.dumps(document(allow("sagemaker:*"))))["Credentials"]
    assert site.refused(narrow, **second)[1].endswith(f"because no session policy allows the {ASSUME} action")


LARGE = json.dumps(document(allow("s3:*", [f"arn:aws:s3:::bucket-{number}" for number in range(100)])))


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        ({"DurationSeconds": 899}, "ValidationError", "at 'durationSeconds' failed to satisfy"),
        ({"DurationSeconds": 43_201}, "ValidationError", "less than or equal to 43200"),
        ({"DurationSeconds": 7201}, "ValidationError", "exceeds the MaxSessionDuration set for this role"),
        ({"RoleSessionName": "s"}, "ValidationError", "length greater than or equal to 2"),
        ({"RoleSessionName": "a b"}, "ValidationError", r"regular expression pattern: [\w+=,.@-]*"),
        ({"RoleSessionName": "é1"}, "ValidationError", "at 'roleSessionName'"),
        ({"RoleArn": "arn:aws:iam"}, "ValidationError", "at 'roleArn'"),
        ({"RoleArn": "arn:aws:iam::1:role/x"}, "ValidationError", "arn:aws:iam::1:role/x is invalid"),
        ({"RoleArn": ANN}, "ValidationError", f"{ANN} is invalid"),
        ({"Policy": "{"}, "MalformedPolicyDocument", "not valid JSON"),
        (
            {"Policy": '{"Statement": [{"Effect": "Maybe"}]}'},
            "MalformedPolicyDocument",
            "Statement[0].Effect",
        ),
        ({"Policy": LARGE}, "PackedPolicyTooLarge", "% of allotted space"),
        (
            {"PolicyArns": [{"arn": f"arn:aws:iam::{OTHERS}:policy/x"}]},
            "ValidationError",
            "of another account",
        ),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/X"}] * 11}, "ValidationError", "at most 10"),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "ValidationError", "Tags is not supported here"),
        ({"SerialNumber": "GAHT12345678", "TokenCode": "123456"}, "ValidationError", "SerialNumber is not"),
        ({"SourceIdentity": "ann"}, "ValidationError", "SourceIdentity is not supported here"),
    ],
)
def test_bad_requests_are_told(site: Site, request_: dict[str, Any], code: str, text: str) -> None:
    site.role(trust(ANN))
    found = site.refused(site.user("ann"), **request_)
    assert found[0] == code
    assert text in found[1]


def test_keys_that_are_not_known(site: Site) -> None:
    ann = site.user("ann")
    wrong = {"AccessKeyId": ann.id, "SecretAccessKey": "x", "SessionToken": None}
    assert error_of(site.client("sts", wrong).get_caller_identity)[0] == "SignatureDoesNotMatch"
    keys = site.client("sts", ann).get_session_token()["Credentials"]
    for change in ({"SessionToken": None}, {"SessionToken": keys["SessionToken"][:-4] + "AAAA"}):
        assert error_of(site.client("sts", keys | change).get_caller_identity)[0] == "InvalidClientTokenId"
    site.administration.set_active(ann.id, False)
    assert error_of(site.client("sts", ann).get_caller_identity)[0] == "InvalidClientTokenId"


def test_a_session_of_oneself(site: Site) -> None:
    site.role(trust(ANN))
    ann = site.user("ann", allow("sagemaker:List*"))
    reply = site.client("sts", ann).get_session_token(DurationSeconds=900)
    keys = reply["Credentials"]
    assert abs(keys["Expiration"].timestamp() - site.service.clock() - 900) < 5
    sts = site.client("sts", keys)
    assert sts.get_caller_identity()["Arn"] == ANN
    assert site.client("sagemaker", keys).list_compilation_jobs()["CompilationJobSummaries"] == []
    assert not is_allowed(lambda: site.client("sagemaker", keys).stop_compilation_job(CompilationJobName="j"))
    assert error_of(sts.get_session_token) == (
        "AccessDenied",
        "Cannot call GetSessionToken with session credentials",
    )
    assert site.assume(keys, DurationSeconds=7200)
    role = site.assume(keys)["Credentials"]
    assert error_of(site.client("sts", role).get_session_token)[0] == "AccessDenied"
    site.administration.delete("user", "ann")
    assert error_of(sts.get_caller_identity)[0] == "InvalidClientTokenId"


def test_a_session_that_is_over(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = site.user("ann")
    site.service.clock.ahead = -299
    monkeypatch.setattr("tinsmith.api.sts.OWN_SESSION", 300)
    keys = site.client("sts", ann).get_session_token()["Credentials"]
    assert site.client("sts", keys).get_caller_identity()
    site.service.clock.ahead = 2
    assert error_of(site.client("sts", keys).get_caller_identity)[0] == "ExpiredToken"
    assert error_of(site.client("sagemaker", keys).list_compilation_jobs)[0] == "ExpiredTokenException"


def test_other_operations_are_not_known(site: Site) -> None:
    sts = site.client("sts", site.user("ann", allow("*")))
    code, text = error_of(sts.get_federation_token, Name="ann")
    assert (code, "GetFederationToken" in text) == ("InvalidAction", True)


def test_without_authentication_there_are_no_sessions(tmp_path: Path) -> None:
    with running(tmp_path, others=(Sts(None),)) as service:
        site = Site(service, None, None)  # type: ignore[arg-type]
        anybody = {"AccessKeyId": "AKIAX", "SecretAccessKey": "x", "SessionToken": None}
        identity = site.client("sts", anybody).get_caller_identity()
        assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
        code, text = site.refused(anybody)
        assert code == "UnsupportedOperationException"
        assert "authenticates nobody" in text
