"""Secrets at rest and sessions: AES-256-GCM under one master key, which lies in a file of its owner alone.

Whoever has the database but not that file can neither sign as anybody nor make a session.
"""

from __future__ import annotations

import base64
import os
import uuid
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tinsmith.errors import InternalError

KEY_BYTES = 32
_NONCE_BYTES = 12


class Sealer:
    """Seals texts for one purpose each; what was sealed for one opens for no other."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @staticmethod
    def of_file(path: Path) -> Sealer:
        """With the key in `path`, which is made where there is none. Raises InternalError."""
        if not path.exists():
            _make(path)
        return Sealer(_read(path))

    def seal(self, text: bytes, purpose: str) -> str:
        """`text` unreadable, as URL-safe base64."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, text, purpose.encode())
        return base64.urlsafe_b64encode(sealed).decode()

    def open(self, sealed: str, purpose: str) -> bytes:
        """The inverse of `seal`. Raises ValueError for anything that this key did not seal for `purpose`."""
        try:
            content = base64.b64decode(sealed, altchars=b"-_", validate=True)
            return self._cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], purpose.encode())
        except (ValueError, InvalidTag):
            raise ValueError(f"not sealed for {purpose!r} with this master key") from None


def _make(path: Path) -> None:
    """Whole or not at all; of several services that start at once the first one wins."""
    partial = path.with_name(f"{path.name}.{uuid.uuid4()}")
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
            stream.flush()
            os.fsync(file)
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink()


def _read(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise InternalError(f"{path} can be read by others: chmod 600 {path}")
    try:
        key = base64.b64decode(path.read_text().strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InternalError(f"{path} is no master key, expected {KEY_BYTES} bytes in base64.")
    return key
