"""Authentication and authorisation over HTTP: boto3 signs, identities decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.api.conftest import Service, running
from tinsmith.identity.administration import Administration
from tinsmith.identity.bootstrap import ServiceKey, bootstrap
from tinsmith.identity.builtin import TRUST_SERVICE, document
from tinsmith.identity.sealing import Sealer
from tinsmith.identity.sessions import new_session
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.engines import open_database

Build = Callable[..., dict[str, Any]]
OURS, OTHERS = "123456789012", "210987654321"
JOBS = f"arn:aws:sagemaker:us-east-1:{OURS}:compilation-job"
ROLE = f"arn:aws:iam::{OURS}:role/service-role/compiler"
SERVICE = "sagemaker.amazonaws.com"


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


@dataclass
class Site:
    """A service that authenticates, its identities, and clients of its users."""

    service: Service
    identities: IdentityStore
    administration: Administration

    def client(self, user: str, *statements: dict[str, Any], region: str = "us-east-1") -> Any:
        """A client of a new user with these permissions."""
        self.administration.create_user(user)
        if statements:
            self.administration.put_policy("user", user, "all", document(*statements))
        key = self.administration.create_access_key(user)
        return self.service.client(region, key.id, key.secret)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
    identities = IdentityStore(database, Sealer.of_file(tmp_path / "key"))
    administration = Administration(identities, OURS)
    administration.create_role("compiler", TRUST_SERVICE, path="/service-role/")
    with running(tmp_path, identities) as service:
        yield Site(service, identities, administration)
    database.close()


def error_of(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    error = raised.value.response["Error"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Code"], error["Message"]


def test_an_unsigned_request_is_refused(site: Site, valid: Build) -> None:
    reply = site.service.post("CreateCompilationJob", json.dumps(valid()))
    assert reply.status_code == 400
    assert reply.json() == {
        "__type": "MissingAuthenticationTokenException",
        "message": "Request is missing Authentication Token",
    }
    assert httpx.get(f"{site.service.url}/healthz", trust_env=False).status_code == 200


def test_unknown_keys_and_wrong_secrets_are_refused(site: Site) -> None:
    key = site.administration.create_access_key(site.administration.create_user("ann").name)
    unknown = site.service.client(access_key="AKIAUNKNOWN", secret_key="x")
    assert error_of(unknown.list_compilation_jobs) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )
    wrong = site.service.client(access_key=key.id, secret_key=key.secret + "x")
    assert error_of(wrong.list_compilation_jobs)[0] == "InvalidSignatureException"
    with_token = site.service.client(access_key=key.id, secret_key=key.secret, token="x")
    assert error_of(with_token.list_compilation_jobs)[0] == "UnrecognizedClientException"


def test_a_clock_that_is_wrong_is_told(site: Site) -> None:
    client = site.client("ann", allow("*"))
    site.service.clock.ahead = 301
    code, message = error_of(client.list_compilation_jobs)
    assert code == "InvalidSignatureException"
    assert message.startswith("Signature expired: ")


def test_the_life_of_a_job_with_the_permissions_it_needs(site: Site, valid: Build) -> None:
    client = site.client(
        "ann",
        allow(["sagemaker:CreateCompilationJob", "sagemaker:DescribeCompilationJob"], f"{JOBS}/mine-*"),
        allow(["sagemaker:StopCompilationJob", "sagemaker:DeleteCompilationJob"], f"{JOBS}/mine-*"),
        allow("sagemaker:ListCompilationJobs"),
        allow("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": SERVICE}),
    )
    created = client.create_compilation_job(**valid("mine-1"))
    assert created["CompilationJobArn"] == f"{JOBS}/mine-1"
    assert client.describe_compilation_job(CompilationJobName="mine-1")["RoleArn"] == ROLE
    assert len(client.list_compilation_jobs()["CompilationJobSummaries"]) == 1
    client.stop_compilation_job(CompilationJobName="mine-1")
    assert error_of(client.create_compilation_job, **valid("other")) == (
        "AccessDeniedException",
        f"User: arn:aws:iam::{OURS}:user/ann is not authorized to perform: sagemaker:CreateCompilationJob on "
        f"resource: {JOBS}/other because no identity-based policy allows the sagemaker:CreateCompilationJob "
        "action",
    )


ALL = ("create", "describe", "list", "stop", "delete", "add_tags", "list_tags", "delete_tags")


def call(client: Any, operation: str, request: dict[str, Any]) -> Any:
    name, arn = request["CompilationJobName"], f"{JOBS}/{request['CompilationJobName']}"
    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: client.create_compilation_job(**request),
        "describe": lambda: client.describe_compilation_job(CompilationJobName=name),
        "list": client.list_compilation_jobs,
        "stop": lambda: client.stop_compilation_job(CompilationJobName=name),
        "delete": lambda: client.delete_compilation_job(CompilationJobName=name),
        "add_tags": lambda: client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}]),
        "list_tags": lambda: client.list_tags(ResourceArn=arn),
        "delete_tags": lambda: client.delete_tags(ResourceArn=arn, TagKeys=["a"]),
    }
    return calls[operation]()


def test_every_operation_needs_its_permission(site: Site, valid: Build) -> None:
    nobody = site.client("nobody")
    request = valid("job")
    site.client("ann", allow("*")).create_compilation_job(**request)
    for operation in ALL:
        code, message = error_of(lambda operation=operation: call(nobody, operation, request))
        assert code == "AccessDeniedException"
        user = f"arn:aws:iam::{OURS}:user/nobody"
        assert message.startswith(f"User: {user} is not authorized to perform: sagemaker:")
    assert site.service.store.get(site_key("job")).status == "STARTING"


def site_key(name: str) -> Any:
    from tinsmith.jobs.job import JobKey

    return JobKey(OURS, "us-east-1", name)


def test_pass_role_is_needed(site: Site, valid: Build) -> None:
    client = site.client("ann", allow("sagemaker:*"))
    assert error_of(client.create_compilation_job, **valid()) == (
        "AccessDeniedException",
        f"User: arn:aws:iam::{OURS}:user/ann is not authorized to perform: iam:PassRole on resource: {ROLE} "
        "because no identity-based policy allows the iam:PassRole action",
    )
    other = site.client("bob", allow("*"), {**allow("iam:PassRole", ROLE), "Effect": "Deny"})
    assert error_of(other.create_compilation_job, **valid())[1].endswith(
        "with an explicit deny in an identity-based policy"
    )
    elsewhere = allow("iam:PassRole", "*", StringEquals={"iam:PassedToService": "ec2.amazonaws.com"})
    third = site.client("cid", allow("sagemaker:*"), elsewhere)
    assert error_of(third.create_compilation_job, **valid())[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    "trust",
    [
        None,
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"AWS": OURS}, "Action": "sts:AssumeRole"},
        {
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": "sts:AssumeRole",
            "Condition": {"ArnLike": {"aws:SourceArn": f"{JOBS}/only-this"}},
        },
    ],
)
def test_the_role_must_exist_and_trust_the_service(site: Site, valid: Build, trust: Any) -> None:
    client = site.client("ann", allow("*"))
    if trust:
        site.administration.create_role("other", document(trust))
    role = f"arn:aws:iam::{OURS}:role/other"
    assert error_of(client.create_compilation_job, **valid(RoleArn=role)) == (
        "ValidationException",
        f"Could not assume role {role}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role.",
    )
    if trust and "Condition" in trust:
        assert client.create_compilation_job(**valid("only-this", RoleArn=role))


def test_a_role_of_another_account_cannot_be_passed(site: Site, valid: Build) -> None:
    client = site.client("ann", allow("*"))
    request = valid(RoleArn=f"arn:aws:iam::{OTHERS}:role/compiler")
    assert error_of(client.create_compilation_job, **request)[0] == "AccessDeniedException"


def test_request_tags_decide(site: Site, valid: Build) -> None:
    client = site.client(
        "ann",
        allow("iam:PassRole"),
        allow(
            ["sagemaker:CreateCompilationJob", "sagemaker:AddTags"],
            StringEquals={"aws:RequestTag/Team": "edge"},
            **{"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "stage"]}},
        ),
    )
    team, stage, other = ({"Key": key, "Value": "edge"} for key in ("team", "stage", "other"))
    assert error_of(client.create_compilation_job, **valid())[0] == "AccessDeniedException"
    assert error_of(client.create_compilation_job, **valid(Tags=[team, other]))[0] == "AccessDeniedException"
    assert client.create_compilation_job(**valid(Tags=[team, stage]))


def test_tagging_a_new_job_is_a_permission_of_its_own(site: Site, valid: Build) -> None:
    client = site.client("ann", allow("iam:PassRole"), allow("sagemaker:CreateCompilationJob"))
    code, message = error_of(client.create_compilation_job, **valid(Tags=[{"Key": "a", "Value": "b"}]))
    assert code == "AccessDeniedException"
    assert "sagemaker:AddTags" in message


def test_resource_tags_decide(site: Site, valid: Build) -> None:
    admin = site.client("ann", allow("*"))
    own = site.client("bob", allow("sagemaker:*", StringEquals={"aws:ResourceTag/team": "edge"}))
    for name, team in (("ours", "edge"), ("theirs", "cloud")):
        admin.create_compilation_job(**valid(name, Tags=[{"Key": "team", "Value": team}]))
    assert own.describe_compilation_job(CompilationJobName="ours")
    for name in ("theirs", "unknown"):
        assert error_of(own.describe_compilation_job, CompilationJobName=name)[0] == "AccessDeniedException"


def test_networks_decide(site: Site, valid: Build) -> None:
    client = site.client(
        "ann",
        allow("iam:PassRole"),
        allow(
            "sagemaker:CreateCompilationJob",
            **{"ForAllValues:StringEquals": {"sagemaker:VpcSubnets": ["subnet-1"]}},
            Null={"sagemaker:VpcSubnets": "false"},
        ),
    )
    group = {"SecurityGroupIds": ["sg-1"]}
    assert error_of(client.create_compilation_job, **valid())[0] == "AccessDeniedException"
    wrong = valid(VpcConfig={**group, "Subnets": ["subnet-1", "subnet-2"]})
    assert error_of(client.create_compilation_job, **wrong)[0] == "AccessDeniedException"
    assert client.create_compilation_job(**valid(VpcConfig={**group, "Subnets": ["subnet-1"]}))


def test_the_address_of_the_caller_cannot_be_made_up(site: Site) -> None:
    client = site.client("ann", allow("*", IpAddress={"aws:SourceIp": "127.0.0.1"}))
    assert client.list_compilation_jobs()
    client = site.client("bob", allow("*", IpAddress={"aws:SourceIp": "192.0.2.0/24"}))

    def pretend(request: Any, **_: Any) -> None:
        request.headers["X-Forwarded-For"] = "192.0.2.1"

    client.meta.events.register("before-send", pretend)
    assert error_of(client.list_compilation_jobs)[0] == "AccessDeniedException"


def test_accounts_see_their_own_jobs_only(site: Site, valid: Build) -> None:
    ours = site.client("ann", allow("*"))
    theirs = Administration(site.identities, OTHERS)
    theirs.create_role("compiler", TRUST_SERVICE)
    site.administration = theirs
    others = site.client("ann", allow("*"))
    ours.create_compilation_job(**valid("job"))
    assert error_of(others.describe_compilation_job, CompilationJobName="job")[0] == "ResourceNotFound"
    role = f"arn:aws:iam::{OTHERS}:role/compiler"
    created = others.create_compilation_job(**valid("job", RoleArn=role))
    assert created["CompilationJobArn"] == f"arn:aws:sagemaker:us-east-1:{OTHERS}:compilation-job/job"
    assert len(ours.list_compilation_jobs()["CompilationJobSummaries"]) == 1
    assert error_of(others.list_tags, ResourceArn=f"{JOBS}/job")[0] == "ValidationException"


def test_boundaries_and_groups(site: Site, valid: Build) -> None:
    administration = site.administration
    boundary = administration.create_policy("limit", document(allow("sagemaker:List*")))
    administration.create_group("edge")
    administration.put_policy("group", "edge", "all", document(allow("*")))
    client = site.client("ann")
    administration.add_to_group("ann", "edge")
    assert client.list_compilation_jobs()
    assert client.create_compilation_job(**valid())
    administration.set_boundary("user", "ann", f"arn:aws:iam::{OURS}:policy/{boundary.name}")
    assert client.list_compilation_jobs()
    assert error_of(client.create_compilation_job, **valid("two"))[1].endswith(
        "because no permissions boundary allows the sagemaker:CreateCompilationJob action"
    )


def test_sessions_of_roles(site: Site, valid: Build) -> None:
    site.administration.put_policy("role", "compiler", "all", document(allow("*")))
    role = site.identities.directory.role(ROLE)
    assert role is not None
    now = site.service.clock()
    session = new_session(role, "s1", now + 60, document(allow("sagemaker:List*")))
    token = session.token(site.identities.sealer)
    client = site.service.client(access_key=session.access_key, secret_key=session.secret_key, token=token)
    assert client.list_compilation_jobs()
    assert error_of(client.create_compilation_job, **valid()) == (
        "AccessDeniedException",
        f"User: arn:aws:sts::{OURS}:assumed-role/compiler/s1 is not authorized to perform: "
        f"sagemaker:CreateCompilationJob on resource: {JOBS}/job because no session policy allows the "
        "sagemaker:CreateCompilationJob action",
    )
    for access_key, secret, wrong in (
        (session.access_key, session.secret_key, None),
        (session.access_key, session.secret_key, token[:-4] + "AAAA"),
        ("ASIAOTHER", session.secret_key, token),
    ):
        other = site.service.client(access_key=access_key, secret_key=secret, token=wrong)
        assert error_of(other.list_compilation_jobs)[0] == "UnrecognizedClientException"
    site.service.clock.ahead = 61
    assert error_of(client.list_compilation_jobs)[0] == "ExpiredTokenException"
    site.service.clock.ahead = 0
    assert client.list_compilation_jobs()
    site.administration.delete("role", "compiler")
    assert error_of(client.list_compilation_jobs)[0] == "UnrecognizedClientException"


def test_changes_are_in_force_at_once(site: Site) -> None:
    client = site.client("ann", allow("*"))
    assert client.list_compilation_jobs()
    (key,) = site.identities.directory.keys
    site.administration.set_active(key, False)
    assert error_of(client.list_compilation_jobs)[0] == "UnrecognizedClientException"
    site.administration.set_active(key, True)
    assert client.list_compilation_jobs()
    site.administration.delete("user", "ann")
    assert error_of(client.list_compilation_jobs)[0] == "UnrecognizedClientException"


def test_what_the_first_start_makes(site: Site, valid: Build) -> None:
    account = "000000000000"
    for secret in ("first", "first", "second"):
        bootstrap(site.identities, account, ServiceKey("AKIASERVICE", secret), site.service.clock)
        client = site.service.client(access_key="AKIASERVICE", secret_key=secret)
        name = {"CompilationJobName": f"of-{secret}"}
        role = f"arn:aws:iam::{account}:role/tinsmith"
        if secret == "second" or not client.list_compilation_jobs()["CompilationJobSummaries"]:
            assert client.create_compilation_job(**valid(RoleArn=role) | name)
    old = site.service.client(access_key="AKIASERVICE", secret_key="first")
    assert error_of(old.list_compilation_jobs)[0] == "InvalidSignatureException"
