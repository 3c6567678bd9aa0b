"""May the caller do this: which action on which resource an operation is, and with which condition keys.

Creating a job takes three permissions, checked in this order: to create (and tag) it, to hand its role to the
service (`iam:PassRole`), and the role's own trust in the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tinsmith.api.arns import job_arn
from tinsmith.api.callers import Caller, refused
from tinsmith.api.errors import ApiError, invalid
from tinsmith.identity.access import Principal, authorize, with_tags
from tinsmith.identity.arns import entity_of
from tinsmith.identity.builtin import SERVICE
from tinsmith.identity.directory import Directory
from tinsmith.identity.patterns import Context
from tinsmith.identity.policy import Request
from tinsmith.identity.refusals import Refusal
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import JobNotFound, Store

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Authorization:
    """Decides by the identities of `directory()`; roles of accounts unknown here are `foreign`."""

    directory: Callable[[], Directory]
    store: Store
    foreign_roles: bool = False
    """Accept roles that no identity here is: somebody else's STS knows them and decides."""

    def check(self, operation: str, caller: Caller, body: Body) -> None:
        """Raises ApiError unless `caller` may do `operation` as `body` asks for it."""
        if caller.principal is None:
            return
        try:
            self._check(operation, caller, caller.principal, body)
        except Refusal as refusal:
            raise refused(refusal) from None

    def _check(self, operation: str, caller: Caller, principal: Principal, body: Body) -> None:
        resource = _resource(caller, body)
        context: Context = {**caller.context, **_keys(body)}
        if operation not in ("CreateCompilationJob", "ListCompilationJobs"):
            context = self._with_resource_tags(principal, resource, context)
        authorize(principal, Request(f"sagemaker:{operation}", resource, context))
        if operation == "CreateCompilationJob":
            if body.get("Tags"):
                authorize(principal, Request("sagemaker:AddTags", resource, context))
            self._check_role(caller, principal, body["RoleArn"], resource)

    def _check_role(self, caller: Caller, principal: Principal, role_arn: str, job: str) -> None:
        target = entity_of(role_arn)
        if target is not None and target.account != caller.account:
            raise ApiError("AccessDeniedException", "Cross-account pass role is not allowed.")
        keys = {"iam:passedtoservice": (SERVICE,), "iam:associatedresourcearn": (job,)}
        authorize(principal, Request("iam:PassRole", role_arn, {**caller.context, **keys}))
        directory = self.directory()
        role = directory.role(role_arn)
        if role is None and self.foreign_roles:
            return
        if role is None or not directory.trusts_service(role, caller.account, job):
            raise invalid(
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
                f"'{SERVICE}' to assume the role."
            )

    def _with_resource_tags(self, principal: Principal, arn: str, context: Context) -> Context:
        """Tags are read only for a caller whose policies ask for them."""
        if not principal.mentions("aws:resourcetag"):
            return context
        try:
            return with_tags(context, "aws:resourcetag", self.store.tags(arn))
        except JobNotFound:
            return context


def _resource(caller: Caller, body: Body) -> str:
    if "CompilationJobName" in body:
        return job_arn(JobKey(caller.account, caller.region, body["CompilationJobName"]))
    return str(body.get("ResourceArn", "*"))


def _keys(body: Body) -> dict[str, tuple[str, ...]]:
    """The condition keys that the request itself has."""
    tags = {tag["Key"]: tag["Value"] for tag in body.get("Tags", ())}
    keys = with_tags({}, "aws:requesttag", tags)
    network = body.get("VpcConfig", {})
    lists = {
        "aws:tagkeys": (*tags, *body.get("TagKeys", ())),
        "sagemaker:vpcsubnets": network.get("Subnets", ()),
        "sagemaker:vpcsecuritygroupids": network.get("SecurityGroupIds", ()),
    }
    if kms_key := body.get("OutputConfig", {}).get("KmsKeyId"):
        lists["sagemaker:outputkmskey"] = (kms_key,)
    return {**keys, **{key: tuple(values) for key, values in lists.items() if values}}
