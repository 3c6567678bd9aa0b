"""Jobs with their roles' credentials, on the embedded store's STS and on one that knows the roles."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError as StsError

from tests.worker.conftest import BUCKET, Service
from tinsmith.errors import ClientError, InternalError
from tinsmith.identity.administration import Administration
from tinsmith.identity.builtin import TRUST_SERVICE, document
from tinsmith.identity.sealing import Sealer
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.engines import open_database
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.settings import S3Options
from tinsmith.storage.credentials import SESSION_ROLE, Credentials
from tinsmith.storage.embedded import EmbeddedStore
from tinsmith.storage.s3 import ObjectStore
from tinsmith.worker import credentials as module
from tinsmith.worker.controller import Controller
from tinsmith.worker.credentials import EmbeddedRole, allowed, narrowed, objects_of, session_of

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/compiler"
INPUT = f"arn:aws:s3:::{BUCKET}/in/model.tar.gz"
ARTIFACT = f"arn:aws:s3:::{BUCKET}/out/model-ml_c5.tar.gz"


def allow(action: Any, resource: Any = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


@pytest.fixture
def identities(tmp_path: Path) -> Iterator[IdentityStore]:
    database = open_database(f"sqlite:///{tmp_path / 'identities.db'}")
    yield IdentityStore(database, Sealer.of_file(tmp_path / "key"))
    database.close()


@pytest.fixture
def role(identities: IdentityStore) -> Callable[..., Administration]:
    """Makes the role with these permissions."""

    def make(*statements: dict[str, Any]) -> Administration:
        administration = Administration(identities, ACCOUNT)
        administration.create_role("compiler", TRUST_SERVICE)
        if statements:
            administration.put_policy("role", "compiler", "s3", document(*statements))
        return administration

    return make


def job_of(source: str = f"s3://{BUCKET}/in/model.tar.gz", output: str = f"s3://{BUCKET}/out/") -> Job:
    request = {
        "CompilationJobName": "j",
        "RoleArn": ROLE,
        "InputConfig": {"S3Uri": source, "Framework": "XGBOOST"},
        "OutputConfig": {"S3OutputLocation": output, "TargetDevice": "ml_c5"},
    }
    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:compilation-job/j"
    key = JobKey(ACCOUNT, "us-east-1", "j")
    return Job(key, arn, request, Status.INPROGRESS, 1, 1, 0.0, 0.0, 0.0)


def granted(policy: Any) -> dict[str, str]:
    """First action of each statement and its resource."""
    return {
        each["Action"][0]: each["Resource"][0] for each in policy["Statement"] if each["Effect"] == "Allow"
    }


def allowed_to(identities: IdentityStore, job: Job) -> dict[str, str]:
    return granted(allowed(objects_of(job, S3Options()), job, identities.directory, time.time()))


def test_what_a_job_needs_is_its_objects_and_their_buckets() -> None:
    assert granted(narrowed(objects_of(job_of(), S3Options()))) == {
        "s3:GetObject": INPUT,
        "s3:PutObject": ARTIFACT,
        "s3:GetBucketLocation": f"arn:aws:s3:::{BUCKET}",
        "s3:ListBucket": f"arn:aws:s3:::{BUCKET}",
        "kms:Decrypt": "*",
    }


def test_wildcards_in_keys_mean_themselves(identities: IdentityStore, role: Callable[..., Any]) -> None:
    role(allow("*"))
    job = job_of(f"s3://{BUCKET}/in/*$.tar.gz")
    assert granted(narrowed(objects_of(job, S3Options())))["s3:GetObject"].endswith("/in/${*}${$}.tar.gz")
    assert allowed_to(identities, job)["s3:GetObject"].endswith("/in/?$.tar.gz")


def test_what_the_role_does_not_allow_is_left_out(
    identities: IdentityStore, role: Callable[..., Any]
) -> None:
    administration = role()
    assert allowed_to(identities, job_of()) == {}
    administration.put_policy(
        "role", "compiler", "a", document(allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/in/*"))
    )
    assert allowed_to(identities, job_of()) == {"s3:GetObject": INPUT}
    administration.put_policy(
        "role", "compiler", "b", document(allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/out/*"))
    )
    assert allowed_to(identities, job_of()) == {"s3:GetObject": INPUT, "s3:PutObject": ARTIFACT}
    administration.put_policy("role", "compiler", "a", document({**allow("s3:Get*"), "Effect": "Deny"}))
    assert allowed_to(identities, job_of()) == {"s3:PutObject": ARTIFACT}


def test_a_role_that_is_gone_or_trusts_no_more(identities: IdentityStore, role: Callable[..., Any]) -> None:
    with pytest.raises(ClientError, match=f"Could not assume role {ROLE}"):
        allowed_to(identities, job_of())
    administration = role(allow("*"))
    assert allowed_to(identities, job_of())
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    administration.update_trust("compiler", document(trust))
    with pytest.raises(ClientError, match="allows principal"):
        allowed_to(identities, job_of())


def test_the_store_enforces_a_session(
    embedded: EmbeddedStore, identities: IdentityStore, role: Callable[..., Any], tmp_path: Path
) -> None:
    role(allow("*"))
    (tmp_path / "file").write_bytes(b"content")
    for key in ("in/model.tar.gz", "in/other.tar.gz", "out/other.tar.gz"):
        embedded.store().upload(tmp_path / "file", f"s3://{BUCKET}/{key}")
    owner = embedded.credentials
    s3 = S3Options(
        embedded.endpoint_url,
        access_key_id=owner.access_key,
        secret_access_key=owner.secret_key,
        sts_endpoint_url=embedded.endpoint_url,
    )
    session = session_of(
        job_of(), s3, 60, EmbeddedRole(SESSION_ROLE, lambda: identities.directory), time.time()
    )
    assert session.access_key_id not in (None, owner.access_key)
    keys = Credentials(session.access_key_id or "", session.secret_access_key or "", session.session_token)
    store = ObjectStore(embedded.endpoint_url, "us-east-1", keys)
    store.download(f"s3://{BUCKET}/in/model.tar.gz", tmp_path / "back", 100)
    store.upload(tmp_path / "file", f"s3://{BUCKET}/out/model-ml_c5.tar.gz")
    embedded.store().client.delete_object(Bucket=BUCKET, Key="in/model.tar.gz")
    with pytest.raises(ClientError, match="S3 object does not exist"):
        store.download(f"s3://{BUCKET}/in/model.tar.gz", tmp_path / "back2", 100)
    for key in ("in/other.tar.gz", "out/other.tar.gz"):
        with pytest.raises(ClientError, match="AccessDenied"):
            store.download(f"s3://{BUCKET}/{key}", tmp_path / "other", 100)
        with pytest.raises(ClientError, match="AccessDenied"):
            store.upload(tmp_path / "file", f"s3://{BUCKET}/{key}")
    sts = boto3.client(
        "sts",
        endpoint_url=embedded.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=session.access_key_id,
        aws_secret_access_key=session.secret_access_key,
        aws_session_token=session.session_token,
    )
    with pytest.raises(Exception, match="AccessDenied"):
        sts.assume_role(RoleArn=SESSION_ROLE, RoleSessionName="again")


class FakeSts:
    """Stands in for an STS that knows the role."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.asked: list[dict[str, Any]] = []

    def assume_role(self, **parameters: Any) -> Any:
        self.asked.append(parameters)
        if self.codes:
            error = {"Error": {"Code": self.codes.pop(0), "Message": "no"}}
            raise StsError(error, "AssumeRole")
        return {"Credentials": {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t"}}


def asked(monkeypatch: pytest.MonkeyPatch, sts: FakeSts, seconds: int) -> S3Options:
    monkeypatch.setattr(module, "_sts", lambda _: sts)
    return session_of(job_of(), S3Options(sts_endpoint_url="https://sts"), seconds, None, time.time())


@pytest.mark.parametrize(("seconds", "expected"), [(1, 900), (900, 1200), (86_400, 43_200)])
def test_a_session_of_the_jobs_own_role(monkeypatch: pytest.MonkeyPatch, seconds: int, expected: int) -> None:
    sts = FakeSts()
    session = asked(monkeypatch, sts, seconds)
    assert (session.access_key_id, session.secret_access_key, session.session_token) == ("ASIA", "s", "t")
    (parameters,) = sts.asked
    assert (parameters["RoleArn"], parameters["RoleSessionName"]) == (ROLE, "job-j")
    assert parameters["DurationSeconds"] == expected
    assert json.loads(parameters["Policy"]) == narrowed(objects_of(job_of(), S3Options()))
    assert len(parameters["Policy"]) <= 2048


def test_a_role_without_long_sessions_gets_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sts = FakeSts("ValidationError")
    assert asked(monkeypatch, sts, 7200).access_key_id == "ASIA"
    assert [each["DurationSeconds"] for each in sts.asked] == [7500, 3600]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", ClientError),
        ("ValidationError", ClientError),
        ("PackedPolicyTooLarge", ClientError),
        ("ExpiredToken", InternalError),
        ("InternalFailure", InternalError),
    ],
)
def test_refusals_of_sts(monkeypatch: pytest.MonkeyPatch, code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=f"Could not assume role {ROLE}: .*{code}"):
        asked(monkeypatch, FakeSts(code), 60)


def start(service: Service, identities: IdentityStore) -> None:
    s3 = replace(service.settings.s3, sts_endpoint_url=service.settings.s3.endpoint_url)
    embedded = EmbeddedRole(SESSION_ROLE, lambda: identities.directory)
    service.controller = Controller(
        service.store,
        service.settings,
        credentials=lambda job, seconds: session_of(job, s3, seconds, embedded, time.time()),
    )
    service.controller.start()


def test_jobs_run_as_their_roles(
    service: Service, identities: IdentityStore, role: Callable[..., Any], tarball: bytes
) -> None:
    administration = role(allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{BUCKET}/*"))
    administration.create_role("powerless", TRUST_SERVICE)
    start(service, identities)
    uri = service.put("model.tar.gz", tarball)
    done = service.submit(uri, RoleArn=ROLE)
    powerless = service.submit(uri, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/powerless")
    unknown = service.submit(uri, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/unknown")
    assert service.wait(done).status is Status.COMPLETED
    refused = service.wait(powerless)
    assert refused.status is Status.FAILED
    assert str(refused.failure_reason).startswith("ClientError: InputConfiguration: S3 access denied. ")
    assert "AccessDenied" in str(refused.failure_reason)
    assert "Could not assume role" in str(service.wait(unknown).failure_reason)
    secret = service.settings.s3.secret_access_key
    logs = list(service.settings.logs_dir.iterdir())
    assert len(logs) == 3
    assert not any(
        word in path.read_text() for path in logs for word in (str(secret), "ASIA", "SessionToken")
    )
