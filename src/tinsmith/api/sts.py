"""The operations of STS that clients need: who am I, a session of a role, a session of myself.

Roles are assumed by their trust policies and the caller's own (`identity.assuming`). The keys are for this
service; sessions for the object store of a job are `worker.credentials`' business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tinsmith.api.callers import Caller, refused
from tinsmith.api.errors import ApiError
from tinsmith.identity.access import Principal
from tinsmith.identity.arns import AWS, assumed_role_arn, entity_of
from tinsmith.identity.assuming import role_to_assume
from tinsmith.identity.entities import DEFAULT_SESSION, Role, User
from tinsmith.identity.policy import PolicyError, parse
from tinsmith.identity.refusals import Refusal, denied
from tinsmith.identity.sessions import Session, new_session
from tinsmith.identity.store import IdentityStore

MODEL, PREFIX = "sts/2011-06-15", "AWSSecurityTokenServiceV20110615."
VERSION = "2011-06-15"
"""What requests of the query protocol call `Version`."""
NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
MAX_CHARACTERS = 2_048
"""Of all session policies and their ARNs together."""
MAX_POLICY_ARNS = 10
CHAINED_SESSION = 3_600
"""Seconds; the longest session of a role that a session of a role may get."""
OWN_SESSION = 43_200
"""Seconds, unless others are asked for."""
_UNKNOWN_HERE = (
    "Tags",
    "TransitiveTagKeys",
    "SerialNumber",
    "TokenCode",
    "SourceIdentity",
    "ProvidedContexts",
    "MinimumSessionTokenSize",
)
"""Members that would change what a session is, in ways that nothing here heeds."""


@dataclass(frozen=True, slots=True)
class StsCall:
    """One request that fits its shape."""

    identities: IdentityStore | None
    """None where nobody is authenticated."""
    caller: Caller
    request: Mapping[str, Any]
    now: float
    """Epoch seconds."""

    @property
    def principal(self) -> tuple[IdentityStore, Principal]:
        """The caller, and the identities it is one of. Raises ApiError where nobody is authenticated."""
        if self.identities is None or self.caller.principal is None:
            text = "This service authenticates nobody, so that there are no sessions."
            raise ApiError("UnsupportedOperationException", text)
        return self.identities, self.caller.principal


Output = dict[str, Any] | None


def answer(operation: str, call: StsCall) -> Output:
    """The reply's content, timestamps as epoch seconds. Raises ApiError."""
    for member in _UNKNOWN_HERE:
        if member in call.request:
            raise _invalid(f"{member} is not supported here.")
    try:
        return HANDLERS[operation](call)
    except Refusal as refusal:
        raise refused(refusal) from None


def get_caller_identity(call: StsCall) -> Output:
    """Everybody may know who they are."""
    caller, principal = call.caller, call.caller.principal
    if principal is None:
        account = caller.account
        return {"UserId": account, "Account": account, "Arn": f"arn:aws:iam::{account}:root"}
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


def assume_role(call: StsCall) -> Output:
    """A session of a role, for as long as the role has them, narrowed by session policies."""
    identities, principal = call.principal
    request, arn = call.request, call.request["RoleArn"]
    target = entity_of(arn)
    if target is None or target.kind != "role":
        raise _invalid(f"{arn} is invalid")
    name = request["RoleSessionName"]
    keys = {"sts:rolesessionname": (name,)}
    if "ExternalId" in request:
        keys["sts:externalid"] = (request["ExternalId"],)
    role = role_to_assume(identities.directory, principal, arn, {**call.caller.context, **keys})
    seconds = _duration(request, role, chained=bool(principal.issuer))
    policy, arns, used = _session_policies(request, identities, role)
    session = new_session(role, name, int(call.now) + seconds, policy, arns)
    reply = {
        "Credentials": _credentials(session, identities),
        "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{name}", "Arn": assumed_role_arn(arn, name)},
    }
    return reply | ({"PackedPolicySize": used} if policy or arns else {})


def get_session_token(call: StsCall) -> Output:
    """A session of the calling user, which may do what the user may."""
    identities, principal = call.principal
    user = identities.directory.entities.get(principal.arn)
    if principal.temporary or not isinstance(user, User):
        raise denied("Cannot call GetSessionToken with session credentials")
    expires = int(call.now) + call.request.get("DurationSeconds", OWN_SESSION)
    return {"Credentials": _credentials(new_session(user, "", expires), identities)}


HANDLERS: Mapping[str, Callable[[StsCall], Output]] = {
    "GetCallerIdentity": get_caller_identity,
    "AssumeRole": assume_role,
    "GetSessionToken": get_session_token,
}


def _credentials(session: Session, identities: IdentityStore) -> dict[str, Any]:
    return {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret_key,
        "SessionToken": session.token(identities.sealer),
        "Expiration": session.expires,
    }


def _duration(request: Mapping[str, Any], role: Role, chained: bool) -> int:
    seconds: int = request.get("DurationSeconds", DEFAULT_SESSION)
    if chained and seconds > CHAINED_SESSION:
        raise _invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
            "chaining."
        )
    if seconds > role.max_session:
        raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return seconds


def _session_policies(
    request: Mapping[str, Any], identities: IdentityStore, role: Role
) -> tuple[Mapping[str, Any] | None, list[str], int]:
    """The inline one, the ARNs of the managed ones, and how much of their space they use, in percent."""
    arns = [entry["arn"] for entry in request.get("PolicyArns", ()) if "arn" in entry]
    text = request.get("Policy", "")
    used = -(-100 * (len(text) + sum(map(len, arns))) // MAX_CHARACTERS)
    if used > 100:
        raise ApiError(
            "PackedPolicyTooLarge",
            f"Packed policy consumes {used}% of allotted space, please use smaller policy.",
        )
    if len(arns) > MAX_POLICY_ARNS:
        raise _invalid(f"PolicyArns: expected at most {MAX_POLICY_ARNS}, found {len(arns)}.")
    for arn in arns:
        target = entity_of(arn)
        known = target is not None and target.account in (AWS, role.account)
        if not known or identities.directory.managed_policy(arn) is None:
            raise _invalid(f"PolicyArns: the policy {arn} does not exist or is of another account.")
    try:
        document = dict(parse(text).document) if text else None
    except PolicyError as error:
        raise ApiError("MalformedPolicyDocument", str(error)) from None
    return document, arns, used


def _invalid(text: str) -> ApiError:
    return ApiError("ValidationError", text)
