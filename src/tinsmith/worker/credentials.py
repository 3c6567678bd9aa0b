"""The S3 credentials of a job: its role's, for as long as it may run, and for nothing but its own objects.

    what the role allows  ∩  get the input object, put the artifact, ask where their buckets are

Two ways to get them from an STS endpoint. One that knows the role (Amazon's, say) is asked for a session of
it, narrowed to the objects. The embedded store's knows one role of its own, which may do everything: there
our evaluator says which of the job's few actions its role allows at this moment, and the session gets those.
Either way the store enforces it. The service's own keys never leave the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as StsError

from tinsmith.errors import ClientError, InternalError
from tinsmith.identity.access import Principal, decide, request_context
from tinsmith.identity.builtin import SERVICE, document
from tinsmith.identity.directory import Directory
from tinsmith.identity.entities import MAX_SESSION
from tinsmith.identity.owner import Owner
from tinsmith.identity.policy import Effect, Request
from tinsmith.jobs.job import Job
from tinsmith.settings import S3Options
from tinsmith.storage.uri import ObjectLocation, parse_uri
from tinsmith.telemetry.feeding import GROUP
from tinsmith.telemetry.forwarding import Session
from tinsmith.telemetry.job_metrics import NAMESPACE
from tinsmith.worker.attempt import INPUT, artifact_location, compile_request

AREA = "RoleArn"
MIN_SESSION = 900
"""Seconds; STS gives no shorter sessions."""
MARGIN = 300
"""Seconds beyond the run time, for the upload."""
USUAL_SESSION = 3600
"""Seconds; a role has longer sessions only where somebody said so."""

_READ = ("s3:GetObject",)
_WRITE = ("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
_PARTS = ("s3:CreateMultipartUpload", "s3:UploadPart", "s3:CompleteMultipartUpload")
"""SeaweedFS's own names for what is s3:PutObject elsewhere."""
_BUCKET = ("s3:GetBucketLocation", "s3:ListBucket")
_DENIED = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "NoSuchEntity", "InvalidParameterValue"),
        *("ValidationError", "PackedPolicyTooLarge", "PackedPolicyTooLargeException"),
    }
)
"""Codes that speak of this role or the names of its objects; any other speaks of our own keys or of STS, and
so of every role."""


@dataclass(frozen=True)
class Objects:
    """What a job reads and writes."""

    source: ObjectLocation
    artifact: ObjectLocation

    def wishes(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """(the action that decides, the resource, the actions that go with it)."""
        yield "s3:GetObject", _object(self.source), _READ
        yield "s3:PutObject", _object(self.artifact), _WRITE
        for bucket in sorted({self.source.bucket, self.artifact.bucket}):
            for action in _BUCKET:
                yield action, f"arn:aws:s3:::{bucket}", (action,)


def objects_of(job: Job, s3: S3Options) -> Objects:
    """The objects of `job`. Raises ClientError for a location that is none."""
    source, output = job.request["InputConfig"], job.request["OutputConfig"]
    location = parse_uri(source["S3Uri"], s3.endpoint_url, INPUT)
    request = compile_request(source, output, location.key, allow_unverified=True)
    place = output["S3OutputLocation"]
    return Objects(location, artifact_location(place, s3.endpoint_url, request.artifact_name))


@dataclass(frozen=True)
class EmbeddedRole:
    """The role of an STS that knows no other, and the identities by which we decide in its place."""

    arn: str
    directory: Callable[[], Directory] = field(repr=False)


def session_of(job: Job, s3: S3Options, seconds: int, embedded: EmbeddedRole | None, now: float) -> S3Options:
    """`s3` with credentials for `job` alone. `seconds`: how long it may run; `now`: epoch seconds.

    Raises ClientError where the role is not to be had, InternalError where STS does not answer.
    """
    objects = objects_of(job, s3)
    if embedded is None:
        arn, policy = job.request["RoleArn"], narrowed(objects)
    else:
        arn, policy = embedded.arn, allowed(objects, job, embedded.directory(), now)
    duration = min(max(seconds + MARGIN, MIN_SESSION), MAX_SESSION)
    keys = _assume(s3, arn, session_name(job), policy, duration, job.request["RoleArn"])
    return replace(
        s3,
        access_key_id=keys["AccessKeyId"],
        secret_access_key=keys["SecretAccessKey"],
        session_token=keys["SessionToken"],
    )


def narrowed(objects: Objects) -> Mapping[str, Any]:
    """The session policy for a role that the STS endpoint knows: what a job needs, if the role allows it."""
    statements = [_allow(actions, _literal(resource)) for _, resource, actions in objects.wishes()]
    return document(*statements, _allow(("kms:Decrypt", "kms:GenerateDataKey"), "*"))


def allowed(objects: Objects, job: Job, directory: Directory, now: float) -> Mapping[str, Any]:
    """The session policy with what the role of `job` allows now, by our evaluator.

    Raises ClientError when the role is gone or trusts the service no more.
    """
    arn = job.request["RoleArn"]
    role = directory.role(arn)
    if role is None or not directory.trusts_service(role, job.key.account, job.arn):
        raise ClientError(
            AREA,
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            f"'{SERVICE}' to assume the role.",
        )
    principal = directory.role_principal(role, session_name(job))
    statements = [
        _allow((*actions, *(_PARTS if action == "s3:PutObject" else ())), _literal_for_seaweedfs(resource))
        for action, resource, actions in objects.wishes()
        if _may(principal, action, resource, job, now)
    ]
    nothing = {"Effect": "Deny", "Action": ["s3:*"], "Resource": ["*"]}
    return document(*statements or [nothing])


def _may(principal: Principal, action: str, resource: str, job: Job, now: float) -> bool:
    context = request_context(principal, now, secure=True, region=job.key.region)
    return decide(principal, Request(action, resource, context)).effect is Effect.ALLOW


def session_name(job: Job) -> str:
    """RoleSessionName: the job's name, made long enough."""
    name = job.key.name
    return name if len(name) > 1 else f"job-{name}"


def telemetry_session(role: str, owner: Owner, sts: S3Options) -> Session:
    """Keys of `role` for nothing but the logs and metrics of `owner`'s jobs, from the STS that `sts` names.

    Raises ClientError where the role is not to be had, InternalError where STS does not answer.
    """
    _, partition, _, _, account, *_ = role.split(":")
    group = f"arn:{partition}:logs:{owner.region}:{account}:log-group:{GROUP}"
    logs = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    namespace = {"StringEqualsIfExists": {"cloudwatch:namespace": NAMESPACE}}  # not all makes have that key
    policy = document(
        _allow(logs, group, f"{group}:*"),
        {**_allow(("cloudwatch:PutMetricData",), "*"), "Condition": namespace},
    )
    keys = _assume(sts, role, "tinsmith-telemetry", policy, USUAL_SESSION, role)
    return Session(_keywords(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]), _end(keys))


def _end(keys: Mapping[str, Any]) -> float:
    expiration: datetime = keys["Expiration"]
    return expiration.timestamp()


def _keywords(access_key: str, secret: str | None, token: str | None) -> dict[str, Any]:
    """As boto3's clients take them."""
    return {"aws_access_key_id": access_key, "aws_secret_access_key": secret, "aws_session_token": token}


def _assume(
    s3: S3Options, arn: str, name: str, policy: Mapping[str, Any], duration: int, told: str
) -> dict[str, Any]:
    """`told`: the role that messages name."""
    parameters = {
        "RoleArn": arn,
        "RoleSessionName": name,
        "Policy": orjson.dumps(policy).decode(),
        "DurationSeconds": duration,
    }
    sts = _sts(s3)
    try:
        try:
            reply = sts.assume_role(**parameters)
        except StsError as error:
            if _code(error) != "ValidationError" or duration <= USUAL_SESSION:
                raise
            reply = sts.assume_role(**parameters | {"DurationSeconds": USUAL_SESSION})
    except StsError as error:
        problem = f"Could not assume role {told}: {error}"
        if _code(error) in _DENIED:
            raise ClientError(AREA, problem) from None
        raise InternalError(problem) from None
    except BotoCoreError as error:
        place = s3.sts_endpoint_url or "of AWS"
        raise InternalError(f"The STS endpoint {place} does not answer: {error}") from None
    credentials: dict[str, Any] = reply["Credentials"]
    return credentials


def _sts(s3: S3Options) -> Any:
    keys = _keywords(s3.access_key_id, s3.secret_access_key, s3.session_token) if s3.access_key_id else {}
    # The controller waits for the answer, and its other jobs with it.
    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
    session = boto3.session.Session(region_name=s3.region)
    return session.client("sts", endpoint_url=s3.sts_endpoint_url, config=config, **keys)


def _code(error: StsError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _object(location: ObjectLocation) -> str:
    return f"arn:aws:s3:::{location.bucket}/{location.key}"


def _allow(actions: tuple[str, ...], *resources: str) -> Mapping[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _literal(resource: str) -> str:
    """Keys of objects may have wildcards in them, which mean themselves here."""
    return "".join(
        {"*": "${*}", "?": "${?}", "$": "${$}"}.get(character, character) for character in resource
    )


def _literal_for_seaweedfs(resource: str) -> str:
    """It has no word for a wildcard that means itself; `?` is the least that matches one."""
    return resource.replace("*", "?")
