"""May this principal do that? All its policies together, and the reason in IAM's words.

an explicit Deny anywhere  >  no Allow of the boundary or session policy  >  an Allow of its policies  >  no
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache

from tinsmith.identity.patterns import Context
from tinsmith.identity.policy import Effect, Policy, Request, evaluate
from tinsmith.identity.principals import Requester
from tinsmith.identity.refusals import Refusal, denied

_IDENTITY, _BOUNDARY, _SESSION = "identity-based policy", "permissions boundary", "session policy"


@dataclass(frozen=True)
class Principal:
    """Who signed a request, with the policies that apply to it."""

    account: str
    arn: str
    user_id: str
    policies: tuple[Policy, ...] = field(repr=False)
    username: str = ""
    """Empty for a session of a role."""
    issuer: str = ""
    """ARN of the role of a session."""
    boundary: Policy | None = field(default=None, repr=False)
    session: tuple[Policy, ...] | None = field(default=None, repr=False)
    """What a session of a role was narrowed to."""
    temporary: bool = False
    """Signed with the keys of a session."""

    @property
    def requester(self) -> Requester:
        """This principal as trust policies see it."""
        return Requester(self.arn, self.account, issuer=self.issuer)

    @cached_property
    def keys(self) -> Context:
        """The condition keys that say who this is."""
        return _present(
            {
                "aws:principalarn": self.issuer or self.arn,
                "aws:principalaccount": self.account,
                "aws:principaltype": "AssumedRole" if self.issuer else "User",
                "aws:userid": self.user_id,
                "aws:username": self.username,
            }
        )

    def mentions(self, key: str) -> bool:
        """Whether any policy has `key` in it; what none mentions need not be looked up."""
        layers = (*self.policies, *filter(None, (self.boundary,)), *(self.session or ()))
        return any(key in policy.text for policy in layers)


@dataclass(frozen=True, slots=True)
class Decision:
    """`effect`, and which kind of policy is to blame where it is not ALLOW."""

    effect: Effect
    layer: str = ""


def decide(principal: Principal, request: Request) -> Decision:
    """What all policies of `principal` together say."""
    layers = [(_IDENTITY, principal.policies)]
    if principal.boundary is not None:
        layers.append((_BOUNDARY, (principal.boundary,)))
    if principal.session is not None:
        layers.append((_SESSION, principal.session))
    effects = [(layer, evaluate(policies, request)) for layer, policies in layers]
    for wanted in (Effect.DENY, Effect.NONE):
        for layer, effect in effects:
            if effect is wanted:
                return Decision(effect, layer)
    return Decision(Effect.ALLOW)


def authorize(principal: Principal, request: Request) -> None:
    """Raises a Refusal unless `principal` may; its text says why."""
    decision = decide(principal, request)
    if decision.effect is not Effect.ALLOW:
        raise _refusal(principal, request, decision)


def _refusal(principal: Principal, request: Request, decision: Decision) -> Refusal:
    action, layer = request.action, decision.layer
    if decision.effect is Effect.DENY:
        why = f"with an explicit deny in {'an' if layer == _IDENTITY else 'a'} {layer}"
    else:
        why = f"because no {layer} allows the {action} action"
    on = f"on resource: {request.resource} " if request.resource != "*" else ""
    return denied(f"User: {principal.arn} is not authorized to perform: {action} {on}{why}")


def request_context(
    principal: Principal, now: float, source_ip: str = "", secure: bool = False, region: str = ""
) -> dict[str, tuple[str, ...]]:
    """The condition keys that every request has."""
    return {**principal.keys, **_circumstances(int(now), source_ip, secure, region)}


@lru_cache(maxsize=256)
def _circumstances(now: int, source_ip: str, secure: bool, region: str) -> Context:
    """The same for all requests of one second from one place."""
    return _present(
        {
            "aws:currenttime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws:epochtime": str(now),
            "aws:securetransport": str(secure).lower(),
            "aws:sourceip": source_ip,
            "aws:requestedregion": region,
        }
    )


def _present(keys: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {key: (value,) for key, value in keys.items() if value}


def with_tags(context: Context, prefix: str, tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """`context` and `<prefix>/<key>` of each tag; prefix is "aws:requesttag" or "aws:resourcetag"."""
    return {**context, **{f"{prefix}/{key.lower()}": (value,) for key, value in tags.items()}}
