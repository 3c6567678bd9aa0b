from __future__ import annotations

import pytest

from tests.identity.conftest import allow, document
from tinsmith.errors import ClientError
from tinsmith.identity.administration import Administration
from tinsmith.identity.builtin import TRUST_SERVICE
from tinsmith.identity.files import dump, load, store_all
from tinsmith.identity.store import IdentityStore

TEXT = """
accounts:
  "123456789012":
    policies:
      readers:
        document: {Statement: [{Effect: Allow, Action: "s3:Get*", Resource: "*"}]}
    groups:
      edge: {attached: ["arn:aws:iam::123456789012:policy/readers"]}
    users:
      ann:
        groups: [edge]
        boundary: arn:aws:iam::123456789012:policy/readers
        access_keys: [{id: AKIAANN, secret: of-ann}]
      bob:
    roles:
      compiler:
        path: /service-role/
        max_session: 7200
        trust:
          Statement:
            - {Effect: Allow, Principal: {Service: sagemaker.amazonaws.com}, Action: "sts:AssumeRole"}
"""


def put(store: IdentityStore, text: str) -> None:
    store_all(store, *load(text, 1.0))


def test_import_and_export(identities: IdentityStore) -> None:
    put(identities, TEXT)
    directory = identities.directory
    role = directory.role("arn:aws:iam::123456789012:role/service-role/compiler")
    assert role is not None
    assert role.max_session == 7200
    owner = directory.owner("AKIAANN")
    assert owner is not None
    assert (owner.key.secret, owner.principal.username) == ("of-ann", "ann")
    assert len(owner.principal.policies) == 1
    assert owner.principal.boundary is not None

    text = dump(directory)
    assert "of-ann" not in text
    put(identities, text)
    assert dump(identities.directory) == text
    assert identities.directory.role("arn:aws:iam::123456789012:role/service-role/compiler") == role
    assert "of-ann" in dump(identities.directory, with_secrets=True)


def test_what_was_there_stays(identities: IdentityStore) -> None:
    administration = Administration(identities, "123456789012")
    administration.create_user("cid")
    administration.create_role("compiler", TRUST_SERVICE)
    administration.put_policy("role", "compiler", "old", document(allow("*")))
    put(identities, TEXT)
    assert identities.directory.get("123456789012", "user", "cid")
    role = identities.directory.get("123456789012", "role", "compiler")
    assert role is not None
    assert not role.policies  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("accounts:", "account:", "accounts: missing"),
        ("accounts:", "accounts: [", "not valid YAML"),
        ('"123456789012":', '"12":', "12: account '12': expected twelve digits"),
        ("    users:", "    people:", "123456789012.people: expected an object in one of"),
        ("      bob:", "      b ob:", "123456789012.users.b ob: user 'b ob': expected"),
        ("Effect: Allow, Action", "Effect: Permit, Action", "readers: document: Statement[0].Effect"),
        ("groups: [edge]", "groups: edge", "users.ann.groups: expected a list of texts"),
        ("groups: [edge]", "groups: [cloud]", "user ann: no group 'cloud'"),
        ("max_session: 7200", "max_session: 60", "max_session: expected 3600 to 43200"),
        ("path: /service-role/", "way: /x/", "roles.compiler.way: no such member"),
        ("secret: of-ann", "key: of-ann", "users.ann.access_keys: expected id and secret"),
    ],
)
def test_problems_name_their_place(identities: IdentityStore, old: str, new: str, problem: str) -> None:
    assert old in TEXT
    with pytest.raises(ClientError) as raised:
        put(identities, TEXT.replace(old, new, 1))
    assert problem in str(raised.value)
    assert identities.directory.keys == {}
    assert identities.directory.get("123456789012", "user", "ann") is None


def test_code_in_yaml_is_not_run(identities: IdentityStore) -> None:
    with pytest.raises(ClientError, match="not valid YAML"):
        put(identities, "!!python/object/apply:os.system ['true']")
