"""The operations of KMS that object stores and the AWS CLI need, over the store of keys.

Symmetric keys only. There are no grants, no key policies and no replicas: who may use a key is said by the
policies of users and roles. What a request asks for beyond that is refused by name.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tinsmith.api.errors import ApiError, invalid
from tinsmith.identity.owner import Owner
from tinsmith.kms.cipher import Sealed, Undecipherable
from tinsmith.kms.keys import Alias, Key, KeyState, KeyStore, KmsError

T = TypeVar("T")

MODEL, PREFIX = "kms/2014-11-01", "TrentService."
ALGORITHM = "SYMMETRIC_DEFAULT"
DELETION_DAYS = range(7, 31)
DEFAULT_PAGE = 100
_BYTES_OF_SPEC = {"AES_256": 32, "AES_128": 16}
_ONLY: Mapping[str, tuple[Any, ...]] = {
    "KeyUsage": ("ENCRYPT_DECRYPT",),
    "CustomerMasterKeySpec": (ALGORITHM,),
    "KeySpec": (ALGORITHM, *_BYTES_OF_SPEC),
    "Origin": ("AWS_KMS",),
    "MultiRegion": (False,),
    "EncryptionAlgorithm": (ALGORITHM,),
    "SourceEncryptionAlgorithm": (ALGORITHM,),
    "DestinationEncryptionAlgorithm": (ALGORITHM,),
    "CustomKeyStoreId": (),
    "XksKeyId": (),
    "Recipient": (),
    "DryRun": (False,),
}
"""What some members may be here; an empty tuple is: not at all."""


@dataclass(frozen=True, slots=True)
class KmsCall:
    """One request that fits its shape; binary members are bytes."""

    keys: KeyStore
    owner: Owner
    request: Mapping[str, Any]


Output = dict[str, Any] | None

_KEYS = ("KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId")
"""Members that name a key."""


def answer(operation: str, call: KmsCall) -> Output:
    """The reply's content. Raises ApiError."""
    for member, allowed in _ONLY.items():
        found = call.request.get(member)
        if found is not None and found not in allowed:
            text = f"{member} is not supported here with the value {found!r}."
            raise ApiError("UnsupportedOperationException", text)
    try:
        return HANDLERS[operation](call)
    except KmsError as error:
        raise ApiError(error.code, error.message) from error


def resources(operation: str, call: KmsCall) -> list[str]:
    """ARNs of the keys and aliases that a request is about; "*" where there is none."""
    request = call.request
    names = [request[member] for member in _KEYS if member in request]
    if operation in ("Decrypt", "ReEncrypt"):
        names.append(_key_of(_ciphertext(request)))
    found = [call.owner.arn("kms", request["AliasName"])] if "AliasName" in request else []
    return [*found, *(call.keys.arn_of(call.owner, name) for name in names)] or ["*"]


def owner_meant(keys: KeyStore, request: Mapping[str, Any]) -> Owner | None:
    """Whose the key is that `request` names by ARN, id or ciphertext; None where that is not known."""
    name = request.get("KeyId") or _key_of(request.get("CiphertextBlob", b""))
    return keys.owner_of(name)


def create_key(call: KmsCall) -> Output:
    """KeyPolicy and tags are accepted and have no meaning."""
    return {"KeyMetadata": _metadata(call.keys.create(call.owner, call.request.get("Description", "")))}


def describe_key(call: KmsCall) -> Output:
    """By any of the four forms."""
    return {"KeyMetadata": _metadata(call.keys.find(call.owner, call.request["KeyId"]))}


def list_keys(call: KmsCall) -> Output:
    """Oldest first; the marker is the number of the next one."""
    page, rest = _page(call.keys.keys(call.owner), call.request)
    return {"Keys": [{"KeyId": key.id, "KeyArn": key.arn} for key in page], **rest}


def enable_key(call: KmsCall) -> Output:
    """Usable again."""
    call.keys.enable(call.owner, call.request["KeyId"], True)
    return None


def disable_key(call: KmsCall) -> Output:
    """What was encrypted cannot be read until it is enabled."""
    call.keys.enable(call.owner, call.request["KeyId"], False)
    return None


def schedule_key_deletion(call: KmsCall) -> Output:
    """After 7 to 30 days; 30 where none are given."""
    days = call.request.get("PendingWindowInDays", DELETION_DAYS[-1])
    if days not in DELETION_DAYS:
        raise ApiError("ValidationException", f"PendingWindowInDays must be from 7 to 30, found {days}.")
    key = call.keys.schedule_deletion(call.owner, call.request["KeyId"], days)
    return {
        "KeyId": key.arn,
        "DeletionDate": key.deletion_time,
        "KeyState": key.state,
        "PendingWindowInDays": days,
    }


def cancel_key_deletion(call: KmsCall) -> Output:
    """The key comes back disabled."""
    return {"KeyId": call.keys.cancel_deletion(call.owner, call.request["KeyId"]).arn}


def create_alias(call: KmsCall) -> Output:
    """`alias/` and a name that does not begin with `aws/`."""
    call.keys.put_alias(call.owner, _alias_name(call), call.request["TargetKeyId"], new=True)
    return None


def update_alias(call: KmsCall) -> Output:
    """To another key."""
    call.keys.put_alias(call.owner, _alias_name(call), call.request["TargetKeyId"], new=False)
    return None


def delete_alias(call: KmsCall) -> Output:
    """The key stays."""
    call.keys.delete_alias(call.owner, _alias_name(call))
    return None


def list_aliases(call: KmsCall) -> Output:
    """By name, of one key or of all."""
    page, rest = _page(call.keys.aliases(call.owner, call.request.get("KeyId")), call.request)
    return {"Aliases": [_described(alias) for alias in page], **rest}


def encrypt(call: KmsCall) -> Output:
    """Up to 4,096 bytes."""
    request = call.request
    key, blob = call.keys.encrypt(call.owner, request["KeyId"], request["Plaintext"], _context(request))
    return {"CiphertextBlob": _text(blob), "KeyId": key.arn, "EncryptionAlgorithm": ALGORITHM}


def decrypt(call: KmsCall) -> Output:
    """With the encryption context that was given to encrypt."""
    request = call.request
    key, plaintext = call.keys.decrypt(
        call.owner, _ciphertext(request), _context(request), request.get("KeyId")
    )
    return {"Plaintext": _text(plaintext), "KeyId": key.arn, "EncryptionAlgorithm": ALGORITHM}


def re_encrypt(call: KmsCall) -> Output:
    """From one key and context to another; the plaintext stays here."""
    request = call.request
    source, plaintext = call.keys.decrypt(
        call.owner,
        _ciphertext(request),
        _context(request, "SourceEncryptionContext"),
        request.get("SourceKeyId"),
    )
    context = _context(request, "DestinationEncryptionContext")
    key, blob = call.keys.encrypt(call.owner, request["DestinationKeyId"], plaintext, context)
    return {
        "CiphertextBlob": _text(blob),
        "SourceKeyId": source.arn,
        "KeyId": key.arn,
        "SourceEncryptionAlgorithm": ALGORITHM,
        "DestinationEncryptionAlgorithm": ALGORITHM,
    }


def generate_data_key(call: KmsCall) -> Output:
    """A new data key, in the clear and encrypted."""
    plaintext = os.urandom(_data_key_bytes(call.request))
    key, blob = call.keys.encrypt(call.owner, call.request["KeyId"], plaintext, _context(call.request))
    return {"CiphertextBlob": _text(blob), "Plaintext": _text(plaintext), "KeyId": key.arn}


def generate_data_key_without_plaintext(call: KmsCall) -> Output:
    """A new data key, encrypted only."""
    content = generate_data_key(call)
    assert content is not None
    del content["Plaintext"]
    return content


def generate_random(call: KmsCall) -> Output:
    """Up to 1,024 bytes."""
    return {"Plaintext": _text(os.urandom(call.request.get("NumberOfBytes", 32)))}


HANDLERS: Mapping[str, Callable[[KmsCall], Output]] = {
    "CreateKey": create_key,
    "DescribeKey": describe_key,
    "ListKeys": list_keys,
    "EnableKey": enable_key,
    "DisableKey": disable_key,
    "ScheduleKeyDeletion": schedule_key_deletion,
    "CancelKeyDeletion": cancel_key_deletion,
    "CreateAlias": create_alias,
    "UpdateAlias": update_alias,
    "DeleteAlias": delete_alias,
    "ListAliases": list_aliases,
    "Encrypt": encrypt,
    "Decrypt": decrypt,
    "ReEncrypt": re_encrypt,
    "GenerateDataKey": generate_data_key,
    "GenerateDataKeyWithoutPlaintext": generate_data_key_without_plaintext,
    "GenerateRandom": generate_random,
}


def _key_of(blob: bytes) -> str:
    """The id of the key that a ciphertext was made with; empty where it is none."""
    try:
        return Sealed.parse(blob).key_id
    except Undecipherable:
        return ""


def _alias_name(call: KmsCall) -> str:
    name: str = call.request["AliasName"]
    if not name.startswith("alias/") or name == "alias/":
        raise ApiError("ValidationException", f"Alias must start with the prefix 'alias/': found {name!r}.")
    if name.startswith("alias/aws/"):
        raise ApiError("NotAuthorizedException", f"{name}: aliases under alias/aws/ are reserved.")
    return name


def _data_key_bytes(request: Mapping[str, Any]) -> int:
    spec, size = request.get("KeySpec"), request.get("NumberOfBytes")
    if (spec is None) == (size is None):
        raise ApiError("ValidationException", "Please specify either number of bytes or key spec.")
    return int(size or _BYTES_OF_SPEC[str(spec)])


def _ciphertext(request: Mapping[str, Any]) -> bytes:
    """The model lets it be absent, for dry runs only, which are not known here."""
    if "CiphertextBlob" not in request:
        raise invalid(
            "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: "
            "Member must not be null"
        )
    blob: bytes = request["CiphertextBlob"]
    return blob


def _context(request: Mapping[str, Any], member: str = "EncryptionContext") -> Mapping[str, str]:
    context: Mapping[str, str] = request.get(member) or {}
    return context


def _page(everything: Sequence[T], request: Mapping[str, Any]) -> tuple[Iterable[T], dict[str, Any]]:
    marker = request.get("Marker", "0")
    if not (marker.isascii() and marker.isdigit()):
        raise ApiError("InvalidMarkerException", f"{marker!r} is no marker of this operation.")
    first = int(marker)
    end = first + request.get("Limit", DEFAULT_PAGE)
    rest = {"Truncated": True, "NextMarker": str(end)} if end < len(everything) else {"Truncated": False}
    return everything[first:end], rest


def _metadata(key: Key) -> dict[str, Any]:
    fields = {
        "AWSAccountId": key.owner.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": key.creation_time,
        "Enabled": key.state is KeyState.ENABLED,
        "Description": key.description,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": key.state,
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": ALGORITHM,
        "KeySpec": ALGORITHM,
        "EncryptionAlgorithms": [ALGORITHM],
        "MultiRegion": False,
    }
    if key.deletion_time is not None:
        fields["DeletionDate"] = key.deletion_time
    return fields


def _described(alias: Alias) -> dict[str, Any]:
    return {
        "AliasName": alias.name,
        "AliasArn": alias.owner.arn("kms", alias.name),
        "TargetKeyId": alias.key_id,
        "CreationDate": alias.creation_time,
        "LastUpdatedDate": alias.update_time,
    }


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
