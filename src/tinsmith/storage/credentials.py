"""Access keys, and those of the embedded store as they lie on disk.

DIRECTORY/identities.json   the access key of the store, and where its keys are, in SeaweedFS's own format
DIRECTORY/security.toml     what SeaweedFS's parts show each other, so that their HTTP ports refuse strangers
DIRECTORY/iam.json          the one role of its STS, which the store's own key alone may assume

All are made once, readable by their owner alone, and stable from then on.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from tinsmith.errors import InternalError

IDENTITIES = "identities.json"
ROLES = "iam.json"
SECURITY = "security.toml"
_OWNER = "tinsmith"
_ACCOUNT = "000000000000"
SESSION_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/tinsmith-sessions"
"""It may do everything with objects; whoever assumes it narrows the session by a policy."""
_MAX_SESSION = 43_200
_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True)
class Credentials:
    """An access key. The secrets stay out of every repr and so out of every log."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def read_credentials(directory: Path) -> Credentials:
    """The access key of the embedded store in `directory`. Raises FileNotFoundError, InternalError."""
    path = directory / IDENTITIES
    try:
        keys = json.loads(path.read_text())["identities"][0]["credentials"][0]
        return Credentials(keys["accessKey"], keys["secretKey"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise InternalError(f"{path} is no list of identities; remove it to make a new access key.") from None


def prepare_credentials(directory: Path) -> Credentials:
    """Like `read_credentials`, but makes in `directory` whatever is not there yet."""
    if not (directory / SECURITY).exists():
        _write_secret(directory / SECURITY, _security())
    if not (directory / ROLES).exists():
        _write_secret(directory / ROLES, _roles())
    try:
        return read_credentials(directory)
    except FileNotFoundError:
        access_key = "AKIA" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))
        credentials = Credentials(access_key, secrets.token_hex(20))
        _write_secret(directory / IDENTITIES, _identities(credentials))
        return credentials


def use_keys(directory: Path, endpoint_url: str, region: str) -> None:
    """Tells the store in `directory` where its keys for SSE-KMS are; the store signs as itself there."""
    credentials = read_credentials(directory)
    content = json.loads((directory / IDENTITIES).read_text())
    content["kms"] = {
        "default_provider": "tinsmith",
        "providers": {
            "tinsmith": {
                "type": "aws",
                "endpoint": endpoint_url,
                "region": region,
                "access_key": credentials.access_key,
                "secret_key": credentials.secret_key,
            }
        },
    }
    _write_secret(directory / IDENTITIES, json.dumps(content, indent=1))


def _identities(credentials: Credentials) -> str:
    identity = {
        "name": _OWNER,
        "credentials": [{"accessKey": credentials.access_key, "secretKey": credentials.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return json.dumps({"identities": [identity]}, indent=1)


def _roles() -> str:
    owner = {"AWS": f"arn:aws:iam::{_ACCOUNT}:user/{_OWNER}"}
    trust = {"Effect": "Allow", "Principal": owner, "Action": ["sts:AssumeRole"]}
    anything = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}
    role = {
        "roleName": SESSION_ROLE.rpartition("/")[2],
        "roleArn": SESSION_ROLE,
        "trustPolicy": _document(trust),
        "attachedPolicies": ["objects"],
        "maxSessionDuration": _MAX_SESSION,
    }
    sts = {
        "issuer": "tinsmith",
        "signingKey": base64.b64encode(secrets.token_bytes(32)).decode(),
        "tokenDuration": "1h",
        "maxSessionLength": "12h",
    }
    content = {
        "sts": sts,
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "roles": [role],
        "policies": [{"name": "objects", "document": _document(anything)}],
    }
    return json.dumps(content, indent=1)


def _document(statement: object) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def _security() -> str:
    sections = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    return "".join(
        f'[{section}]\nkey = "{secrets.token_hex(32)}"\nexpires_after_seconds = 60\n' for section in sections
    )


def _write_secret(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    partial = path.with_suffix(".new")
    partial.unlink(missing_ok=True)
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(file)
    partial.replace(path)
