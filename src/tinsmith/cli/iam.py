"""`tinsmith iam`: accounts, users, keys, roles and policies of a data folder, its service running or not.

A running service takes changes over within a second.
"""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinsmith.cli.console import DataDir, Json, print_json, print_table, say
from tinsmith.errors import InternalError
from tinsmith.settings import IdentityOptions, Settings

if TYPE_CHECKING:
    from tinsmith.identity.administration import Administration
    from tinsmith.identity.entities import Entity
    from tinsmith.identity.store import IdentityStore

app = typer.Typer(help="Accounts, users, access keys, roles and policies.", no_args_is_help=True)


class Kind(StrEnum):
    """Who can have policies."""

    user = "user"
    group = "group"
    role = "role"


class Listed(StrEnum):
    """What can be listed."""

    users = "users"
    groups = "groups"
    roles = "roles"
    policies = "policies"
    access_keys = "access-keys"


Account = Annotated[str, typer.Option(envvar="TINSMITH_ACCOUNT", help="Twelve digits.", show_envvar=False)]
MasterKey = Annotated[
    Path | None,
    typer.Option(dir_okay=False, show_default="master.key in the data folder", help="As given to serve."),
]
Name = Annotated[str, typer.Argument(metavar="NAME")]
Holder = Annotated[str, typer.Argument(metavar="NAME", help="Of the user, group or role.")]
PolicyFile = Annotated[Path, typer.Argument(metavar="FILE", help="- is standard input.")]
PolicyArn = Annotated[str, typer.Argument(metavar="POLICY_ARN")]
PathOption = Annotated[str, typer.Option("--path", help="Between the kind and the name in the ARN.")]
Boundary = Annotated[str | None, typer.Option(metavar="POLICY_ARN", help="Permissions boundary.")]

OURS = "000000000000"


@app.command("create-account")
def create_account(account: Name, data_dir: DataDir, master_key: MasterKey = None) -> None:
    """Add an account; its jobs and identities are its own."""
    with _administration(data_dir, account, master_key) as administration:
        administration.create_account()


@app.command("create-user")
def create_user(
    name: Name,
    data_dir: DataDir,
    account: Account = OURS,
    path: PathOption = "/",
    boundary: Boundary = None,
    master_key: MasterKey = None,
    json: Json = False,
) -> None:
    """Add a user, who can do nothing yet."""
    with _administration(data_dir, account, master_key) as administration:
        _print(administration.create_user(name, path, boundary), json)


@app.command("create-access-key")
def create_access_key(
    name: Name, data_dir: DataDir, account: Account = OURS, master_key: MasterKey = None, json: Json = False
) -> None:
    """Make a key for a user. Its secret is shown this once."""
    with _administration(data_dir, account, master_key) as administration:
        key = administration.create_access_key(name)
    if json:
        print_json({"AccessKeyId": key.id, "SecretAccessKey": key.secret, "UserName": key.user})
    else:
        typer.echo(f"export AWS_ACCESS_KEY_ID={key.id}\nexport AWS_SECRET_ACCESS_KEY={key.secret}")


@app.command("update-access-key")
def update_access_key(
    access_key: Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID")],
    data_dir: DataDir,
    active: Annotated[bool, typer.Option("--active/--inactive")],
    account: Account = OURS,
    master_key: MasterKey = None,
) -> None:
    """Turn a key on or off."""
    with _administration(data_dir, account, master_key) as administration:
        administration.set_active(access_key, active)


@app.command("delete-access-key")
def delete_access_key(
    access_key: Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID")],
    data_dir: DataDir,
    account: Account = OURS,
    master_key: MasterKey = None,
) -> None:
    """Remove a key."""
    with _administration(data_dir, account, master_key) as administration:
        administration.delete_access_key(access_key)


@app.command("create-group")
def create_group(
    name: Name, data_dir: DataDir, account: Account = OURS, master_key: MasterKey = None, json: Json = False
) -> None:
    """Add a group of users."""
    with _administration(data_dir, account, master_key) as administration:
        _print(administration.create_group(name), json)


@app.command("add-user-to-group")
def add_user_to_group(
    user: Annotated[str, typer.Argument(metavar="USER")],
    group: Annotated[str, typer.Argument(metavar="GROUP")],
    data_dir: DataDir,
    account: Account = OURS,
    master_key: MasterKey = None,
) -> None:
    """Give a user the policies of a group."""
    with _administration(data_dir, account, master_key) as administration:
        administration.add_to_group(user, group)


@app.command("remove-user-from-group")
def remove_user_from_group(
    user: Annotated[str, typer.Argument(metavar="USER")],
    group: Annotated[str, typer.Argument(metavar="GROUP")],
    data_dir: DataDir,
    account: Account = OURS,
    master_key: MasterKey = None,
) -> None:
    """Take the policies of a group from a user."""
    with _administration(data_dir, account, master_key) as administration:
        administration.remove_from_group(user, group)


@app.command("create-role")
def create_role(
    name: Name,
    data_dir: DataDir,
    trust: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, show_default="jobs may use it", help="Trust policy, JSON."),
    ] = None,
    account: Account = OURS,
    path: PathOption = "/",
    boundary: Boundary = None,
    max_session: Annotated[int, typer.Option(metavar="SECONDS")] = 3600,
    master_key: MasterKey = None,
    json: Json = False,
) -> None:
    """Add a role; without --trust one that compilation jobs may use."""
    from tinsmith.identity.builtin import TRUST_SERVICE

    document = TRUST_SERVICE if trust is None else trust.read_text()
    with _administration(data_dir, account, master_key) as administration:
        _print(administration.create_role(name, document, path, boundary, max_session), json)


@app.command("update-trust")
def update_trust(
    name: Name, file: PolicyFile, data_dir: DataDir, account: Account = OURS, master_key: MasterKey = None
) -> None:
    """Say anew who may assume a role."""
    with _administration(data_dir, account, master_key) as administration:
        administration.update_trust(name, _read(file))


@app.command("create-policy")
def create_policy(
    name: Name,
    file: PolicyFile,
    data_dir: DataDir,
    account: Account = OURS,
    path: PathOption = "/",
    master_key: MasterKey = None,
    json: Json = False,
) -> None:
    """Add a managed policy, which can be attached to many."""
    with _administration(data_dir, account, master_key) as administration:
        _print(administration.create_policy(name, _read(file), path), json)


@app.command("update-policy")
def update_policy(
    name: Name, file: PolicyFile, data_dir: DataDir, account: Account = OURS, master_key: MasterKey = None
) -> None:
    """Replace the text of a managed policy."""
    with _administration(data_dir, account, master_key) as administration:
        administration.update_policy(name, _read(file))


def _put(kind: Kind) -> Any:
    def put(
        name: Holder,
        policy: Annotated[str, typer.Argument(metavar="POLICY", help="Name of the policy.")],
        file: PolicyFile,
        data_dir: DataDir,
        account: Account = OURS,
        master_key: MasterKey = None,
    ) -> None:
        with _administration(data_dir, account, master_key) as administration:
            administration.put_policy(kind, name, policy, _read(file))

    put.__doc__ = f"Give a {kind} an inline policy, in place of the one of that name."
    return put


for _kind in Kind:
    app.command(f"put-{_kind}-policy")(_put(_kind))


@app.command("delete-inline-policy")
def delete_inline_policy(
    kind: Kind,
    name: Holder,
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="Name of the policy.")],
    data_dir: DataDir,
    account: Account = OURS,
    master_key: MasterKey = None,
) -> None:
    """Take an inline policy away."""
    with _administration(data_dir, account, master_key) as administration:
        administration.delete_policy(kind, name, policy)


@app.command("attach")
def attach(
    kind: Kind,
    name: Holder,
    policy_arn: PolicyArn,
    data_dir: DataDir,
    account: Account = OURS,
    master_key: MasterKey = None,
) -> None:
    """Attach a managed policy."""
    with _administration(data_dir, account, master_key) as administration:
        administration.attach(kind, name, policy_arn)


@app.command("detach")
def detach(
    kind: Kind,
    name: Holder,
    policy_arn: PolicyArn,
    data_dir: DataDir,
    account: Account = OURS,
    master_key: MasterKey = None,
) -> None:
    """Detach a managed policy."""
    with _administration(data_dir, account, master_key) as administration:
        administration.detach(kind, name, policy_arn)


@app.command("delete")
def delete(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="user, group, role or policy")],
    name: Name,
    data_dir: DataDir,
    account: Account = OURS,
    master_key: MasterKey = None,
) -> None:
    """Remove a user with its keys, a role, or a group or policy that nobody uses."""
    if kind not in ("user", "group", "role", "policy"):
        raise typer.BadParameter("expected user, group, role or policy", param_hint="KIND")
    with _administration(data_dir, account, master_key) as administration:
        administration.delete(kind, name)


@app.command("list")
def list_identities(
    what: Listed, data_dir: DataDir, account: Account = OURS, master_key: MasterKey = None, json: Json = False
) -> None:
    """List users, groups, roles, policies or access keys (without their secrets)."""
    with open_identities(_settings(data_dir, master_key)) as identities:
        directory = identities.directory
    if what is Listed.access_keys:
        keys = [key for key in directory.keys.values() if key.account == account]
        rows = [
            {"id": key.id, "user": key.user, "active": key.active, "of_service": key.of_service}
            for key in keys
        ]
    else:
        kind = {"policies": "policy"}.get(what, what.removesuffix("s"))
        rows = [_row(entity) for entity in directory.entities.values() if _is_listed(entity, kind, account)]
    if json:
        print_json(rows)
        return
    from rich.table import Table

    columns = [name for name in (rows[0] if rows else {}) if not isinstance(rows[0][name], dict)]
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    print_table(table)


@app.command("import")
def import_file(file: PolicyFile, data_dir: DataDir, master_key: MasterKey = None) -> None:
    """Add and replace the identities of a YAML file: all of them or, when something is wrong, none."""
    import time

    from tinsmith.identity.files import load, store_all

    entities, keys = load(_read(file), time.time())
    with open_identities(_settings(data_dir, master_key)) as identities:
        store_all(identities, entities, keys)
    say(f"Imported {len(entities)} identities and {len(keys)} access keys.")


@app.command("export")
def export(
    data_dir: DataDir,
    with_secrets: Annotated[
        bool, typer.Option(help="Also the access keys, their secrets in the clear.")
    ] = False,
    master_key: MasterKey = None,
    json: Json = False,
) -> None:
    """Print all identities as YAML, as `import` takes them."""
    import yaml

    from tinsmith.identity.files import dump

    with open_identities(_settings(data_dir, master_key)) as identities:
        text = dump(identities.directory, with_secrets)
    if json:
        print_json(yaml.safe_load(text))
    else:
        typer.echo(text, nl=False)


@contextmanager
def open_identities(settings: Settings) -> Iterator[IdentityStore]:
    """The identities of a data folder."""
    from tinsmith.identity.sealing import Sealer
    from tinsmith.identity.store import IdentityStore
    from tinsmith.jobs.engines import open_database

    database = open_database(settings.database_url)
    try:
        yield IdentityStore(database, Sealer.of_file(settings.master_key_file))
    finally:
        database.close()


@contextmanager
def _administration(data_dir: Path, account: str, master_key: Path | None) -> Iterator[Administration]:
    from tinsmith.identity.administration import Administration

    with open_identities(_settings(data_dir, master_key)) as identities:
        yield Administration(identities, account)


def _settings(data_dir: Path, master_key: Path | None) -> Settings:
    options = IdentityOptions(master_key=master_key and master_key.absolute())
    settings = Settings.under(data_dir, identity=options)
    if not settings.data_dir.is_dir():
        raise InternalError(
            f"There is no {settings.data_dir}; start a service first: tinsmith serve --data-dir {data_dir}"
        )
    return settings


def _read(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {file}", param_hint="FILE")
    return file.read_text()


def _print(entity: Entity, json: bool) -> None:
    row = _row(entity)
    if json:
        print_json(row)
    else:
        typer.echo(row["arn"])


def _row(entity: Entity) -> dict[str, Any]:
    from tinsmith.identity.entities import arn_of

    return {"name": entity.name, "arn": arn_of(entity), **asdict(entity)}


def _is_listed(entity: Entity, kind: str, account: str) -> bool:
    from tinsmith.identity.entities import kind_of

    return kind_of(entity) == kind and entity.account in (account, "aws")


def _cell(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return value if isinstance(value, str) else json_module.dumps(value)
