"""The users of the embedded store: told to SeaweedFS over gRPC, kept in its memory, gone when it ends.

Its S3 part takes identities and policies at its gRPC port from whoever signs with the key that its parts
share (`security.toml`), and heeds them from the next request on. Nothing of them is written to the disk.
"""

from __future__ import annotations

import base64
import hmac
import json
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinsmith.errors import InternalError
from tinsmith.storage.credentials import SECURITY, Credentials

_SERVICE = "/messaging_pb.SeaweedS3IamCache/"
_MARK = "tinsmith-generation"
_TIMEOUT = 5.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class StoreUser:
    """Somebody with keys, and what those may do. Names are unique."""

    name: str
    keys: Sequence[Credentials]
    policy: Mapping[str, Any] = field(repr=False)


class EmbeddedUsers:
    """The users that one SeaweedFS knows at this moment, beside the owner of the store."""

    def __init__(self, directory: Path, address: str) -> None:
        """`directory`: of the store. `address`: host and port of the gRPC twin of its S3 port.

        Raises InternalError without the package that speaks gRPC.
        """
        try:
            import grpc
        except ImportError:
            raise InternalError(
                "The embedded object store needs grpcio: pip install 'tinsmith[s3]'"
            ) from None
        sections = tomllib.loads((directory / SECURITY).read_text())
        self._key: str = sections["jwt"]["filer_signing"]["key"]
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self._failures: tuple[type[Exception], ...] = (grpc.RpcError,)

    def put(self, user: StoreUser) -> None:
        """Makes `user` known, in place of what had that name. Raises InternalError."""
        policy = _field(1, user.name) + _field(2, json.dumps(user.policy))
        keys = (_field(2, _field(1, key.access_key) + _field(2, key.secret_key)) for key in user.keys)
        identity = _field(1, user.name) + b"".join(keys) + _field(7, user.name)
        self._call("PutPolicy", policy)
        self._call("PutIdentity", _field(1, identity))

    def remove(self, name: str) -> None:
        """Makes the user of that name unknown; one that is not there is no error. Raises InternalError."""
        self._call("RemoveIdentity", _field(1, name))
        self._call("DeletePolicy", _field(1, name))

    def mark(self, generation: str) -> None:
        """Remembers a text for as long as it remembers its users. Raises InternalError."""
        nothing = {"Effect": "Deny", "Action": ["s3:*"], "Resource": ["*"], "Sid": generation}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [nothing]})
        self._call("PutPolicy", _field(1, _MARK) + _field(2, policy))

    def has_mark(self, generation: str) -> bool:
        """Whether `generation` is the last text to be remembered. Raises InternalError."""
        return json.dumps(generation).encode() in self._call("GetPolicy", _field(1, _MARK))

    def close(self) -> None:
        """Ends the connection; the users stay."""
        self._channel.close()

    def _call(self, method: str, message: bytes) -> bytes:
        send: Callable[..., bytes] = self._channel.unary_unary(_SERVICE + method)
        token = ("authorization", f"Bearer {_token(self._key, time.time())}")
        try:
            return send(message, timeout=_TIMEOUT, metadata=(token,))
        except self._failures as error:
            why = error.details() if hasattr(error, "details") else error
            raise InternalError(f"The object store did not take {method}: {why}") from None


def _field(number: int, content: bytes | str) -> bytes:
    """A field of a protobuf message that holds bytes, a text or another message."""
    raw = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes((low | 0x80,)) + _varint(rest) if rest else bytes((low,))


def _token(key: str, now: float) -> str:
    """A JSON web token (HS256) that is valid for half a minute."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"exp": int(now) + 30})
    signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    return b".".join((signed, _base64(hmac.digest(key.encode(), signed, "sha256")))).decode()


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
