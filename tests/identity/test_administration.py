from __future__ import annotations

from typing import Any

import pytest

from tests.identity.conftest import allow, document
from tinsmith.errors import ClientError
from tinsmith.identity.access import decide
from tinsmith.identity.administration import Administration
from tinsmith.identity.builtin import POLICIES, TRUST_SERVICE
from tinsmith.identity.entities import arn_of
from tinsmith.identity.policy import Effect, Request, parse
from tinsmith.identity.sealing import Sealer
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.engines import open_database

ACCOUNT = "123456789012"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture
def administration(identities: IdentityStore) -> Administration:
    return Administration(identities, ACCOUNT)


def may(identities: IdentityStore, access_key: str, action: str) -> bool:
    owner = identities.directory.owner(access_key)
    assert owner is not None
    return decide(owner.principal, Request(action, "*")).effect is Effect.ALLOW


def test_permissions_come_from_everywhere_and_go_again(
    administration: Administration, identities: IdentityStore
) -> None:
    administration.create_user("ann")
    key = administration.create_access_key("ann").id
    managed = arn_of(administration.create_policy("managed", document(allow("a:Managed"))))
    administration.create_group("edge")
    administration.put_policy("group", "edge", "p", document(allow("a:Group")))
    assert not may(identities, key, "a:Inline")
    administration.put_policy("user", "ann", "p", document(allow("a:Inline")))
    administration.attach("user", "ann", managed)
    administration.attach("user", "ann", managed)
    administration.add_to_group("ann", "edge")
    for action in ("a:Inline", "a:Managed", "a:Group"):
        assert may(identities, key, action)
    assert not may(identities, key, "a:Other")
    administration.update_policy("managed", document(allow("a:Other")))
    assert may(identities, key, "a:Other")
    administration.delete_policy("user", "ann", "p")
    administration.detach("user", "ann", managed)
    administration.remove_from_group("ann", "edge")
    for action in ("a:Inline", "a:Other", "a:Group"):
        assert not may(identities, key, action)


def test_what_is_used_cannot_be_deleted(administration: Administration) -> None:
    managed = arn_of(administration.create_policy("limit", document(allow("*"))))
    administration.create_user("ann", boundary=managed)
    administration.create_group("edge")
    administration.add_to_group("ann", "edge")
    for kind, name in (("policy", "limit"), ("group", "edge")):
        with pytest.raises(
            ClientError, match=f"{kind} {name}: still used by arn:aws:iam::{ACCOUNT}:user/ann"
        ):
            administration.delete(kind, name)
    administration.delete("user", "ann")
    administration.delete("policy", "limit")
    administration.delete("group", "edge")


def test_a_deleted_user_takes_its_keys_along(
    administration: Administration, identities: IdentityStore
) -> None:
    administration.create_user("ann")
    key = administration.create_access_key("ann")
    administration.delete("user", "ann")
    administration.create_user("ann")
    assert identities.directory.owner(key.id) is None
    assert identities.directory.keys == {}


@pytest.mark.parametrize(
    ("call", "arguments", "problem"),
    [
        ("create_user", ("ann",), "user 'ann' exists already"),
        ("create_user", ("Ann",), "user 'Ann': there is 'ann', and capitals make no difference"),
        ("create_user", ("a b",), "user 'a b': expected 1 to 64 of the characters"),
        ("create_user", ("bob", "no/path"), "path 'no/path': expected / or /.../"),
        ("create_user", ("bob", "/", "arn:aws:iam::123456789012:policy/no"), "no managed policy arn:aws"),
        ("create_role", ("r", {"Statement": []}), "trust policy of role r: Statement: missing"),
        ("create_role", ("r", TRUST_SERVICE, "/", None, 60), "MaxSessionDuration: expected 3600 to 43200"),
        ("create_policy", ("p", "{"), "policy p: The policy is not valid JSON"),
        (
            "put_policy",
            ("user", "ann", "p", document(allow("x"))),
            "policy p of user ann: Statement[0].Action",
        ),
        ("put_policy", ("user", "bob", "p", document(allow("*"))), "no user 'bob' in account 123456789012"),
        ("put_policy", ("user", "ann", "", document(allow("*"))), "policy '': expected 1 to 128"),
        ("delete_policy", ("user", "ann", "p"), "user ann has no policy 'p'"),
        (
            "attach",
            ("user", "ann", "arn:aws:iam::aws:policy/No"),
            "no managed policy arn:aws:iam::aws:policy/No",
        ),
        ("attach", ("user", "ann", "arn:aws:iam::123456789012:user/ann"), "no managed policy"),
        ("detach", ("user", "ann", ADMINISTRATOR), "user ann has no policy"),
        ("add_to_group", ("ann", "no"), "no group 'no'"),
        ("create_access_key", ("bob",), "no user 'bob'"),
        ("set_active", ("AKIA", False), "no access key 'AKIA'"),
        ("delete", ("role", "r"), "no role 'r'"),
    ],
)
def test_what_is_refused(
    administration: Administration, identities: IdentityStore, call: str, arguments: Any, problem: str
) -> None:
    administration.create_user("ann")
    before = dict(identities.directory.entities)
    with pytest.raises(ClientError) as raised:
        getattr(administration, call)(*arguments)
    assert problem in str(raised.value)
    assert identities.directory.entities == before


def test_a_user_has_two_keys_at_most_and_no_one_elses(administration: Administration) -> None:
    administration.create_user("ann")
    administration.create_user("bob")
    first = administration.create_access_key("ann")
    administration.create_access_key("ann")
    with pytest.raises(ClientError, match="has 2 access keys"):
        administration.create_access_key("ann")
    with pytest.raises(ClientError, match="is that of user ann"):
        administration.create_access_key("bob", first.id, "secret")


def test_secrets_are_sealed_and_open_with_the_same_key_only(
    administration: Administration, identities: IdentityStore, tmp_path: Any
) -> None:
    administration.create_user("ann")
    secret = administration.create_access_key("ann").secret
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    database = open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
    again = IdentityStore(database, Sealer.of_file(tmp_path / "master.key"))
    assert [key.secret for key in again.directory.keys.values()] == [secret]
    with pytest.raises(Exception, match="was sealed with another master key"):
        _ = IdentityStore(database, Sealer.of_file(tmp_path / "other.key")).directory
    database.close()


def test_another_process_is_noticed_within_a_second(tmp_path: Any) -> None:
    now = [0.0]
    sealer = Sealer.of_file(tmp_path / "key")
    database = open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
    here = IdentityStore(database, sealer, lambda: now[0])
    there = Administration(IdentityStore(database, sealer), ACCOUNT)
    first = here.directory
    there.create_user("ann")
    assert here.directory is first
    now[0] = 1.0
    assert here.directory.get(ACCOUNT, "user", "ann")
    second = here.directory
    now[0] = 9.0
    assert here.directory is second
    database.close()


@pytest.mark.parametrize(
    ("content", "problem"), [("short", "is no master key"), ("A" * 44, "is no master key")]
)
def test_what_is_no_master_key(tmp_path: Any, content: str, problem: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(Exception, match=problem):
        Sealer.of_file(path)
    path.chmod(0o644)
    with pytest.raises(Exception, match="can be read by others"):
        Sealer.of_file(path)


def test_builtin_policies_are_policies() -> None:
    assert all(parse(policy.document) for policy in POLICIES)
    assert parse(TRUST_SERVICE, "trust")
