"""Authenticated encryption: AES-256-GCM, and the form of a ciphertext.

    1 byte    format, 1
    16 bytes  the key's id
    12 bytes  nonce, random
    rest      ciphertext and tag

What is authenticated beside it is the head of the blob and the encryption context, so that neither a key's
id nor a context can be exchanged for another.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_FORMAT = b"\x01"
_ID, _NONCE, _TAG = 16, 12, 16


class Undecipherable(Exception):
    """The ciphertext is damaged, or was made with another key or encryption context."""


@dataclass(frozen=True)
class Sealed:
    """A ciphertext taken apart."""

    key_id: str
    nonce: bytes
    content: bytes

    @staticmethod
    def parse(blob: bytes) -> Sealed:
        """Raises Undecipherable."""
        body = blob[len(_FORMAT) :]
        if not blob.startswith(_FORMAT) or len(body) < _ID + _NONCE + _TAG:
            raise Undecipherable
        return Sealed(str(uuid.UUID(bytes=body[:_ID])), body[_ID : _ID + _NONCE], body[_ID + _NONCE :])


def seal(key_id: str, key: bytes, plaintext: bytes, context: Mapping[str, str]) -> bytes:
    """`plaintext` encrypted by `key`, 32 bytes, whose id is a UUID."""
    nonce = os.urandom(_NONCE)
    return _head(key_id) + nonce + AESGCM(key).encrypt(nonce, plaintext, _authenticated(key_id, context))


def unseal(sealed: Sealed, key: bytes, context: Mapping[str, str]) -> bytes:
    """The plaintext. Raises Undecipherable."""
    try:
        return AESGCM(key).decrypt(sealed.nonce, sealed.content, _authenticated(sealed.key_id, context))
    except InvalidTag:
        raise Undecipherable from None


def _head(key_id: str) -> bytes:
    return _FORMAT + uuid.UUID(key_id).bytes


def _authenticated(key_id: str, context: Mapping[str, str]) -> bytes:
    # Lengths in front: no two contexts have the same bytes.
    fields = (field.encode() for pair in sorted(context.items()) for field in pair)
    return _head(key_id) + b"".join(len(field).to_bytes(4, "big") + field for field in fields)
