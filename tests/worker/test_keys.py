from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.jobs.conftest import make_job
from tinsmith.errors import ClientError
from tinsmith.identity.administration import Administration
from tinsmith.identity.builtin import TRUST_SERVICE, document
from tinsmith.identity.owner import Owner
from tinsmith.identity.sealing import Sealer
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.engines import open_database
from tinsmith.jobs.job import Job
from tinsmith.kms.keys import KeyStore
from tinsmith.worker.keys import key_of

ACCOUNT = "000000000000"
OWNER = Owner(ACCOUNT, "us-east-1")


@dataclass
class Site:
    keys: KeyStore
    identities: IdentityStore
    administration: Administration

    def job(self, key: str, role: str) -> Job:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        return make_job("job", RoleArn=arn, OutputConfig={"KmsKeyId": key})

    def key_of(self, key: str, role: str) -> str:
        return key_of(self.job(key, role), self.keys, lambda: self.identities.directory, time.time())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
    sealer = Sealer(bytes(32))
    identities = IdentityStore(database, sealer)
    administration = Administration(identities, ACCOUNT)
    yield Site(KeyStore(database, sealer, time.time), identities, administration)
    database.close()


def test_the_roles_policies_say_which_keys_it_may_use(site: Site) -> None:
    mine, other = site.keys.create(OWNER), site.keys.create(OWNER)
    site.keys.put_alias(OWNER, "alias/mine", mine.id, new=True)
    site.administration.create_role("r", TRUST_SERVICE)
    statement = {"Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": mine.arn}
    site.administration.put_policy("role", "r", "keys", document(statement))
    for name in (mine.id, mine.arn, "alias/mine", OWNER.arn("kms", "alias/mine")):
        assert site.key_of(name, "r") == mine.arn
    with pytest.raises(ClientError, match=r"role/r is not authorized to perform: kms:GenerateDataKey on"):
        site.key_of(other.id, "r")
    with pytest.raises(ClientError, match="role/gone: it does not exist any more"):
        site.key_of(mine.id, "gone")


def test_without_identities_every_role_may(site: Site) -> None:
    key = site.keys.create(OWNER)
    assert key_of(site.job(key.id, "any"), site.keys, None, time.time()) == key.arn


def test_keys_that_are_not_there_or_not_enabled(site: Site) -> None:
    site.administration.create_role("r", TRUST_SERVICE)
    key = site.keys.create(OWNER)
    site.keys.schedule_deletion(OWNER, key.id, 7)
    with pytest.raises(ClientError, match="is PendingDeletion; it must be enabled"):
        site.key_of(key.id, "r")
    with pytest.raises(ClientError, match="KmsKeyId 'alias/x': NotFoundException"):
        site.key_of("alias/x", "r")
    foreign = site.keys.create(Owner("111111111111", "us-east-1"))
    with pytest.raises(ClientError, match="NotFoundException"):
        site.key_of(foreign.arn, "r")
