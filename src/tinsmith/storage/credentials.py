"""Access keys, and those of the embedded store as they lie on disk.

DIRECTORY/identities.json   the access key of the store, in SeaweedFS's own format
DIRECTORY/security.toml     what SeaweedFS's parts show each other, so that their HTTP ports refuse strangers

Both are made once, readable by their owner alone, and stable from then on.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from tinsmith.errors import InternalError

IDENTITIES = "identities.json"
_SECURITY = "security.toml"
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
    if not (directory / _SECURITY).exists():
        _write_secret(directory / _SECURITY, _security())
    try:
        return read_credentials(directory)
    except FileNotFoundError:
        access_key = "AKIA" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))
        credentials = Credentials(access_key, secrets.token_hex(20))
        _write_secret(directory / IDENTITIES, _identities(credentials))
        return credentials


def _identities(credentials: Credentials) -> str:
    identity = {
        "name": "tinsmith",
        "credentials": [{"accessKey": credentials.access_key, "secretKey": credentials.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return json.dumps({"identities": [identity]}, indent=1)


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
