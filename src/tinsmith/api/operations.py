"""The eight operations over the job store: validated request in, reply out.

Texts of ResourceInUse, ResourceNotFound and of requests that the job's status forbids are not known
for compilation jobs; they follow what the service says about its other kinds of jobs.
"""

from __future__ import annotations

from asyncio import wrap_future
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tinsmith.api.arns import job_arn, job_of
from tinsmith.api.callers import Caller
from tinsmith.api.errors import ApiError, invalid
from tinsmith.api.paging import cursor_of, invalid_token, next_token
from tinsmith.api.replies import description, summary, tag_list
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.query import JobQuery
from tinsmith.jobs.store import (
    MAX_TAGS,
    JobNotFound,
    NameInUse,
    QuotaExceeded,
    Store,
    TooManyTags,
    WrongStatus,
)
from tinsmith.spec.inference_images import inference_image

DEFAULT_PAGE = 100
"""MaxResults of ListCompilationJobs when absent; the API documents none."""


@dataclass(frozen=True, slots=True)
class Call:
    """One validated request. Its values have passed `validation.parse` and `rules.check`."""

    store: Store
    caller: Caller
    request: Mapping[str, Any]
    now: float
    """Epoch seconds."""

    @property
    def key(self) -> JobKey:
        """The job that CompilationJobName names."""
        return JobKey(self.caller.account, self.caller.region, self.request["CompilationJobName"])


Output = dict[str, Any] | None
"""None where the operation answers with an empty body."""


def create(call: Call) -> Output:
    """Stores the job before answering: what was accepted is durable.

    A retry after a lost reply finds the name in use, so nothing runs twice. StoppingCondition is
    stored as sent; the worker gives a job without MaxRuntimeInSeconds the API's general default, one day.
    """
    job = _new_job(call)
    with _refusals():
        call.store.add(job, _tags(call), call.caller.trace)
    return {"CompilationJobArn": job.arn}


async def create_soon(call: Call) -> Output:
    """`create` for an event loop: the jobs of many requests share one commit, and no thread waits for it."""
    job = _new_job(call)
    with _refusals():
        await wrap_future(call.store.add_soon(job, _tags(call), call.caller.trace))
    return {"CompilationJobArn": job.arn}


def describe(call: Call) -> Output:
    """The job as it stands."""
    try:
        return description(call.store.get(call.key))
    except JobNotFound:
        raise _not_found(call.key) from None


def list_jobs(call: Call) -> Output:
    """One page of summaries. Filters by time are strict; the default order is by creation, oldest first."""
    query = _query(call)
    token = call.request.get("NextToken")
    after = cursor_of(token, query) if token is not None else None
    page = call.store.list(replace(query, after=after))
    reply: dict[str, Any] = {"CompilationJobSummaries": [summary(job) for job in page.jobs]}
    if page.next is not None:
        reply["NextToken"] = next_token(page.next, query)
    return reply


def stop(call: Call) -> Output:
    """Asks for a stop; once more while STOPPING is no error."""
    try:
        call.store.request_stop(call.key, _milliseconds(call.now))
    except JobNotFound:
        raise _not_found(call.key) from None
    except WrongStatus as error:
        raise invalid(_rejected(error.job)) from None
    return None


def delete(call: Call) -> Output:
    """Removes a finished job; its name is free again."""
    try:
        call.store.delete(call.key, call.now)
    except JobNotFound:
        raise _not_found(call.key) from None
    except WrongStatus as error:
        raise invalid(
            f"{_rejected(error.job)} A compilation job can be deleted only if its status is COMPLETED, "
            "FAILED, or STOPPED."
        ) from None
    return None


def add_tags(call: Call) -> Output:
    """Adds or overwrites tags; the reply lists all tags that the job then has."""
    tags = {tag["Key"]: tag["Value"] for tag in call.request["Tags"]}
    try:
        return {"Tags": tag_list(call.store.put_tags(_tagged(call), tags))}
    except JobNotFound:
        raise _no_such_resource(call) from None
    except TooManyTags:
        raise invalid(f"A resource can have at most {MAX_TAGS} tags.") from None


def list_tags(call: Call) -> Output:
    """All tags: a resource has no more of them than the smallest page (MaxResults is at least 50)."""
    if "NextToken" in call.request:
        raise invalid_token()
    try:
        return {"Tags": tag_list(call.store.tags(_tagged(call)))}
    except JobNotFound:
        raise _no_such_resource(call) from None


def delete_tags(call: Call) -> Output:
    """Removes tags; keys that the job does not have are no error."""
    try:
        call.store.remove_tags(_tagged(call), call.request["TagKeys"])
    except JobNotFound:
        raise _no_such_resource(call) from None
    return {}


HANDLERS: Mapping[str, Callable[[Call], Output]] = {
    "CreateCompilationJob": create,
    "DescribeCompilationJob": describe,
    "ListCompilationJobs": list_jobs,
    "StopCompilationJob": stop,
    "DeleteCompilationJob": delete,
    "AddTags": add_tags,
    "ListTags": list_tags,
    "DeleteTags": delete_tags,
}


def _tags(call: Call) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in call.request.get("Tags", ())}


@contextmanager
def _refusals() -> Iterator[None]:
    """Why the store takes no new job, as the service says it."""
    try:
        yield
    except NameInUse as error:
        raise ApiError(
            "ResourceInUse",
            "Compilation job names must be unique within an AWS account and region, and a compilation job "
            f"with this name already exists ({error.job.arn})",
        ) from None
    except QuotaExceeded as error:
        raise _limit_exceeded(error) from None


def _new_job(call: Call) -> Job:
    request = {name: value for name, value in call.request.items() if name != "Tags"}
    model = request["InputConfig"]
    now = _milliseconds(call.now)
    return Job(
        key=call.key,
        arn=job_arn(call.key),
        request=request,
        status=Status.STARTING,
        version=1,
        attempt=0,
        creation_time=now,
        last_modified_time=now,
        inference_image=inference_image(
            model["Framework"],
            model.get("FrameworkVersion"),
            request["OutputConfig"].get("TargetDevice"),
            call.caller.region,
        ),
    )


def _query(call: Call) -> JobQuery:
    request = call.request
    status = request.get("StatusEquals")
    return JobQuery(
        account=call.caller.account,
        region=call.caller.region,
        name_contains=request.get("NameContains"),
        status=Status(status) if status else None,
        creation_after=request.get("CreationTimeAfter"),
        creation_before=request.get("CreationTimeBefore"),
        modified_after=request.get("LastModifiedTimeAfter"),
        modified_before=request.get("LastModifiedTimeBefore"),
        sort_by=request.get("SortBy", "CreationTime"),
        ascending=request.get("SortOrder") != "Descending",
        limit=request.get("MaxResults", DEFAULT_PAGE),
    )


def _tagged(call: Call) -> str:
    """ResourceArn, once it is known to name a job of the caller."""
    arn: str = call.request["ResourceArn"]
    key = job_of(arn)
    if key is None:
        raise invalid(f"{arn} is not a compilation job: only compilation jobs can be tagged here.")
    if (key.account, key.region) != (call.caller.account, call.caller.region):
        raise _no_such_resource(call)
    return arn


def _not_found(key: JobKey) -> ApiError:
    return ApiError("ResourceNotFound", f"Could not find compilation job {job_arn(key)}.")


def _limit_exceeded(error: QuotaExceeded) -> ApiError:
    # Where the service sends to AWS Service Quotas, nobody there could help.
    return ApiError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{error.name}' is {error.limit} Jobs, with current utilization of "
        f"{error.used} Jobs and a request delta of 1 Jobs. Please ask the operator of this service for an "
        "increase of this limit.",
    )


def _no_such_resource(call: Call) -> ApiError:
    # The tag operations model no ResourceNotFound.
    return invalid(f"Could not find compilation job {call.request['ResourceArn']}.")


def _rejected(job: Job) -> str:
    return f"The request was rejected because the compilation job is in status {job.status}."


def _milliseconds(time: float) -> float:
    return round(time, 3)
