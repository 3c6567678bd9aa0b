"""The services behind `POST /`: of each its operations, and who may do what with them.

SageMaker is the one that this is all about. The others are what its clients use beside it: the keys of its
object store, the logs and metrics of its jobs, and sessions of roles, in the protocols of the services whose
names they bear.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from tinsmith.api import kms as kms_api
from tinsmith.api import logs as logs_api
from tinsmith.api import metrics as metrics_api
from tinsmith.api import sts as sts_api
from tinsmith.api.authorization import Authorization
from tinsmith.api.callers import Caller, refused
from tinsmith.api.kms import KmsCall
from tinsmith.api.logs import LogsCall
from tinsmith.api.metrics import MetricsCall
from tinsmith.api.model import Operation, operations
from tinsmith.api.operations import HANDLERS, Call, create_soon
from tinsmith.api.packages import resolve
from tinsmith.api.rules import check
from tinsmith.api.sts import StsCall
from tinsmith.identity.access import authorize
from tinsmith.identity.owner import Owner
from tinsmith.identity.policy import Request
from tinsmith.identity.refusals import Refusal
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.store import Store
from tinsmith.kms.keys import KeyStore
from tinsmith.telemetry.logs import LogStore
from tinsmith.telemetry.metrics import MetricStore

Output = dict[str, Any] | None
"""None where an operation answers with an empty body."""


class Service(Protocol):
    """One service. Thread-safe."""

    prefix: ClassVar[str]
    """Of X-Amz-Target, up to the name of an operation."""
    signing_name: ClassVar[str]
    """What its clients' signatures are for."""

    @property
    def operations(self) -> Mapping[str, Operation]:
        """By their names."""

    @property
    def modeled(self) -> frozenset[str]:
        """Errors with a shape in the service model, whose text is `Message`; the others' is `message`."""

    def answer(self, operation: str, caller: Caller, request: Mapping[str, Any], now: float) -> Output:
        """The reply to a request that fits its shape. `now`: epoch seconds. Raises ApiError."""


@dataclass(frozen=True)
class SageMaker:
    """Compilation jobs."""

    prefix: ClassVar[str] = "SageMaker."
    signing_name: ClassVar[str] = "sagemaker"

    store: Store
    model_packages: Path | None
    authorization: Authorization | None
    """None: everybody may do everything."""
    operations: Mapping[str, Operation] = field(default_factory=operations)
    modeled: frozenset[str] = frozenset({"ResourceInUse", "ResourceNotFound", "ResourceLimitExceeded"})

    def answer(self, operation: str, caller: Caller, request: Mapping[str, Any], now: float) -> Output:
        """See `Service`."""
        return HANDLERS[operation](self._call(operation, caller, request, now))

    async def create_soon(self, caller: Caller, request: Mapping[str, Any], now: float) -> Output:
        """The reply to CreateCompilationJob, for an event loop."""
        return await create_soon(self._call("CreateCompilationJob", caller, request, now))

    def _call(self, operation: str, caller: Caller, request: Mapping[str, Any], now: float) -> Call:
        """Authorized and checked. Raises ApiError."""
        if self.authorization is not None:
            self.authorization.check(operation, caller, request)
        check(operation, request)
        return Call(self.store, caller, resolve(request, self.model_packages), now)


@dataclass(frozen=True)
class Kms:
    """The keys that objects are encrypted with."""

    prefix: ClassVar[str] = kms_api.PREFIX
    signing_name: ClassVar[str] = "kms"

    keys: KeyStore
    object_store: str = ""
    """ARN of the user that the object store calls as. It may name keys of any account."""
    operations: Mapping[str, Operation] = field(
        default_factory=lambda: operations(kms_api.MODEL, tuple(kms_api.HANDLERS))
    )
    modeled: frozenset[str] = frozenset()

    def answer(self, operation: str, caller: Caller, request: Mapping[str, Any], now: float) -> Output:
        """See `Service`."""
        owner = Owner(caller.account, caller.region)
        if caller.principal is None or caller.principal.arn == self.object_store:
            owner = kms_api.owner_meant(self.keys, request) or owner
        call = KmsCall(self.keys, owner, request)
        may(caller, f"kms:{operation}", kms_api.resources(operation, call))
        return kms_api.answer(operation, call)


@dataclass(frozen=True)
class Logs:
    """The logs of jobs, and whatever else is put beside them."""

    prefix: ClassVar[str] = logs_api.PREFIX
    signing_name: ClassVar[str] = "logs"

    logs: LogStore
    operations: Mapping[str, Operation] = field(
        default_factory=lambda: operations(logs_api.MODEL, tuple(logs_api.HANDLERS))
    )
    modeled: frozenset[str] = frozenset()

    def answer(self, operation: str, caller: Caller, request: Mapping[str, Any], now: float) -> Output:
        """See `Service`."""
        call = LogsCall(self.logs, Owner(caller.account, caller.region), request)
        may(caller, f"logs:{operation}", [call.resource])
        return logs_api.answer(operation, call)


@dataclass(frozen=True)
class Metrics:
    """The metrics of jobs, and whatever else is put beside them."""

    prefix: ClassVar[str] = metrics_api.PREFIX
    signing_name: ClassVar[str] = "monitoring"

    metrics: MetricStore
    operations: Mapping[str, Operation] = field(
        default_factory=lambda: operations(metrics_api.MODEL, tuple(metrics_api.HANDLERS))
    )
    modeled: frozenset[str] = frozenset()

    def answer(self, operation: str, caller: Caller, request: Mapping[str, Any], now: float) -> Output:
        """See `Service`."""
        keys = {"cloudwatch:namespace": (request["Namespace"],)} if "Namespace" in request else {}
        may(caller, f"cloudwatch:{operation}", ["*"], keys)
        owner = Owner(caller.account, caller.region)
        return metrics_api.answer(operation, MetricsCall(self.metrics, owner, request, now))


@dataclass(frozen=True)
class Sts:
    """Who a caller is, and sessions of roles and users."""

    prefix: ClassVar[str] = sts_api.PREFIX
    signing_name: ClassVar[str] = "sts"

    identities: IdentityStore | None
    """None: nobody is authenticated, and there are no sessions."""
    operations: Mapping[str, Operation] = field(
        default_factory=lambda: operations(sts_api.MODEL, tuple(sts_api.HANDLERS))
    )
    modeled: frozenset[str] = frozenset()

    def answer(self, operation: str, caller: Caller, request: Mapping[str, Any], now: float) -> Output:
        """See `Service`."""
        return sts_api.answer(operation, StsCall(self.identities, caller, request, now))


def may(
    caller: Caller, action: str, resources: Iterable[str], keys: Mapping[str, tuple[str, ...]] | None = None
) -> None:
    """Raises ApiError unless `caller` may do `action` on all of `resources`, which are ARNs or "*"."""
    if caller.principal is None:
        return
    try:
        for resource in resources:
            authorize(caller.principal, Request(action, resource, {**caller.context, **(keys or {})}))
    except Refusal as refusal:
        raise refused(refusal) from None
