"""What the first start makes: an account with an administrator, and a role that jobs may name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tinsmith.identity.administration import Administration
from tinsmith.identity.arns import AWS, entity_arn
from tinsmith.identity.builtin import TRUST_SERVICE, document
from tinsmith.identity.entities import MAX_SESSION, AccessKey
from tinsmith.identity.store import IdentityStore

ADMIN = "admin"
ROLE = "tinsmith"
USE_OF_KEYS = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": ["*"]}


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """The access key that the service itself has for its object store, known to be the administrator's."""

    access_key: str
    secret_key: str = field(repr=False)


def bootstrap(
    store: IdentityStore, account: str, service_key: ServiceKey | None, clock: Callable[[], float]
) -> None:
    """Makes `account` where it is not known yet, and gives its administrator the service's key.

    What an operator has changed since stays so, with one exception: the service's key of an earlier start
    goes when another one comes. Without a service key a new administrator has no key yet.
    """
    administration = Administration(store, account, clock)
    with store.changing() as draft:
        is_new = account not in draft.accounts()
        old = [key for key in draft.access_keys() if key.of_service and key.account == account]
        has_admin = is_new or draft.get(account, "user", ADMIN) is not None
    if is_new:
        administration.create_user(ADMIN)
        administration.attach("user", ADMIN, entity_arn(AWS, "policy", "/", "AdministratorAccess"))
        administration.create_role(ROLE, TRUST_SERVICE, max_session=MAX_SESSION)
        administration.attach("role", ROLE, entity_arn(AWS, "policy", "/", "AmazonS3FullAccess"))
        administration.put_policy("role", ROLE, "keys", document(USE_OF_KEYS))
    if service_key is not None and has_admin:
        _replace(administration, old, service_key)


def _replace(administration: Administration, old: list[AccessKey], new: ServiceKey) -> None:
    if [(key.id, key.secret) for key in old] == [(new.access_key, new.secret_key)]:
        return
    for key in old:
        administration.delete_access_key(key.id)
    administration.create_access_key(ADMIN, new.access_key, new.secret_key, of_service=True)


def administrator_arn(account: str) -> str:
    """The user that has the service's own key."""
    return entity_arn(account, "user", "/", ADMIN)


def role_arn(account: str) -> str:
    """The role that jobs may name."""
    return entity_arn(account, "role", "/", ROLE)
