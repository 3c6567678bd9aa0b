from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.kms.conftest import Clock
from tinsmith.identity.owner import Owner
from tinsmith.identity.sealing import Sealer
from tinsmith.jobs.database import Database
from tinsmith.kms.keys import DAY, KeyState, KeyStore, KmsError

OURS, THEIRS = Owner("000000000000", "us-east-1"), Owner("111111111111", "us-east-1")


def refused(code: str) -> pytest.RaisesExc[KmsError]:
    return pytest.RaisesExc(KmsError, check=lambda error: error.code == code)


def test_a_key_is_found_by_all_four_forms(keys: KeyStore) -> None:
    key = keys.create(OURS, "artifacts")
    keys.put_alias(OURS, "alias/artifacts", key.id, new=True)
    for name in (key.id, key.arn, "alias/artifacts", OURS.arn("kms", "alias/artifacts")):
        assert keys.find(OURS, name) == key
        assert keys.encrypt(OURS, name, b"secret", {})[0] == key


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nothing", "NotFoundException"),
        ("alias/nothing", "NotFoundException"),
        (OURS.arn("kms", "key/nothing"), "NotFoundException"),
        (OURS.arn("kms", "alias/nothing"), "NotFoundException"),
        ("arn:aws:s3:::bucket", "InvalidArnException"),
    ],
)
def test_unknown_names_are_refused(keys: KeyStore, name: str, code: str) -> None:
    with refused(code):
        keys.find(OURS, name)


def test_another_account_or_region_has_no_part_in_a_key(keys: KeyStore) -> None:
    key = keys.create(OURS)
    keys.put_alias(OURS, "alias/a", key.id, new=True)
    _, blob = keys.encrypt(OURS, key.id, b"secret", {})
    for stranger in (THEIRS, Owner(OURS.account, "eu-west-1")):
        for name in (key.id, key.arn, "alias/a", OURS.arn("kms", "alias/a")):
            with refused("NotFoundException"):
                keys.find(stranger, name)
        with refused("InvalidCiphertextException"):
            keys.decrypt(stranger, blob, {})
        assert keys.keys(stranger) == []
        assert keys.aliases(stranger) == []


def test_what_was_encrypted_is_read_with_its_context_alone(keys: KeyStore) -> None:
    key, other = keys.create(OURS), keys.create(OURS)
    _, blob = keys.encrypt(OURS, key.id, b"secret", {"job": "a"})
    assert keys.decrypt(OURS, blob, {"job": "a"}) == (key, b"secret")
    assert keys.decrypt(OURS, blob, {"job": "a"}, key.arn) == (key, b"secret")
    with refused("InvalidCiphertextException"):
        keys.decrypt(OURS, blob, {"job": "b"})
    with refused("InvalidCiphertextException"):
        keys.decrypt(OURS, b"\x01" + blob, {"job": "a"})
    with refused("IncorrectKeyException"):
        keys.decrypt(OURS, blob, {"job": "a"}, other.id)


def test_a_disabled_key_does_nothing_until_it_is_enabled(keys: KeyStore) -> None:
    key = keys.create(OURS)
    _, blob = keys.encrypt(OURS, key.id, b"secret", {})
    keys.enable(OURS, key.id, False)
    with refused("DisabledException"):
        keys.encrypt(OURS, key.id, b"secret", {})
    with refused("DisabledException"):
        keys.decrypt(OURS, blob, {})
    keys.enable(OURS, key.id, True)
    assert keys.decrypt(OURS, blob, {})[1] == b"secret"


def test_a_key_is_deleted_after_its_days_and_not_before(keys: KeyStore, clock: Clock) -> None:
    key = keys.create(OURS)
    pending = keys.schedule_deletion(OURS, key.id, 7)
    assert (pending.state, pending.deletion_time) == (KeyState.PENDING_DELETION, clock.now + 7 * DAY)
    acts: tuple[Callable[[], object], ...] = (
        lambda: keys.encrypt(OURS, key.id, b"", {}),
        lambda: keys.enable(OURS, key.id, True),
        lambda: keys.schedule_deletion(OURS, key.id, 7),
        lambda: keys.put_alias(OURS, "alias/late", key.id, new=True),
    )
    for act in acts:
        with refused("KMSInvalidStateException"):
            act()
    clock.now += 7 * DAY - 1
    assert keys.keys(OURS) == [pending]
    clock.now += 1
    assert keys.keys(OURS) == []
    with refused("NotFoundException"):
        keys.cancel_deletion(OURS, key.id)


def test_a_deletion_that_is_called_off_leaves_the_key_disabled(keys: KeyStore) -> None:
    key = keys.create(OURS)
    _, blob = keys.encrypt(OURS, key.id, b"secret", {})
    with refused("KMSInvalidStateException"):
        keys.cancel_deletion(OURS, key.id)
    keys.schedule_deletion(OURS, key.id, 30)
    assert keys.cancel_deletion(OURS, key.id).state is KeyState.DISABLED
    keys.enable(OURS, key.id, True)
    assert keys.decrypt(OURS, blob, {})[1] == b"secret"


def test_an_alias_moves_to_another_key(keys: KeyStore) -> None:
    first, second = keys.create(OURS), keys.create(OURS)
    keys.put_alias(OURS, "alias/a", first.id, new=True)
    _, blob = keys.encrypt(OURS, "alias/a", b"secret", {})
    with refused("AlreadyExistsException"):
        keys.put_alias(OURS, "alias/a", second.id, new=True)
    keys.put_alias(OURS, "alias/a", second.id, new=False)
    assert keys.find(OURS, "alias/a") == second
    assert keys.decrypt(OURS, blob, {})[0] == first
    assert [alias.key_id for alias in keys.aliases(OURS, second.id)] == [second.id]
    assert keys.aliases(OURS, first.id) == []
    keys.delete_alias(OURS, "alias/a")
    with refused("NotFoundException"):
        keys.delete_alias(OURS, "alias/a")
    with refused("NotFoundException"):
        keys.put_alias(OURS, "alias/a", first.id, new=False)


def test_the_database_alone_gives_no_key_away(keys: KeyStore, database: Database, clock: Clock) -> None:
    key = keys.create(OURS)
    _, blob = keys.encrypt(OURS, key.id, b"secret", {})
    assert KeyStore(database, Sealer(bytes(32)), clock).decrypt(OURS, blob, {})[1] == b"secret"
    with refused("KeyUnavailableException"):
        KeyStore(database, Sealer(bytes([1]) * 32), clock).decrypt(OURS, blob, {})
