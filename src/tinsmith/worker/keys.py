"""The key that a job's artifact is to be encrypted with, where the keys are our own.

The object store asks for data keys in its own name: whether the job's *role* may use the key is decided here.
"""

from __future__ import annotations

from collections.abc import Callable

from tinsmith.errors import ClientError
from tinsmith.identity.access import decide, request_context
from tinsmith.identity.directory import Directory
from tinsmith.identity.owner import Owner
from tinsmith.identity.policy import Effect, Request
from tinsmith.jobs.job import Job
from tinsmith.kms.keys import KeyState, KeyStore, KmsError
from tinsmith.worker.credentials import session_name

AREA = "OutputConfiguration"
ACTION = "kms:GenerateDataKey"


def key_of(job: Job, keys: KeyStore, directory: Callable[[], Directory] | None, now: float) -> str:
    """ARN of the key that the job's KmsKeyId, in any of its four forms, means.

    Raises ClientError for one that is not there, is not enabled, or that the role may not use. Without a
    `directory` every role may. `now`: epoch seconds.
    """
    name = job.request["OutputConfig"]["KmsKeyId"]
    try:
        key = keys.find(Owner(job.key.account, job.key.region), name)
    except KmsError as error:
        raise ClientError(AREA, f"KmsKeyId {name!r}: {error.code}: {error.message}") from None
    if key.state is not KeyState.ENABLED:
        raise ClientError(AREA, f"KmsKeyId {name!r}: {key.arn} is {key.state}; it must be enabled.")
    if directory is not None:
        _check_role(job, key.arn, directory(), now)
    return key.arn


def _check_role(job: Job, arn: str, directory: Directory, now: float) -> None:
    role_arn = job.request["RoleArn"]
    role = directory.role(role_arn)
    if role is None:
        raise ClientError(AREA, f"Could not assume role {role_arn}: it does not exist any more.")
    principal = directory.role_principal(role, session_name(job))
    context = request_context(principal, now, secure=True, region=job.key.region)
    if decide(principal, Request(ACTION, arn, context)).effect is not Effect.ALLOW:
        raise ClientError(
            AREA, f"KmsKeyId: role {role_arn} is not authorized to perform: {ACTION} on resource: {arn}"
        )
