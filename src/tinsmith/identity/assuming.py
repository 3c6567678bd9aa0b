"""May this principal take on that role? The role's trust policy and the principal's own policies together.

    an explicit Deny anywhere                              no
    the trust policy names the principal itself,
        in the account of the role                         yes, within its boundary and session policy
    the trust policy names its account, or another one's   yes, if its own policies allow it as well

Naming a user, a role or a session is naming it itself; naming an account leaves the choice of who to that
account's policies. A role that does not exist is refused in the words of one that does not trust.
"""

from __future__ import annotations

from dataclasses import replace

from tinsmith.identity.access import Principal, authorize, decide
from tinsmith.identity.builtin import ADMINISTRATOR
from tinsmith.identity.directory import Directory
from tinsmith.identity.entities import Role
from tinsmith.identity.patterns import Context
from tinsmith.identity.policy import Effect, Request, parse
from tinsmith.identity.refusals import denied

ACTION = "sts:AssumeRole"
_EVERYTHING = (parse(ADMINISTRATOR),)


def role_to_assume(directory: Directory, principal: Principal, role_arn: str, context: Context) -> Role:
    """The role that `role_arn` names. Raises a Refusal unless `principal` may have a session of it."""
    role = directory.role(role_arn)
    own = Request(ACTION, role_arn, context)
    named = role is not None and _is_named(directory, principal, role, context)
    if named and decide(principal, own).effect is not Effect.DENY:
        authorize(replace(principal, policies=_EVERYTHING), own)
    else:
        authorize(principal, own)
    if role is None or not _trusts(directory, principal, role, context):
        raise denied(f"User: {principal.arn} is not authorized to perform: {ACTION} on resource: {role_arn}")
    return role


def _trusts(directory: Directory, principal: Principal, role: Role, context: Context) -> bool:
    asked = Request(ACTION, "*", context, principal.requester)
    return directory.trust(role).evaluate(asked) is Effect.ALLOW


def _is_named(directory: Directory, principal: Principal, role: Role, context: Context) -> bool:
    """Whether it is trusted as itself: even if it belonged to no account."""
    if principal.account != role.account or not _trusts(directory, principal, role, context):
        return False
    itself = Request(ACTION, "*", context, replace(principal.requester, account=""))
    return directory.trust(role).evaluate(itself) is Effect.ALLOW
