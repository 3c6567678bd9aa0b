"""Our KMS beside MiniStack's, by the same calls of boto3."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.api.conftest import running
from tests.ministack import ministack
from tinsmith.api.services import Kms
from tinsmith.identity.sealing import Sealer
from tinsmith.jobs.engines import open_database
from tinsmith.kms.keys import KeyStore

NOBODY = "12345678-1234-1234-1234-123456789012"
CONTEXT = {"job": "a", "part": "b"}

WRONG_STATE, INVALID = "KMSInvalidStateException", "ValidationException"
UNUSABLE = {
    "disabled": "DisabledException",
    "enabled": "done",
    "pending": WRONG_STATE,
    "cancelled": "DisabledException",
}
DATA_KEYS = ("generate_data_key", "generate_data_key_without_plaintext")
DIFFERENCES: dict[str, dict[str, tuple[object, object]]] = {
    "MiniStack's KMS has no ReEncrypt": {
        "encrypt again": ((True, True), "InvalidAction"),
        **{f"{state}: encrypt again": (say, "InvalidAction") for state, say in UNUSABLE.items()},
    },
    "KMS has a code of its own for ARNs that are none of its": {
        "describe an unknown ARN of another service": ("InvalidArnException", "NotFoundException"),
    },
    "KMS keeps aliases under alias/aws/ to itself; MiniStack makes one, which its lists then have": {
        "a name of Amazon's": ("NotAuthorizedException", "done"),
        "list names of a key": (["alias/a"], ["alias/a", "alias/aws/b"]),
        "the name has moved": ([], ["alias/aws/b"]),
    },
    "MiniStack's ciphertexts are XOR without a tag, opened with whatever key is named": {
        "decrypt by another key": ("IncorrectKeyException", False),
        "decrypt a changed secret": ("InvalidCiphertextException", False),
    },
    "MiniStack takes the key of the ciphertext where it does not know the one that is named": {
        "decrypt by an unknown key": ("NotFoundException", True),
    },
    "KMS's model allows 1 to 4,096 bytes to encrypt; MiniStack does not look": {
        "encrypt 4097 bytes": (INVALID, "done"),
        "encrypt nothing": (INVALID, "done"),
    },
    "KMS wants one of KeySpec and NumberOfBytes, the latter from 1 to 1,024; MiniStack does not look": {
        f"{operation} {wish}": (INVALID, (True, size))
        for operation in DATA_KEYS
        for wish, size in (("of no size", 32), ("of two sizes", 5), ("of 1025 bytes", 1025))
    },
    "MiniStack leaves out PendingWindowInDays, which the model has in the reply": {
        "delete in 7 days": (("PendingDeletion", 7), ("PendingDeletion", None)),
    },
    "KMS's table of key states: a key that is to be deleted takes none of these; MiniStack does not look": {
        f"pending: {what}": (WRONG_STATE, "done")
        for what in ("name it", "enable_key", "disable_key", "schedule_key_deletion")
    },
    "the same table: only a deletion that is pending can be cancelled": {
        "cancel it again": (WRONG_STATE, "done"),
    },
}
"""Why the two differ: what was asked, our answer and MiniStack's."""


@dataclass
class Conversation:
    """What was asked of one KMS, by what is asked for, and what it said: the facts, or the error's code."""

    kms: Any
    said: dict[str, object] = field(default_factory=dict)

    def ask(
        self, what: str, operation: str, fact: Callable[[Any], object] = lambda _reply: "done", **request: Any
    ) -> Any:
        """The reply, empty when it is refused; `fact` is what of it must not differ."""
        assert what not in self.said
        try:
            reply = getattr(self.kms, operation)(**request)
        except ClientError as error:
            self.said[what] = error.response["Error"]["Code"]
            return {}
        self.said[what] = fact(reply)
        return reply


def metadata(reply: Any) -> object:
    facts = reply["KeyMetadata"]
    names = (
        "Description",
        "Enabled",
        "KeyState",
        "KeyUsage",
        "Origin",
        "KeyManager",
        "KeySpec",
        "MultiRegion",
    )
    return [facts.get(name) for name in names]


def about_keys(talk: Conversation) -> None:
    key = talk.ask("create a key", "create_key", metadata, Description="d")["KeyMetadata"]
    other = talk.kms.create_key()["KeyMetadata"]
    named: dict[str, Any] = {"AliasName": "alias/a"}
    arn = key["Arn"].replace("key/" + key["KeyId"], "alias/a")
    talk.ask("name it", "create_alias", **named, TargetKeyId=key["KeyId"])
    for form, name in (("id", key["KeyId"]), ("ARN", key["Arn"]), ("alias", "alias/a"), ("alias ARN", arn)):
        talk.ask(
            f"describe by {form}",
            "describe_key",
            lambda reply: reply["KeyMetadata"]["Arn"] == key["Arn"],
            KeyId=name,
        )
    for form, name in (
        ("id", NOBODY),
        ("ARN", key["Arn"].replace(key["KeyId"], NOBODY)),
        ("alias", "alias/nobody"),
        ("alias ARN", arn + "nobody"),
        ("ARN of another service", "arn:aws:s3:::bucket"),
    ):
        talk.ask(f"describe an unknown {form}", "describe_key", KeyId=name)
    both = {key["KeyId"], other["KeyId"]}
    talk.ask("list keys", "list_keys", lambda reply: both <= {each["KeyId"] for each in reply["Keys"]})
    talk.ask("name it again", "create_alias", **named, TargetKeyId=other["KeyId"])
    talk.ask("name an unknown key", "create_alias", AliasName="alias/b", TargetKeyId=NOBODY)
    talk.ask("a name without alias/", "create_alias", AliasName="b", TargetKeyId=key["KeyId"])
    talk.ask("a name of Amazon's", "create_alias", AliasName="alias/aws/b", TargetKeyId=key["KeyId"])
    talk.ask("list names of a key", "list_aliases", target_of, KeyId=key["KeyId"])
    talk.ask("move the name", "update_alias", **named, TargetKeyId=other["KeyId"])
    talk.ask("the name has moved", "list_aliases", target_of, KeyId=key["KeyId"])
    talk.ask("move an unknown name", "update_alias", AliasName="alias/c", TargetKeyId=other["KeyId"])
    talk.ask("remove the name", "delete_alias", **named)
    talk.ask("remove it again", "delete_alias", **named)
    talk.ask("describe by the removed name", "describe_key", KeyId="alias/a")


def target_of(reply: Any) -> object:
    return [alias["AliasName"] for alias in reply["Aliases"]]


def opened(reply: Any) -> object:
    return bool(reply["Plaintext"] == b"secret")


def about_secrets(talk: Conversation) -> None:
    key, other = (talk.kms.create_key()["KeyMetadata"] for _ in range(2))
    uses: dict[str, Any] = {"KeyId": key["KeyId"]}
    ask, plaintext = talk.ask, opened

    blob = ask(
        "encrypt",
        "encrypt",
        lambda reply: (reply["KeyId"] == key["Arn"], reply["EncryptionAlgorithm"]),
        **uses,
        Plaintext=b"secret",
        EncryptionContext=CONTEXT,
    )["CiphertextBlob"]
    turned = dict(reversed(CONTEXT.items()))
    ask("decrypt", "decrypt", plaintext, CiphertextBlob=blob, EncryptionContext=CONTEXT)
    ask("decrypt, context turned round", "decrypt", plaintext, CiphertextBlob=blob, EncryptionContext=turned)
    ask("decrypt by its key", "decrypt", plaintext, **uses, CiphertextBlob=blob, EncryptionContext=CONTEXT)
    ask("decrypt without context", "decrypt", plaintext, CiphertextBlob=blob)
    ask("decrypt, other context", "decrypt", plaintext, CiphertextBlob=blob, EncryptionContext={"job": "b"})
    ask(
        "decrypt by another key",
        "decrypt",
        plaintext,
        KeyId=other["KeyId"],
        CiphertextBlob=blob,
        EncryptionContext=CONTEXT,
    )
    ask(
        "decrypt by an unknown key",
        "decrypt",
        plaintext,
        KeyId=NOBODY,
        CiphertextBlob=blob,
        EncryptionContext=CONTEXT,
    )
    changed = blob[:-1] + bytes([blob[-1] ^ 1])
    ask("decrypt a changed secret", "decrypt", plaintext, CiphertextBlob=changed, EncryptionContext=CONTEXT)
    ask("decrypt a part of a secret", "decrypt", plaintext, CiphertextBlob=blob[:20])
    ask("decrypt rubbish", "decrypt", plaintext, CiphertextBlob=b"rubbish")
    ask("encrypt by an unknown key", "encrypt", KeyId=NOBODY, Plaintext=b"x")
    ask("encrypt 4096 bytes", "encrypt", **uses, Plaintext=bytes(4096))
    ask("encrypt 4097 bytes", "encrypt", **uses, Plaintext=bytes(4097))
    ask("encrypt nothing", "encrypt", **uses, Plaintext=b"")
    moved = ask(
        "encrypt again",
        "re_encrypt",
        lambda reply: (reply["SourceKeyId"] == key["Arn"], reply["KeyId"] == other["Arn"]),
        CiphertextBlob=blob,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=other["KeyId"],
        DestinationEncryptionContext={"job": "z"},
    )
    if moved:
        moved_blob = moved["CiphertextBlob"]
        found = talk.kms.decrypt(CiphertextBlob=moved_blob, EncryptionContext={"job": "z"})
        assert (found["Plaintext"], found["KeyId"]) == (b"secret", other["Arn"])


def about_data_keys(talk: Conversation) -> None:
    key = talk.kms.create_key()["KeyMetadata"]["KeyId"]

    def opens(reply: Any) -> object:
        found = talk.kms.decrypt(CiphertextBlob=reply["CiphertextBlob"], EncryptionContext=CONTEXT)
        return found["Plaintext"] == reply.get("Plaintext", found["Plaintext"]), len(found["Plaintext"])

    wishes: dict[str, dict[str, Any]] = {
        "of AES_256": {"KeySpec": "AES_256"},
        "of AES_128": {"KeySpec": "AES_128"},
        "of 5 bytes": {"NumberOfBytes": 5},
        "of no size": {},
        "of two sizes": {"KeySpec": "AES_256", "NumberOfBytes": 5},
        "of 1025 bytes": {"NumberOfBytes": 1025},
    }
    for operation in ("generate_data_key", "generate_data_key_without_plaintext"):
        for wish, size in wishes.items():
            talk.ask(f"{operation} {wish}", operation, opens, KeyId=key, EncryptionContext=CONTEXT, **size)
    talk.ask("a data key of an unknown key", "generate_data_key", KeyId=NOBODY, KeySpec="AES_256")
    talk.ask("5 random bytes", "generate_random", lambda reply: len(reply["Plaintext"]), NumberOfBytes=5)


def about_states(talk: Conversation) -> None:
    uses: dict[str, Any] = {"KeyId": talk.kms.create_key()["KeyMetadata"]["KeyId"]}
    blob = talk.kms.encrypt(**uses, Plaintext=b"secret")["CiphertextBlob"]

    def use(state: str) -> None:
        talk.ask(f"{state}: describe", "describe_key", metadata, **uses)
        talk.ask(f"{state}: encrypt", "encrypt", **uses, Plaintext=b"x")
        talk.ask(f"{state}: decrypt", "decrypt", opened, CiphertextBlob=blob)
        talk.ask(f"{state}: a data key", "generate_data_key", **uses, KeySpec="AES_256")
        talk.ask(
            f"{state}: encrypt again",
            "re_encrypt",
            CiphertextBlob=blob,
            DestinationKeyId=uses["KeyId"],
        )
        talk.ask(
            f"{state}: name it", "create_alias", AliasName=f"alias/{state[:3]}", TargetKeyId=uses["KeyId"]
        )

    talk.ask("disable", "disable_key", **uses)
    use("disabled")
    talk.ask("enable", "enable_key", **uses)
    use("enabled")
    for days in (6, 31):
        talk.ask(f"delete in {days} days", "schedule_key_deletion", **uses, PendingWindowInDays=days)
    talk.ask(
        "delete in 7 days",
        "schedule_key_deletion",
        lambda reply: (reply["KeyState"], reply.get("PendingWindowInDays")),
        **uses,
        PendingWindowInDays=7,
    )
    use("pending")
    for operation in ("enable_key", "disable_key", "schedule_key_deletion"):
        talk.ask(f"pending: {operation}", operation, **uses)
    talk.ask("cancel the deletion", "cancel_key_deletion", **uses)
    use("cancelled")
    talk.ask("cancel it again", "cancel_key_deletion", **uses)
    for operation in ("enable_key", "disable_key", "schedule_key_deletion", "cancel_key_deletion"):
        talk.ask(f"unknown: {operation}", operation, KeyId=NOBODY)


TOPICS = (about_keys, about_secrets, about_data_keys, about_states)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """Clients of our KMS and of MiniStack's."""
    folder = tmp_path_factory.mktemp("ours")
    database = open_database(f"sqlite:///{folder / 'keys.db'}")
    kms = Kms(KeyStore(database, Sealer(bytes(32)), time.time))
    with running(folder, others=[kms]) as ours, ministack(tmp_path_factory.mktemp("theirs")) as theirs:
        yield client(ours.url), client(theirs.url)
    database.close()


def client(url: str) -> Any:
    """That neither retries nor looks at requests itself."""
    return boto3.client(
        "kms",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(proxies={}, retries={"total_max_attempts": 1}, parameter_validation=False),
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_both_say_the_same_but_where_it_is_known_why(both: tuple[Any, Any], topic: Any) -> None:
    ours, theirs = Conversation(both[0]), Conversation(both[1])
    topic(ours)
    topic(theirs)
    assert ours.said.keys() == theirs.said.keys()
    assert len(ours.said) >= 12
    found = {what: (say, theirs.said[what]) for what, say in ours.said.items() if say != theirs.said[what]}
    known = {what: answers for differences in DIFFERENCES.values() for what, answers in differences.items()}
    assert found == {what: answers for what, answers in known.items() if what in ours.said}
