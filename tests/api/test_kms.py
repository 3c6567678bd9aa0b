from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from tinsmith.api.errors import ApiError
from tinsmith.api.kms import HANDLERS, MODEL, KmsCall, answer
from tinsmith.api.model import operations
from tinsmith.api.validation import parse
from tinsmith.identity.owner import Owner
from tinsmith.identity.sealing import Sealer
from tinsmith.jobs.engines import open_database
from tinsmith.kms.keys import KeyStore

OPERATIONS = operations(MODEL, tuple(HANDLERS))


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    """Asks for an operation with a request as it comes off the wire."""
    keys = KeyStore(open_database(f"sqlite:///{tmp_path / 'jobs.db'}"), Sealer(bytes(32)), time.time)
    owner = Owner("000000000000", "us-east-1")

    def ask(operation: str, **request: Any) -> Any:
        return answer(operation, KmsCall(keys, owner, parse(OPERATIONS[operation].input, request)))

    return ask


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def code_of(call: Any) -> str:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value.code


def test_replies_have_the_members_that_the_model_names(ask: Any) -> None:
    key = ask("CreateKey", Description="d")["KeyMetadata"]["KeyId"]
    plain = text(b"secret")
    blob = ask("Encrypt", KeyId=key, Plaintext=plain)["CiphertextBlob"]
    requests: dict[str, dict[str, Any]] = {
        "CreateKey": {},
        "DescribeKey": {"KeyId": key},
        "ListKeys": {},
        "EnableKey": {"KeyId": key},
        "Encrypt": {"KeyId": key, "Plaintext": plain},
        "Decrypt": {"CiphertextBlob": blob},
        "ReEncrypt": {"CiphertextBlob": blob, "DestinationKeyId": key},
        "GenerateDataKey": {"KeyId": key, "KeySpec": "AES_256"},
        "GenerateDataKeyWithoutPlaintext": {"KeyId": key, "NumberOfBytes": 12},
        "GenerateRandom": {"NumberOfBytes": 5},
        "CreateAlias": {"AliasName": "alias/a", "TargetKeyId": key},
        "UpdateAlias": {"AliasName": "alias/a", "TargetKeyId": key},
        "ListAliases": {},
        "DeleteAlias": {"AliasName": "alias/a"},
        "DisableKey": {"KeyId": key},
        "ScheduleKeyDeletion": {"KeyId": key},
        "CancelKeyDeletion": {"KeyId": key},
    }
    assert requests.keys() == HANDLERS.keys()
    for operation, request in requests.items():
        reply = ask(operation, **request)
        shape = OPERATIONS[operation].output
        if shape is None:
            assert reply is None, operation
        else:
            assert reply.keys() <= shape.members.keys(), operation
            assert shape.required <= reply.keys(), operation


def test_a_data_key_is_what_its_ciphertext_holds(ask: Any) -> None:
    key = ask("CreateKey")["KeyMetadata"]["Arn"]
    context = {"aws:s3:arn": "arn:aws:s3:::bucket/key"}
    for wish, size in (({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 5}, 5)):
        made = ask("GenerateDataKey", KeyId=key, EncryptionContext=context, **wish)
        assert len(base64.b64decode(made["Plaintext"])) == size
        opened = ask("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
        assert (opened["Plaintext"], opened["KeyId"]) == (made["Plaintext"], key)


def test_re_encryption_changes_key_and_context(ask: Any) -> None:
    first, second = (ask("CreateKey")["KeyMetadata"]["Arn"] for _ in range(2))
    blob = ask("Encrypt", KeyId=first, Plaintext=text(b"x"), EncryptionContext={"a": "1"})["CiphertextBlob"]
    moved = ask(
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceEncryptionContext={"a": "1"},
        DestinationKeyId=second,
        DestinationEncryptionContext={"b": "2"},
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (first, second)
    opened = ask("Decrypt", CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"b": "2"})
    assert opened["Plaintext"] == text(b"x")


def test_lists_are_paged(ask: Any) -> None:
    made = [ask("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(5)]
    found: list[str] = []
    marker: dict[str, str] = {}
    while True:
        page = ask("ListKeys", Limit=2, **marker)
        found += [key["KeyId"] for key in page["Keys"]]
        if not page["Truncated"]:
            break
        marker = {"Marker": page["NextMarker"]}
    assert sorted(found) == sorted(made)
    assert code_of(lambda: ask("ListKeys", Marker="x")) == "InvalidMarkerException"


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("DescribeKey", {"KeyId": "nothing"}, "NotFoundException"),
        ("CreateKey", {"KeySpec": "RSA_2048"}, "UnsupportedOperationException"),
        ("CreateKey", {"MultiRegion": True}, "UnsupportedOperationException"),
        ("GenerateRandom", {"CustomKeyStoreId": "store"}, "UnsupportedOperationException"),
        ("GenerateDataKey", {"KeyId": "nothing"}, "ValidationException"),
        ("GenerateDataKey", {"KeyId": "k", "KeySpec": "AES_256", "NumberOfBytes": 1}, "ValidationException"),
        ("ScheduleKeyDeletion", {"KeyId": "nothing", "PendingWindowInDays": 6}, "ValidationException"),
        ("CreateAlias", {"AliasName": "artifacts", "TargetKeyId": "k"}, "ValidationException"),
        ("CreateAlias", {"AliasName": "alias/aws/s3", "TargetKeyId": "k"}, "NotAuthorizedException"),
        ("Encrypt", {"KeyId": "k", "Plaintext": text(bytes(4097))}, "ValidationException"),
        ("Encrypt", {"KeyId": "k", "Plaintext": "not base64!"}, "SerializationException"),
        ("Encrypt", {"KeyId": "k", "Plaintext": "", "EncryptionContext": {"a": 1}}, "SerializationException"),
        ("Decrypt", {"CiphertextBlob": text(b"garbage")}, "InvalidCiphertextException"),
    ],
)
def test_what_is_refused(ask: Any, operation: str, request_: dict[str, Any], code: str) -> None:
    assert code_of(lambda: ask(operation, **request_)) == code


def test_a_refusal_does_not_repeat_the_plaintext(ask: Any) -> None:
    with pytest.raises(ApiError) as caught:
        ask("Encrypt", KeyId="k", Plaintext=text(b"s" * 5000))
    assert "5000 bytes" in caught.value.message
    assert "sss" not in caught.value.message


@pytest.mark.parametrize("operation", ["Decrypt", "ReEncrypt"])
def test_a_ciphertext_is_needed(ask: Any, operation: str) -> None:
    """The model requires none."""
    assert code_of(lambda: ask(operation, DestinationKeyId="alias/a")) == "ValidationException"
