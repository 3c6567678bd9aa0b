"""`tinsmith iam`, called in this process: it is about arguments and output, and there are many commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tinsmith.cli.iam import app
from tinsmith.errors import ClientError, InternalError

ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
ROLE = "arn:aws:iam::000000000000:role/compiler"


class Iam:
    """The command line on one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def result(self, *arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [*arguments, "--data-dir", str(self.folder)], input=stdin)

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        result = self.result(*arguments, stdin=stdin)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    def listed(self, what: str, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self("list", what, "--json", *options))
        return found


@pytest.fixture
def iam(tmp_path: Path) -> Iam:
    return Iam(tmp_path)


def test_users_and_keys(iam: Iam) -> None:
    assert iam("create-user", "ann") == "arn:aws:iam::000000000000:user/ann\n"
    assert json.loads(iam("create-user", "bob", "--path", "/x/", "--json"))["arn"].endswith(":user/x/bob")
    key = json.loads(iam("create-access-key", "ann", "--json"))
    assert iam("create-access-key", "bob").startswith("export AWS_ACCESS_KEY_ID=AKIA")
    (row,) = [row for row in iam.listed("access-keys") if row["user"] == "ann"]
    assert row == {"id": key["AccessKeyId"], "user": "ann", "active": True, "of_service": False}
    assert key["SecretAccessKey"] not in iam("list", "access-keys")
    iam("update-access-key", key["AccessKeyId"], "--inactive")
    assert [row["active"] for row in iam.listed("access-keys")].count(False) == 1
    iam("delete-access-key", key["AccessKeyId"])
    iam("delete", "user", "bob")
    assert iam.listed("access-keys") == []
    assert [user["name"] for user in iam.listed("users")] == ["ann"]


def test_roles_and_policies(iam: Iam, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(ALLOW))
    assert iam("create-role", "compiler") == ROLE + "\n"
    iam("put-role-policy", "compiler", "objects", str(file))
    managed = iam("create-policy", "all", "-", stdin=json.dumps(ALLOW)).strip()
    iam("attach", "role", "compiler", managed)
    (role,) = iam.listed("roles")
    assert role["policies"] == {"objects": ALLOW}
    assert role["attached"] == [managed]
    assert role["trust"]["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    iam("detach", "role", "compiler", managed)
    iam("delete-inline-policy", "role", "compiler", "objects")
    assert (iam.listed("roles")[0]["policies"], iam.listed("roles")[0]["attached"]) == ({}, [])
    assert {"all", "AdministratorAccess"} <= {policy["name"] for policy in iam.listed("policies")}
    assert ROLE in iam("list", "roles")


def test_groups_and_accounts(iam: Iam) -> None:
    account = ("--account", "123456789012")
    iam("create-account", "123456789012")
    iam("create-user", "ann", *account)
    iam("create-group", "edge", *account)
    iam("add-user-to-group", "ann", "edge", *account)
    assert iam.listed("users", *account)[0]["groups"] == ["edge"]
    iam("remove-user-from-group", "ann", "edge", *account)
    assert iam.listed("users", *account)[0]["groups"] == []
    assert iam.listed("users") == []


def test_import_and_export(iam: Iam, tmp_path: Path) -> None:
    iam("create-user", "ann")
    secret = json.loads(iam("create-access-key", "ann", "--json"))["SecretAccessKey"]
    text = iam("export")
    assert secret not in text
    assert json.loads(iam("export", "--json")) == yaml.safe_load(text)
    (tmp_path / "other").mkdir()
    other = Iam(tmp_path / "other")
    other("import", "-", stdin=iam("export", "--with-secrets"))
    assert secret in other("export", "--with-secrets")
    assert other("export") == text


def test_what_is_wrong_is_said(iam: Iam, tmp_path: Path) -> None:
    assert isinstance(iam.result("create-user", "a b").exception, ClientError)
    assert isinstance(
        iam.result("put-user-policy", "no", "p", "-", stdin=json.dumps(ALLOW)).exception, ClientError
    )
    wrong = iam.result("create-policy", "p", "-", stdin='{"Statement": [{"Effect": "No"}]}')
    assert "Statement[0].Effect: expected Allow or Deny, found 'No'" in str(wrong.exception)
    assert iam.result("delete", "planet", "x").exit_code == 2
    assert iam.result("import", str(tmp_path / "no.yaml")).exit_code == 2
    missing = Iam(tmp_path / "none").result("list", "users")
    assert isinstance(missing.exception, InternalError)
    assert not (tmp_path / "none").exists()
